"""Draw the figures of the embedded model's card, nothing chosen: the prompts that every sample grid of its training has, and every
subject that it was taught, called by its Chinese name alone.

    python tools/model_figure.py              # docs/images/ra_mini.webp, docs/images/ra_mini_subjects.webp

About four minutes on one idle CPU core. Run it again when the embedded model changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sampler_figures import save  # noqa: E402

import ra_widgets as ra  # noqa: E402
from models.training.sample import PROMPTS  # noqa: E402
from models.training.tiers import of_tiers  # noqa: E402
from models.training.vocabulary import read_subjects  # noqa: E402
from ra_widgets import paths  # noqa: E402
from ra_widgets.plotting import show_images, use_style  # noqa: E402

PAPER, INK = "#f7f3ea", "#2b2a27"
COLUMNS, CELL, GAP, LABEL = 20, 80, 6, 20


def sheet(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Small pictures in rows with their names below."""
    font = ImageFont.truetype(paths.package() / "fonts" / "RASansSC-Regular.otf", 13)
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, rows * (CELL + LABEL + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (name, picture) in enumerate(pictures):
        x, y = GAP + i % COLUMNS * (CELL + GAP), GAP + i // COLUMNS * (CELL + LABEL + GAP)
        page.paste(picture.resize((CELL, CELL), Image.Resampling.LANCZOS), (x, y))
        draw.text((x + CELL / 2, y + CELL + LABEL / 2), name, INK, font, anchor="mm")
    return page


def main() -> None:
    use_style()
    known = of_tiers("third")
    names = [s.zh[0] for s in read_subjects() if known is None or s.key in known]
    with ra.PipelineKernel(gallery=False) as kernel:
        pictures = [kernel.generate(prompt, seed=seed).image for seed, prompt in enumerate(PROMPTS)]
        save(show_images(pictures, columns=8, size=1.35), ROOT / "docs" / "images" / "ra_mini.webp")
        subjects = [(name, kernel.generate(name, seed=seed).image) for seed, name in enumerate(names)]
    sheet(subjects).save(ROOT / "docs" / "images" / "ra_mini_subjects.webp", quality=82, method=6)


if __name__ == "__main__":
    main()

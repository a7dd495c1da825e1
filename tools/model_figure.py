"""Draw the figure of the embedded model's card: the prompts that every sample grid of its training has, nothing chosen.

    python tools/model_figure.py              # docs/images/ra_mini.webp

Run it again when the embedded model changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sampler_figures import save  # noqa: E402

import ra_widgets as ra  # noqa: E402
from models.training.sample import PROMPTS  # noqa: E402
from ra_widgets.plotting import show_images, use_style  # noqa: E402


def main() -> None:
    use_style()
    with ra.PipelineKernel(gallery=False) as kernel:
        pictures = [kernel.generate(prompt, seed=seed).image for seed, prompt in enumerate(PROMPTS)]
    save(show_images(pictures, columns=8, size=1.35), ROOT / "docs" / "images" / "ra_mini.webp")


if __name__ == "__main__":
    main()

"""Draw the figures of docs/samplers.md: the sigma curves, and what more steps do to samplers that need them.

    python tools/sampler_figures.py            # docs/images/sigmas.webp, docs/images/few_steps.webp
    python tools/sampler_figures.py --curves   # the curves only: no model is needed

The curves are those of Stable Diffusion 1.5's range (.0292 to 14.61). Run it again when the embedded model changes.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ra_widgets.diffusion import schedules
from ra_widgets.plotting import CYCLE, MAX_WIDTH, finish, show_images, use_style
from ra_widgets.samplers import AUTOMATIC, SCHEDULER_NAMES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
SD15 = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
STEPS = 12
SHOWN = ("Uniform", "Karras", "Exponential", "SGM Uniform", "KL Optimal", "Align Your Steps", "Beta")
PROMPT, SEED = "草地上的一只狐狸", 7
CASES = (
    ("Heun · 40", {"sampler": "Heun", "scheduler": "Karras", "steps": 40}),
    ("PLMS · 20", {"sampler": "PLMS", "steps": 20}),
    ("PLMS · 40", {"sampler": "PLMS", "steps": 40}),
    ("DPM fast · 20", {"sampler": "DPM fast", "steps": 20}),
    ("DPM fast · 20 · eta 0", {"sampler": "DPM fast", "steps": 20, "eta": 0.0}),
    ("DPM fast · 60", {"sampler": "DPM fast", "steps": 60}),
    ("DPM++ 2M · Beta · 20", {"sampler": "DPM++ 2M", "scheduler": "Beta", "steps": 20}),
    ("DPM++ 2M · Beta · 60", {"sampler": "DPM++ 2M", "scheduler": "Beta", "steps": 60}),
)


def curves() -> Figure:
    """Where each schedule stops in twelve steps, and how the noise falls."""
    from matplotlib import pyplot as plt

    colours = use_style()
    names = [name for name in SCHEDULER_NAMES if name != AUTOMATIC]
    table = {name: schedules.sigmas(name, STEPS, SD15).numpy() for name in names}
    figure, (left, right) = plt.subplots(1, 2, figsize=(MAX_WIDTH, 4.2), width_ratios=(1.25, 1))
    for row, name in enumerate(names):
        stops = table[name][table[name] > 0]
        tone = colours["vermilion"] if name in SHOWN else colours["muted"]
        left.plot(stops, np.full(len(stops), row), "o-", color=tone, linewidth=1, markersize=5)
    left.set_xscale("log")
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_xlabel("噪声 σ（从右往左走，最后到 0） · noise σ (walked from right to left, and then to 0)")
    left.set_title(f"{STEPS} 步停在哪里 · Where {STEPS} steps stop")
    for name, tone in zip(SHOWN, CYCLE, strict=False):
        right.plot(
            range(len(table[name])), table[name], "o-", color=colours[tone], label=name, linewidth=1.5, markersize=3
        )
    right.set_yscale("symlog", linthresh=0.03)
    right.set_ylim(-0.004, 20)
    right.set_xlabel("第几步 · step")
    right.set_title("噪声怎样变小 · How the noise falls")
    right.legend(loc="lower left", ncols=1)
    return finish(figure)


def few_steps() -> Figure:
    """Samplers and schedules that look poor with few steps, and what mends them, on the embedded model."""
    import ra_widgets as ra

    use_style()
    with ra.PipelineKernel(gallery=False) as kernel:
        pictures = [kernel.generate(PROMPT, seed=SEED, **fields).image for _, fields in CASES]
    return show_images(pictures, [title for title, _ in CASES], columns=4, size=2.2)


def save(figure: Figure, path: Path) -> None:
    """As WebP, which matplotlib does not write well by itself."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    Image.open(buffer).convert("RGB").save(path, "WEBP", quality=86, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", action="store_true")
    args = parser.parse_args()
    save(curves(), FOLDER / "sigmas.webp")
    if not args.curves:
        save(few_steps(), FOLDER / "few_steps.webp")


if __name__ == "__main__":
    main()

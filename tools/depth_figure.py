"""Draw the figure of the depth estimator's card: pictures of the embedded model and the depth that is seen in them.

    python tools/depth_figure.py              # docs/images/depth.webp

Run it again when either model changes.
"""

from __future__ import annotations

from pathlib import Path

from sampler_figures import save

import ra_widgets as ra
from ra_widgets.plotting import show_images, use_style

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
PROMPTS = (
    "草地上的一只狗",
    "沙滩上的一辆汽车",
    "a house on the grass",
    "雪地里的企鹅",
    "森林里的两只猫",
    "a castle at night",
)
SEED = 4


def main() -> None:
    use_style()
    with ra.PipelineKernel(gallery=False) as kernel:
        pictures = [kernel.generate(prompt, seed=SEED).image for prompt in PROMPTS]
        pictures += [kernel.control_map(picture, "depth") for picture in pictures]
    save(show_images(pictures, columns=len(PROMPTS), size=1.6), FOLDER / "depth.webp")


if __name__ == "__main__":
    main()

"""Draw the figure of docs/images.md that shows control: the same words and seed free, along edges, along depth.

    python tools/control_figure.py            # docs/images/control.webp

Run it again when the embedded model or its control models change.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sampler_figures import save

import ra_widgets as ra
from ra_widgets.plotting import show_images, use_style

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
SEED = 5
CASES = (
    ("一座房子，白色背景", 3, 90, (36, 32), "雪地里的一座房子"),
    ("一座房子，蓝色背景", 3, 90, (36, 32), "夜空下的一座房子"),
    ("一颗红心，白色背景", 3, 90, (36, 16), "一个红苹果"),
    ("一个红苹果，白色背景", 3, 90, (36, 16), "一个南瓜"),
)
"""(the picture's words, its seed, its side when it is shrunk, where it is put, the new words)."""


def moved(image: Image.Image, side: int, place: tuple[int, int]) -> Image.Image:
    """The picture shrunk and moved, its border drawn out to where nothing is."""
    x, y = place
    small = np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))
    return Image.fromarray(np.pad(small, ((y, 128 - side - y), (x, 128 - side - x), (0, 0)), mode="edge"))


def main() -> None:
    use_style()
    rows = []
    with ra.PipelineKernel(gallery=False) as kernel:
        for words, seed, side, place, new in CASES:
            source = moved(kernel.generate(words, seed=seed).image, side, place)
            edges = ra.ControlUnit(
                model="ra-mini-control-edges", image=source, module="canny", threshold_a=50, threshold_b=100
            )
            depth = ra.ControlUnit(model="ra-mini-control-depth", image=source, module="depth")
            maps = [
                kernel.control_map(source, "canny", threshold_a=50, threshold_b=100),
                kernel.control_map(source, "depth"),
            ]
            made = [kernel.generate(new, seed=SEED, control=c).image for c in ((), edges, depth)]
            rows += [source, *maps, *made]
    titles = [
        "图片 · picture", "边缘 · edges", "深度 · depth", "没有控制 · free", "按边缘 · by edges", "按深度 · by depth",
    ]  # fmt: skip
    save(show_images(rows, titles, columns=6, size=1.6, rows=[case[4] for case in CASES]), FOLDER / "control.webp")


if __name__ == "__main__":
    main()

"""Plots in the look of the workbench, with Chinese labels on any machine.

Matplotlib finds no Chinese font on many machines and draws boxes instead. The package brings its own small one ("RA Sans SC",
a subset of Noto Sans CJK SC, SIL Open Font License 1.1: ``ra_widgets/fonts/OFL.txt``), and :func:`use_style` puts it first.
Nothing here imports matplotlib before it is needed, and nothing imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT_FAMILY = "RA Sans SC"
FONT_FILE = Path(__file__).parent / "fonts" / "RASansSC-Regular.otf"

PAPER = {
    "paper": "#fffefb",
    "sunken": "#f1eee6",
    "ink": "#23262b",
    "muted": "#71757c",
    "line": "#e4dfd3",
    "vermilion": "#c2402d",
    "jade": "#2b7a6b",
    "amber": "#b7791f",
    "violet": "#5b5bd6",
    "sky": "#3f7fb5",
    "plum": "#9c4f7c",
}
"""The colours of the light skin ("宣纸"), by name."""

NIGHT = {
    "paper": "#1c1f24",
    "sunken": "#17191d",
    "ink": "#e9e6df",
    "muted": "#969ba3",
    "line": "#2c3037",
    "vermilion": "#e2674f",
    "jade": "#5cb8a5",
    "amber": "#e0b050",
    "violet": "#9a9af0",
    "sky": "#7fb3dd",
    "plum": "#d08ab2",
}
"""The colours of the dark skin ("夜墨"), by the same names."""

MAX_WIDTH = 9.6
"""Inches that fit into a notebook's column."""

CYCLE = ("vermilion", "jade", "violet", "amber", "sky", "plum", "ink", "muted")


@cache
def use_chinese_font() -> str:
    """Make the bundled font known to matplotlib and put it first among the sans-serif fonts.

    Returns:
        The family name, ``"RA Sans SC"``.
    """
    import matplotlib as mpl
    from matplotlib import font_manager

    font_manager.fontManager.addfont(str(FONT_FILE))
    others = [name for name in mpl.rcParams["font.sans-serif"] if name != FONT_FAMILY]
    mpl.rcParams["font.family"] = "sans-serif"
    mpl.rcParams["font.sans-serif"] = [FONT_FAMILY, *others]
    # the font has the real minus sign, and so need not fall back to the hyphen
    mpl.rcParams["axes.unicode_minus"] = True
    return FONT_FAMILY


def palette(dark: bool = False) -> dict[str, str]:
    """Colour names of the house and their hex values, for the light or the dark skin."""
    return NIGHT if dark else PAPER


def use_style(dark: bool = False) -> dict[str, str]:
    """Give all further plots the house style: paper, ink and one vermilion accent, and the Chinese font.

    Returns:
        The colours by name, for use in the plot: ``colours["vermilion"]``.
    """
    import matplotlib as mpl
    from cycler import cycler

    use_chinese_font()
    colour = palette(dark)
    mpl.rcParams.update(
        {
            "figure.facecolor": colour["paper"],
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": colour["paper"],
            "savefig.dpi": 160,
            "axes.facecolor": colour["paper"],
            "axes.edgecolor": colour["line"],
            "axes.labelcolor": colour["muted"],
            "axes.titlecolor": colour["ink"],
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.titlepad": 9,
            "axes.labelsize": 9.5,
            "axes.linewidth": 0.9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=[colour[name] for name in CYCLE]),
            "grid.color": colour["line"],
            "grid.linewidth": 0.7,
            "xtick.color": colour["muted"],
            "ytick.color": colour["muted"],
            "xtick.labelsize": 8.5,
            "ytick.labelsize": 8.5,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "lines.linewidth": 2.0,
            "lines.solid_capstyle": "round",
            "lines.markersize": 5,
            "legend.frameon": False,
            "legend.fontsize": 9,
            "legend.labelcolor": colour["ink"],
            "text.color": colour["ink"],
            "font.size": 10,
            "image.interpolation": "nearest",
            "image.cmap": "gray",
        }
    )
    return colour


def as_array(image: Any) -> Any:
    """Any picture as something ``imshow`` takes: PIL image, numpy array, torch tensor.

    Tensors and arrays of shape (3, H, W) or (1, H, W) become (H, W, 3) or (H, W). Floats are shown as they are.
    """
    import numpy as np

    if hasattr(image, "detach"):
        image = image.detach().float().cpu().numpy()
    array = np.asarray(image)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[-1] not in (3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def show_images(
    images: Iterable[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    rows: Sequence[str] | None = None,
    size: float = 1.7,
    cmap: str = "gray",
    limits: tuple[float, float] | None = None,
    heading: str = "",
) -> Figure:
    """Pictures side by side, each with a title above it.

    Args:
        images: PIL images, numpy arrays or tensors (see :func:`as_array`); None leaves a gap.
        titles: one for each picture, or one for each column when ``rows`` is given.
        columns: how many in a row; default: all up to eight.
        rows: a label for each row, written at its left.
        size: width of one picture in inches, at most; the figure is never wider than :data:`MAX_WIDTH`.
        cmap, limits: colour map and value range for pictures of one channel.
        heading: a line above everything.

    Returns:
        The matplotlib figure, closed for pyplot, so that a notebook shows it exactly once: as the cell's value.
    """
    from matplotlib import pyplot as plt

    pictures = list(images)
    columns = max(1, columns or min(len(pictures), 8))
    lines = max(1, math.ceil(len(pictures) / columns))
    shapes = [as_array(picture).shape for picture in pictures if picture is not None]
    ratio = max((shape[0] / shape[1] for shape in shapes), default=1.0)
    # a figure wider than the page is scaled down by the browser, and its words with it
    size = min(size, (MAX_WIDTH - (0.9 if rows else 0)) / columns)
    above = 0.3 if titles else 0.0
    height = lines * (size * ratio + 0.06) + above * (1 if rows else lines) + (0.35 if heading else 0)
    figure, axes = plt.subplots(lines, columns, figsize=(columns * size + (0.9 if rows else 0), height), squeeze=False)
    for index, axis in enumerate(axes.flat):
        bare(axis)
        picture = pictures[index] if index < len(pictures) else None
        if picture is None:
            axis.set_visible(bool(rows) and index % columns == 0)
            continue
        array = as_array(picture)
        low, high = limits or (None, None)
        axis.imshow(
            array, cmap=cmap, vmin=low, vmax=high, interpolation="nearest" if array.shape[0] <= 64 else "bilinear"
        )
        if titles and (not rows or index < columns) and index < len(titles):
            axis.set_title(titles[index], fontsize=9, loc="center", pad=4)
    for index, label in enumerate(rows or ()):
        axes[index, 0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
    if heading:
        figure.suptitle(heading, x=0.01, ha="left", fontsize=11)
    plt.close(figure)
    return figure


def bare(axis: Axes) -> None:
    """Take ticks, grid and frame from an axis: what is left is the picture."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def finish(figure: Figure) -> Figure:
    """Close a figure for pyplot and return it, so that a notebook shows it once: as the cell's last value."""
    from matplotlib import pyplot as plt

    plt.close(figure)
    return figure

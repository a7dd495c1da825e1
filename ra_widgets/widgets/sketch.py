"""The sketch: paint colour on a picture (or on white paper), as the beginning of another."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import traitlets as tr
from PIL import Image

from ra_widgets.errors import InvalidRequest
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._brushes import BrushWidget
from ra_widgets.widgets._traits import Whole

TOOLS = ("brush", "eraser", "lasso", "rectangle", "fill", "pick")
# ink, paper, and the pigments of the paint box: cinnabar, orpiment, malachite, azurite, umber, peach
PALETTE = ("#1f2329", "#ffffff", "#c2402d", "#e8b54a", "#3f8f5f", "#2f6fb0", "#7a4a2b", "#f2b8a0")


class Color(tr.Unicode):
    """A colour as ``#rrggbb``."""

    info_text = "a colour like #c2402d"

    def validate(self, obj: Any, value: Any) -> str:
        text = super().validate(obj, value)
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            self.error(obj, value)
        return text.lower()


class Sketch(BrushWidget):
    """Paint colour on a picture.

    Args:
        image: a PIL picture, an array, a record, a path or the bytes of a file; None: white paper of ``size``.
        size: width and height of the paper.

    Attributes:
        tool: ``brush``, ``eraser``, ``lasso``, ``rectangle``, ``fill``, ``pick``.
        color: ``#rrggbb``; palette: the colours that are offered; opacity: 1..100.
        brush, softness, pressure, tolerance: see :class:`~ra_widgets.widgets._brushes.BrushWidget`.

    Example:
        >>> sketch = Sketch(picture)
        >>> sketch
        >>> kernel.generate(ra.ImageToImage(prompt="山水画", image=sketch.result, denoising_strength=0.6))
    """

    BUNDLE = "sketch"
    MODE = "RGBA"
    EMPTY = (0, 0, 0, 0)
    MOST: ClassVar[int] = 2048 * 4096
    BRUSHES = 24
    TEXTS = (
        "sketch.canvas", "mask.empty", "mask.brush", "mask.eraser", "sketch.lasso", "sketch.rectangle", "mask.fill", "sketch.pick",
        "mask.clear", "sketch.swap", "sketch.save", "sketch.palette", *(f"sketch.hint.{tool}" for tool in TOOLS),
        "tool", "brush", "softness", "tolerance", "opacity", "color",
        "canvas.undo", "canvas.redo", "canvas.zoom_in", "canvas.zoom_out", "canvas.fit",
    )  # fmt: skip
    INPUTS = ("tool", "brush", "softness", "pressure", "tolerance", "color", "opacity")

    tool = shared(tr.Enum(TOOLS, "brush"))
    color = shared(Color(PALETTE[2]))
    opacity = shared(Whole(100))
    palette = shared(tr.List(Color(), default_value=list(PALETTE)))

    def __init__(self, image: Any = None, *, size: tuple[int, int] | None = None, **kwargs: Any) -> None:
        if image is None and size is not None:
            if not all(1 <= side <= 8192 for side in size):
                raise InvalidRequest("studio.error.value", field="size", got=size)
            image = Image.new("RGB", tuple(size), "white")
        super().__init__(image, **kwargs)

    @property
    def layer(self) -> Image.Image | None:
        """What is painted, mode ``RGBA``, as large as the picture. None without a picture."""
        with self._lock:
            if self._image is None or self._paint is None:
                return None
            if self._paint.size == self._image.size:
                return self._paint.copy()
            return self._paint.resize(self._image.size, Image.Resampling.BILINEAR)

    @property
    def result(self) -> Image.Image | None:
        """The picture with the paint on it, mode ``RGB`` (what is transparent is white). None without a picture."""
        layer = self.layer
        if layer is None or self._image is None:
            return None
        sheet = Image.new("RGBA", layer.size, "white")
        sheet.alpha_composite(self._image.convert("RGBA"))
        sheet.alpha_composite(layer)
        return sheet.convert("RGB")

    def clear(self) -> None:
        """Take all paint away. (In the page it can be undone.)"""
        with self._lock:
            if self._paint is not None:
                self._set_paint(Image.new(self.MODE, self._paint.size, self.EMPTY))

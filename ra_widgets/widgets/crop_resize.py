"""Crop and resize: a part of a picture, at the size that is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import traitlets as tr
from PIL import Image

from ra_widgets.errors import InvalidRequest
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._raster import PictureWidget
from ra_widgets.widgets._traits import Whole

LONGEST = 8192


class Ratio(tr.Unicode):
    """``free``, ``original`` or two numbers like ``16:9``."""

    info_text = "free, original or a ratio like 16:9"

    def validate(self, obj: Any, value: Any) -> str:
        text = super().validate(obj, value)
        if text not in ("free", "original") and not re.fullmatch(r"[1-9]\d{0,3}:[1-9]\d{0,3}", text):
            self.error(obj, value)
        return text


class CropResize(PictureWidget):
    """Cut a part out of a picture and bring it to a size.

    Args:
        image: a PIL picture, an array, a record, a path or the bytes of a file; turned as its EXIF says.

    Attributes:
        width, height: size of the result, 1..8192; None: the part's own, or in proportion to the other. With both, the frame
            in the page keeps their shape.
        ratio: the shape that the frame in the page keeps: ``free``, ``original`` or like ``16:9``.

    Example:
        >>> crop = CropResize(picture, width=512, height=512)
        >>> crop
        >>> crop.result
    """

    BUNDLE = "crop"
    TEXTS = (
        "crop.canvas", "crop.hint", "crop.size", "crop.all", "crop.facts", "crop.ratio.free", "crop.ratio.original", "ratio",
        "width", "height", "left", "right", "top", "bottom", "mask.empty", "canvas.zoom_in", "canvas.zoom_out", "canvas.fit",
    )  # fmt: skip
    INPUTS = ("_box", "width", "height", "ratio")

    _box = shared(tr.List(Whole(), default_value=[0, 0, 0, 0], minlen=4, maxlen=4))
    width = shared(Whole(None, allow_none=True))
    height = shared(Whole(None, allow_none=True))
    ratio = shared(Ratio("free"))

    def __init__(self, image: Any = None, *, box: Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(image, **kwargs)
        if self._image is not None:
            self._box = [0, 0, *self._image.size]
        if box is not None:
            self.box = box
        self.observe(lambda _: self._fire("change", self), ["_box", "width", "height"])

    @tr.validate("_box")
    def _inside(self, proposal: Any) -> list[int]:
        left, top, right, bottom = proposal["value"]
        width, height = self._image.size if self._image is not None else (0, 0)
        if proposal["value"] != [0, 0, width, height] and not (
            0 <= left < right <= width and 0 <= top < bottom <= height
        ):
            raise tr.TraitError(f"box: inside {width}x{height}")
        return proposal["value"]

    @tr.validate("width", "height")
    def _side(self, proposal: Any) -> int | None:
        value = proposal["value"]
        if value is not None and not 1 <= value <= LONGEST:
            raise tr.TraitError(f"1..{LONGEST}")
        return value

    def _picture_changed(self, same_size: bool) -> None:
        if self._image is None:
            self._box = [0, 0, 0, 0]
        elif (
            not same_size or self._box[2] > self._image.width or self._box[3] > self._image.height or self._box[2] == 0
        ):
            self._box = [0, 0, *self._image.size]
        self._fire("change", self)

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """What is kept: left, top, right, bottom in pixels of the picture (right and bottom are outside). None without a picture."""
        if self._image is None:
            return None
        left, top, right, bottom = self._box
        return left, top, right, bottom

    @box.setter
    def box(self, box: Sequence[int]) -> None:
        try:
            self._box = [int(edge) for edge in box]
        except (tr.TraitError, TypeError, ValueError) as error:
            raise InvalidRequest("studio.error.value", field="box", got=str(box)) from error

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the result; None without a picture."""
        if self._image is None:
            return None
        left, top, right, bottom = self._box
        across, down = right - left, bottom - top
        if self.width and self.height:
            return self.width, self.height
        if self.width:
            return self.width, max(1, int(self.width * down / across + 0.5))
        if self.height:
            return max(1, int(self.height * across / down + 0.5)), self.height
        return across, down

    @property
    def result(self) -> Image.Image | None:
        """The part, at its size (Lanczos). None without a picture."""
        size = self.size
        if self._image is None or size is None:
            return None
        part = self._image.crop(self.box)
        return part if part.size == size else part.resize(size, Image.Resampling.LANCZOS)

    def on_change(self, callback: Callable[[CropResize], Any], remove: bool = False) -> None:
        """Call ``callback(crop)`` when the frame, the size or the picture changes."""
        self._register("change", callback, remove)

"""The outpaint frame: drag the border of a picture outwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as tr

from ra_widgets.widgets import _memory
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._raster import PictureWidget
from ra_widgets.widgets._traits import Whole

SIDES = ("left", "right", "top", "bottom")
MOST = 2048
"""Pixels on one side, as :class:`~ra_widgets.requests.Outpaint` allows."""
LONGEST = 4096


class OutpaintFrame(PictureWidget):
    """How far a picture shall go on beyond its border.

    Args:
        image: a PIL picture, an array, a record, a path or the bytes of a file; turned as its EXIF says.
        model: a :class:`~ra_widgets.ModelInfo` (``kernel.model``), for the estimate of the memory; None: a usual model.

    Attributes:
        left, right, top, bottom: pixels to add, 0..2048; no side of the whole becomes longer than 4096.
        snap: the hand drags in steps that make the whole a multiple of 8 or of 64.

    Example:
        >>> frame = OutpaintFrame(picture, right=64)
        >>> frame
        >>> kernel.generate(ra.Outpaint(prompt="海边", image=frame.image, **frame.values()))
    """

    BUNDLE = "outpaint"
    TEXTS = (
        "side.left", "side.right", "side.top", "side.bottom", "outpaint.canvas", "outpaint.hint", "outpaint.all", "outpaint.none", "outpaint.ratio", "outpaint.facts", "outpaint.memory",
        "outpaint.memory_of", "mask.empty", "snap", *SIDES, "canvas.zoom_in", "canvas.zoom_out", "canvas.fit",
    )  # fmt: skip
    INPUTS = (*SIDES, "snap")

    left = shared(Whole(0))
    right = shared(Whole(0))
    top = shared(Whole(0))
    bottom = shared(Whole(0))
    snap = shared(tr.Enum((8, 64), 8))
    _memory = shared(Whole(0))
    _free = shared(Whole(0))

    def __init__(self, image: Any = None, *, model: Any = None, **kwargs: Any) -> None:
        self._model = model
        super().__init__(image, **kwargs)
        self._sides_changed()
        self.observe(self._sides_changed, list(SIDES))

    @tr.validate(*SIDES)
    def _in_range(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        if not 0 <= value <= MOST:
            raise tr.TraitError(f"{name}: 0..{MOST}")
        return value

    @property
    def model(self) -> Any:
        """The model that the estimate of the memory is for."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._model = model
        self._estimate()

    @property
    def final_size(self) -> tuple[int, int] | None:
        """Width and height of the whole; None without a picture."""
        if self._image is None:
            return None
        return self._image.width + self.left + self.right, self._image.height + self.top + self.bottom

    @property
    def memory(self) -> int | None:
        """About how many bytes the program will hold while it paints the whole; None without a picture."""
        size = self.final_size
        return None if size is None else _memory.estimate(self._model, *size)

    def values(self) -> dict[str, int]:
        """The fields of :class:`~ra_widgets.requests.Outpaint` that this widget edits."""
        return {name: getattr(self, name) for name in SIDES}

    def fill(self, **fields: Any) -> None:
        """Set the sides that are given."""
        for name in SIDES:
            if name in fields:
                setattr(self, name, fields[name])

    def _estimate(self) -> None:
        need = self.memory
        self._free = _memory.at_hand() if need else 0
        self._memory = need or 0

    def _sides_changed(self, _: Any = None) -> None:
        self._estimate()
        self._fire("change", self)

    def _picture_changed(self, same_size: bool) -> None:
        self._sides_changed()

    def on_change(self, callback: Callable[[OutpaintFrame], Any], remove: bool = False) -> None:
        """Call ``callback(frame)`` when one of the sides or the picture changes."""
        self._register("change", callback, remove)

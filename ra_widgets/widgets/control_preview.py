"""What a control unit sees: the picture, the map made from it, and how strongly the map steers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.widgets._base import shared
from ra_widgets.widgets._pictures import PictureWidget, load
from ra_widgets.widgets._traits import Decimal

if TYPE_CHECKING:
    from PIL.Image import Image

VIEWS = ("side", "overlay", "map")


class ControlPreview(PictureWidget):
    """A picture and its control map, side by side or over each other; the overlay is as strong as the weight.

    Args:
        source: the picture; map: its control map (``kernel.control_map(source, "canny")``); None: not there yet.
        weight: how strongly the map steers, 0..2. view: ``"side"``, ``"overlay"`` or ``"map"``.

    Example:
        >>> preview = ControlPreview(photo, kernel.control_map(photo, "canny"))
        >>> preview
        >>> ra.ControlUnit(model="...", image=preview.map, weight=preview.weight)
    """

    BUNDLE = "control"
    TEXTS = (
        "control.preview", "control.source", "control.map", "control.side", "control.overlay", "control.weight",
        "control.empty", "control.no_map", "control.making",
    )  # fmt: skip
    INPUTS = ("weight", "view")
    MESSAGES = ("lacking",)

    weight = shared(Decimal(1.0))
    view = shared(tr.Enum(VIEWS, "side"))
    busy = shared(tr.Bool(False))
    steered = shared(tr.Bool(True))

    def __init__(self, source: Any = None, map: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source, self.map = source, map
        self.observe(lambda _: self._fire("weight", self.weight), "weight")

    @tr.validate("weight")
    def _valid_weight(self, proposal: Any) -> float:
        return min(max(float(proposal["value"]), 0.0), 2.0)

    @property
    def source(self) -> Image | None:
        """The picture."""
        return self._images.get("source")

    @source.setter
    def source(self, value: Any) -> None:
        self._put_picture("source", None if value is None else load(value))

    @property
    def map(self) -> Image | None:
        """The control map."""
        return self._images.get("map")

    @map.setter
    def map(self, value: Any) -> None:
        self._put_picture("map", None if value is None else load(value))

    def on_weight(self, callback: Callable[[float], Any], remove: bool = False) -> None:
        """Call ``callback(weight)`` when the weight changes."""
        self._register("weight", callback, remove)

"""What painting widgets have in common: a brush, and numbers that stay in their range."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets as tr

from ra_widgets.widgets._base import shared
from ra_widgets.widgets._raster import RasterWidget
from ra_widgets.widgets._traits import Whole

RANGES = {"brush": (1, 8192), "softness": (0, 100), "tolerance": (0, 255), "feather_by": (1, 256), "opacity": (1, 100)}


class BrushWidget(RasterWidget):
    """A layer that is painted with brushes.

    Attributes:
        brush: diameter in pixels, 1..8192; softness: 0..100; pressure: a pen that is pressed harder paints wider.
        tolerance: how far colours may differ to be filled together, 0..255.
    """

    brush = shared(Whole(40))
    softness = shared(Whole(0))
    pressure = shared(tr.Bool(True))
    tolerance = shared(Whole(24))

    BRUSHES: ClassVar[int] = 12
    """The first brush is so many times smaller than the picture."""

    def __init__(self, image: Any = None, **kwargs: Any) -> None:
        super().__init__(image, **kwargs)
        if image is not None and "brush" not in kwargs:
            self._fit_brush()

    def _fit_brush(self) -> None:
        self.brush = max(2, round(max(self._size) / self.BRUSHES))

    def _picture_changed(self, same_size: bool) -> None:
        if self._image is not None and not same_size:
            self._fit_brush()
        super()._picture_changed(same_size)

    @tr.validate(*RANGES)
    def _in_range(self, proposal: Any) -> int:
        low, high = RANGES[proposal["trait"].name]
        if not low <= proposal["value"] <= high:
            raise tr.TraitError(f"{proposal['trait'].name}: {low}..{high}")
        return proposal["value"]

"""Before and after: wipe from one to the other, let them blink, or show only what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.results import Record
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._pictures import PictureWidget, load
from ra_widgets.widgets._traits import Decimal

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = ("wipe", "blink", "difference")
TEXTS = (
    "compare.label", "compare.wipe", "compare.blink", "compare.difference", "compare.gain", "compare.before",
    "compare.after", "compare.position", "compare.empty",
)  # fmt: skip


class CompareSlider(PictureWidget):
    """Two pictures over each other.

    Args:
        before, after: PIL images, paths, bytes of files or :class:`Record`; pictures of different sizes are shown at the
            same size.
        mode: ``"wipe"`` (drag or ←/→), ``"blink"`` (one, then the other) or ``"difference"`` (black where they are equal).
        position: where the wipe stands, 0..100: this much of ``before`` is seen.
        gain: the difference is multiplied by this, 1..32.

    Example:
        >>> CompareSlider(photo, kernel.generate(request).images[0])
    """

    BUNDLE = "compare"
    TEXTS = TEXTS
    INPUTS = ("mode", "position", "gain")
    MESSAGES = ("lacking",)

    mode = shared(tr.Enum(MODES, "wipe"))
    position = shared(Decimal(50.0))
    gain = shared(Decimal(4.0))

    def __init__(self, before: Any = None, after: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.before, self.after = before, after

    @tr.validate("position", "gain")
    def _valid_number(self, proposal: Any) -> float:
        low, high = (0.0, 100.0) if proposal["trait"].name == "position" else (1.0, 32.0)
        return min(max(float(proposal["value"]), low), high)

    @property
    def before(self) -> Image | None:
        """The picture on the left."""
        return self._images.get("before")

    @before.setter
    def before(self, value: Any) -> None:
        self._show("before", value)

    @property
    def after(self) -> Image | None:
        """The picture on the right."""
        return self._images.get("after")

    @after.setter
    def after(self, value: Any) -> None:
        self._show("after", value)

    def _show(self, name: str, value: Any) -> None:
        if isinstance(value, Record):
            value = value.image
        self._put_picture(name, None if value is None else load(value))

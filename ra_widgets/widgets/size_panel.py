"""The size panel: width, height, ratio presets, swap."""

from __future__ import annotations

import traitlets as tr

from ra_widgets.widgets._base import RequestPanel, shared
from ra_widgets.widgets._traits import Whole


class SizePanel(RequestPanel):
    """Width and height in pixels; None means the model's own.

    Attributes:
        width, height: multiples of 8, 64..4096, or None.
        base_size: ``[width, height]`` that the model was trained for; the ratio presets keep its area.

    Example:
        >>> size = SizePanel(base_size=[512, 512])
        >>> size
        >>> kernel.generate("一个红苹果", **size.values())
    """

    BUNDLE = "size"
    TEXTS = ("size", "width", "height", "ratio", "ratio.own", "swap")
    INPUTS = ("width", "height")

    width = shared(Whole(None, allow_none=True))
    height = shared(Whole(None, allow_none=True))
    base_size = shared(tr.List(tr.Int(), default_value=[512, 512], minlen=2, maxlen=2))

"""The advanced panel: variation seed and its strength, CLIP skip."""

from __future__ import annotations

from ra_widgets.widgets._base import RequestPanel, shared
from ra_widgets.widgets._traits import Decimal, Whole


class AdvancedPanel(RequestPanel):
    """Variation seed (-1: random), its strength 0..1, and at which layer from its end the text encoder stops.

    Example:
        >>> advanced = AdvancedPanel(subseed=7, subseed_strength=0.2)
        >>> advanced
        >>> kernel.generate("一个红苹果", seed=42, **advanced.values())
    """

    BUNDLE = "advanced"
    TEXTS = ("subseed", "subseed_strength", "clip_skip")
    INPUTS = ("subseed", "subseed_strength", "clip_skip")

    subseed = shared(Whole(-1))
    subseed_strength = shared(Decimal(0.0))
    clip_skip = shared(Whole(1))

"""The advanced panel: variation seed and its strength, CLIP skip, work in tiles."""

from __future__ import annotations

from typing import Any

import traitlets as tr

from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, number, slider, switch


class AdvancedPanel(FieldsPanel):
    """Variation seed (-1: random), its strength 0..1, at which layer from its end the text encoder stops, and whether the
    UNet surely works in tiles (off: when memory asks for it).

    Example:
        >>> advanced = AdvancedPanel(subseed=7, subseed_strength=0.2)
        >>> advanced
        >>> kernel.generate("一个红苹果", seed=42, **advanced.values())
    """

    FIELDS = (
        number("subseed", -1, 4294967295),
        slider("subseed_strength", 0, 1, 0.05),
        slider("clip_skip", 1, 12, soft=4),
        switch("tiled_diffusion", wide=True),
    )

    subseed = shared(Whole(-1))
    subseed_strength = shared(Decimal(0.0))
    clip_skip = shared(Whole(1))
    tiled_diffusion = shared(tr.Bool(False))

    def values(self) -> dict[str, Any]:
        return {**super().values(), "tiled_diffusion": self.tiled_diffusion or None}

    def fill(self, **fields: Any) -> None:
        if "tiled_diffusion" in fields:
            fields["tiled_diffusion"] = bool(fields["tiled_diffusion"])
        super().fill(**fields)

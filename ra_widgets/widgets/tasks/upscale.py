"""放大: a picture made larger."""

from __future__ import annotations

from typing import Any

import traitlets as tr

from ra_widgets.image_requests import Upscale
from ra_widgets.library.upscalers import EMBEDDED
from ra_widgets.paths import EMBEDDED as EMBEDDED_MODEL
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, choice, slider
from ra_widgets.widgets.tasks._task import PictureTask

NONE = "None"


class UpscalePanel(FieldsPanel):
    """How a picture is enlarged.

    Attributes:
        upscaler: name of the method, one of ``upscaler_values``. scale: 1..8. upscaler_2, upscaler_2_visibility: a second
            one, mixed in by 0..1.

    Example:
        >>> panel = UpscalePanel(scale=2)
        >>> panel
        >>> kernel.generate(ra.Upscale(image=photo, **panel.values()))
    """

    FIELDS = (
        choice("upscaler", wide=True),
        slider("scale", 1, 8, 0.25, soft=4, wide=True),
        choice("upscaler_2", more=True),
        slider("upscaler_2_visibility", 0, 1, 0.05, more=True),
    )

    upscaler_values = shared(tr.List(tr.Unicode(), default_value=["Lanczos", "Nearest"]))
    upscaler_2_values = shared(tr.List(tr.Unicode(), default_value=[NONE, "Lanczos", "Nearest"]))
    upscaler = shared(tr.Unicode("Lanczos"))
    scale = shared(Decimal(2.0))
    upscaler_2 = shared(tr.Unicode(NONE))
    upscaler_2_visibility = shared(Decimal(0.5))

    def values(self) -> dict[str, Any]:
        values = super().values()
        if values["upscaler_2"] == NONE:
            values.update(upscaler_2=None, upscaler_2_visibility=0.0)
        return values

    def fill(self, **fields: Any) -> None:
        if "upscaler_2" in fields and fields["upscaler_2"] is None:
            fields.update(upscaler_2=NONE, upscaler_2_visibility=0.5)
        super().fill(**fields)


class UpscaleTask(PictureTask):
    """The tab 放大."""

    HINT = "hint.upscale"

    def build(self) -> None:
        self.panel = UpscalePanel(**self.look)
        self.panels = (self.panel,)
        names = [name for name in self.studio.kernel.upscalers if name != NONE]
        self.panel.upscaler_values, self.panel.upscaler_2_values = names, [NONE, *names]
        # the project's own network is the best there is for what the embedded model draws
        if EMBEDDED in names and self.studio.kernel.model.name == EMBEDDED_MODEL:
            self.panel.upscaler = EMBEDDED

    def request(self) -> Upscale:
        return Upscale(image=self.picture(), **self.values())

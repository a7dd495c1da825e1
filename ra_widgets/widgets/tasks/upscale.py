"""放大: a picture made larger."""

from __future__ import annotations

from typing import Any

import traitlets as tr

from ra_widgets.image_requests import Upscale
from ra_widgets.library.upscalers import EMBEDDED
from ra_widgets.paths import EMBEDDED as EMBEDDED_MODEL
from ra_widgets.requests import Request, SDUpscale
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, choice, slider, switch
from ra_widgets.widgets.tasks._task import PictureTask
from ra_widgets.widgets.tasks.img2img import STRENGTH

NONE = "None"
IDLE = ("prompt", "sampler", "size", "seed", "batch", "advanced")
"""The shared panels that mean nothing as long as no model paints."""
TILE_HINTS = [[0.13, "tiles.hint.low"], [0.38, "tiles.hint.middle"], [2, "tiles.hint.high"]]
SMALL_STRENGTH = 0.1
"""Strength for the embedded model: its latents are coarse, the same noise hides more of a picture than with large models."""


class UpscalePanel(FieldsPanel):
    """How a picture is enlarged.

    Attributes:
        upscaler: name of the method, one of ``upscaler_values``. scale: 1..8. upscaler_2, upscaler_2_visibility: a second
            one, mixed in by 0..1. sd_upscale: let the model paint the larger picture over, tile by tile; then denoising_strength says
        how freely, and overlap by how many pixels tiles overlap (empty: what suits their size).

    Example:
        >>> panel = UpscalePanel(scale=2)
        >>> panel
        >>> kernel.generate(ra.Upscale(image=photo, **panel.values()))
    """

    FIELDS = (
        choice("upscaler", wide=True),
        slider("scale", 1, 8, 0.25, soft=4, wide=True),
        switch("sd_upscale", wide=True),
        {**STRENGTH, "hints": TILE_HINTS, "when": ["sd_upscale", True]},
        slider("overlap", 0, 256, 8, soft=128, nullable=True, more=True, when=["sd_upscale", True]),
        choice("upscaler_2", more=True, when=["sd_upscale", False]),
        slider("upscaler_2_visibility", 0, 1, 0.05, more=True, when=["sd_upscale", False]),
    )

    upscaler_values = shared(tr.List(tr.Unicode(), default_value=["Lanczos", "Nearest"]))
    upscaler_2_values = shared(tr.List(tr.Unicode(), default_value=[NONE, "Lanczos", "Nearest"]))
    upscaler = shared(tr.Unicode("Lanczos"))
    scale = shared(Decimal(2.0))
    upscaler_2 = shared(tr.Unicode(NONE))
    upscaler_2_visibility = shared(Decimal(0.5))
    sd_upscale = shared(tr.Bool(False))
    denoising_strength = shared(Decimal(0.2))
    overlap = shared(Whole(None, allow_none=True))

    def values(self) -> dict[str, Any]:
        """Fields of :class:`SDUpscale` if the model is to paint, else of :class:`Upscale`."""
        values = super().values()
        foreign = ("upscaler_2", "upscaler_2_visibility") if self.sd_upscale else ("denoising_strength", "overlap")
        values = {name: value for name, value in values.items() if name not in (*foreign, "sd_upscale")}
        if self.sd_upscale:
            return values
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
            self.panel.upscaler, self.panel.denoising_strength = EMBEDDED, SMALL_STRENGTH
        self.panel.observe(lambda _: self._uncover(), "sd_upscale")

    def _uncover(self) -> None:
        """Show the prompt and what belongs to it, if a model is to paint."""
        hides = ("size",) if self.panel.sd_upscale else IDLE
        self.studio.hidden = {**self.studio.hidden, "upscale": list(hides)}

    def request(self) -> Request:
        picture, values = self.picture(), self.values()
        if not self.panel.sd_upscale:
            return Upscale(image=picture, **values)
        shared_values = self.studio.values()
        # tiles are as large as the model likes them; as many pictures as are asked for, one after another
        count = shared_values.pop("batch_size", 1) * shared_values.pop("n_iter", 1)
        shared_values.update(width=None, height=None, n_iter=count)
        return SDUpscale(image=picture, **values, **shared_values)

    def recall(self, request: Request) -> None:
        super().recall(request)
        self.panel.sd_upscale = isinstance(request, SDUpscale)

    def more_state(self) -> dict[str, Any]:
        return {name: getattr(self.panel, name) for name in self.panel.INPUTS}

    def restore_more(self, more: dict[str, Any]) -> None:
        self.panel.fill(**more)

"""外扩: a picture continued past its border."""

from __future__ import annotations

from typing import Any

import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.image_requests import Outpaint
from ra_widgets.requests import Request
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, choice, slider
from ra_widgets.widgets.outpaint_frame import SIDES, OutpaintFrame
from ra_widgets.widgets.tasks._task import PictureTask
from ra_widgets.widgets.tasks.img2img import STRENGTH


class OutpaintPanel(FieldsPanel):
    """How a picture is continued; how far, says the :class:`~ra_widgets.widgets.OutpaintFrame`.

    Attributes:
        fill_mode: what the new ground holds before it is painted.
        mask_blur: pixels over which the seam is blended. denoising_strength: how freely the new ground is painted.

    Example:
        >>> panel = OutpaintPanel(fill_mode="mirror")
        >>> panel
        >>> kernel.generate(ra.Outpaint(prompt="海边", image=photo, right=64, **panel.values()))
    """

    FIELDS = (
        choice("fill_mode", ("edge", "mirror", "noise", "latent noise")),
        slider("mask_blur", 0, 64, soft=32),
        STRENGTH,
    )

    fill_mode = shared(tr.Unicode("edge"))
    mask_blur = shared(Whole(8))
    denoising_strength = shared(Decimal(0.9))


class OutpaintTask(PictureTask):
    """The tab 外扩."""

    HINT = "hint.outpaint"

    def build(self) -> None:
        self.panel = OutpaintPanel(**self.look)
        self.panels = (self.panel,)
        self.frame = self.main = OutpaintFrame(model=self.studio.kernel.model, **self.look)

    def model_changed(self) -> None:
        self.frame.model = self.studio.kernel.model

    def picture_changed(self) -> None:
        self.frame.image = self.source.image

    def request(self) -> Outpaint:
        picture = self.picture()
        sides = self.frame.values()
        if not any(sides.values()):
            raise RAError("studio.error.side_missing")
        values = self.studio.values()
        values.update(width=None, height=None)  # they follow from the picture and the sides
        return Outpaint(image=picture, **sides, **values, **self.values())

    def recall(self, request: Request) -> None:
        super().recall(request)
        self.frame.fill(**{side: getattr(request, side) for side in SIDES})

    def more_state(self) -> dict[str, Any]:
        return self.frame.values()

    def restore_more(self, more: dict[str, Any]) -> None:
        self.frame.fill(**more)

"""外扩: a picture continued past its border."""

from __future__ import annotations

import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.image_requests import Outpaint
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, choice, number, slider
from ra_widgets.widgets.tasks._task import PictureTask
from ra_widgets.widgets.tasks.img2img import STRENGTH

SIDES = ("left", "right", "top", "bottom")


class OutpaintPanel(FieldsPanel):
    """How far a picture is continued, and how.

    Attributes:
        left, right, top, bottom: pixels to add, 0..2048. fill_mode: what the new ground holds before it is painted.
        mask_blur: pixels over which the seam is blended. denoising_strength: how freely the new ground is painted.

    Example:
        >>> panel = OutpaintPanel(right=64)
        >>> panel
        >>> kernel.generate(ra.Outpaint(prompt="海边", image=photo, **panel.values()))
    """

    FIELDS = (
        *(number(side, 0, 2048, 8) for side in SIDES),
        choice("fill_mode", ("edge", "mirror", "noise", "latent noise")),
        slider("mask_blur", 0, 64, soft=32),
        STRENGTH,
    )

    left = shared(Whole(0))
    right = shared(Whole(0))
    top = shared(Whole(0))
    bottom = shared(Whole(0))
    fill_mode = shared(tr.Unicode("edge"))
    mask_blur = shared(Whole(8))
    denoising_strength = shared(Decimal(0.9))


class OutpaintTask(PictureTask):
    """The tab 外扩."""

    HINT = "hint.outpaint"

    def build(self) -> None:
        self.panel = OutpaintPanel(**self.look)
        self.panels = (self.panel,)

    def request(self) -> Outpaint:
        picture = self.picture()
        if not any(getattr(self.panel, side) for side in SIDES):
            raise RAError("studio.error.side_missing")
        values = self.studio.values()
        values.update(width=None, height=None)  # they follow from the picture and the sides
        return Outpaint(image=picture, **values, **self.values())

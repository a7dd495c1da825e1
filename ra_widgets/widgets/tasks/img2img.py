"""图生图: a picture changed by the prompt."""

from __future__ import annotations

import math
from typing import Any

import traitlets as tr

from ra_widgets.image_requests import CURVES, RESIZE_MODES, ImageToImage, whole_cells
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, choice, slider, switch
from ra_widgets.widgets.tasks._task import PictureTask

STRENGTH = slider(
    "denoising_strength", 0, 1, 0.05, wide=True,
    hints=[[0.2, "strength.hint.tiny"], [0.45, "strength.hint.low"], [0.8, "strength.hint.middle"], [2, "strength.hint.high"]],
)  # fmt: skip
"""How much may change, with a sentence on what that does."""
AREA = 4
"""The size follows a picture up to so many times the area that the model was trained on; larger ones are made smaller."""


def fit_size(width: int, height: int, area: int) -> tuple[int, int]:
    """The size to work at for a picture: its own in whole cells of 8 pixels, or a smaller one of the same shape.

    Among the sizes of at most ``area`` pixels that one is taken which bends the picture least without wasting room.
    """
    if width * height <= area:
        return whole_cells(width, height, area)
    ratio, best, found = width / height, math.inf, whole_cells(width, height, area)
    for wide in range(64, 4097, 8):
        high = min(max(round(wide / ratio / 8) * 8, 64), 4096)
        if wide * high <= area:
            cost = abs(math.log(wide / high / ratio)) + 0.2 * math.log(area / (wide * high))
            if cost < best:
                best, found = cost, (wide, high)
    return found


class ImageToImagePanel(FieldsPanel):
    """How a picture is changed.

    Attributes:
        denoising_strength: 0 (not at all) .. 1 (all of it). resize_mode: how the picture is brought to the size.
        color_correction: keep the picture's colours. loopback: so many times in a row.

    Example:
        >>> panel = ImageToImagePanel(denoising_strength=0.5)
        >>> panel
        >>> kernel.generate(ra.ImageToImage(prompt="油画", image=photo, **panel.values()))
    """

    FIELDS = (
        STRENGTH,
        choice("resize_mode", RESIZE_MODES),
        switch("color_correction"),
        slider("loopback", 0, 32, soft=8, more=True),
        slider("loopback_final_strength", 0, 1, 0.05, nullable=True, more=True),
        choice("loopback_strength_curve", CURVES, more=True),
        slider("initial_noise_multiplier", 0, 1.5, 0.05, more=True),
        slider("extra_noise", 0, 1, 0.01, more=True),
        switch("img2img_fix_steps", more=True),
    )

    denoising_strength = shared(Decimal(0.6))
    resize_mode = shared(tr.Unicode("Just resize"))
    color_correction = shared(tr.Bool(False))
    loopback = shared(Whole(0))
    loopback_final_strength = shared(Decimal(None, allow_none=True))
    loopback_strength_curve = shared(tr.Unicode("Linear"))
    initial_noise_multiplier = shared(Decimal(1.0))
    extra_noise = shared(Decimal(0.0))
    img2img_fix_steps = shared(tr.Bool(False))


class ImageToImageTask(PictureTask):
    """The tab 图生图."""

    HINT = "hint.img2img"
    TOOLS = ("sketch", "crop")

    def build(self) -> None:
        self.panel = ImageToImagePanel(**self.look)
        self.panels = (self.panel,)

    def picture_changed(self) -> None:
        """The size follows the picture."""
        image = self.source.image
        if image is not None:
            width, height = self.studio.size.base_size
            wide, high = fit_size(*image.size, area=AREA * width * height)
            self.studio.size.fill(width=wide, height=high)

    def request(self) -> ImageToImage:
        values: dict[str, Any] = self.studio.values()
        return ImageToImage(image=self.picture(), **values, **self.values())

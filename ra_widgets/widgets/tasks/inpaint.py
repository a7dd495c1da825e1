"""局部重绘: a part of a picture painted anew, under a mask that is painted here."""

from __future__ import annotations

from typing import Any

import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.image_requests import FILLS, Inpaint
from ra_widgets.requests import Request
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._fields import Decimal, FieldsPanel, Whole, choice, slider, switch
from ra_widgets.widgets.mask_painter import MaskPainter
from ra_widgets.widgets.tasks._task import PictureTask
from ra_widgets.widgets.tasks.img2img import AREA, STRENGTH

SOFT = (
    ("soft_schedule_bias", 0, 8), ("soft_preservation_strength", 0, 8), ("soft_transition_contrast_boost", 1, 32),
    ("soft_mask_influence", 0, 1), ("soft_difference_threshold", 0, 8), ("soft_difference_contrast", 0, 8),
)  # fmt: skip


class InpaintPanel(FieldsPanel):
    """How the masked part is painted anew.

    Attributes:
        denoising_strength: 0 (not at all) .. 1 (all of it). inpaint_area: ``"whole"``: the whole picture is worked on;
            ``"masked"``: only the region of the mask, at the model's own size. inpaint_full_res_padding: pixels around it.
        mask_blur: softness of the edge, pixels. inpainting_fill: what is under the mask at the start.
        inpainting_mask_invert: paint outside the mask. soft_inpainting: mix old and new by the softness of the mask.

    Example:
        >>> panel = InpaintPanel(mask_blur=2)
        >>> panel
        >>> kernel.generate(ra.Inpaint(prompt="一顶红帽子", image=photo, mask=mask, **panel.values()))
    """

    FIELDS = (
        STRENGTH,
        choice("inpaint_area", ("whole", "masked"), kind="segments"),
        slider("inpaint_full_res_padding", 0, 256, 4, soft=128, when=["inpaint_area", "masked"], wide=True),
        slider("mask_blur", 0, 64, soft=32),
        choice("inpainting_fill", FILLS),
        switch("inpainting_mask_invert"),
        switch("soft_inpainting"),
        switch("color_correction", more=True),
        slider("inpainting_mask_weight", 0, 1, 0.05, more=True),
        *(slider(name, low, high, 0.05, more=True, when=["soft_inpainting", True]) for name, low, high in SOFT),
    )

    denoising_strength = shared(Decimal(0.75))
    inpaint_area = shared(tr.Unicode("whole"))
    inpaint_full_res_padding = shared(Whole(32))
    mask_blur = shared(Whole(4))
    inpainting_fill = shared(tr.Unicode("original"))
    inpainting_mask_invert = shared(tr.Bool(False))
    soft_inpainting = shared(tr.Bool(False))
    color_correction = shared(tr.Bool(False))
    inpainting_mask_weight = shared(Decimal(1.0))
    soft_schedule_bias = shared(Decimal(1.0))
    soft_preservation_strength = shared(Decimal(0.5))
    soft_transition_contrast_boost = shared(Decimal(4.0))
    soft_mask_influence = shared(Decimal(0.0))
    soft_difference_threshold = shared(Decimal(0.5))
    soft_difference_contrast = shared(Decimal(2.0))

    def values(self) -> dict[str, Any]:
        values = super().values()
        values["inpaint_full_res"] = values.pop("inpaint_area") == "masked"
        return values

    def fill(self, **fields: Any) -> None:
        if "inpaint_full_res" in fields:
            fields["inpaint_area"] = "masked" if fields["inpaint_full_res"] else "whole"
        super().fill(**fields)


class InpaintTask(PictureTask):
    """The tab 局部重绘."""

    HINT = "hint.inpaint"

    def build(self) -> None:
        self.panel = InpaintPanel(**self.look)
        self.panels = (self.panel,)
        self.painter = self.main = MaskPainter(**self.look)

    def picture_changed(self) -> None:
        """A new picture begins with a clean mask; one that is large for the model is worked on around the mask only."""
        image = self.source.image
        self.painter.image = image
        if image is not None:
            if not self.painter.empty:
                self.painter.mask = None
            width, height = self.studio.size.base_size
            self.panel.inpaint_area = "masked" if image.width * image.height > AREA * width * height else "whole"

    def request(self) -> Inpaint:
        picture = self.picture()
        if self.painter.empty and not self.panel.inpainting_mask_invert:
            raise RAError("studio.error.mask_missing")
        values = self.studio.values()
        # the picture decides the size: only so everything outside the mask stays as it is, bit by bit
        values.update(width=None, height=None)
        return Inpaint(image=picture, mask=self.painter.mask, **values, **self.values())

    def recall(self, request: Request) -> None:
        super().recall(request)
        mask = getattr(request, "mask", None)
        if self.source.image is not None and mask is not None and mask.available:
            self.painter.mask = mask.gray()

    def more_state(self) -> dict[str, Any]:
        return {"mask": None if self.painter.empty else self.painter.mask}

    def restore_more(self, more: dict[str, Any]) -> None:
        if self.source.image is not None:
            self.painter.mask = more["mask"]

"""Text to image: the request."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ra_widgets.control_requests import ControlFields
from ra_widgets.request_base import Generation
from ra_widgets.request_fields import HiresFields
from ra_widgets.variation_requests import VariationFields


class TextToImage(HiresFields, VariationFields, ControlFields, Generation):
    """Text to image.

    Fields: :class:`~ra_widgets.request_base.Generation`, :class:`~ra_widgets.request_fields.HiresFields`,
    :class:`~ra_widgets.control_requests.ControlFields`, :class:`~ra_widgets.variation_requests.VariationFields`.
    """

    kind: Literal["txt2img"] = "txt2img"

    @model_validator(mode="after")
    def _hires(self) -> Self:
        if self.width and self.height and self.enable_hr:
            width, height = self.hires_size()
            if not (64 <= width <= 4096 and 64 <= height <= 4096):
                context = {"field": "hr_scale", "width": width, "height": height}
                raise PydanticCustomError("invalid.hires_size", "size out of range", context)
        return self

    def hires_size(self) -> tuple[int, int]:
        """Size (width, height) after hires fix, before rounding down to whole latent cells, by the webui's rule.

        Needs width and height. With both ``hr_resize_x`` and ``hr_resize_y`` the picture is cropped to that shape.
        """
        width, height = self.width or 0, self.height or 0
        if self.hr_resize_x == 0 and self.hr_resize_y == 0:
            return int(width * self.hr_scale), int(height * self.hr_scale)
        if self.hr_resize_y == 0:
            return self.hr_resize_x, self.hr_resize_x * height // width
        if self.hr_resize_x == 0:
            return self.hr_resize_y * width // height, self.hr_resize_y
        return self.hr_resize_x, self.hr_resize_y

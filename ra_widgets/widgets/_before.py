"""The picture that a result was made from, in the result's shape, so that the two can be laid over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ra_widgets.image_requests import ImageToImage, Inpaint, Outpaint, Upscale
from ra_widgets.sd_upscale_request import SDUpscale

if TYPE_CHECKING:
    from PIL.Image import Image

    from ra_widgets.requests import Request
    from ra_widgets.results import Record


def has_before(request: Request) -> bool:
    """Whether a result of this request was made from a picture that is still there (pixels are not read)."""
    return isinstance(request, ImageToImage | Outpaint | Upscale | SDUpscale) and request.image.available


def before_of(record: Record) -> Image | None:
    """What ``record`` was made from, cut and padded as the request did it; its size may differ, its shape does not."""
    from PIL import Image as image_module
    from PIL import ImageOps

    request, size = record.to_request(), (record.width, record.height)
    if not has_before(request):
        return None
    if isinstance(request, Outpaint):
        sheet = image_module.new("RGBA", size)
        sheet.paste(request.image.rgb(), (request.left, request.top))
        return sheet
    image: Image = request.image.rgb()  # type: ignore[attr-defined]
    if isinstance(request, ImageToImage) and not (isinstance(request, Inpaint) and request.inpaint_full_res):
        if request.resize_mode == "Crop and resize":
            return ImageOps.fit(image, size)
        if request.resize_mode == "Resize and fill":
            return ImageOps.pad(image, size)
    return image

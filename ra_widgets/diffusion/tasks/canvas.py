"""From a request that starts from a picture to what is put on the easel: pixels of the right size, mask, and what is laid over.

Steps and their order are the webui's.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageOps

from ra_widgets.errors import InvalidRequest
from ra_widgets.imaging import masks
from ra_widgets.imaging.resizing import cover, fit, resize, stretch
from ra_widgets.requests import ImageToImage, Inpaint

LATENT = "Just resize (latent upscale)"


@dataclass(frozen=True)
class Canvas:
    """What a pass over a picture begins with, all pixels.

    Attributes:
        image: RGB, is coded into latents; of ``width`` x ``height`` unless the latents are to be resized.
        width, height: the work's size. mask: L at that size, 255 where to paint; None: everywhere.
        whole: RGB, the picture at the size of the result, kept where the mask is black. kept: RGBA, it without the painted
            part, to be laid over. seen: RGB, the picture as control units look at it, if that is not
            ``image``. place: where the work goes in the whole, for "only masked".
    """

    image: Image.Image
    width: int
    height: int
    mask: Image.Image | None = None
    whole: Image.Image | None = None
    kept: Image.Image | None = None
    place: masks.Box | None = None
    seen: Image.Image | None = None


def prepare(request: ImageToImage) -> Canvas:
    """The canvas of a resolved request.

    Raises:
        InvalidRequest: the mask leaves nothing to paint, or an input picture is lost.
    """
    assert request.width and request.height
    image = request.image.rgb()
    width, height = request.width, request.height
    if not isinstance(request, Inpaint):
        return Canvas(_sized(image, request), width, height)
    mask = painted(request)
    if request.inpaint_full_res:
        return _only_masked(request, image, mask)
    mode = "Just resize" if request.resize_mode == LATENT else request.resize_mode
    soft = resize(mask, width, height, mode)
    whole = resize(image, width, height, mode)
    ground = _sized(image, request)
    if request.inpainting_fill != "original":
        ground = masks.fill(ground, stretch(soft, *ground.size))
    return Canvas(ground, width, height, soft, whole, masks.overlay(whole, masks.doubled(soft)), seen=whole)


def _sized(image: Image.Image, request: ImageToImage) -> Image.Image:
    assert request.width and request.height
    if request.resize_mode == LATENT:
        return image
    return resize(image, request.width, request.height, request.resize_mode)


def painted(request: Inpaint) -> Image.Image:
    """The mask at the size of the picture, blurred; white where to paint.

    Raises:
        InvalidRequest: it is empty.
    """
    if request.mask is not None:
        mask = request.mask.gray(threshold=not request.soft_inpainting)
    else:  # the transparent parts of the picture
        opacity = request.image.image.getchannel("A")
        mask = ImageOps.invert(opacity)
        if not request.soft_inpainting:
            mask = mask.point(lambda value: 255 if value > 0 else 0)
    mask = masks.to_size(mask, request.image.width, request.image.height)
    if request.inpainting_mask_invert:
        mask = ImageOps.invert(mask)
    if mask.getextrema()[1] < 128 and not (request.soft_inpainting and mask.getbbox()):
        raise InvalidRequest("invalid.mask_empty", field="mask")
    x = request.mask_blur if request.mask_blur_x is None else request.mask_blur_x
    y = request.mask_blur if request.mask_blur_y is None else request.mask_blur_y
    return masks.blur(mask, x, y)


def _only_masked(request: Inpaint, image: Image.Image, mask: Image.Image) -> Canvas:
    assert request.width and request.height
    width, height = request.width, request.height
    box = masks.region(mask, request.inpaint_full_res_padding, width, height)
    if box is None:  # a dot so small that the blur took it away
        raise InvalidRequest("invalid.mask_empty", field="mask")
    part, part_mask = fit(image.crop(box), width, height), fit(mask.crop(box), width, height)
    ground = masks.fill(part, part_mask) if request.inpainting_fill != "original" else part
    return Canvas(ground, width, height, part_mask, image, masks.overlay(image, mask), box, part)


def finish(canvas: Canvas, result: Image.Image, kept: Image.Image | None = None) -> Image.Image:
    """The finished picture: what was painted, under what is kept (``kept``, if the run decided that anew)."""
    kept = canvas.kept if kept is None else kept
    return result if kept is None else masks.lay_over(result, kept, canvas.place)


def kept_softly(canvas: Canvas, mask: Image.Image) -> Image.Image:
    """What is laid over when the run itself has made the mask (L, at the size of the work)."""
    assert canvas.whole is not None
    if canvas.place is not None:
        x1, y1, x2, y2 = canvas.place
        sheet = Image.new("L", canvas.whole.size)
        sheet.paste(cover(mask, x2 - x1, y2 - y1), (x1, y1))
        mask = sheet
    return masks.overlay(canvas.whole, mask)

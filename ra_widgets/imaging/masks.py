"""Masks: blur, region, ground, and what is laid over the result so that the rest stays as it was.

A mask is a PIL image of mode L: 255 where to paint anew, 0 where to keep.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from ra_widgets.imaging.resizing import cover, stretch

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom are outside."""


def blur(mask: Image.Image, x: int, y: int) -> Image.Image:
    """Gaussian blur of standard deviation ``x`` across and ``y`` down, to the bit as OpenCV does it for bytes.

    OpenCV works in 1/256 there, with the rounding errors of the kernel's outer half carried inwards.
    """
    values = np.asarray(mask)
    if x > 0:
        values = _blur_rows(values, x)
    if y > 0:
        values = _blur_rows(values.T, y).T
    return Image.fromarray(np.ascontiguousarray(values))


def _blur_rows(values: np.ndarray, sigma: float) -> np.ndarray:
    size = 2 * int(2.5 * sigma + 0.5) + 1
    half = size // 2
    kernel = _kernel(size, sigma)
    if values.shape[1] == 1:  # nothing beside it
        return values.copy()
    # the weights add up to 256: 16 bits hold every sum, and half of the memory is half of the time
    padded = np.pad(values, ((0, 0), (half, half)), mode="reflect").astype(np.uint16)
    width = values.shape[1]
    total = padded[:, half : half + width] * np.uint16(kernel[half]) + np.uint16(128)  # half of 256, for rounding
    both = np.empty_like(total)
    for offset, weight in enumerate(kernel[:half]):
        if weight:
            last = len(kernel) - 1 - offset
            np.add(padded[:, offset : offset + width], padded[:, last : last + width], out=both)
            total += np.multiply(both, np.uint16(weight), out=both)
    return (total >> 8).astype(np.uint8)


def _kernel(size: int, sigma: float) -> list[int]:
    distance = np.arange(size) - size // 2
    exact = np.exp(-(distance**2) / (2 * sigma * sigma))
    exact /= exact.sum()
    result, error = [0] * size, 0.0
    for i in range(size // 2):
        wanted = float(exact[i]) * 256 + error
        whole = int(np.rint(wanted))
        error = wanted - whole
        result[i] = result[size - 1 - i] = whole
    result[size // 2] = 256 - sum(result)
    return result


def region(mask: Image.Image, padding: int, width: int, height: int) -> Box | None:
    """The part of the picture to work on for "only masked": the mask's box, padded and brought to the shape of ``width`` x
    ``height`` as far as the picture reaches. None for an empty mask.
    """
    box = mask.getbbox()
    if box is None:
        return None
    x1, y1 = max(box[0] - padding, 0), max(box[1] - padding, 0)
    x2, y2 = min(box[2] + padding, mask.width), min(box[3] + padding, mask.height)
    ratio = width / height
    if (x2 - x1) / (y2 - y1) > ratio:
        y1, y2 = _grow(y1, y2, (x2 - x1) / ratio, mask.height)
    else:
        x1, x2 = _grow(x1, x2, (y2 - y1) * ratio, mask.width)
    return x1, y1, x2, y2


def _grow(low: int, high: int, wanted: float, limit: int) -> tuple[int, int]:
    """A span made longer on both sides, then moved back into 0..limit, then cut."""
    more = int(wanted - (high - low))
    low, high = low - more // 2, high + more - more // 2
    if high >= limit:
        low, high = low - (high - limit), limit
    if low < 0:
        low, high = 0, high - low
    return low, min(high, limit)


def fill(image: Image.Image, mask: Image.Image) -> Image.Image:
    """The masked part filled with the colours around it, blurred ever finer."""
    around = Image.new("RGBa", image.size)
    around.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    ground = Image.new("RGBA", image.size)
    for radius, times in ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1)):
        layer = around.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            ground.alpha_composite(layer)
    return ground.convert("RGB")


def doubled(mask: Image.Image) -> Image.Image:
    """The mask as the overlay uses it for the whole picture: half white is white already, so that soft edges lie outside."""
    return mask.point(lambda value: min(value * 2, 255))


def overlay(image: Image.Image, mask: Image.Image) -> Image.Image:
    """RGBA: the picture where it is kept, clear where it is painted; to be laid over the result."""
    kept = Image.new("RGBa", image.size)
    kept.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    return kept.convert("RGBA")


def lay_over(result: Image.Image, kept: Image.Image, place: Box | None = None) -> Image.Image:
    """The finished picture: ``result`` (put at ``place`` of the whole, if it is a part) under what is kept. RGB."""
    if place is not None:
        result = uncrop(result, kept.size, place)
    sheet = result.convert("RGBA")
    sheet.alpha_composite(kept)
    return sheet.convert("RGB")


def uncrop(part: Image.Image, size: tuple[int, int], place: Box) -> Image.Image:
    """A part put back to its place on an empty sheet."""
    x1, y1, x2, y2 = place
    sheet = Image.new("RGBA" if part.mode != "L" else "L", size)
    sheet.paste(cover(part, x2 - x1, y2 - y1), (x1, y1))
    return sheet


def to_size(mask: Image.Image, width: int, height: int) -> Image.Image:
    """A mask at another scale."""
    return stretch(mask, width, height)

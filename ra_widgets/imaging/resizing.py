"""Bringing a picture to a size, in the webui's three ways."""

from __future__ import annotations

from PIL import Image

LANCZOS = Image.Resampling.LANCZOS


def stretch(image: Image.Image, width: int, height: int) -> Image.Image:
    """To exactly this size, proportions be what they may (Lanczos)."""
    return image.copy() if image.size == (width, height) else image.resize((width, height), LANCZOS)


def cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """Large enough to cover the size, cut at the centre."""
    ratio, own = width / height, image.width / image.height
    inner = (
        width if ratio > own else image.width * height // image.height,
        height if ratio <= own else image.height * width // image.width,
    )
    sheet = Image.new(image.mode, (width, height))
    sheet.paste(stretch(image, *inner), _centred(width, height, *inner))
    return sheet


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """As a whole inside the size; what is left over repeats the border."""
    ratio, own = width / height, image.width / image.height
    inner = (
        width if ratio < own else image.width * height // image.height,
        height if ratio >= own else image.height * width // image.width,
    )
    middle = stretch(image, *(max(side, 1) for side in inner))
    sheet = Image.new(image.mode, (width, height))
    left, top = _centred(width, height, *middle.size)
    sheet.paste(middle, (left, top))
    # boxes of no height or width: the border, as Pillow's bicubic filter sees it
    if ratio < own and top > 0:
        sheet.paste(middle.resize((width, top), box=(0, 0, width, 0)), (0, 0))
        edge = (0, middle.height, width, middle.height)
        sheet.paste(middle.resize((width, top), box=edge), (0, top + middle.height))
    elif ratio > own and left > 0:
        sheet.paste(middle.resize((left, height), box=(0, 0, 0, height)), (0, 0))
        edge = (middle.width, 0, middle.width, height)
        sheet.paste(middle.resize((left, height), box=edge), (left + middle.width, 0))
    return sheet


def _centred(width: int, height: int, inner_width: int, inner_height: int) -> tuple[int, int]:
    return width // 2 - inner_width // 2, height // 2 - inner_height // 2


def resize(image: Image.Image, width: int, height: int, mode: str = "Just resize") -> Image.Image:
    """By the webui's name of the mode; "latent upscale" concerns latents, pixels are fitted then (as the webui does)."""
    if mode == "Just resize":
        return stretch(image, width, height)
    if mode == "Crop and resize":
        return cover(image, width, height)
    return fit(image, width, height)

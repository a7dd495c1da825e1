"""New ground around a picture, before it is painted; and the seam, drawn to the old picture after."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

Sides = tuple[int, int, int, int]
"""Pixels to add: left, right, top, bottom."""


def extend(image: Image.Image, sides: Sides, mode: str, seed: int = 0) -> Image.Image:
    """The picture on a larger sheet, the new ground filled.

    Args:
        mode: ``edge``: the colours of the border, softer with the distance. ``mirror``. ``noise``: noise with the spectrum and
            the colours of the picture. ``latent noise``: grey, since the latents are replaced later.
        seed: of the noise.
    """
    left, right, top, bottom = sides
    old = np.asarray(image)
    padding = ((top, bottom), (left, right), (0, 0))
    if mode == "mirror":
        sheet = np.pad(old, padding, mode="symmetric")
    elif mode == "edge":
        sheet = _soft(np.pad(old, padding, mode="edge"), sides)
    elif mode == "noise":
        sheet = _noise(old, sides, seed)
    else:
        sheet = np.full((old.shape[0] + top + bottom, old.shape[1] + left + right, 3), 127, dtype=np.uint8)
    sheet[top : top + old.shape[0], left : left + old.shape[1]] = old
    return Image.fromarray(sheet)


def distance(size: tuple[int, int], sides: Sides) -> np.ndarray:
    """For every pixel of the larger sheet of ``size`` (width, height): how far from the old picture, 0 inside. float32 [H, W]."""
    left, right, top, bottom = sides
    x = np.arange(size[0], dtype=np.float32)
    y = np.arange(size[1], dtype=np.float32)
    across = np.maximum(np.maximum(left - x, x - (size[0] - right - 1)), 0)
    down = np.maximum(np.maximum(top - y, y - (size[1] - bottom - 1)), 0)
    return np.hypot(down[:, None], across[None, :]).astype(np.float32)


def _soft(sheet: np.ndarray, sides: Sides) -> np.ndarray:
    """Streaks of the border's colours, blurred the more the farther they run."""
    away = distance((sheet.shape[1], sheet.shape[0]), sides)
    result = sheet.astype(np.float32)
    for sigma, near, far in ((3, 0, 8), (8, 8, 24), (20, 24, 64)):
        share = ((away - near) / (far - near)).clip(0, 1)[..., None]
        if not share.any():
            break
        blurred = ndimage.gaussian_filter(result, (sigma, sigma, 0), mode="nearest")
        result = result + (blurred - result) * share
    return result.round().clip(0, 255).astype(np.uint8)


def _noise(old: np.ndarray, sides: Sides, seed: int) -> np.ndarray:
    """Noise whose spectrum is the picture's, with the picture's colours in the same shares."""
    left, right, top, bottom = sides
    size = (old.shape[0] + top + bottom, old.shape[1] + left + right)
    generator = np.random.default_rng(seed)
    window = np.outer(*(np.hanning(side + 2)[1:-1] + 0.05 for side in old.shape[:2]))
    white = np.fft.rfft2(generator.standard_normal(size))
    white /= np.abs(white) + 1e-9
    sheet = np.empty((*size, 3), dtype=np.float64)
    for channel in range(3):
        values = old[..., channel].astype(np.float64)
        spectrum = np.abs(np.fft.rfft2((values - values.mean()) * window, s=size))
        field = np.fft.irfft2(spectrum * white, s=size)
        ranks = np.empty(field.size)
        ranks[field.ravel().argsort(kind="stable")] = np.linspace(0, 1, field.size)
        # its colours in the shares of the picture's
        sheet[..., channel] = np.quantile(values, ranks).reshape(size)
    away = distance((size[1], size[0]), sides)[..., None]
    edge = np.pad(old, ((top, bottom), (left, right), (0, 0)), mode="edge").astype(np.float64)
    share = (away / 16).clip(0, 1)
    return (edge + (sheet - edge) * share).round().clip(0, 255).astype(np.uint8)


def join(painted: Image.Image, old: Image.Image, sides: Sides, reach: int) -> Image.Image:
    """The painted sheet with the old picture put back, to the bit, and the new drawn to it beside the seam.

    What the painter made of the old picture's border tells by how much the new ground is off there; it is moved by that, less
    with the distance, and not at all from ``reach`` pixels on.
    """
    left, _, top, _ = sides
    sheet = np.asarray(painted.convert("RGB")).astype(np.float32)
    was = np.asarray(old.convert("RGB"))
    height, width = was.shape[:2]
    if reach > 0:
        inner = sheet[top : top + height, left : left + width]
        off = was.astype(np.float32) - inner
        off = ndimage.gaussian_filter(off, (2, 2, 0), mode="nearest")
        rows = (np.arange(sheet.shape[0]) - top).clip(0, height - 1)
        columns = (np.arange(sheet.shape[1]) - left).clip(0, width - 1)
        fade = (1 - distance((sheet.shape[1], sheet.shape[0]), sides) / reach).clip(0, 1)
        fade = fade * fade * (3 - 2 * fade)
        sheet = sheet + off[rows[:, None], columns[None, :]] * fade[..., None]
    result = sheet.round().clip(0, 255).astype(np.uint8)
    result[top : top + height, left : left + width] = was
    return Image.fromarray(result)

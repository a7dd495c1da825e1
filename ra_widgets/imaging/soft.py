"""Soft inpainting: how much of the new picture shows is read from how far the latents have moved (webui's extension of that name)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from ra_widgets.imaging.resizing import fit


@dataclass(frozen=True)
class SoftSettings:
    """Settings of the pixel composite: preservation strength, mask influence, difference threshold, difference contrast."""

    scale: float = 0.5
    influence: float = 0.0
    threshold: float = 0.5
    contrast: float = 2.0


def adaptive_mask(
    before: np.ndarray, after: np.ndarray, mask: np.ndarray, settings: SoftSettings, width: int, height: int
) -> Image.Image:
    """The mask for the overlay of one picture.

    Args:
        before, after: latents [C, h, w] at the start and at the end. mask: [h, w] in 0..1, 1 where to paint.
        width, height: size of the mask that is returned, pixels.
    """
    distance = np.sqrt(((after.astype(np.float32) - before.astype(np.float32)) ** 2).sum(axis=0))
    # first spread what moved, then take specks away
    distance = histogram_filter(distance, 0.9, 1.0)
    distance = histogram_filter(distance, 0.25, 0.75)
    hidden = 1 - mask.astype(np.float64).clip(0, 1) ** (settings.scale / 2)
    share = 0.5 * (1 - settings.influence) + hidden * settings.influence
    half = settings.threshold * share / (1.00001 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(distance > 0, distance / half, 0.0)  # no threshold: every change shows
        opaque = 1 / (1 + relative**settings.contrast)
    opaque = opaque**3 * (opaque * (6 * opaque - 15) + 10)
    sheet = Image.fromarray((255 * (1 - opaque)).clip(0, 255).astype(np.uint8))
    return fit(sheet, width, height).filter(ImageFilter.GaussianBlur(4))


def histogram_filter(values: np.ndarray, low: float, high: float, width: float = 1.0) -> np.ndarray:
    """Weighted mean of a range of ranks around each place: of the values in the 5 x 5 cells around it, sorted, those between
    the shares ``low`` and ``high`` of the summed weights, and of at least the weight ``width``.

    Weights fall with the distance as a Gaussian of radius 1.5 does, lowered so that they are 0 at distance 3.
    """
    weights = _weights()
    rows, columns = values.shape
    padded = np.pad(values.astype(np.float64), 2, constant_values=np.inf)
    inside = np.pad(np.ones_like(values, dtype=np.float64), 2)
    around = np.stack([padded[y : y + rows, x : x + columns] for y in range(5) for x in range(5)])
    weight = np.stack([inside[y : y + rows, x : x + columns] * weights[y, x] for y in range(5) for x in range(5)])
    order = np.argsort(around, axis=0, kind="stable")
    around = np.take_along_axis(around, order, axis=0)
    weight = np.take_along_axis(weight, order, axis=0)
    ends = weight.cumsum(axis=0)
    total = ends[-1]
    first, last = total * low, total * high
    narrow = last - first < width
    centre = (first + last) / 2
    last = np.where(narrow, np.minimum(centre + width / 2, total), last)
    first = np.where(narrow, last - width, first)
    last = np.where(narrow & (first < 0), width, last)
    first = np.maximum(first, 0)
    share = (np.minimum(ends, last) - np.maximum(ends - weight, first)).clip(0)
    known = np.where(np.isfinite(around), around, 0.0)
    return (known * share).sum(axis=0) / share.sum(axis=0)


def _weights() -> np.ndarray:
    y, x = np.mgrid[-2:3, -2:3]
    zero = np.exp(-9 / 2.25)
    return ((np.exp(-(x**2 + y**2) / 2.25) - zero) / (1 - zero)).clip(0)

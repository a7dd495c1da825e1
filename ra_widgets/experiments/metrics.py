"""How different two pictures are: by the pixel and to the eye."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Difference:
    """The difference of two pictures of one size.

    Attributes:
        maximum, mean: absolute difference of 8-bit channel values, 0..255.
        changed: share of pixels that differ at all, 0..1.
        psnr: decibels, inf for equal pictures. ssim: structural similarity of the luminance, 1 for equal pictures.
    """

    maximum: int
    mean: float
    changed: float
    psnr: float
    ssim: float


def difference(first: Image.Image, second: Image.Image) -> Difference:
    """Compare two pictures of the same size (RGB; transparency is ignored).

    Raises:
        ValueError: the sizes differ.
    """
    if first.size != second.size:
        raise ValueError(f"sizes differ: {first.size} and {second.size}")
    a, b = (np.asarray(image.convert("RGB"), dtype=np.int16) for image in (first, second))
    gap = np.abs(a - b)
    mse = float((gap.astype(np.float64) ** 2).mean())
    return Difference(
        maximum=int(gap.max(initial=0)),
        mean=float(gap.mean()),
        changed=float((gap.max(axis=2) > 0).mean()),
        psnr=math.inf if mse == 0 else 10 * math.log10(255**2 / mse),
        ssim=1.0 if mse == 0 else ssim(_luminance(a), _luminance(b)),
    )


def _luminance(rgb: np.ndarray) -> np.ndarray:
    """ITU-R BT.601 luma, float64 0..255."""
    return rgb @ np.array([0.299, 0.587, 0.114])


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean structural similarity of two float arrays [H, W] in 0..255.

    Wang, Bovik, Sheikh & Simoncelli 2004, with their Gaussian window of sigma 1.5 and constants 0.01 and 0.03.
    """
    from scipy.ndimage import gaussian_filter

    def blur(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, 1.5, truncate=3.5, mode="reflect")

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    cov = blur(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def heat_map(first: Image.Image, second: Image.Image, full: int = 32) -> Image.Image:
    """Where two pictures differ: the first in pale grey, differences from amber to vermilion.

    Args:
        full: the channel difference (1..255) that is shown in full colour.
    """
    a, b = (np.asarray(image.convert("RGB"), dtype=np.float64) for image in (first, second))
    gap = np.abs(a - b).max(axis=2)
    share = np.clip(gap / full, 0, 1)[..., None] ** 0.5
    paper = 255 - (255 - _luminance(a)[..., None].repeat(3, axis=2)) * 0.25
    colour = np.array([224.0, 176.0, 80.0]) * (1 - share) + np.array([194.0, 64.0, 45.0]) * share
    shown = np.where(
        gap[..., None] > 0, paper * (1 - np.clip(share + 0.25, 0, 1)) + colour * np.clip(share + 0.25, 0, 1), paper
    )
    return Image.fromarray(shown.round().astype(np.uint8))

"""Colour correction of image to image: the result gets the distribution of colours of the original, and keeps its own light."""

from __future__ import annotations

import numpy as np
from PIL import Image

# sRGB primaries to CIE XYZ with the D65 white point (IEC 61966-2-1), rows divided by the white
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]], dtype=np.float64
)
_WHITE = np.array([0.950456, 1.0, 1.088754])
_EPSILON = 0.008856


def correct(image: Image.Image, original: Image.Image) -> Image.Image:
    """``image`` with the colours of ``original`` (same size or not), RGB."""
    own, wanted = _to_lab(np.asarray(image)), _to_lab(np.asarray(original))
    matched = np.stack([_match(own[..., k], wanted[..., k]) for k in range(3)], axis=-1)
    return Image.fromarray(_with_light(_from_lab(matched), np.asarray(image)))


def _to_lab(rgb: np.ndarray) -> np.ndarray:
    """uint8 RGB to CIE L*a*b* in bytes: L times 255/100, a and b plus 128."""
    line = rgb.astype(np.float64) / 255
    linear = np.where(line > 0.04045, ((line + 0.055) / 1.055) ** 2.4, line / 12.92)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    light = np.where(xyz[..., 1] > _EPSILON, 116 * f[..., 1] - 16, 903.3 * xyz[..., 1])
    lab = np.stack([light * 2.55, 500 * (f[..., 0] - f[..., 1]) + 128, 200 * (f[..., 1] - f[..., 2]) + 128], axis=-1)
    return np.rint(lab).clip(0, 255).astype(np.uint8)


def _from_lab(lab: np.ndarray) -> np.ndarray:
    light = lab[..., 0].astype(np.float64) / 2.55
    a, b = lab[..., 1].astype(np.float64) - 128, lab[..., 2].astype(np.float64) - 128
    low = light <= 7.9996
    y = np.where(low, light / 903.3, ((light + 16) / 116) ** 3)
    fy = np.where(low, 7.787 * y + 16 / 116, (light + 16) / 116)

    def back(f: np.ndarray) -> np.ndarray:
        return np.where(f > 6 / 29, f**3, (f - 16 / 116) / 7.787)

    xyz = np.stack([back(fy + a / 500), y, back(fy - b / 200)], axis=-1) * _WHITE
    linear = (xyz @ np.linalg.inv(_TO_XYZ).T).clip(0, 1)
    line = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.rint(line * 255).clip(0, 255).astype(np.uint8)


def _match(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Bytes mapped so that their cumulative histogram is that of ``wanted``."""
    counts = np.bincount(values.ravel(), minlength=256)
    goal = np.bincount(wanted.ravel(), minlength=256)
    shares, goals = counts.cumsum() / values.size, goal.cumsum() / wanted.size
    there = np.flatnonzero(goal)
    table = np.interp(shares, goals[there], there)
    return table.astype(np.uint8)[values]


def _with_light(colour: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The colour of one and the luminosity of the other (W3C compositing: "luminosity" blend mode)."""
    weights = np.array([0.3, 0.59, 0.11])
    base = colour.astype(np.float64) / 255
    wanted = light.astype(np.float64) / 255 @ weights
    moved = base + (wanted - base @ weights)[..., None]
    level = (moved @ weights)[..., None]
    low, high = moved.min(axis=-1, keepdims=True), moved.max(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(low < 0, level + (moved - level) * level / (level - low), moved)
        moved = np.where(high > 1, level + (moved - level) * (1 - level) / (high - level), moved)
    return (np.nan_to_num(moved) * 255).clip(0, 255).astype(np.uint8)

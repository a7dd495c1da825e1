"""Pixel effects of the composer: recolouring a sprite, the pencil style, light and time of day."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from .vocabulary import COLOURS


def rgb_to_hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue in degrees, saturation and value in 0..1 of a float RGB array in 0..1 (last axis)."""
    high, low = rgb.max(-1), rgb.min(-1)
    span = high - low + 1e-6
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    hue = np.where(high == r, ((g - b) / span) % 6, np.where(high == g, (b - r) / span + 2, (r - g) / span + 4))
    return hue * 60, span / (high + 1e-6), high


def hsv_to_rgb(hue: np.ndarray, sat: np.ndarray, val: np.ndarray) -> np.ndarray:
    """Inverse of :func:`rgb_to_hsv`."""

    def channel(n: int) -> np.ndarray:
        k = (n + hue / 60) % 6
        return val - val * sat * np.clip(np.minimum(k, 4 - k), 0, 1)

    return np.stack([channel(5), channel(3), channel(1)], -1)


def main_colours(sprite: np.ndarray, share: float = 0.4) -> frozenset[int]:
    """Indices of ``COLOURS`` that each take at least ``share`` of what a uint8 RGBA sprite shows: a pixel counts for the nearest hue,
    as black below a value of 0.25, as white below a saturation of 0.2 and above a value of 0.75."""
    rgb = sprite[..., :3].astype(np.float32) / 255
    hue, sat, val = (v[sprite[..., 3] > 127] for v in rgb_to_hsv(rgb))
    hues = [(i, c.hue) for i, c in enumerate(COLOURS) if c.hue is not None]
    away = np.stack([np.abs((hue - h + 180) % 360 - 180) for _, h in hues])
    nearest = np.array([i for i, _ in hues])[away.argmin(0)]
    plain = {c.key: i for i, c in enumerate(COLOURS) if c.hue is None}
    nearest = np.where(sat < 0.2, np.where(val > 0.75, plain["white"], -1), nearest)
    nearest = np.where(val < 0.25, plain["black"], nearest)
    return frozenset(i for i in range(len(COLOURS)) if (nearest == i).sum() >= share * max(1, nearest.size))


def recolour(sprite: np.ndarray, colour: int) -> np.ndarray:
    """A uint8 RGBA sprite repainted in ``COLOURS[colour]``.

    The dominant hue turns to the wanted one and near hues follow; eyes, leaves and other far hues stay, so that the
    thing keeps its features. Grey things are tinted; black and white work on the value.
    """
    rgb = sprite[..., :3].astype(np.float32) / 255
    alpha = sprite[..., 3] / 255.0
    hue, sat, val = rgb_to_hsv(rgb)
    weight = alpha * sat * val
    key, target = COLOURS[colour].key, COLOURS[colour].hue
    if key == "black":
        out = hsv_to_rgb(hue, sat * 0.25, val * 0.36 + 0.03)
    elif key == "white":
        keep = np.clip((val - 0.25) / 0.2, 0, 1)  # dark features (eyes, outlines) stay dark
        out = hsv_to_rgb(hue, sat * 0.10, val * (1 - keep) + (1 - (1 - val) * 0.45) * keep)
    elif weight.sum() / max(float(alpha.sum()), 1.0) < 0.18:
        tint = np.clip(0.62 - 0.25 * (val > 0.97), 0, 1) * np.clip(val * 3, 0, 1)
        out = hsv_to_rgb(np.full_like(hue, target), tint, np.clip(val + 0.05, 0, 1))
    else:
        dominant = np.rad2deg(np.angle((weight * np.exp(1j * np.deg2rad(hue))).sum()))
        away = (hue - dominant + 180) % 360 - 180
        mask = np.clip((75 - np.abs(away)) / 20, 0, 1)[..., None]
        new_sat, new_val = np.clip(sat * 1.1, 0, 1), val
        if key == "pink":
            new_sat, new_val = sat * 0.6, 1 - (1 - val) * 0.55
        elif key in ("orange", "yellow"):
            new_val = 1 - (1 - val) * 0.6
        elif key in ("green", "blue", "purple"):
            new_val = np.clip(val * 0.96, 0, 1)
        painted = hsv_to_rgb((target + 0.35 * away) % 360, new_sat, new_val)
        out = rgb * (1 - mask) + painted * mask
    return np.concatenate([np.clip(out * 255, 0, 255).astype(np.uint8), sprite[..., 3:]], -1)


def pencil(image: Image.Image) -> Image.Image:
    """A graphite drawing of an RGB image: dark contour lines (colour dodge), soft tone, warm paper."""
    grey = image.convert("L")
    size = image.width
    blur = ImageChops.invert(grey).filter(ImageFilter.GaussianBlur(size * 0.02))
    g, b = np.asarray(grey, np.float32), np.asarray(blur, np.float32)
    dodge = np.clip(g * 255 / (256 - b), 0, 255)
    lines = 255 - np.clip((255 - dodge) * 2.6, 0, 225)  # darker than a plain dodge: it must be seen at 128 px
    tone = 205 + g * (50 / 255)
    out = np.minimum(lines, tone)
    paper = np.stack([out * 0.995, out * 0.985, out * 0.955], -1)
    return Image.fromarray(np.clip(paper, 0, 255).astype(np.uint8))


def grade(image: Image.Image, time: str) -> Image.Image:
    """An RGB day picture at another time of day: ``dusk`` (warm) or ``night`` (dark blue)."""
    a = np.asarray(image, np.float32) / 255
    height = a.shape[0]
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    if time == "dusk":
        tint = np.array([1.06, 0.74, 0.62], np.float32) * (1 - 0.12 * fall)
        glow = np.array([0.16, 0.07, 0.0], np.float32) * (1 - fall)
        out = a * tint + glow
    elif time == "night":
        luma = a.mean(-1, keepdims=True)
        out = (0.55 * a + 0.45 * luma) * np.array([0.30, 0.34, 0.56], np.float32) + np.array([0.02, 0.025, 0.07])
    else:
        raise ValueError(f"unknown time of day: {time}")
    return Image.fromarray(np.clip(out * 255, 0, 255).astype(np.uint8))


def light(image: Image.Image, side: float, strength: float, warmth: float) -> Image.Image:
    """Gentle directional light: ``side`` -1 (left) .. 1 (right), ``strength`` 0..0.2, ``warmth`` -0.06..0.06."""
    a = np.asarray(image, np.float32)
    ramp = np.linspace(-1, 1, a.shape[1], dtype=np.float32)[None, :, None] * (side * strength)
    tint = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    return Image.fromarray(np.clip(a * (1 + ramp) * tint, 0, 255).astype(np.uint8))

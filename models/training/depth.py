"""Known depth: a composition is made of layers, so how near each pixel is needs no measuring.

Values are nearness (inverse depth), as MiDaS and Depth-Anything give it: 0 is far, 1 is near. The ground is a plane, whose
nearness rises evenly from the horizon down; things stand on it where their feet are, a little in front of it, and are round.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from .compose import SCENE_BY_KEY, Composer, Spec

#: where the ground begins in each scene that has one, from the top, 0..1 (the middle of what the drawings vary over).
HORIZON = {
    "grass": 0.57, "night": 0.71, "sunset": 0.66, "beach": 0.42, "snow": 0.69, "forest": 0.71, "city": 0.75, "room": 0.69,
    "desert": 0.58, "mountain": 0.80, "lake": 0.48, "bamboo_forest": 0.77, "rain": 0.73,
}  # fmt: skip
FAR, NEAR_GROUND, ROUND = 0.04, 0.46, 0.14


def nearness(composer: Composer, spec: Spec) -> np.ndarray:
    """The depth map of a spec: float32 [size, size] in 0..1."""
    size = composer.size
    kind, value = spec["bg"]
    y = (np.arange(size, dtype=np.float32) + 0.5) / size
    ground = np.full(size, 0.12, np.float32)
    if kind == "scene":
        horizon = HORIZON.get(str(value))
        ground[:] = FAR
        if horizon is not None and not SCENE_BY_KEY[str(value)].floats:
            slope = (y - horizon) / (1 - horizon)
            ground = np.where(slope > 0, 0.14 + (NEAR_GROUND - 0.14) * slope, FAR).astype(np.float32)
    page = np.repeat(ground[:, None], size, 1)
    for o in spec["objects"]:
        sprite, x, bottom = composer.placed(spec, o)
        canvas = Image.new("L", (size, size))
        left, top = int(x - sprite.width / 2), int(bottom - sprite.height)
        canvas.paste(sprite.getchannel("A"), (left, top))
        alpha = np.asarray(canvas, np.float32) / 255
        if not alpha.any():
            continue
        feet = ground[min(size - 1, max(0, int(bottom) - 1))]
        inside = ndimage.distance_transform_edt(alpha > 0.5)
        bulge = np.sqrt(np.minimum(inside / (0.22 * max(sprite.height, 1)), 1))
        near = max(float(feet) + 0.18, 0.42 + 0.38 * o["h"])
        page = page * (1 - alpha) + np.minimum(near + ROUND * bulge, 1) * alpha
    return page.astype(np.float32)

"""New ground and the seam, in pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from ra_widgets.imaging import grounds

MODES = ("edge", "mirror", "noise", "latent noise")
SIDES = (16, 24, 0, 40)


def picture(width: int = 64, height: int = 48) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 3 + 20, y * 4 + 10, 60 + (x + y)], axis=2).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("mode", MODES)
def test_the_old_lies_in_its_place(mode):
    sheet = grounds.extend(picture(), SIDES, mode, seed=1)
    assert sheet.size == (64 + 40, 48 + 40)
    assert np.array_equal(np.asarray(sheet)[0:48, 16:80], np.asarray(picture()))
    assert np.array_equal(sheet, grounds.extend(picture(), SIDES, mode, seed=1))


def test_grounds_begin_with_the_colours_of_the_border():
    for mode in ("edge", "mirror", "noise"):
        sheet = np.asarray(grounds.extend(picture(), (0, 32, 0, 0), mode, seed=2)).astype(int)
        assert np.abs(sheet[:, 64] - sheet[:, 63]).mean() < 12, mode
    assert not np.array_equal(*(grounds.extend(picture(), SIDES, "noise", seed=s) for s in (1, 2)))


def test_noise_has_the_colours_of_the_picture():
    far = np.asarray(grounds.extend(picture(), (0, 256, 0, 0), "noise", seed=1))[:, 100:]
    for channel in range(3):
        old = np.asarray(picture())[..., channel]
        assert np.abs(np.quantile(far[..., channel], [0.1, 0.5, 0.9]) - np.quantile(old, [0.1, 0.5, 0.9])).max() < 20


def test_a_mirror_wider_than_the_picture_goes_on():
    assert grounds.extend(picture(8, 8), (40, 40, 40, 40), "mirror").size == (88, 88)
    assert grounds.extend(picture(1, 1), (63, 0, 0, 63), "noise").size == (64, 64)


def test_distance():
    away = grounds.distance((10, 6), (2, 3, 0, 1))
    assert away[0].tolist() == [2, 1, 0, 0, 0, 0, 0, 1, 2, 3]
    assert away[5, 4] == 1 and away[5, 0] == pytest.approx(5**0.5)


def test_the_seam_is_drawn_to_the_old():
    old = picture()
    right = np.asarray(grounds.extend(old, (0, 40, 0, 0), "edge")).astype(float)
    painted = Image.fromarray((right + 25).clip(0, 255).astype(np.uint8))  # the painter was too bright everywhere
    joined = np.asarray(grounds.join(painted, old, (0, 40, 0, 0), 16)).astype(float)
    assert np.array_equal(joined[:, :64], np.asarray(old))
    off = np.abs(joined[:, 64:] - right[:, 64:]).mean(axis=(0, 2))
    assert off[0] < 2 and off[20] > 22 and all(a <= b + 0.5 for a, b in pairwise(off[:17]))
    hard = np.asarray(grounds.join(painted, old, (0, 40, 0, 0), 0))
    assert np.array_equal(hard[:, 64:], np.asarray(painted)[:, 64:]) and np.array_equal(hard[:, :64], old)

"""Pixels of masks and sizes against what OpenCV and the webui make of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ra_widgets.imaging import masks, resizing
from ra_widgets.imaging.colours import correct
from ra_widgets.imaging.soft import SoftSettings, adaptive_mask, histogram_filter


def picture(width: int = 60, height: int = 40) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 4 % 256, y * 6 % 256, (x + y) * 2 % 256], axis=2).astype(np.uint8))


def box_mask(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return mask


def test_blur_is_opencvs_to_the_bit():
    # made with cv2.GaussianBlur of OpenCV 5.0: sigma 1 and 4 across
    row = np.zeros((1, 24), dtype=np.uint8)
    row[0, 9:13], row[0, 20] = 255, 200
    wanted = {
        1: [0, 0, 0, 0, 0, 0, 1, 15, 77, 178, 239, 239, 178, 77, 15, 1, 0, 1, 11, 48, 80, 48, 11, 2],
        4: [6, 8, 12, 20, 29, 41, 55, 69, 83, 93, 99, 100, 96, 87, 76, 63, 54, 45, 41, 35, 34, 31, 31, 30],
    }
    for sigma, values in wanted.items():
        assert np.asarray(masks.blur(Image.fromarray(row), sigma, 0))[0].tolist() == values
    square = np.zeros((12, 14), dtype=np.uint8)
    square[3:7, 5:9] = 255
    both = np.asarray(masks.blur(Image.fromarray(square), 2, 3))
    assert both[:, 6].tolist() == [65, 67, 75, 83, 87, 85, 77, 64, 48, 34, 25, 22]
    assert both[4].tolist() == [2, 5, 13, 29, 50, 73, 87, 87, 73, 50, 29, 13, 5, 2]
    assert masks.blur(Image.new("L", (1, 1), 255), 64, 64).getpixel((0, 0)) == 255


@pytest.mark.parametrize(
    ("box", "padding", "size", "wanted"),
    [
        ((20, 30, 40, 50), 0, (64, 64), (20, 30, 40, 50)),
        ((20, 30, 40, 50), 10, (64, 64), (10, 20, 50, 60)),
        ((10, 10, 90, 30), 0, (64, 64), (10, 0, 90, 80)),  # made square, moved back inside
        ((10, 10, 30, 90), 0, (128, 64), (0, 10, 100, 90)),  # wider than the picture: cut
        ((90, 80, 100, 100), 0, (64, 64), (80, 80, 100, 100)),
    ],
)
def test_the_region_of_only_masked(box, padding, size, wanted):
    assert masks.region(box_mask((100, 100), box), padding, *size) == wanted


def test_an_empty_mask_has_no_region():
    assert masks.region(Image.new("L", (10, 10)), 32, 64, 64) is None


@pytest.mark.parametrize(
    ("size", "mode"), [((30, 40), m) for m in ("Just resize", "Crop and resize", "Resize and fill")]
)
def test_resize_modes(size, mode):
    image = picture(60, 40)
    result = resizing.resize(image, *size, mode)
    assert result.size == size and result.mode == "RGB"
    if mode == "Just resize":
        assert np.array_equal(result, image.resize(size, Image.Resampling.LANCZOS))
    elif mode == "Crop and resize":
        assert np.array_equal(result, np.asarray(image)[:, 15:45])
    else:  # the picture, 30 x 20, in the middle; above and below its border repeated
        inner = np.asarray(image.resize((30, 20), Image.Resampling.LANCZOS)).astype(int)
        found = np.asarray(result).astype(int)
        assert np.array_equal(found[10:30], inner)
        assert np.abs(found[:10] - inner[0]).max() < 24 and np.abs(found[30:] - inner[-1]).max() < 24
        assert (found[0] == found[9]).all() and (found[30] == found[39]).all()


def test_what_is_kept_stays_to_the_bit():
    image, result = picture(), Image.new("RGB", (60, 40), (255, 0, 255))
    mask = masks.blur(box_mask(image.size, (20, 10, 40, 30)), 2, 2)
    done = np.asarray(masks.lay_over(result, masks.overlay(image, mask)))
    outside = np.asarray(mask) == 0
    assert outside.any() and np.array_equal(done[outside], np.asarray(image)[outside])
    assert (done[np.asarray(mask) == 255] == (255, 0, 255)).all()


def test_a_part_is_put_back_to_its_place():
    image = picture()
    mask = box_mask(image.size, (20, 10, 40, 30))
    part = Image.new("RGB", (64, 64), (255, 0, 255))
    done = np.asarray(masks.lay_over(part, masks.overlay(image, mask), (15, 5, 45, 35)))
    assert (done[10:30, 20:40] == (255, 0, 255)).all()
    keep = np.asarray(mask) == 0
    assert np.array_equal(done[keep], np.asarray(image)[keep])


def test_fill_takes_the_colours_around():
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    image.paste((0, 0, 255), (24, 24, 40, 40))
    mask = box_mask(image.size, (22, 22, 42, 42))
    filled = np.asarray(masks.fill(image, mask)).astype(int)
    assert np.abs(filled - (200, 30, 30)).max() <= 8


def test_colours_of_the_original_come_back():
    original = picture()
    tinted = Image.fromarray((np.asarray(original) * (0.6, 1.0, 1.3)).clip(0, 255).astype(np.uint8))

    def tint(image: Image.Image) -> np.ndarray:
        values = np.asarray(image).astype(float)
        return (values - values.mean(axis=2, keepdims=True)).mean(axis=(0, 1))

    corrected = correct(tinted, original)
    before, after = np.abs(tint(tinted) - tint(original)).max(), np.abs(tint(corrected) - tint(original)).max()
    assert after < before / 2, (before, after)
    # the light stays that of the picture
    light = [np.asarray(image).astype(float) @ (0.3, 0.59, 0.11) for image in (tinted, corrected)]
    assert np.abs(light[0] - light[1]).max() < 4
    same = np.asarray(correct(original, original)).astype(int)
    assert np.abs(same - np.asarray(original)).mean() < 2


def by_hand(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The filter as it is described, one place at a time."""
    result = np.zeros_like(values)
    zero = np.exp(-9 / 2.25)
    for row, column in np.ndindex(values.shape):
        stack = []
        for y in range(max(row - 2, 0), min(row + 3, values.shape[0])):
            for x in range(max(column - 2, 0), min(column + 3, values.shape[1])):
                weight = (np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2.25) - zero) / (1 - zero)
                stack.append((values[y, x], max(weight, 0.0)))
        stack.sort(key=lambda item: item[0])
        total = sum(weight for _, weight in stack)
        first, last = total * low, total * high
        if last - first < 1:
            centre = (first + last) / 2
            first, last = centre - 0.5, centre + 0.5
            if last > total:
                first, last = total - 1, total
            if first < 0:
                first, last = 0, 1
        position = summed = used = 0.0
        for value, weight in stack:
            share = max(min(last, position + weight) - max(first, position), 0)
            summed, used, position = summed + value * share, used + share, position + weight
        result[row, column] = summed / used
    return result


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.0), (0.25, 0.75), (0.0, 0.05)])
def test_the_histogram_filter(low, high):
    values = np.random.default_rng(3).random((7, 9))
    assert np.allclose(histogram_filter(values, low, high), by_hand(values, low, high))


def test_soft_masks_show_what_has_moved():
    before = np.zeros((4, 16, 16), dtype=np.float32)
    after = before.copy()
    after[:, 5:11, 5:11] = 3.0
    mask = np.full((16, 16), 0.5)
    shown = np.asarray(adaptive_mask(before, after, mask, SoftSettings(), 128, 128))
    assert shown[64, 64] > 250 and shown[:6].max() <= 3 and shown[:, -6:].max() <= 3
    assert np.asarray(adaptive_mask(before, before, mask, SoftSettings(), 128, 128)).max() == 0
    eager = np.asarray(adaptive_mask(before, after, mask, SoftSettings(threshold=0.0), 128, 128))
    assert eager[64, 64] == 255 and np.isfinite(eager).all()

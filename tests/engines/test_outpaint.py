"""Outpainting through the kernel, on the embedded model."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets import events
from ra_widgets.diffusion.tasks.outpaint import Sheet

FAST = {"prompt": "海边的一艘帆船", "seed": 5, "steps": 6}


@pytest.fixture(scope="module")
def sea(kernel) -> Image.Image:
    return kernel.generate("海边的一艘帆船", seed=7, steps=12, width=96, height=96).images[0]


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


SIDES = [
    {"right": 48}, {"left": 48}, {"top": 40}, {"bottom": 33}, {"left": 5, "right": 3}, {"left": 16, "right": 16, "top": 16, "bottom": 16},
    {"right": 1},
]  # fmt: skip


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_the_old_pixels_stay_to_the_bit(kernel, sea, sides):
    made = kernel.generate(ra.Outpaint(**FAST, image=sea, **sides)).records[0]
    left, top = sides.get("left", 0), sides.get("top", 0)
    wanted = (sea.width + left + sides.get("right", 0), sea.height + top + sides.get("bottom", 0))
    assert made.image.size == wanted == (made.width, made.height)
    assert np.array_equal(pixels(made.image)[top : top + sea.height, left : left + sea.width], pixels(sea))
    assert made.request == ra.Outpaint(**FAST, image=sea, **sides).resolved(
        width=1, height=1, cfg_scale=made.request.cfg_scale
    )


@pytest.mark.parametrize("mode", ["edge", "mirror", "noise", "latent noise"])
def test_every_ground_verifies(kernel, sea, mode):
    made = kernel.generate(ra.Outpaint(**FAST, image=sea, right=40, fill_mode=mode, n_iter=2)).records
    assert np.abs(pixels(made[0].image) - pixels(made[1].image))[:, 96:].mean() > 1
    assert all(kernel.verify(record.path).max_difference == 0 for record in made)


def test_again_and_again(kernel, sea):
    image = sea
    for number, side in enumerate(("right", "right", "top", "left")):
        record = kernel.generate(ra.Outpaint(**FAST | {"seed": number}, image=image, **{side: 40})).records[0]
        left, top = 40 * (side == "left"), 40 * (side == "top")
        part = pixels(record.image)[top : top + image.height, left : left + image.width]
        assert np.array_equal(part, pixels(image))
        image = record.image
    assert image.size == (96 + 120, 96 + 40)
    assert kernel.verify(record.path).max_difference == 0


def test_the_seam_is_no_worse_than_the_picture(kernel, sea):
    """The step over the border, against steps between columns of the old picture and of the new ground."""
    request = ra.Outpaint(**FAST | {"steps": 12}, image=sea, right=48)
    seams, inside = [], []
    for seed in (1, 2, 3):
        image = pixels(kernel.generate(request, seed=seed).images[0])
        steps = np.abs(np.diff(image, axis=1)).mean(axis=(0, 2))
        seams.append(steps[95])
        inside.append(np.quantile(np.delete(steps, 95), 0.9))
    assert np.mean(seams) < 3 * np.mean(inside), (seams, inside)
    hard = pixels(kernel.generate(request, seed=1, mask_blur=0).images[0])
    assert np.abs(np.diff(hard, axis=1)).mean(axis=(0, 2))[95] >= seams[0] - 0.5


def test_grown_pictures_are_worked_on_in_part(sea):
    request = ra.Outpaint(image=Image.new("RGB", (1000, 128)), right=64)
    sheet = Sheet.of(request, 8, (128, 128))
    assert sheet.size == (1064, 128) and sheet.box == (872, 0, 1064, 128)
    assert sheet.small is not None and sheet.small[0] * sheet.small[1] <= 1.05 * 128 * 128
    small = Sheet.of(ra.Outpaint(image=Image.new("RGB", (96, 96)), right=24), 8, (128, 128))
    assert small.small is None and small.box == (0, 0, 120, 96)
    odd = Sheet.of(ra.Outpaint(image=Image.new("RGB", (13, 7)), left=3), 8, (128, 128))
    assert odd.sides[0] == 8 and odd.size == (64, 64)


@pytest.mark.parametrize("size", [(1, 1), (13, 70), (200, 64)])
def test_odd_pictures(kernel, size):
    image = Image.new("RGB", size, (30, 90, 160))
    made = kernel.generate(ra.Outpaint(prompt="天空", seed=1, steps=3, image=image, left=9, top=70)).images[0]
    assert made.size == (size[0] + 9, size[1] + 70)
    assert (pixels(made)[70:, 9:] == (30, 90, 160)).all()


def test_progress_runs_once_from_start_to_end(kernel, sea):
    job = kernel.submit(ra.Outpaint(**FAST, image=sea, right=96))
    job.result(120)
    fractions = [e.fraction for e in job.events() if isinstance(e, events.Progress)]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0

"""SD upscale: tiles, seeds, seams, infotext, verification; against image to image by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets import events
from ra_widgets.errors import InvalidRequest, JobCancelled, ModelError
from ra_widgets.gallery import infotext
from ra_widgets.imaging.grid import Grid, padded, starts

BASE = {"prompt": "草地", "seed": 11, "steps": 4, "denoising_strength": 0.5, "upscaler": "Lanczos"}


def picture(width=80, height=64):
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8))


def pixels(image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("length", "tile", "overlap", "expected"),
    [
        (512, 512, 64, [0]),
        (300, 512, 64, [0]),
        (1024, 512, 64, [0, 256, 512]),
        (1000, 512, 64, [0, 244, 488]),
        (960, 512, 64, [0, 448]),
        (1537, 512, 0, [0, 341, 683, 1025]),
    ],
)
def test_where_tiles_begin(length, tile, overlap, expected):
    """Numbers of the webui's own formula: ceil((length - overlap) / (tile - overlap)) tiles, evenly."""
    assert starts(length, tile, overlap) == expected


def test_tiles_join_to_the_picture_and_seams_are_ramps():
    image = picture(200, 150)
    grid = Grid(image.size, (64, 64), 16)
    assert (pixels(grid.join(image.crop(box) for box in grid.boxes())) == pixels(image)).all()
    greys = iter([Image.new("RGB", (64, 64), (0,) * 3), Image.new("RGB", (64, 64), (255,) * 3)])
    row = pixels(Grid((112, 64), (64, 64), 16).join(greys))[5, :, 0]
    assert (row[:48] == 0).all() and (row[64:] == 255).all()
    assert np.array_equal(row[48:64], np.arange(16) * 255 // 16)
    assert pixels(padded(picture(30, 20), 64, 8)).shape == (20, 64, 3)


def test_every_tile_is_an_image_to_image_of_its_own(kernel):
    """Without an overlap the result is the tiles side by side, seeds counting up; with batches as the webui counts them."""
    request = ra.SDUpscale(image=picture(), width=80, height=64, overlap=0, **BASE)
    made = kernel.generate(request)
    large = picture().resize((160, 128), Image.Resampling.LANCZOS)
    shared = {name: value for name, value in BASE.items() if name not in ("upscaler", "seed")}
    seeds = {1: [11, 12, 13, 14], 2: [11, 12, 12, 13]}
    two = kernel.generate(request.replace(batch_size=2))
    assert len(two.images) == 1
    for batch, result in ((1, made), (2, two)):
        for seed, (left, top) in zip(seeds[batch], [(0, 0), (80, 0), (0, 64), (80, 64)], strict=True):
            box = (left, top, left + 80, top + 64)
            alone = kernel.generate(ra.ImageToImage(image=large.crop(box), seed=seed, **shared), keep=False)
            assert (pixels(alone.images[0]) == pixels(result.images[0].crop(box))).all()


def test_the_record_has_the_webuis_words_and_is_verified(kernel):
    result = kernel.generate(ra.SDUpscale(image=picture(), n_iter=2, **BASE))
    assert [record.seed for record in result.records] == [11, 12]
    record = result.records[1]
    assert (record.width, record.height) == (160, 128)
    read = infotext.parse(record.infotext)
    assert (read["SD upscale overlap"], read["SD upscale upscaler"]) == ("32", "Lanczos")
    assert (read["Size-1"], read["Size-2"], read["Denoising strength"]) == ("128", "128", "0.5"), "of a tile, as there"
    again = infotext.to_request(record.infotext)
    assert isinstance(again, ra.SDUpscale) and again.replace(model=None) == record.request
    assert kernel.verify(record.path).same


def test_the_picture_decides_and_the_model_adds(kernel):
    """Little strength stays near the enlarged picture, more goes further away; the default upscaler is the model's."""
    large = pixels(picture().resize((160, 128), Image.Resampling.LANCZOS))
    shared = BASE | {"upscaler": None}
    far = []
    for strength in (0.1, 0.7):
        made = kernel.generate(ra.SDUpscale(image=picture(), **shared | {"denoising_strength": strength}))
        far.append(np.abs(pixels(made.images[0]) - large).mean())
        assert made.request.upscaler == "RA x2"
    assert far[0] < far[1]


@pytest.mark.parametrize(
    ("size", "fields", "expected"),
    [
        ((50, 37), {"scale": 1.5}, (72, 48)),
        ((1, 1), {"scale": 8}, (8, 8)),
        ((70, 30), {"upscaler": "None"}, (70, 30)),
        ((130, 20), {"scale": 1}, (128, 16)),
    ],
)
def test_sizes(kernel, size, fields, expected):
    """Multiples of 8, as in the webui; a picture smaller than a tile is one tile."""
    request = ra.SDUpscale(image=picture(*size), **BASE | {"steps": 1} | fields)
    made = kernel.generate(request, width=64, height=64)
    assert made.images[0].size == request.final_size == expected


def test_progress_and_stop(kernel):
    job = kernel.submit(ra.SDUpscale(image=picture(), **BASE | {"steps": 20}))
    seen = []
    for event in job.events():
        if isinstance(event, events.Progress):
            seen.append(event.fraction)
            if event.fraction > 0.4:
                job.cancel()
    assert seen == sorted(seen) and seen[-1] < 0.9
    with pytest.raises(JobCancelled):
        job.result()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scale": 9}, "scale"),
        ({"overlap": 64, "width": 64, "height": 64}, "overlap"),
        ({"overlap": True}, "overlap"),
        ({"denoising_strength": 1.2}, "denoising_strength"),
        ({"image": picture(2000, 2000), "scale": 8}, "scale"),
        ({"resize_mode": 1}, "resize_mode"),
        ({"image": picture(4000, 4000), "width": 64, "height": 64, "overlap": 60}, "overlap"),
    ],
)
def test_wrong_fields_are_named(fields, field):
    with pytest.raises(InvalidRequest) as refused:
        ra.SDUpscale(**{"image": picture()} | BASE | fields)
    assert refused.value.field == field
    for lang in ("zh_CN", "en"):
        assert refused.value.text(lang)


def test_an_unknown_upscaler_is_refused_at_once(kernel):
    with pytest.raises(ModelError, match="Lanczos"):
        kernel.submit(ra.SDUpscale(image=picture(), upscaler="4x-Missing"))

"""Preprocessors: their pixels against OpenCV's, their sizes, their names, and what is kept."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from ra_widgets.diffusion.control import maps
from ra_widgets.diffusion.control.canny import canny
from ra_widgets.diffusion.control.maps import CROP, FILL, JUST, MapCache, Recipe, fit, make_map, pixel_perfect
from ra_widgets.diffusion.control.modules import MODULES, find_module
from ra_widgets.errors import InvalidRequest


def drawing(channels: int = 3) -> np.ndarray:
    """Waves with moiré, a disc and a box: every direction and strength of edges. uint8 [96, 128, channels]."""
    y, x = np.mgrid[0:96, 0:128].astype(np.int64)
    page = np.stack(
        [(x * x * (k + 3) + y * y * (5 - k) + x * y * 2) // (37 + 11 * k) % 256 for k in range(channels)], axis=2
    )
    page[(x - 60) ** 2 + (y - 40) ** 2 < 900] = [200, 90, 30][:channels]
    page[(x > 90) & (y > 50)] = [20, 30, 240][:channels]
    return page.astype(np.uint8)


# sha256 of what cv2.Canny of OpenCV 5.0.0 answers for the same picture and thresholds
OPENCV = {
    (3, 100, 200): "96276458ea9617b7",
    (3, 200, 100): "96276458ea9617b7",
    (3, 50, 100): "9cce0603a143628a",
    (3, 400, 700): "1347996ab9e09d42",
    (1, 100, 200): "cbcec4f9ed7c24f7",
    (1, 50, 100): "0b86dc47230ff606",
    (1, 400, 700): "69a368c33ca81f13",
}


@pytest.mark.parametrize("case", OPENCV)
def test_canny_is_opencvs(case: tuple[int, int, int]) -> None:
    channels, low, high = case
    page = drawing(channels)
    found = canny(page if channels == 3 else page[..., 0], low, high)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == OPENCV[case]


def test_canny_of_nothing_and_of_little() -> None:
    assert not canny(np.full((20, 30, 3), 90, np.uint8)).any()
    assert canny(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1)
    step = np.zeros((9, 9), np.uint8)
    step[:, 5:] = 255
    edges = canny(step)
    assert (edges.sum(axis=1) == 255).all(), "one pixel in each row"


@pytest.mark.parametrize("name", [m.name for m in MODULES.values() if m.run is not None])
def test_every_filter_gives_a_map_of_the_size_asked_for(name: str) -> None:
    image = Image.fromarray(drawing())
    found = make_map("drawing", lambda: image, Recipe(name, 72, 40))
    assert found.shape == (40, 72, 3) and found.dtype == np.uint8 and not found.flags.writeable
    assert found.std() > 5, "an empty map"


def test_lines_and_scribbles_are_dark_strokes() -> None:
    page = np.full((64, 64, 3), 230, np.uint8)
    page[30:33, 8:56] = 20
    for name in ("lineart_standard", "scribble_xdog"):
        module = find_module(name)
        assert module.run is not None and module.a is not None
        found = module.run(page, module.a.default, module.b.default if module.b else 0)[..., 0]
        assert found[31, 30] > 100 and found[5, 30] < 20, name


def test_thresholds_reach_the_filter() -> None:
    image = Image.fromarray(drawing())
    few, many = (make_map("t", lambda: image, Recipe("canny", 128, 96, a=a, b=b)) for a, b in ((400, 700), (20, 40)))
    assert 0 < (few > 0).sum() < (many > 0).sum()
    default = make_map("t", lambda: image, Recipe("canny", 128, 96))
    assert (default == make_map("t", lambda: image, Recipe("canny", 128, 96, a=100, b=200))).all()
    assert (default == make_map("t", lambda: image, Recipe("canny", 128, 96, a=-1, b=-1))).all(), (
        "webui's -1 is the default"
    )


@pytest.mark.parametrize(
    ("mode", "box"),
    [(JUST, (0, 64, 0, 64)), (CROP, (0, 64, 0, 64)), (FILL, (16, 48, 0, 64))],
)
def test_resize_modes(mode: str, box: tuple[int, int, int, int]) -> None:
    page = np.full((50, 100, 3), 200, np.uint8)
    page[0], page[-1], page[:, 0], page[:, -1] = 10, 10, 10, 10
    found = fit(page, (64, 64), mode)
    assert found.shape == (64, 64, 3)
    top, bottom, left, right = box
    inner = found[top:bottom, left:right]
    assert inner.mean() > 180
    if mode == FILL:
        assert (found[:top] == 10).all() and (found[bottom:] == 10).all(), "the border's tone"
    if mode == CROP:
        assert (found[10:-10, 0] > 150).all(), "the sides are cut off"


def test_black_and_white_maps_stay_so_and_lines_survive() -> None:
    page = np.zeros((100, 100, 3), np.uint8)
    page[50] = 255
    small = fit(page, (40, 40), JUST)
    assert set(np.unique(small)) == {0, 255} and small.any(axis=(0, 2)).all()
    assert set(np.unique(fit(page, (170, 170), JUST))) == {0, 255}


def test_pixel_perfect() -> None:
    assert pixel_perfect((200, 100), (64, 64), CROP) == 64
    assert pixel_perfect((200, 100), (64, 64), FILL) == 32
    assert pixel_perfect((64, 64), (96, 64), JUST) == 96


def test_processor_resolution_is_where_the_filter_works(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(maps, "at_resolution", lambda image, short: seen.append(short) or image)
    image = Image.fromarray(drawing())
    make_map("p", lambda: image, Recipe("softedge", 64, 64, processor_res=80))
    make_map("p", lambda: image, Recipe("softedge", 64, 64))
    assert seen == [80, 64]


def test_maps_are_made_once() -> None:
    made = []

    def load() -> Image.Image:
        made.append(1)
        return Image.fromarray(drawing())

    for _ in range(3):
        make_map("once", load, Recipe("canny", 64, 64))
    make_map("once", load, Recipe("canny", 64, 64, a=100.0, b=200.0))  # the defaults, spelled out
    assert len(made) == 1
    make_map("another", load, Recipe("canny", 64, 64))
    assert len(made) == 2


def test_the_cache_gives_up_the_oldest() -> None:
    cache = MapCache(limit=3000)
    page = np.zeros((10, 100), np.uint8)
    for k in range(5):
        cache.get((str(k), Recipe("none", 8, 8)), page.copy)
    again = []
    cache.get(("0", Recipe("none", 8, 8)), lambda: again.append(1) or page.copy())
    cache.get(("4", Recipe("none", 8, 8)), lambda: again.append(1) or page.copy())
    assert again == [1]


def test_names_of_the_webui() -> None:
    assert find_module("Canny").name == "canny"
    assert find_module("depth_midas").name == find_module("depth_anything_v2").name == "depth"
    assert find_module("invert (from white bg & black line)").name == "invert"
    with pytest.raises(InvalidRequest) as caught:
        find_module("openpose_full")
    assert caught.value.key == "control.module_absent" and caught.value.text("zh_CN") != caught.value.text("en")
    with pytest.raises(InvalidRequest) as caught:
        find_module("kanny")
    assert "canny" in caught.value.text("en") and caught.value.field == "control.module"


def test_every_module_and_slider_has_a_label_in_both_languages() -> None:
    from ra_widgets.i18n import LANGUAGES, catalogue

    keys = [f"control.module.{name}" for name in MODULES]
    keys += [f"control.slider.{s.label}" for m in MODULES.values() for s in (m.a, m.b) if s]
    assert all(key in catalogue(language) for key in keys for language in LANGUAGES)

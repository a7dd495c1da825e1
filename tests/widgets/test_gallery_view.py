"""The gallery widget on a real gallery."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ra_widgets.gallery import Gallery
from ra_widgets.requests import TextToImage
from ra_widgets.widgets import GalleryView
from ra_widgets.widgets.gallery_view import PAGE

TOTAL = PAGE + 3


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    gallery = Gallery(tmp_path_factory.mktemp("view"))
    for number in range(TOTAL):
        gallery.save(
            Image.new("RGB", (64, 48), (number * 5, 80, 90)),
            request=TextToImage(prompt=f"{'苹果' if number % 2 else '小狗'} {number}", seed=number),
            infotext="", model="m", model_hash="", seconds=1.0, info={},
        )  # fmt: skip
    return gallery


def test_pages_newest_first(gallery, browser_of):
    view = GalleryView(gallery)
    page = browser_of(view)
    page.says("page", view="v", number=1, query="", before=None)
    first, buffers = page.sent[-1]
    assert (first["count"], first["more"], first["view"], first["number"]) == (TOTAL, True, "v", 1)
    assert [item["seed"] for item in first["items"]] == list(range(TOTAL - 1, 2, -1))
    assert len(buffers) == PAGE and Image.open(io.BytesIO(buffers[0])).format == "WEBP"
    page.says("page", view="v", number=2, query="", before=first["items"][-1]["id"])
    second, _ = page.sent[-1]
    assert [item["seed"] for item in second["items"]] == [2, 1, 0] and second["more"] is False


def test_search(gallery, browser_of):
    page = browser_of(GalleryView(gallery))
    page.says("page", view="v", number=1, query=" 苹果 ", before=None)
    found, _ = page.sent[-1]
    assert found["count"] == TOTAL // 2 and all("苹果" in item["prompt"] for item in found["items"])
    page.says("page", view="v", number=2, query="大象", before=None)
    assert page.sent[-1][0]["items"] == [] and page.sent[-1][0]["count"] == 0


@pytest.mark.parametrize(
    "content", [{}, {"query": 5, "before": []}, {"query": "'\" OR 1=1 --", "before": "zz"}, {"number": "x"}]
)
def test_strange_questions_get_an_answer_or_a_sentence(gallery, browser_of, content):
    view = GalleryView(gallery)
    page = browser_of(view)
    page.says("page", **content)
    assert page.of("page") or view._error


def test_open_and_reuse(gallery, browser_of):
    view = GalleryView(gallery)
    page, opened, reused = browser_of(view), [], []
    view.on_open(opened.append)
    view.on_reuse(reused.append)
    newest = gallery.list(limit=1)[0]
    page.sets(selected=newest.id)
    page.says("open", id=newest.id)
    page.says("reuse", id=newest.id)
    assert [record.id for record in opened + reused] == [newest.id] * 2 and view.record.id == newest.id
    page.says("open", id="../../../etc/passwd")
    assert len(opened) == 1 and view._error


def test_new_pictures_and_no_gallery(gallery, browser_of):
    view = GalleryView(gallery)
    page = browser_of(view)
    view.added(gallery.list(limit=1))
    assert page.of("added")[0]["count"] == TOTAL and len(page.sent[-1][1]) == 1
    view.refresh()
    assert page.of("reset")
    empty = GalleryView(None)
    page = browser_of(empty)
    page.says("page", view="v", number=1)
    assert page.of("page")[0]["items"] == []

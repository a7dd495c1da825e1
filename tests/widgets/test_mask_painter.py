"""The mask painter without a browser: what it gives, what it takes from a page, what it tells the pages."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets.errors import InvalidRequest
from ra_widgets.widgets import _raster


def picture(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3), "uint8")
    return Image.fromarray(pixels).convert(mode)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class Page:
    """The page's side: states that were sent to it, patches that it sends."""

    def __init__(self, painter: ra.MaskPainter, name: str = "page") -> None:
        self.painter, self.name, self.seq, self.states = painter, name, 0, []
        painter.send_state = lambda key=None: self.states.append([key] if isinstance(key, str) else list(key or []))

    def paint(self, patch: Image.Image | bytes, x: int = 0, y: int = 0, last: bool = True, **more: object) -> None:
        self.seq += last
        data = patch if isinstance(patch, bytes) else png(patch)
        content = {"type": "patch", "of": self.painter._of, "by": self.name, "seq": self.seq if last else None}
        message = {"method": "custom", "content": {**content, "x": x, "y": y, **more}}
        self.painter._handle_msg({"content": {"data": message}, "buffers": [memoryview(data)]})

    def asks(self) -> None:
        self.painter._handle_msg(
            {"content": {"data": {"method": "custom", "content": {"type": "lacking"}}}, "buffers": []}
        )


@pytest.fixture
def painter() -> ra.MaskPainter:
    return ra.MaskPainter(picture())


def test_three_lines_give_a_mask(painter):
    assert painter.image.size == (96, 64)
    assert painter.mask.mode == "L" and painter.mask.size == (96, 64) and painter.empty
    state = painter.get_state()
    assert state["_picture"].startswith(b"\x89PNG") and state["_layer"] == b"" and state["_size"] == [96, 64]
    shown = Image.open(io.BytesIO(state["_picture"]))
    assert np.array_equal(np.asarray(shown), np.asarray(painter.image))
    assert ra.MaskPainter().mask is None


def test_a_patch_of_the_page_becomes_the_mask_and_is_not_sent_back(painter):
    page, heard = Page(painter), []
    painter.on_change(heard.append)
    page.paint(Image.new("L", (10, 8), 200), 20, 30)
    expected = np.zeros((64, 96), "uint8")
    expected[30:38, 20:30] = 200
    assert np.array_equal(np.asarray(painter.mask), expected)
    assert page.states == [["_version"]] and heard == [painter]
    assert painter.get_state("_version")["_version"] == {"of": 0, "n": 1, "by": "page", "seq": 1}
    # a page that opens now gets it all
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(painter.get_state()["_layer"]))), expected)
    page.asks()
    assert page.states[-1] == ["_layer", "_version"] and painter._by == ""


def test_a_large_change_in_pieces_counts_once(painter):
    page, heard = Page(painter), []
    painter.on_change(heard.append)
    page.paint(Image.new("L", (96, 32), 255), last=False)
    assert heard == [] and page.states == []
    page.paint(Image.new("L", (96, 32), 255), 0, 32)
    assert len(heard) == 1 and painter.mask.getextrema() == (255, 255)


@pytest.mark.parametrize(
    "patch",
    [
        b"", b"no picture", png(Image.new("RGB", (4, 4))), png(Image.new("L", (200, 4))), png(Image.new("L", (8, 8)))[:40],
        b"x" * (_raster.PATCH_BYTES + 1),
    ],
)  # fmt: skip
def test_a_patch_that_is_none_harms_nothing(painter, patch):
    page = Page(painter)
    page.paint(Image.new("L", (4, 4), 255))
    page.paint(patch)
    assert "刷新" in painter._error
    assert painter.mask.getpixel((3, 3)) == 255 and ["_layer", "_version"] in page.states
    assert painter.get_state("_version")["_version"]["by"] == ""  # so that the page takes it


@pytest.mark.parametrize("bad", [{"x": -1}, {"x": 94}, {"y": "1"}, {"of": None}, {"by": 5}, {"x": True}, {"seq": "a"}])
def test_patches_outside_or_unreadable_are_refused(painter, bad):
    Page(painter).paint(Image.new("L", (4, 4), 255), **bad)
    assert painter.empty and painter._error


def test_a_message_without_bytes_is_refused(painter, browser_of):
    browser_of(painter).says("patch", of=0, by="p", seq=1, x=0, y=0)
    assert painter.empty and painter._error


def test_a_stroke_on_a_picture_that_is_gone_is_dropped(painter):
    page = Page(painter)
    old = painter._of
    painter.image = picture()
    page.paint(Image.new("L", (4, 4), 255), of=old)
    assert painter.empty and painter._error == ""


def test_setting_the_mask(painter):
    page, heard = Page(painter), []
    painter.on_change(heard.append)
    mask = Image.new("L", (96, 64), 0)
    ImageDraw.Draw(mask).rectangle((10, 10, 40, 40), fill=255)
    painter.mask = mask
    assert painter.mask.tobytes() == mask.tobytes() and len(heard) == 1
    assert page.states == [["_layer", "_version"]]
    assert painter.mask is not painter.mask
    painter.mask = Image.new("1", (48, 32), 1)
    assert painter.mask.getextrema() == (255, 255) and painter.mask.size == (96, 64)
    drawing = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (0, 0, 5, 5))
    painter.mask = drawing
    assert painter.mask.getpixel((2, 2)) == 255 and painter.mask.getpixel((50, 50)) == 0
    painter.mask = Image.new("RGBA", (96, 64), "white")
    assert painter.mask.getextrema() == (255, 255)
    painter.mask = None
    assert painter.empty


def test_clear_invert_feather(painter):
    painter.invert()
    assert painter.mask.getextrema() == (255, 255)
    painter.clear()
    assert painter.empty
    mask = Image.new("L", (96, 64), 0)
    mask.paste(255, (0, 0, 48, 64))
    painter.mask = mask
    painter.feather(4)
    row = np.asarray(painter.mask)[32].astype(int)
    assert row[0] == 255 and row[95] == 0 and 100 < row[48] < 155 and (np.diff(row) <= 0).all()
    with pytest.raises(InvalidRequest):
        painter.feather(-1)
    ra.MaskPainter().clear()


def test_files(painter, tmp_path):
    painter.mask = Image.new("L", (96, 64), 77)
    path = painter.save(tmp_path / "蒙版.png")
    painter.clear()
    painter.load(path)
    assert painter.mask.getextrema() == (77, 77)
    assert ra.MaskPainter(path).image.size == (96, 64)
    assert ra.MaskPainter(path.read_bytes()).image.size == (96, 64)
    (tmp_path / "x.png").write_text("nothing")
    with pytest.raises(InvalidRequest, match=r"x\.png"):
        painter.image = tmp_path / "x.png"
    assert painter.image.size == (96, 64)
    with pytest.raises(InvalidRequest):
        ra.MaskPainter().save(tmp_path / "none.png")
    with pytest.raises(InvalidRequest):
        ra.MaskPainter().mask = Image.new("L", (4, 4))


def test_another_picture_of_the_same_size_keeps_the_mask(painter):
    page = Page(painter)
    painter.mask = Image.new("L", (96, 64), 255)
    painter.image = picture()
    assert not painter.empty
    painter.image = picture(32, 32)
    assert painter.empty and painter.mask.size == (32, 32)
    assert page.states[-1] == ["_size", "_full", "_picture", "_layer", "_version"]
    painter.image = None
    assert painter.mask is None and painter.get_state()["_picture"] == b""


@pytest.mark.parametrize(
    ("size", "worked"), [((1, 1), (1, 1)), ((8000, 6000), (4729, 3547)), ((20000, 40), (16384, 32))]
)
def test_pictures_of_every_size(size, worked):
    painter = ra.MaskPainter(Image.new("L", size, 128))
    assert tuple(painter._size) == worked
    assert Image.open(io.BytesIO(painter.get_state()["_picture"])).size == worked
    Page(painter).paint(Image.new("L", (1, 1), 255))
    assert painter.mask.size == size and painter.mask.getpixel((0, 0)) == 255


@pytest.mark.parametrize("bad", [Image.new("1", (20000, 20000)), b"", b"\x89PNG\r\n", "no/such/file.png", 5, object()])
def test_what_is_no_picture_is_refused_and_nothing_lost(painter, bad):
    painter.invert()
    with pytest.raises(InvalidRequest):
        painter.image = bad
    assert painter.image.size == (96, 64) and painter.mask.getextrema() == (255, 255)
    with pytest.raises(InvalidRequest):
        painter.mask = bad
    assert painter.mask.getextrema() == (255, 255)


def test_the_page_gets_what_it_can_show():
    assert ra.MaskPainter(picture(mode="CMYK")).get_state()["_picture"].startswith(b"\x89PNG")
    large = Image.new("RGB", (2048, 2048), "red")
    assert ra.MaskPainter(large).get_state()["_picture"].startswith(b"\xff\xd8")
    clear = Image.new("RGBA", (2048, 1024), (255, 0, 0, 40))
    assert ra.MaskPainter(clear).get_state()["_picture"][8:12] == b"WEBP"


def test_the_tools_settings(painter, browser_of):
    page = browser_of(painter)
    page.sets(tool="lasso", brush=77, softness=30, view="edge", fill_by="color", tolerance=9, feather_by=3)
    assert (painter.tool, painter.brush, painter.softness, painter.view) == ("lasso", 77, 30, "edge")
    for name, value in {"brush": 0, "softness": 101, "tool": "axe", "tolerance": -1, "feather_by": 0}.items():
        before = getattr(painter, name)
        page.sets(**{name: value})
        assert getattr(painter, name) == before and painter._error
        painter.clear_error()
    page.sets(_layer="x", _size=[9, 9], _key="y", _busy=True)
    assert painter._size == [96, 64] and not painter._busy


def test_picking_an_object_by_a_click(browser_of):
    asked, done = [], threading.Event()

    def find(image: Image.Image, point: tuple[int, int]) -> Image.Image:
        asked.append((image, point))
        mask = Image.new("L", image.size, 0)
        mask.paste(255, (0, 0, 40, 64))
        return mask

    painter = ra.MaskPainter(picture())
    page = browser_of(painter)
    page.says("segment", x=5, y=6, erase=False)
    assert not painter._segments and asked == []
    painter.segmenter = find
    assert painter.get_state("_segments")["_segments"] is True
    painter.observe(lambda change: done.set() if not change.new else None, "_busy")
    painter.mask = Image.new("L", (96, 64), 9)
    page.says("segment", x=5, y=6, erase=False)
    assert done.wait(10)
    assert asked == [(painter.image, (5, 6))]
    assert painter.mask.getpixel((39, 9)) == 255 and painter.mask.getpixel((41, 9)) == 9
    done.clear()
    page.says("segment", x=5, y=6, erase=True)
    assert done.wait(10)
    assert painter.mask.getpixel((39, 9)) == 0 and painter.mask.getpixel((41, 9)) == 9
    page.says("segment", x=96, y=6)
    page.says("segment", x="5")
    assert len(asked) == 2 and painter._error
    done.clear()
    painter.segmenter = lambda image, point: 1 / 0
    page.says("segment", x=1, y=1)
    assert done.wait(10) and "ZeroDivisionError" in painter._error
    painter.tool = "segment"
    painter.segmenter = None
    assert painter.tool == "brush"

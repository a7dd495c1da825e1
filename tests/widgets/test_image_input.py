"""The picture input and the comparison: what comes in, and what a page may do to them."""

from __future__ import annotations

import http.server
import io
import threading

import numpy as np
import pytest
from PIL import Image

from ra_widgets.errors import RAError
from ra_widgets.widgets import CompareSlider, ImageInput
from ra_widgets.widgets import _fetch as fetching
from ra_widgets.widgets._pictures import PAGE_SIDE, page_bytes
from ra_widgets.widgets._uploads import Uploads

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8))


def png(image: Image.Image = NOISE, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def give(page, data: bytes, piece: int = 1000, **content) -> None:
    """A file as the page sends it, in pieces."""
    parts = [data[at : at + piece] for at in range(0, len(data), piece)]
    for part, buffer in enumerate(parts):
        page.says("file", buffer, upload="u", part=part, parts=len(parts), **content)


def test_a_file_arrives_in_pieces_exactly(browser_of):
    source, seen = ImageInput(), []
    source.on_change(lambda s: seen.append(s.image.size))
    page = browser_of(source)
    give(page, png(), name="照片.png")
    assert source.image.tobytes() == NOISE.tobytes() and seen == [(64, 48)]
    assert {k: v for k, v in source.shown["picture"].items() if k != "key"} == {
        "width": 64,
        "height": 48,
        "name": "照片.png",
    }
    content, (data,) = next(item for item in page.sent if item[0]["type"] == "picture")
    assert Image.open(io.BytesIO(data)).tobytes() == NOISE.tobytes()
    assert page.of("taken") == [{"type": "taken"}]
    # a page that opens later asks
    page.sent.clear()
    page.says("lacking", keys=[content["key"], "nonsense", 3])
    assert [item["key"] for item in page.of("picture")] == [content["key"]]


@pytest.mark.parametrize("bad", [b"", b"not a picture", png()[:200], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_picture_says_so_and_nothing_is_lost(browser_of, bad):
    source = ImageInput(NOISE)
    page = browser_of(source)
    page.says("file", bad, upload="u", name="x.png")
    assert source._error and source.image.size == (64, 48) and page.of("taken")


def test_undo_brings_back_what_was_there(browser_of):
    source = ImageInput(NOISE)
    page = browser_of(source)
    assert not source.undoable
    give(page, png(NOISE.resize((16, 16))))
    page.says("clear")
    assert source.image is None and source.shown == {}
    page.says("undo")
    assert source.image.size == (16, 16)
    page.says("undo")
    assert source.image.size == (64, 48) and not source.undoable
    page.says("undo")
    assert source.image.size == (64, 48)


def test_the_gallery_offers_its_pictures(kernel, browser_of):
    record = kernel.generate("红苹果", steps=1, width=64, height=64, seed=3).records[0]
    source, seen = ImageInput(gallery=kernel.gallery), []
    source.on_record(seen.append)
    page = browser_of(source)
    page.says("page", view="v", number=1, query="", before=None)
    assert page.of("page")[0]["items"][0]["id"] == record.id
    page.says("pick", id=record.id)
    assert source.image.tobytes() == record.image.convert("RGB").tobytes()
    assert source.record.id == record.id and [item.id for item in seen] == [record.id]
    page.says("pick", id="../../etc/passwd")
    assert source._error and source.record.id == record.id
    assert not ImageInput().has_gallery


def test_an_address_is_refused_unless_allowed(browser_of):
    source = ImageInput(NOISE)
    page = browser_of(source)
    page.sets(allow_url=True)
    page.says("url", url="http://127.0.0.1/x.png")
    assert not source.allow_url and "网址" in source._error and source.image.size == (64, 48)


@pytest.fixture
def pages():
    """A small web server on this machine: path -> (status, headers, body)."""
    known: dict[str, tuple[int, dict[str, str], bytes]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = known.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield known, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_fetching(pages, monkeypatch):
    known, base = pages
    known["/a.png"] = (200, {}, png())
    known["/to"] = (302, {"Location": "/a.png"}, b"")
    known["/round"] = (302, {"Location": "/round"}, b"")
    known["/big"] = (200, {}, b"x" * 70_000)
    assert fetching.fetch_picture(f"{base}/to", allow_private=True) == png()
    for url, key in [
        (f"{base}/a.png", "private"), ("http://[::1]/x", "private"), ("file:///etc/passwd", "address"),
        ("http://", "address"), ("http://x:99999999/", "address"),
    ]:  # fmt: skip
        with pytest.raises(RAError) as refused:
            fetching.fetch_picture(url)
        assert refused.value.key == f"studio.input.error.{key}", url
    monkeypatch.setattr(fetching, "MOST_BYTES", 66_000)
    for path, key in [
        ("/none", "studio.input.error.fetch"),
        ("/round", "studio.input.error.fetch"),
        ("/big", "studio.error.file_large"),
    ]:
        with pytest.raises(RAError) as refused:
            fetching.fetch_picture(base + path, allow_private=True)
        assert refused.value.key == key


def test_pieces_that_make_no_sense():
    uploads = Uploads(most=10)

    def piece(data=b"abc", **content):
        return uploads.add({"upload": "u", "part": 0, "parts": 1, "buffers": [data], **content})

    assert piece() == b"abc"
    assert piece(parts=2) is None and piece(part=1, parts=2) == b"abcabc"
    assert piece(part=1, parts=2, upload="gone") is None
    for wrong in [
        {"part": -1},
        {"part": 2, "parts": 2},
        {"parts": "2"},
        {"buffers": []},
        {"parts": 2, "upload": None},
        {"part": True},
    ]:
        with pytest.raises(RAError):
            piece(**wrong)
    piece(parts=3)
    with pytest.raises(RAError):
        piece(part=2, parts=3)
    with pytest.raises(RAError):
        piece(b"x" * 11)


def test_large_pictures_go_to_the_page_smaller():
    data, kind = page_bytes(Image.new("RGB", (5000, 1000)))
    assert kind == "image/jpeg" and max(Image.open(io.BytesIO(data)).size) == PAGE_SIDE
    data, kind = page_bytes(Image.new("RGBA", (1100, 1000)))
    assert kind == "image/webp" and Image.open(io.BytesIO(data)).mode == "RGBA"


def test_comparing(browser_of):
    view = CompareSlider(NOISE, NOISE.resize((32, 24)))
    page = browser_of(view)
    assert {name: facts["width"] for name, facts in view.shown.items()} == {"before": 64, "after": 32}
    page.sets(mode="difference", position=140, gain=0)
    assert (view.mode, view.position, view.gain) == ("difference", 100.0, 1.0)
    page.sets(mode="<b>")
    assert view.mode == "difference" and view._error
    view.after = None
    assert set(view.shown) == {"before"}

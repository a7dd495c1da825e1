"""Sketch, outpaint frame, crop and resize, without a browser."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets.errors import InvalidRequest
from ra_widgets.widgets import _memory


def picture(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3), "uint8")
    return Image.fromarray(pixels).convert(mode)


def send(widget: ra.Sketch, patch: Image.Image, x: int = 0, y: int = 0) -> None:
    buffer = io.BytesIO()
    patch.save(buffer, "PNG")
    content = {"type": "patch", "of": widget._of, "by": "page", "seq": 1, "x": x, "y": y}
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": [buffer.getvalue()]}
    widget._handle_msg(message)


# ------------------------------------------------------------------------------------------------------------- sketch
def test_a_sketch_is_the_picture_with_the_paint_on_it():
    sketch, heard = ra.Sketch(picture()), []
    sketch.on_change(heard.append)
    assert sketch.result.mode == "RGB" and sketch.result.tobytes() == picture().tobytes()
    send(sketch, Image.new("RGBA", (10, 8), (255, 0, 0, 255)), 20, 30)
    send(sketch, Image.new("RGBA", (4, 4), (0, 0, 255, 128)), 0, 0)
    result = np.asarray(sketch.result).astype(int)
    before = np.asarray(picture()).astype(int)
    assert (result[30:38, 20:30] == (255, 0, 0)).all()
    assert np.abs(result[:4, :4] - (before[:4, :4] * 127 + np.array((0, 0, 255)) * 128) / 255).max() <= 2
    untouched = np.ones((64, 96), bool)
    untouched[30:38, 20:30] = untouched[:4, :4] = False
    assert (result[untouched] == before[untouched]).all() and len(heard) == 2
    assert sketch.layer.mode == "RGBA" and sketch.layer.getpixel((50, 50)) == (0, 0, 0, 0)
    again = Image.open(io.BytesIO(sketch.get_state()["_layer"]))
    assert again.mode == "RGBA" and again.tobytes() == sketch.layer.tobytes()
    sketch.clear()
    assert sketch.result.tobytes() == picture().tobytes() and sketch.get_state()["_layer"] == b""


def test_a_sketch_takes_no_patch_of_another_kind():
    sketch = ra.Sketch(picture())
    send(sketch, Image.new("L", (4, 4), 255))
    assert sketch._error and sketch.layer.getbbox() is None


def test_a_sketch_on_white_paper_and_on_nothing():
    sketch = ra.Sketch(size=(40, 30))
    assert sketch.result.getextrema() == ((255, 255),) * 3 and sketch.result.size == (40, 30)
    empty = ra.Sketch()
    assert empty.result is None and empty.layer is None
    empty.clear()
    with pytest.raises(InvalidRequest):
        ra.Sketch(size=(0, 30))
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert ra.Sketch(clear).result.getpixel((3, 3)) == (255, 255, 255)


def test_a_large_picture_is_sketched_on_smaller_and_comes_out_whole():
    sketch = ra.Sketch(Image.new("RGB", (6000, 4000), "white"))
    width, height = sketch._size
    assert width * height <= ra.Sketch.MOST and abs(width / height - 1.5) < 0.01
    send(sketch, Image.new("RGBA", (width // 2, height), (255, 0, 0, 255)))
    result = sketch.result
    assert result.size == (6000, 4000)
    assert result.getpixel((100, 100)) == (255, 0, 0) and result.getpixel((5900, 100)) == (255, 255, 255)


def test_the_colours_of_a_sketch(browser_of):
    sketch = ra.Sketch(picture())
    page = browser_of(sketch)
    page.sets(color="#ABCDEF", opacity=40, tool="fill", brush=9)
    assert (sketch.color, sketch.opacity, sketch.tool, sketch.brush) == ("#abcdef", 40, "fill", 9)
    for bad in ("red", "#12345", "url(x)", 5):
        page.sets(color=bad)
        assert sketch.color == "#abcdef" and "颜色" in sketch._error
    page.sets(palette=["#000000"])
    assert len(sketch.palette) == 8


# ----------------------------------------------------------------------------------------------------------- outpaint
def test_the_sides_become_a_request(browser_of):
    frame, heard = ra.OutpaintFrame(picture(), right=64), []
    frame.on_change(heard.append)
    assert frame.values() == {"left": 0, "right": 64, "top": 0, "bottom": 0} and frame.final_size == (160, 64)
    browser_of(frame).sets(left=8, top=16)
    assert frame.final_size == (168, 80) and len(heard) == 2
    request = ra.Outpaint(prompt="海边", image=frame.image, **frame.values())
    assert request.final_size == frame.final_size
    frame.fill(left=0, bottom=32, prompt="x")
    assert frame.values() == {"left": 0, "right": 64, "top": 16, "bottom": 32}
    assert ra.OutpaintFrame().final_size is None


@pytest.mark.parametrize("bad", [-8, 2049, "far", None, 1.5])
def test_sides_out_of_range_are_refused(browser_of, bad):
    frame = ra.OutpaintFrame(picture(), right=64)
    browser_of(frame).sets(right=bad)
    assert frame.right == 64 and "右" in frame._error


def test_the_memory_grows_with_the_picture_and_knows_the_model(kernel):
    frame = ra.OutpaintFrame(picture(512, 512))
    usual = frame.memory
    assert 1.5e9 < usual < 3e9 and frame._memory == usual and frame._free > 0
    frame.model = kernel.model
    small = frame.memory
    assert small < usual / 2 and frame._memory == small
    frame.right = 512
    assert frame.memory - small == 512 * 512 * 24 * 32  # what was measured: about 760 bytes a pixel
    assert _memory.estimate(None, 64, 64) < _memory.estimate(None, 128, 64)


# --------------------------------------------------------------------------------------------------------------- crop
def test_a_crop_is_the_part_at_its_size(browser_of):
    crop, heard = ra.CropResize(picture()), []
    crop.on_change(heard.append)
    assert crop.box == (0, 0, 96, 64) and crop.result.tobytes() == picture().tobytes()
    browser_of(crop).sets(_box=[10, 20, 50, 40])
    assert crop.box == (10, 20, 50, 40) and crop.size == (40, 20) and len(heard) == 1
    assert crop.result.tobytes() == picture().crop((10, 20, 50, 40)).tobytes()
    crop.width = 80
    assert crop.size == (80, 40)
    expected = picture().crop((10, 20, 50, 40)).resize((80, 40), Image.Resampling.LANCZOS)
    assert crop.result.tobytes() == expected.tobytes()
    crop.width, crop.height = None, 100
    assert crop.size == (200, 100)
    crop.width = 64
    assert crop.size == (64, 100) and crop.result.size == (64, 100)
    assert ra.CropResize().result is None and ra.CropResize().box is None


@pytest.mark.parametrize("bad", [[0, 0, 97, 64], [5, 5, 5, 9], [-1, 0, 4, 4], [0, 0, 4], ["a", 0, 4, 4], None, 7])
def test_boxes_outside_are_refused(browser_of, bad):
    crop = ra.CropResize(picture(), box=(1, 2, 30, 40))
    browser_of(crop).sets(_box=bad)
    assert crop.box == (1, 2, 30, 40) and crop._error
    with pytest.raises(InvalidRequest):
        crop.box = bad
    with pytest.raises(InvalidRequest):
        ra.CropResize(picture(), box=bad or [9, 9, 9, 9])


def test_sizes_and_shapes_of_a_crop(browser_of):
    crop = ra.CropResize(picture())
    page = browser_of(crop)
    page.sets(width=512, ratio="16:9")
    assert (crop.width, crop.ratio) == (512, "16:9")
    for name, bad in {"width": 0, "height": 9000, "ratio": "0:1"}.items():
        before = getattr(crop, name)
        page.sets(**{name: bad})
        assert getattr(crop, name) == before and crop._error
        crop.clear_error()


def test_another_picture_resets_a_box_that_does_not_fit():
    crop = ra.CropResize(picture(), box=(10, 10, 90, 60))
    crop.image = picture()
    assert crop.box == (10, 10, 90, 60)
    crop.image = picture(50, 50)
    assert crop.box == (0, 0, 50, 50) and crop.result.size == (50, 50)
    crop.image = None
    assert crop.box is None


# -------------------------------------------------------------------------------------------------------------- common
@pytest.mark.parametrize("kind", [ra.MaskPainter, ra.Sketch, ra.OutpaintFrame, ra.CropResize])
def test_each_gives_its_page_the_picture_once_and_takes_it_away(kind):
    widget = kind(picture())
    state = widget.get_state()
    assert state["_picture"].startswith(b"\x89PNG") and state["_size"] == state["_full"] == [96, 64]
    widget.image = None
    state = widget.get_state()
    assert state["_picture"] == b"" and state["_full"] == [0, 0] and widget.image is None
    assert state["_version"]["of"] == 1
    turned = picture()
    exif = turned.getexif()
    exif[274] = 6
    turned.info["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", exif=exif)
    widget.image = buffer.getvalue()
    assert widget.image.size == (64, 96), "turned as its EXIF says"

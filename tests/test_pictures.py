from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets import picture_files, pictures
from ra_widgets.errors import InvalidRequest
from ra_widgets.pictures import Picture


def colours(width: int = 40, height: int = 24) -> Image.Image:
    """Every pixel differs from its neighbours, so that a turn or a shift shows."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 5 % 256, y * 9 % 256, (x + y) * 3 % 256], axis=2).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_same_pixels_are_the_same_picture(tmp_path):
    image = colours()
    path = tmp_path / "画.png"
    image.save(path)
    sources = [image, path, str(path), path.read_bytes(), np.asarray(image), saved(image, "BMP"), Picture(image)]
    found = [Picture(source) for source in sources]
    assert len(set(found)) == 1 and found[0] != Picture(colours(41))
    assert found[0].size == (40, 24) and found[0].mode == "RGB"
    assert pickle.loads(pickle.dumps(found[0])) == found[0]


def test_a_picture_does_not_change_with_its_source():
    image = colours()
    picture = Picture(image)
    before = picture.sha256
    image.paste("red", (0, 0, 40, 24))
    picture.image.paste("red", (0, 0, 40, 24))
    assert pictures.digest(picture.image) == before


@pytest.mark.parametrize("turn", range(2, 9))
def test_exif_orientation(turn):
    image = colours()
    exif = Image.Exif()
    exif[0x0112] = turn
    picture = Picture(saved(image, "PNG", exif=exif))
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[turn]
    assert np.array_equal(np.asarray(picture.image), np.asarray(image.transpose(Image.Transpose(undone))))


def test_modes_become_eight_bits():
    image = colours()
    grey = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40) * 65
    sixteen = Picture(saved(Image.fromarray(grey), "PNG"))
    assert sixteen.mode == "L" and np.abs(np.asarray(sixteen.image) * 257.0 - grey).max() <= 129
    cmyk = Picture(saved(image.convert("CMYK"), "JPEG", quality=100, subsampling=0))
    assert cmyk.mode == "RGB" and np.abs(np.asarray(cmyk.image).astype(int) - np.asarray(image)).mean() < 6
    palette = Picture(saved(image.quantize(64), "PNG"))
    assert palette.mode == "RGB"
    assert Picture(saved(image.convert("1"), "PNG")).mode == "L"
    assert Picture(np.zeros((4, 5), dtype=bool)).mode == "L"
    assert Picture(np.full((4, 5, 3), 0.5)).image.getpixel((0, 0)) == (128, 128, 128)


def test_transparency_is_kept_shown_on_white_and_read_as_mask():
    image = colours().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.linspace(0, 255, 40, dtype=np.uint8)[None], 24, axis=0)))
    picture = Picture(saved(image, "PNG"))
    assert picture.mode == "RGBA"
    assert picture.rgb().getpixel((0, 0)) == (255, 255, 255)
    assert picture.rgb().getpixel((39, 5)) == image.getpixel((39, 5))[:3]
    assert picture.gray().getcolors() == [(24 * 20, 0), (24 * 20, 255)]
    assert len(picture.gray(threshold=False).getcolors()) == 40
    see_through = image.quantize(16)
    see_through.info["transparency"] = 0
    assert Picture(saved(see_through, "GIF", transparency=0)).mode == "RGBA"


def test_animations_give_their_first_frame():
    frames = [colours(), Image.new("RGB", (40, 24), "red")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = saved(
            frames[0], kind, save_all=True, append_images=frames[1:], **({} if kind == "GIF" else {"lossless": True})
        )
        got = np.asarray(Picture(data).rgb()).astype(int)
        assert np.abs(got - np.asarray(frames[0])).mean() < 12, kind


def bomb(width: int, height: int) -> bytes:
    """A small PNG file that says it is huge."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(b"\0" * 1_000_000)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BAD = [
    (lambda path: bomb(20_000, 20_000), "太大|像素", "million"),
    (lambda path: bomb(12_000, 9_000), "12000×9000", "12000×9000"),
    (lambda path: saved(colours(), "PNG")[:-60], "损坏", "damaged"),
    (lambda path: saved(colours(200, 200), "JPEG")[:900], "损坏", "damaged"),
    (lambda path: b"hello", "不是图片", "no picture"),
    (lambda path: path / "没有.png", "没有文件", "no file"),
    (lambda path: path, "不能读取", "cannot read"),
    (lambda path: 42, "需要图片", "picture is needed"),
    (lambda path: np.zeros((3, 4, 7)), "3×4×7", "3×4×7"),
    (lambda path: np.full((3, 4, 3), np.nan), "数组", "array"),
    (lambda path: np.zeros((0, 4, 3), dtype=np.uint8), "没有像素", "no pixels"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_pictures_say_what_is_wrong(case, tmp_path):
    import re

    make, chinese, english = BAD[case]
    for build in (lambda source: Picture(source), lambda source: ra.ImageToImage(image=source)):
        with pytest.raises(InvalidRequest) as caught:
            build(make(tmp_path))
        assert re.search(chinese, caught.value.text("zh_CN")) and re.search(english, caught.value.text("en"))
        assert caught.value.field == "image"


def test_a_bomb_costs_no_memory():
    code = (
        "import resource, sys; sys.path.insert(0, 'tests'); from test_pictures import bomb; import ra_widgets as ra\n"
        "data = bomb(20000, 20000); ra.ImageToImage; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: ra.ImageToImage(image=data)\n"
        "except ra.InvalidRequest: print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    root = Path(__file__).parent.parent
    out = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True).stdout
    assert int(out) < 60  # MiB


def test_large_pictures_in_memory_are_refused_before_they_are_copied(monkeypatch):
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 100)
    with pytest.raises(InvalidRequest, match="40×24"):
        Picture(colours())


def test_a_store_gives_back_what_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_STORES", {})
    picture = Picture(colours())
    path = pictures.keep(picture, tmp_path)
    assert path == pictures.place(tmp_path, picture.sha256) and pictures.keep(picture, tmp_path) == path
    data = picture.to_dict()
    sha = picture.sha256
    del picture
    lonely = Picture.reference(**data)
    assert not lonely.available
    with pytest.raises(InvalidRequest, match=sha[:12]):
        _ = lonely.image
    pictures.add_store(tmp_path)
    assert lonely.available and pictures.digest(lonely.image) == sha
    assert pictures.find(sha[:32]) == lonely and pictures.find("0" * 32) is None and pictures.find("../../etc") is None
    colours(41).save(path)  # somebody has put another picture in its place
    with pytest.raises(InvalidRequest):
        _ = Picture.reference(**data).image


def test_code_of_a_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    path = tmp_path / "in.png"
    colours().save(path)
    assert Picture(path).code() == repr(str(path))
    assert "from_text" in Picture(colours(8, 8)).code()
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    for picture in (Picture(path), Picture(colours(8, 8)), Picture(noise)):
        assert Picture(eval(picture.code(), {"ra": ra})) == picture
    before = Picture(path)
    colours(41).save(path)  # the file is another one now: the code must not name it
    assert str(path) not in before.code() and Picture(eval(before.code(), {"ra": ra})) == before

"""Metadata in PNG, JPEG, WebP, AVIF, GIF and sidecars."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ra_widgets.errors import GalleryError
from ra_widgets.gallery import Gallery, carriers

from .helpers import picture, save

TEXT = '一个红苹果, "quotes"\nNegative prompt: 模糊\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 32x32'
FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".PNG", ".JPG")


@pytest.mark.parametrize("suffix", FORMATS)
def test_texts_come_back(tmp_path: Path, suffix: str) -> None:
    ours = json.dumps({"schema": 1, "提示词": "红苹果🍎"}, ensure_ascii=False)
    path = carriers.save(picture(1), tmp_path / f"图{suffix}", {"parameters": TEXT, "ra": ours})
    assert carriers.read(path) == carriers.read(path.read_bytes()) == {"parameters": TEXT, "ra": ours}
    with Image.open(path) as image:
        assert carriers.read(image) == {"parameters": TEXT, "ra": ours}
        assert image.size == (32, 32)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_the_webui_finds_its_text_in_exif(tmp_path: Path, suffix: str) -> None:
    """Byte for byte what the webui's EXIF library expects: UNICODE, then UTF-16 big endian."""
    path = carriers.save(picture(1), tmp_path / f"x{suffix}", TEXT)
    with Image.open(path) as image:
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\x00" + TEXT.encode("utf-16-be")


def test_copying_a_record_keeps_its_metadata(tmp_path: Path) -> None:
    with Gallery(tmp_path / "g") as gallery:
        record = save(gallery)
        texts = carriers.read(record.path)  # type: ignore[arg-type]
        for suffix in FORMATS:
            copy = carriers.save(record.image, tmp_path / f"out{suffix}", texts)
            assert carriers.read(copy) == texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"UNICODE\x00" + "猫 cat".encode("utf-16-be"), "猫 cat"),
        (b"UNICODE\x00" + "猫 cat".encode("utf-16-le"), "猫 cat"),
        (b"UNICODE\x00" + "全是中文".encode("utf-16-be"), "全是中文"),
        (b"UNICODE\x00\xfe\xff" + "a".encode("utf-16-be"), "a"),
        (b"ASCII\x00\x00\x00plain", "plain"),
        (b"\x00" * 8 + "无名".encode(), "无名"),
        (b"JIS\x00\x00\x00\x00\x00" + "日本".encode("iso2022_jp"), "日本"),
        ("already text\x00", "already text"),
        (b"no header", "no header"),
        (b"UNICODE\x00", ""),
        (None, ""),
    ],
)
def test_user_comments_of_all_kinds(value: object, text: str) -> None:
    assert carriers.user_comment(value) == text


def test_sidecars(tmp_path: Path) -> None:
    path = carriers.save(picture(1), tmp_path / "a.png", {"parameters": TEXT}, sidecar=True)
    assert (tmp_path / "a.txt").read_text("utf-8").strip() == TEXT
    picture(1).save(tmp_path / "a.png")  # another program has dropped the chunks
    assert carriers.read(path) == {"parameters": TEXT}
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert carriers.read(path) == {"parameters": TEXT}
    (tmp_path / "a.txt").write_bytes(b"x" * 2_000_000)
    assert carriers.read(path) == {}


def test_gif_comments(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "x.gif", comment=TEXT.encode())
    assert carriers.read(tmp_path / "x.gif") == {"parameters": TEXT}


def test_a_jpeg_with_little_room_keeps_the_webui_text(tmp_path: Path) -> None:
    path = carriers.save(picture(1), tmp_path / "x.jpg", {"parameters": TEXT, "ra": "x" * 70_000})
    assert carriers.read(path) == {"parameters": TEXT}
    with pytest.raises(GalleryError) as caught:
        carriers.save(picture(1), tmp_path / "y.jpg", {"parameters": "字" * 40_000})
    assert caught.value.key == "gallery.text_too_long" and not (tmp_path / "y.jpg").exists()
    carriers.save(picture(1), tmp_path / "y.png", {"parameters": "字" * 40_000})


def test_unknown_suffixes_and_missing_files(tmp_path: Path) -> None:
    for name in ("x.bmp", "x", "x.svg"):
        with pytest.raises(GalleryError) as caught:
            carriers.save(picture(1), tmp_path / name, TEXT)
        assert caught.value.key == "gallery.unsupported_format"
    with pytest.raises(GalleryError) as caught:
        carriers.read(tmp_path / "nothing.png")
    assert caught.value.key == "gallery.cannot_read"


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=60))
def test_any_text_survives_png_and_exif(text: str) -> None:
    for kind in ("PNG", "WEBP"):
        data = carriers.encode(picture(1, 4), kind, {"parameters": text})
        read = carriers.read(data)["parameters"]
        # UTF-16 without a mark: a text may begin with one, and a text with U+xx00 letters only may look byte-swapped
        assert read == text or (kind == "WEBP" and (text[0] == "\ufeff" or any(ord(c) % 256 == 0 for c in text)))

"""Files from anywhere: cut off, bloated, lying, random. Every one gives a sentence, none a crash."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ra_widgets.errors import GalleryError
from ra_widgets.gallery import Gallery, carriers, files, foreign
from ra_widgets.gallery.png import read_png

from .helpers import chunk, picture, png, save

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)
TEXTS = {
    "parameters": "红苹果\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1",
    "ra": '{"schema":1}',
    "note": "plain",
}
GOOD = carriers.encode(picture(5), "PNG", TEXTS)


def test_reads_what_pillow_writes() -> None:
    info = read_png(io.BytesIO(GOOD))
    assert (info.width, info.height, info.texts, info.damaged) == (32, 32, TEXTS, 0)


def test_all_kinds_of_text_chunks() -> None:
    data = png(
        8, 8,
        [
            chunk(b"tEXt", b"latin\x00caf\xe9"),
            chunk(b"tEXt", b"utf8\x00" + "红".encode()),
            chunk(b"zTXt", b"packed\x00\x00" + zlib.compress(b"abc" * 100)),
            chunk(b"iTXt", b"plain\x00\x00\x00zh\x00\x00" + "苹果".encode()),
            chunk(b"iTXt", b"deflated\x00\x01\x00\x00\x00" + zlib.compress("苹果".encode())),
            chunk(b"tEXt", b"latin\x00second of one key"),
        ],
    )  # fmt: skip
    info = read_png(io.BytesIO(data))
    assert info.texts == {"latin": "café", "utf8": "红", "packed": "abc" * 100, "plain": "苹果", "deflated": "苹果"}


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    for length in [*range(200), *range(200, len(GOOD) - 1, 41), len(GOOD) - 1]:
        path.write_bytes(GOOD[:length])
        with pytest.raises(GalleryError):
            read_png(path)
        with pytest.raises(GalleryError):
            carriers.read(path)
        if length < len(GOOD) - 60:  # Pillow reads pixels without looking at the last bytes
            with pytest.raises(GalleryError):
                files.open_picture(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    small = png(13_000, 13_000)
    assert len(small) < 40_000
    start = time.process_time()
    for data in (small, png(20_000, 20_000, rows=False), png(2**31 - 1, 2**31 - 1, rows=False)):
        path = tmp_path / "bomb.png"
        path.write_bytes(data)
        for use in (read_png, files.open_picture, carriers.read, foreign.read):
            with pytest.raises(GalleryError) as caught:
                use(path)  # type: ignore[operator]
            assert caught.value.key in ("gallery.too_large", "gallery.bomb")
    assert time.process_time() - start < 2


def test_text_bombs_cost_nothing() -> None:
    bomb = zlib.compress(b"\x00" * 60_000_000, 1)
    for body in (
        chunk(b"zTXt", b"parameters\x00\x00" + bomb),
        chunk(b"iTXt", b"parameters\x00\x01\x00\x00\x00" + bomb),
    ):
        info = read_png(io.BytesIO(png(8, 8, [body])))
        assert info.texts == {} and info.damaged == 1
    many = [chunk(b"iTXt", b"k%d\x00\x01\x00\x00\x00" % i + zlib.compress(b"x" * 3_000_000)) for i in range(20)]
    info = read_png(io.BytesIO(png(8, 8, many)))
    assert sum(map(len, info.texts.values())) <= 8 * 1024 * 1024


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a" + b"\x00" * 100,
        png(0, 8),
        png(8, 0),
        png(8, 8, end=False),
        png(8, 8)[:8] + chunk(b"tEXt", b"a\x00b") + png(8, 8)[8:],  # IHDR must come first
        png(8, 8, [struct.pack(">I", 2**32 - 1) + b"tEXt"]),
        png(8, 8, [struct.pack(">I", 2**31) + b"IDAT"]),
        png(8, 8)[:33] + chunk(b"IEND", b""),  # no pixels
        png(8, 8, [chunk(b"tEXt", b"") for _ in range(30_000)]),
        b"<html><body>404</body></html>",
        b"\x00" * 5000,
    ],
)
def test_what_is_no_png(data: bytes) -> None:
    with pytest.raises(GalleryError) as caught:
        read_png(io.BytesIO(data))
    assert caught.value.text("zh_CN") and caught.value.text("en")


def test_damaged_text_chunks_are_left_out() -> None:
    info = read_png(
        io.BytesIO(
            png(
                8, 8,
                [
                    chunk(b"tEXt", b"parameters\x00x", crc=1),
                    chunk(b"tEXt", b"no separator"),
                    chunk(b"tEXt", b"\x00no key"),
                    chunk(b"zTXt", b"k\x00\x00not zlib"),
                    chunk(b"zTXt", b"k\x00\x07" + zlib.compress(b"x")),
                    chunk(b"iTXt", b"k\x00\x01\x00\x00\x00" + zlib.compress(b"cut off" * 50)[:-8]),
                    chunk(b"iTXt", b"k\x00\x00\x00\x00\x00\xff\xfe"),
                    chunk(b"iTXt", b"k\x00"),
                    chunk(b"tEXt", b"good\x00yes"),
                ],
            )
        )
    )  # fmt: skip
    assert info.texts == {"good": "yes"} and info.damaged == 8


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_flipped_bytes_never_crash(changes: list[tuple[int, int]], mend: bool) -> None:
    data = bytearray(GOOD)
    for position, value in changes:
        data[position] = value
    for use in (lambda b: read_png(io.BytesIO(b)), carriers.read, foreign.read, files.open_picture):
        try:
            use(bytes(data))
        except GalleryError as error:
            assert str(error)


@PROPERTY
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1", b"RIFF\x40\x00\x00\x00WEBP", b"GIF89a"]),
)
def test_random_bytes_never_crash(data: bytes, head: bytes) -> None:
    for use in (carriers.read, files.open_picture):
        with pytest.raises(GalleryError):
            use(head + data)


def test_strange_files_in_the_gallery_do_not_break_it(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        kept = save(gallery)
        folder = kept.path.parent  # type: ignore[union-attr]
    (folder / "cut.png").write_bytes(GOOD[: len(GOOD) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "page.png").write_text("<html>")
    (folder / "bomb.png").write_bytes(png(13_000, 13_000))
    (folder / "notes.txt").write_text("x")
    (folder / "folder.png").mkdir()
    if os.name == "posix":
        (folder / "link.png").symlink_to("/etc/passwd")
    (folder / "外来.png").write_bytes(GOOD)
    with Gallery(tmp_path) as gallery:
        assert gallery.last_sweep.imported == 1
        assert sorted(Path(name).name for name in gallery.last_sweep.damaged) == [
            "bomb.png",
            "cut.png",
            "empty.png",
            "page.png",
        ]
        assert {record.prompt for record in gallery.list()} == {"一个红苹果", "红苹果"}
        assert gallery.rebuild() == 2
        assert (folder / "cut.png").exists()  # never deleted: it may be all that somebody has left


def test_other_formats_are_decoded_safely(tmp_path: Path) -> None:
    for suffix in (".jpg", ".webp", ".avif", ".gif"):
        path = tmp_path / f"x{suffix}"
        picture(1).save(path)
        data = path.read_bytes()
        assert files.open_picture(path).size == (32, 32)
        for length in (0, 3, 12, 30, len(data) // 3):
            with pytest.raises(GalleryError):
                files.open_picture(data[:length])
    Image.new("L", (7000, 7000)).save(tmp_path / "large.jpg")
    with pytest.raises(GalleryError) as caught:
        files.open_picture(tmp_path / "large.jpg")
    assert caught.value.key == "gallery.too_large"

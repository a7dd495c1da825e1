"""Small pictures and galleries for the tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from ra_widgets.gallery import Gallery
from ra_widgets.gallery.png import SIGNATURE
from ra_widgets.requests import TextToImage
from ra_widgets.results import Record


def picture(seed: int, size: int = 32) -> Image.Image:
    """A picture that is different for every seed and compresses badly enough to be more than a few bytes."""
    return Image.frombytes(
        "RGB", (size, size), bytes((i * i * (seed + 3) + i * 7 + seed) % 251 for i in range(size * size * 3))
    )


def save(gallery: Gallery, prompt: str = "一个红苹果", seed: int = 1, **fields: Any) -> Record:
    """Save one small picture."""
    keys = ("infotext", "model", "model_hash", "seconds", "info")
    extra = {key: fields.pop(key) for key in keys if key in fields}
    request = TextToImage(prompt=prompt, seed=seed, width=64, height=64, cfg_scale=4.0, **fields)
    return gallery.save(picture(seed), request=request, **{"model": "ra-mini", "model_hash": "0123456789", **extra})


def chunk(kind: bytes, data: bytes, *, crc: int | None = None) -> bytes:
    """One PNG chunk."""
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def png(width: int, height: int, extra: Iterable[bytes] = (), *, rows: bool = True, end: bool = True) -> bytes:
    """A 1-bit grey PNG built by hand, with further chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    pixels = zlib.compress(b"\x00" * ((width + 7) // 8 + 1) * height, 9) if rows else b""
    return SIGNATURE + header + b"".join(extra) + chunk(b"IDAT", pixels) + (chunk(b"IEND", b"") if end else b"")


def files_in(root: Path) -> set[str]:
    """All files below a folder, without the index."""
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and not p.name.startswith("index.sqlite")}

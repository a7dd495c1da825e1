"""The input pictures of a gallery, each kept once, by its hash, beside the pictures that were made from them."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from ra_widgets import pictures
from ra_widgets.gallery import files
from ra_widgets.requests import Request

FOLDER = "inputs"
GRACE = 24 * 3600.0
"""Seconds that an input stays when no picture names it: it may belong to one that is being made."""
_HASH = re.compile(r'"sha256":"([0-9a-f]{64})"')


def folder(root: Path) -> Path:
    """Where a gallery keeps them."""
    return root / FOLDER


def keep(root: Path, request: Request) -> None:
    """Put all input pictures of a request into the store; what is there already is only marked as used.

    Raises:
        GalleryError: disk full, no permission.
    """
    for picture in request.pictures().values():
        path = pictures.place(folder(root), picture.sha256)
        if path.is_file():
            with suppress(OSError):
                os.utime(path)
        elif picture.available:
            files.write_atomic(path, picture.png(3))


def hashes(request: str) -> set[str]:
    """Hashes of the pictures that a request's JSON names."""
    return set(_HASH.findall(request))


def sweep(root: Path, used: set[str]) -> int:
    """Delete temporary files, and inputs that nobody has used for a day; returns how many inputs went."""
    gone = 0
    for path in folder(root).glob("*/*"):
        with suppress(OSError):
            if files.is_leftover(path):
                path.unlink(missing_ok=True)
            elif path.suffix == ".png" and path.stem not in used and time.time() - path.stat().st_mtime > GRACE:
                path.unlink()
                gone += 1
    return gone

"""Files that are whole or absent: atomic writes, temporary names that tell whose they are, safe opening of pictures."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import struct
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ra_widgets.errors import GalleryError
from ra_widgets.gallery.png import check_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
MAX_FILE = 200 * 1024 * 1024
STALE = 3600.0
"""Seconds after which a temporary file is left over whoever made it."""

# decoders meet damaged data in many ways; all of them mean the same to the user
DECODER_ERRORS = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError),
    *(OverflowError, MemoryError, struct.error, zlib.error),
)
_TOKEN = secrets.token_hex(4)
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)-(?P<token>[0-9a-f]{8})\.tmp")


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` so that ``path`` is either the whole new file or what it was before, even after a power cut.

    Temporary file in the same folder, fsync, ``os.replace``, fsync of the folder (POSIX).

    Args:
        durable: False leaves out the fsyncs, for caches: whole or absent, but perhaps absent after a power cut.

    Raises:
        GalleryError: disk full, no permission, or another failure, said in a sentence; no partial file stays.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}-{_TOKEN}.tmp"
    try:
        _make_folder(path.parent)
        try:
            _write(temporary, data, durable)
            os.replace(temporary, path)
        except FileNotFoundError:  # taken for a left-over by a sweep that sees another process table (a container)
            _make_folder(path.parent)
            _write(temporary, data, durable)
            os.replace(temporary, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # if even this fails, the sweep at the next start takes it
            temporary.unlink(missing_ok=True)
        raise explain(error, path) from error


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)  # else the folder itself may be gone after a power cut, with all that is in it


def _write(path: Path, data: bytes, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable (nothing to do on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(handle)


def explain(error: OSError, path: Path) -> GalleryError:
    """The sentence for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "winerror", None) in (39, 112):
        return GalleryError("gallery.disk_full", folder=str(path.parent))
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return GalleryError("gallery.no_permission", folder=str(path.parent))
    return GalleryError("gallery.cannot_save", name=path.name, detail=error.strerror or str(error))


def is_temporary(name: str) -> bool:
    """Whether a file name is one of :func:`write_atomic`'s temporary names."""
    return _TEMPORARY.fullmatch(name) is not None


def is_leftover(path: Path) -> bool:
    """Whether a temporary file belongs to nobody any more: its process has ended, or it is an hour old."""
    match = _TEMPORARY.fullmatch(path.name)
    if match is None:
        return False
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False  # its owner has just finished with it
    if age > STALE:
        return True
    pid = int(match["pid"])
    if pid == os.getpid():
        return match["token"] != _TOKEN
    return not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process with this id runs on this machine."""
    if os.name == "nt":
        import ctypes

        kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined]
        handle = kernel32.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return kernel32.GetLastError() == 5  # access denied: it exists
        code = ctypes.c_ulong()
        kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel32.CloseHandle(handle)
        return code.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def open_picture(source: Path | bytes | BinaryIO, *, name: str | None = None) -> Image:
    """Open and fully decode a picture file that may be anything.

    Only PNG, JPEG, WebP, AVIF and GIF are tried; the size is checked before a pixel is decoded; cut-off files are
    refused.

    Returns:
        the first frame as PIL image, with ``format`` and ``info`` kept.

    Raises:
        GalleryError: too large, damaged, not a picture, or not readable.
    """
    from PIL import Image as image_module
    from PIL import UnidentifiedImageError

    name = name or (source.name if isinstance(source, Path) else "")
    stream: Path | BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size if isinstance(source, Path) else 0
        if size > MAX_FILE:
            raise GalleryError("gallery.file_too_large", name=name, limit=MAX_FILE // 1024**2)
        with image_module.open(stream, formats=FORMATS) as image:
            check_pixels(image.width, image.height, name)
            image.load()
            kind = image.format
            copy = image.copy()
        copy.format = kind
        return copy
    except GalleryError:
        raise
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as error:
        raise GalleryError("gallery.bomb", name=name, limit=32) from error
    except UnidentifiedImageError as error:
        raise GalleryError("gallery.not_picture", name=name) from error
    except FileNotFoundError as error:
        raise GalleryError("gallery.gone", name=name) from error
    except DECODER_ERRORS as error:
        raise GalleryError("gallery.damaged", name=name) from error

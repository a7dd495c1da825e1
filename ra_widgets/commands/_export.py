"""Put a finished picture where the user asked for it: whole or not at all, with its metadata, over nobody's file."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ra_widgets.errors import GalleryError

if TYPE_CHECKING:
    from ra_widgets.results import Record

USER_COMMENT = 0x9286
"""The Exif tag in which the webui keeps its parameters in JPEG and WebP files."""


def encode(record: Record, suffix: str) -> bytes:
    """The picture as file content.

    A PNG is the gallery's own file, byte for byte. JPEG and WebP carry the infotext as Exif ``UserComment`` (Exif 2.32,
    4.6.5: ``UNICODE\\0`` and UTF-16), as the webui writes it.
    """
    suffix = suffix.lower()
    if suffix == ".png" and record.path is not None:
        return record.path.read_bytes()
    from PIL import Image

    buffer = io.BytesIO()
    image = record.image.convert("RGB")
    if suffix == ".png":
        image.save(buffer, "PNG")
        return buffer.getvalue()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[USER_COMMENT] = b"UNICODE\0" + record.infotext.encode("utf-16-be")
    image.save(buffer, "WEBP" if suffix == ".webp" else "JPEG", quality=95, exif=exif.tobytes())
    return buffer.getvalue()


def export(record: Record, path: Path, *, force: bool = False) -> Path:
    """Write the picture to ``path`` and return where it really is.

    The file appears complete or not at all. If somebody put a file there meanwhile and ``force`` is not set, a free
    name next to it is used.

    Raises:
        GalleryError: the file cannot be written (disk full, no permission). The picture is still in the gallery.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".ra-", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(encode(record, path.suffix))
                file.flush()
                os.fsync(file.fileno())
            if os.name == "posix":
                mask = os.umask(0)
                os.umask(mask)
                temporary.chmod(0o666 & ~mask)
            return _place(temporary, path, force)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise GalleryError("cli.generate.not_written", path=str(path), detail=detail, kept=str(record.path)) from error


def _place(temporary: Path, path: Path, force: bool) -> Path:
    if force:
        os.replace(temporary, path)
        return path
    for number in range(10_000):
        target = path if number == 0 else path.with_stem(f"{path.stem}({number})")
        try:
            # a link, unlike a rename, never replaces what is there
            os.link(temporary, target)
        except FileExistsError:
            continue
        except OSError:
            # a file system without hard links (FAT, some network shares): reserve the name, then replace our own file
            try:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            os.replace(temporary, target)
        return target
    raise FileExistsError(path)

"""Put a finished picture where the user asked for it: whole or not at all, with its metadata, over nobody's file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ra_widgets.errors import GalleryError

if TYPE_CHECKING:
    from ra_widgets.results import Record

KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".avif": "AVIF"}


def encode(record: Record, suffix: str) -> bytes:
    """The picture as file content, with the metadata that the gallery's own file carries.

    A PNG is that file, byte for byte.
    """
    kind = KINDS[suffix.lower()]
    if kind == "PNG" and record.path is not None:
        return record.path.read_bytes()
    from ra_widgets.gallery import carriers

    texts = carriers.read(record.path) if record.path is not None else {carriers.PARAMETERS: record.infotext}
    return carriers.encode(record.image, kind, texts, quality=95)


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

"""How metadata travels with a picture: PNG text chunks, EXIF in JPEG, WebP and AVIF, GIF comments, ``.txt`` sidecars.

The webui's text is ``parameters`` in PNG, and EXIF UserComment ("UNICODE", UTF-16) elsewhere. Our own JSON is ``ra`` in
PNG, and the EXIF MakerNote (``ra`` and a zero byte, then UTF-8) elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.errors import GalleryError
from ra_widgets.gallery import files
from ra_widgets.gallery.png import SIGNATURE, check_pixels, read_png

if TYPE_CHECKING:
    from PIL.Image import Exif, Image
    from PIL.PngImagePlugin import PngInfo

PARAMETERS = "parameters"
OURS = "ra"
MAX_SIDECAR = 1024 * 1024
MAX_JPEG_EXIF = 65_000
"""A JPEG segment holds 65,533 bytes; some are needed for the frame."""

_EXIF_IFD, _USER_COMMENT, _MAKER_NOTE = 0x8769, 0x9286, 0x927C
_MARK = b"ra\x00"
_SAVE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".avif": "AVIF"}


def png_texts(texts: Mapping[str, str]) -> PngInfo:
    """Text chunks for Pillow's PNG writer: tEXt where Latin-1 suffices, else iTXt in UTF-8."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in texts.items():
        try:
            value.encode("ascii")
        except UnicodeEncodeError:
            info.add_itxt(key, value)
        else:
            info.add_text(key, value)
    return info


def encode(image: Image, kind: str, texts: Mapping[str, str], *, quality: int = 92, lossless: bool = False) -> bytes:
    """The bytes of a picture file with its texts.

    Args:
        image: any mode; JPEG drops transparency.
        kind: ``PNG``, ``JPEG``, ``WEBP`` or ``AVIF``.
        texts: by key; outside PNG only ``parameters`` and ``ra`` have a place. A JPEG without room for both keeps the
            first.
        quality: 1..100 for the lossy kinds; lossless: WebP without loss.

    Raises:
        GalleryError: ``parameters`` is too long for a JPEG.
    """
    buffer = io.BytesIO()
    if kind == "PNG":
        # level 1: half the time of level 6 for a tenth more bytes, see benchmarks/gallery.py
        _plain(image).save(buffer, "PNG", compress_level=1, pnginfo=png_texts(texts))
        return buffer.getvalue()
    exif = exif_bytes(texts)
    if kind == "JPEG":
        if len(exif) > MAX_JPEG_EXIF:
            exif = exif_bytes({key: value for key, value in texts.items() if key != OURS})
        if len(exif) > MAX_JPEG_EXIF:
            raise GalleryError("gallery.text_too_long", format="JPEG", limit=MAX_JPEG_EXIF)
        image.convert("RGB").save(buffer, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2, exif=exif)
    elif kind == "WEBP":
        _plain(image).save(buffer, "WEBP", quality=quality, lossless=lossless, method=4, exif=exif)
    else:
        _plain(image).save(buffer, "AVIF", quality=quality, exif=exif)
    return buffer.getvalue()


def _plain(image: Image) -> Image:
    return image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA" if "A" in image.mode else "RGB")


def save(
    image: Image,
    path: str | os.PathLike[str],
    texts: Mapping[str, str] | str,
    *,
    quality: int = 92,
    lossless: bool = False,
    sidecar: bool = False,
) -> Path:
    """Save a picture with its metadata, atomically; the suffix chooses the format (.png .jpg .webp .avif).

    Args:
        texts: by key (what :func:`read` gave), or just the webui's text.
        sidecar: also write the webui's text beside it, with the suffix ``.txt``.

    Raises:
        GalleryError: unknown suffix, disk full, no permission.
    """
    target = Path(path)
    kind = _SAVE.get(target.suffix.lower())
    if kind is None:
        raise GalleryError("gallery.unsupported_format", suffix=target.suffix or "?")
    by_key = {PARAMETERS: texts} if isinstance(texts, str) else texts
    files.write_atomic(target, encode(image, kind, by_key, quality=quality, lossless=lossless))
    if sidecar:
        files.write_atomic(target.with_suffix(".txt"), (by_key.get(PARAMETERS, "") + "\n").encode("utf-8"))
    return target


def exif_bytes(texts: Mapping[str, str]) -> bytes:
    """EXIF with the webui's text as UserComment and our JSON as MakerNote; empty without texts."""
    from PIL.Image import Exif

    exif = Exif()
    inner = exif.get_ifd(_EXIF_IFD)
    if texts.get(PARAMETERS):
        inner[_USER_COMMENT] = b"UNICODE\x00" + texts[PARAMETERS].encode("utf-16-be", "replace")
    if texts.get(OURS):
        inner[_MAKER_NOTE] = _MARK + texts[OURS].encode("utf-8", "replace")
    return exif.tobytes() if inner else b""


def read(source: str | os.PathLike[str] | bytes | Image) -> dict[str, str]:
    """All metadata texts of a picture, by key; pixels are not decoded.

    EXIF's UserComment counts as ``parameters`` and goes before a PNG chunk of that name, as in the webui. For a file
    without any, its ``.txt`` sidecar is read.

    Raises:
        GalleryError: not a picture, too large, damaged, or not readable.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            with open(path, "rb") as file:
                head = file.read(8)
        except OSError as error:
            raise GalleryError("gallery.cannot_read", name=path.name, detail=error.strerror or str(error)) from error
        texts = _png(path) if head == SIGNATURE else _other(path, path.name)
        if not texts:
            texts = _sidecar(path)
        return texts
    if isinstance(source, bytes):
        stream = io.BytesIO(source)
        return _png(stream) if source[:8] == SIGNATURE else _other(stream, "")
    texts = {key: value for key, value in source.info.items() if isinstance(key, str) and isinstance(value, str)}
    return texts | texts_of_exif(source.getexif())


def _png(source: Any) -> dict[str, str]:
    png = read_png(source)
    return png.texts | (texts_of_exif(png.exif) if png.exif else {})


def _other(source: Path | io.BytesIO, name: str) -> dict[str, str]:
    from PIL import Image as image_module
    from PIL import UnidentifiedImageError

    try:
        with image_module.open(source, formats=files.FORMATS) as image:
            check_pixels(image.width, image.height, name)
            texts = texts_of_exif(image.getexif())
            comment = image.info.get("comment")
    except GalleryError:
        raise
    except (image_module.DecompressionBombError, image_module.DecompressionBombWarning) as error:
        raise GalleryError("gallery.bomb", name=name, limit=32) from error
    except UnidentifiedImageError as error:
        raise GalleryError("gallery.not_picture", name=name) from error
    except files.DECODER_ERRORS as error:
        raise GalleryError("gallery.damaged", name=name) from error
    if isinstance(comment, bytes) and comment:
        texts.setdefault(PARAMETERS, comment.decode("utf-8", "replace"))
    return texts


def _sidecar(path: Path) -> dict[str, str]:
    side = path.with_suffix(".txt")
    try:
        if not side.is_file() or side.stat().st_size > MAX_SIDECAR:
            return {}
        text = side.read_text("utf-8-sig", "replace").strip()
    except OSError:
        return {}
    return {PARAMETERS: text} if text else {}


def texts_of_exif(exif: bytes | Exif) -> dict[str, str]:
    """The texts in EXIF: UserComment, ours, and the camera fields into which ComfyUI writes ``prompt:{...}``."""
    from PIL.Image import Exif

    texts: dict[str, str] = {}
    with contextlib.suppress(*files.DECODER_ERRORS):  # a damaged EXIF block is no reason to refuse the picture
        if isinstance(exif, bytes):
            data, exif = exif, Exif()
            exif.load(data)
        for tag in (0x010E, 0x010F, 0x0110):
            value = exif.get(tag)
            if isinstance(value, str):
                key, separator, body = value.partition(":")
                if separator and key in ("prompt", "workflow"):
                    texts[key] = body.rstrip("\x00")
        software = exif.get(0x0131)
        if isinstance(software, str) and software:
            texts["Software"] = software.rstrip("\x00")
        inner = exif.get_ifd(_EXIF_IFD)
        comment, maker = inner.get(_USER_COMMENT), inner.get(_MAKER_NOTE)
        if text := user_comment(comment):
            texts[PARAMETERS] = text
        if isinstance(maker, bytes) and maker.startswith(_MARK):
            texts[OURS] = maker[len(_MARK) :].decode("utf-8", "replace")
    return texts


def user_comment(value: object) -> str:
    """The text of an EXIF UserComment in any of the encodings that are met: UTF-16 of both orders, ASCII, UTF-8."""
    if isinstance(value, str):
        return value.rstrip("\x00")
    if not isinstance(value, bytes):
        return ""
    code, body = value[:8], value[8:]
    if code == b"UNICODE\x00":
        # the standard leaves the byte order open; in the wrong one, Latin letters have their zero bytes behind
        behind, before = body[1::2].count(0), body[0::2].count(0)
        text = body.decode("utf-16-le" if behind > before else "utf-16-be", "replace")
    elif code in (b"ASCII\x00\x00\x00", b"\x00" * 8):
        text = body.decode("utf-8", "replace")
    elif code == b"JIS\x00\x00\x00\x00\x00":
        text = body.decode("iso2022_jp", "replace")
    else:
        text = value.decode("utf-8", "replace")
    return text.rstrip("\x00").lstrip("\ufeff")

"""Reading a picture that may be anything into plain 8-bit pixels, with bounded memory."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_FILE = 200 * 1024 * 1024
MAX_PIXELS = 64 * 1024 * 1024
"""Largest picture that is read: 8192 x 8192 pixels, 192 MiB as RGB."""

_DAMAGE = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, AssertionError),
    *(OverflowError, MemoryError, struct.error, zlib.error, RuntimeError),
)


class Problem(Exception):
    """A picture that cannot be used; ``key`` and ``values`` of the sentence that says so."""

    def __init__(self, key: str, **values: object) -> None:
        self.key, self.values = key, values
        super().__init__(key)


def read(source: Any) -> Image:
    """Pixels of anything that is a picture, as a PIL image of mode L, RGB or RGBA that nobody else holds.

    Raises:
        Problem: with the sentence.
    """
    from PIL import Image as image_module

    if isinstance(source, (bytes, bytearray, memoryview)):
        return _open(io.BytesIO(bytes(source)), len(source), "")
    if isinstance(source, Path):
        try:
            return _open(source, source.stat().st_size, source.name)
        except FileNotFoundError:
            raise Problem("invalid.picture_missing", name=str(source)) from None
        except (IsADirectoryError, PermissionError) as error:
            raise Problem("invalid.picture_access", name=str(source), detail=error.strerror or str(error)) from None
    if isinstance(source, image_module.Image):
        check_size(source.width, source.height)
        try:
            source.load()
            return plain(source)
        except _DAMAGE:
            raise Problem("invalid.picture_damaged", name=str(getattr(source, "filename", ""))) from None
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return _array(source)
    inner = getattr(source, "image", None)  # a record or a result
    if isinstance(inner, image_module.Image):
        return read(inner)
    raise Problem("invalid.picture_type", got=type(source).__name__)


def _open(source: Any, length: int, name: str) -> Image:
    from PIL import Image as image_module
    from PIL import UnidentifiedImageError

    if length > MAX_FILE:
        raise Problem("invalid.picture_file", name=name, limit=MAX_FILE // 1024**2)
    try:
        with warnings.catch_warnings(action="ignore"), image_module.open(source, formats=FORMATS) as image:
            check_size(image.width, image.height, name)
            image.load()
            return plain(image)
    except image_module.DecompressionBombError:
        raise Problem("invalid.picture_bomb", name=name, limit=MAX_PIXELS // 1024**2) from None
    except UnidentifiedImageError:
        raise Problem("invalid.picture_format", name=name) from None
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except _DAMAGE:
        raise Problem("invalid.picture_damaged", name=name) from None


def check_size(width: int, height: int, name: str = "") -> None:
    """Refuse pictures that are too large, or have no pixels, before anything is decoded or copied."""
    if width * height > MAX_PIXELS:
        raise Problem("invalid.picture_size", name=name, width=width, height=height, limit=MAX_PIXELS // 1024**2)
    if width < 1 or height < 1:
        raise Problem("invalid.picture_empty", name=name)


def plain(image: Image) -> Image:
    """A picture of its own in mode L, RGB or RGBA: turned as its EXIF says, first frame, 8 bits a channel."""
    from PIL import ImageOps

    mode = image.mode
    if mode.startswith("I;16") or mode == "I":
        image = _sixteen(image)
    elif mode == "F":
        image = _floats(image)
    turned = ImageOps.exif_transpose(image)
    image = turned if turned is not None else image
    if image.mode in ("L", "1"):
        transparent = "transparency" in image.info
        wanted = "RGBA" if transparent else "L"
    elif image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        wanted = "RGBA"
    else:
        wanted = "RGBA" if "transparency" in image.info else "RGB"
    result = image.convert(wanted) if image.mode != wanted else image.copy()
    result.info = {}
    return result


def _sixteen(image: Image) -> Image:
    """16-bit grey to 8 bits: 65535 is white."""
    import numpy as np
    from PIL import Image as image_module

    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    top = 255 if image.mode == "I" and values.max(initial=0) <= 255 else 65535
    result = image_module.fromarray(((values * 255 + top // 2) // top).astype(np.uint8))
    result.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return result


def _floats(image: Image) -> Image:
    import numpy as np
    from PIL import Image as image_module

    values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    top = 1.0 if values.max(initial=0) <= 1.0 else 255.0
    result = image_module.fromarray(np.rint((values / top).clip(0, 1) * 255).astype(np.uint8))
    result.info = dict(image.info)
    return result


def _array(source: Any) -> Image:
    """A numpy array: [H, W] or [H, W, 1|3|4]; uint8, uint16 (65535 is white), bool, or float in 0..1."""
    import numpy as np
    from PIL import Image as image_module

    values = np.asarray(source)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))):
        raise Problem("invalid.picture_array", shape="×".join(map(str, values.shape)) or "()", dtype=str(values.dtype))
    check_size(values.shape[1], values.shape[0])
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    elif values.dtype == np.uint16:
        values = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    elif values.dtype.kind == "f" and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        values = np.rint(values.astype(np.float32) * 255).astype(np.uint8)
    elif values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 255:
        values = values.astype(np.uint8)
    else:
        raise Problem("invalid.picture_array", shape="×".join(map(str, values.shape)), dtype=str(values.dtype))
    return image_module.fromarray(np.ascontiguousarray(values))

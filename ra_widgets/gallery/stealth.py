"""Metadata hidden in the lowest bit of the alpha channel ("stealth pnginfo"), as NovelAI and some webui extensions do.

Bits run down the columns; 15 bytes of signature, a 32-bit length in bits, then UTF-8 text, gzipped if the signature
says so.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ra_widgets.gallery import carriers, files
from ra_widgets.gallery.png import MAX_TEXT

if TYPE_CHECKING:
    from PIL.Image import Image

_HEAD = 15
_SIGNATURES = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}


def read_alpha(source: str | os.PathLike[str] | bytes | Image) -> dict[str, str]:
    """Texts hidden in a picture's alpha channel; empty when there are none.

    Raises:
        GalleryError: not a picture, too large, damaged.
    """
    if isinstance(source, (str, os.PathLike)):
        image = files.open_picture(Path(source))
    elif isinstance(source, bytes):
        image = files.open_picture(source)
    else:
        image = source
    if image.mode != "RGBA":
        return {}
    import numpy as np

    bits = (np.asarray(image.getchannel("A")) & 1).T.reshape(-1)
    packed = np.packbits(bits[: (_HEAD + 4 + MAX_TEXT) * 8]).tobytes()
    compressed = _SIGNATURES.get(packed[:_HEAD])
    if compressed is None:
        return {}
    length = int.from_bytes(packed[_HEAD : _HEAD + 4], "big") // 8
    body = packed[_HEAD + 4 : _HEAD + 4 + length]
    try:
        if compressed:
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_TEXT)
        text = body.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return {}
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return {carriers.PARAMETERS: text} if text else {}
    if not isinstance(inner, dict):
        return {}
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in inner.items()}

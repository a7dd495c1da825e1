"""Pictures that a widget shows: their bytes travel once, as messages; a page that opens later asks for what it lacks.

The browser's half is ``frontend/src/lib/pictures.js``.
"""

from __future__ import annotations

import io
import secrets
from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.pictures import Picture
from ra_widgets.widgets._base import RAWidget, shared

if TYPE_CHECKING:
    from PIL.Image import Image

EXACT_PIXELS = 1024 * 1024
"""Pictures up to this size go to the page as they are (PNG)."""
PAGE_SIDE = 2048
"""Larger ones as JPEG of at most this many pixels a side: for looking at, the picture itself stays in Python."""


def load(source: Any) -> Image:
    """A picture from a PIL image, an array, a path, bytes of a file, a record: upright, RGB or RGBA.

    Raises:
        InvalidRequest: it is none, in a sentence.
    """
    image = Picture(source).image
    return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")


def page_bytes(image: Image) -> tuple[bytes, str]:
    """A picture for the page: its bytes and their media type."""
    buffer = io.BytesIO()
    if image.width * image.height <= EXACT_PIXELS:
        image.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue(), "image/png"
    clear = image.mode in ("RGBA", "LA")
    small = image if clear else image.convert("RGB")
    if max(small.size) > PAGE_SIDE:
        small = small.copy()
        small.thumbnail((PAGE_SIDE, PAGE_SIDE))
    if clear:
        small.save(buffer, "WEBP", quality=90, method=0)
        return buffer.getvalue(), "image/webp"
    small.save(buffer, "JPEG", quality=92)
    return buffer.getvalue(), "image/jpeg"


class PictureWidget(RAWidget):
    """Base of widgets that show pictures by name.

    Attributes:
        shown: what is shown, ``{name: {"key", "width", "height"}}``; the bytes travel apart.
    """

    shown = shared(tr.Dict())

    def __init__(self, **kwargs: Any) -> None:
        self._images: dict[str, Image] = {}
        super().__init__(**kwargs)

    def _put_picture(self, slot: str, image: Image | None, **facts: Any) -> None:
        """Show ``image`` under the name ``slot``; None takes it away."""
        now = {key: value for key, value in self.shown.items() if key != slot}
        self._images.pop(slot, None)
        if image is not None:
            self._images[slot] = image
            now[slot] = {"key": secrets.token_hex(6), "width": image.width, "height": image.height, **facts}
            self._send_picture(slot, now[slot]["key"])
        self.shown = now

    def _send_picture(self, slot: str, key: str) -> None:
        data, kind = page_bytes(self._images[slot])
        self.send({"type": "picture", "key": key, "mime": kind}, buffers=[data])

    def _on_lacking(self, content: Any) -> None:
        asked = content.get("keys")
        for slot, facts in self.shown.items():
            if isinstance(asked, list) and facts["key"] in asked:
                self._send_picture(slot, facts["key"])

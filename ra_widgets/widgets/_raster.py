"""What the widgets that show a picture to work on share: the picture on its way to the page, what is painted on it back.

The picture goes to a page once, as bytes, with the widget's state. What is painted comes back as a PNG of the rectangle
that changed, in the bytes of a message: never as text, never in a trait that would be sent back. Python holds the truth, so
a page that is opened again shows it. Two pages of one widget hear of each other's work by its number (``_version``) and ask
for it; see ``frontend/src/lib/canvas-doc.js``.
"""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import traitlets as tr
from PIL import Image

from ra_widgets.errors import InvalidRequest, RAError
from ra_widgets.picture_files import Problem, read
from ra_widgets.pictures import Picture
from ra_widgets.widgets._base import RAWidget, shared

PAGE_PIXELS = 4096 * 4096
"""Larger pictures are shown and painted on smaller; a browser's canvas ends there too."""
EXACT_PIXELS = 1024 * 1024
"""Up to this many pixels the page gets the picture without loss, beyond it as JPEG."""
PATCH_BYTES = 9 * 2**20


def page_size(width: int, height: int, most: int = PAGE_PIXELS) -> tuple[int, int]:
    """The size at which a picture is worked on in the page: its own, or smaller in the same proportions."""
    scale = min(1.0, (most / (width * height)) ** 0.5, 16384 / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def page_bytes(image: Image.Image, size: tuple[int, int]) -> bytes:
    """The picture for the page: PNG while that is small, JPEG beyond (WebP where it has transparency)."""
    alpha = image.mode == "RGBA"
    if image.size != size:
        # reduce_by: a quick box filter first, so that 400 megapixels do not take a minute
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    image = image.convert("RGBA" if alpha else "RGB")
    buffer = io.BytesIO()
    if size[0] * size[1] <= EXACT_PIXELS:
        image.save(buffer, "PNG", compress_level=1)
    elif alpha:
        image.save(buffer, "WEBP", quality=92, method=0)
    else:
        image.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def as_picture(source: Any) -> Image.Image:
    """A PIL picture of mode L, RGB or RGBA from whatever :func:`ra_widgets.picture_files.read` reads, or a path as text."""
    if isinstance(source, Picture):
        return source.image
    try:
        return read(Path(source).expanduser() if isinstance(source, str) else source)
    except Problem as problem:
        raise InvalidRequest(problem.key, field="image", **problem.values) from None  # type: ignore[arg-type]


class PictureWidget(RAWidget):
    """A widget with a picture: ``image`` can be given and changed; the page gets it as bytes."""

    MOST: ClassVar[int] = PAGE_PIXELS

    _key = shared(tr.Unicode())
    _size = tr.List(tr.Int(), default_value=[0, 0]).tag(sync=True, echo_update=False)
    _full = tr.List(tr.Int(), default_value=[0, 0]).tag(sync=True, echo_update=False)
    _version = tr.Dict().tag(sync=True, echo_update=False, to_json=lambda _, widget: widget._current_version())
    _picture = tr.Bytes(b"").tag(sync=True, echo_update=False, to_json=lambda _, widget: widget._page_bytes)

    def __init__(self, image: Any = None, **kwargs: Any) -> None:
        self._image: Image.Image | None = None
        self._page_bytes = b""
        self._of = self._n = self._seq = 0
        self._by = ""
        self._lock = threading.RLock()
        if image is not None:
            kwargs["_size"] = self._take(image)
            kwargs["_full"] = self._full_size()
        super().__init__(**{"_key": uuid.uuid4().hex, **kwargs})

    def _take(self, source: Any) -> list[int]:
        image = as_picture(source)
        size = page_size(*image.size, self.MOST)
        self._page_bytes = page_bytes(image, size)
        self._image = image
        return list(size)

    def _full_size(self) -> list[int]:
        return list(self._image.size) if self._image is not None else [0, 0]

    def _current_version(self) -> dict[str, Any]:
        return {"of": self._of, "n": self._n, "by": self._by, "seq": self._seq}

    @property
    def image(self) -> Image.Image | None:
        """The picture that is worked on; set a PIL picture, an array, a record, a path or the bytes
        of a file (None takes it away)."""
        return self._image

    @image.setter
    def image(self, source: Any) -> None:
        with self._lock:
            old = self._full
            if source is None:
                self._image, self._page_bytes, size = None, b"", [0, 0]
            else:
                size = self._take(source)
            self._of += 1
            self._n, self._by = self._n + 1, ""
            self._size, self._full = size, self._full_size()
            self._picture_changed(same_size=self._full == old)
            self._send_all()

    def _picture_changed(self, same_size: bool) -> None:
        """For subclasses: there is another picture."""

    def _send_all(self) -> None:
        # in one message, so that a page never sees a new picture with an old layer
        self.send_state([name for name in ("_size", "_full", "_picture", "_layer", "_version") if self.has_trait(name)])


class RasterWidget(PictureWidget):
    """A picture with a layer of paint; ``MODE`` is the layer's mode (``L`` or ``RGBA``)."""

    MODE: ClassVar[str] = "L"
    EMPTY: ClassVar[Any] = 0
    MESSAGES = ("patch", "lacking")

    _layer = tr.Bytes(b"").tag(sync=True, echo_update=False, to_json=lambda _, widget: widget._layer_bytes())

    def __init__(self, image: Any = None, **kwargs: Any) -> None:
        self._paint: Image.Image | None = None
        super().__init__(image, **kwargs)

    def _take(self, source: Any) -> list[int]:
        size = super()._take(source)
        if self._paint is None or self._paint.size != tuple(size):
            self._paint = Image.new(self.MODE, tuple(size), self.EMPTY)
        return size

    def _picture_changed(self, same_size: bool) -> None:
        if self._image is None:
            self._paint = None
        self._fire("change", self)

    def _layer_bytes(self) -> bytes:
        """The layer as PNG; ``b""`` while nothing is painted."""
        with self._lock:
            if self._paint is None or self._paint.getbbox(alpha_only=False) is None:
                return b""
            buffer = io.BytesIO()
            self._paint.save(buffer, "PNG", compress_level=1)
            return buffer.getvalue()

    def _set_paint(self, layer: Image.Image) -> None:
        """A layer made by Python: every page shows it, and can undo it."""
        with self._lock:
            self._paint = layer
            self._n, self._by = self._n + 1, ""
            self.send_state(["_layer", "_version"])
        self._fire("change", self)

    # -- from the page ---------------------------------------------------------------------------------------------
    def _on_patch(self, content: dict[str, Any]) -> None:
        of, by, seq, x, y = (content.get(name) for name in ("of", "by", "seq", "x", "y"))
        numbers = all(isinstance(value, int) and not isinstance(value, bool) for value in (of, x, y))
        if not numbers or not isinstance(by, str) or not (seq is None or isinstance(seq, int)):
            raise RAError("studio.error.message")
        with self._lock:
            if of != self._of or self._paint is None:
                return  # painted on a picture that is gone
            try:
                patch = self._read_patch(content["buffers"], x, y)
            except RAError:
                self._n, self._by = self._n + 1, ""
                self.send_state(["_layer", "_version"])  # the page shows again what is really there
                raise
            self._paint.paste(patch, (x, y))
            if seq is None:
                return  # a piece of a large change: more follows
            self._n, self._by, self._seq = self._n + 1, by[:40], seq
            self.send_state("_version")
        self._fire("change", self)

    def _read_patch(self, buffers: list[Any], x: int, y: int) -> Image.Image:
        assert self._paint is not None
        try:
            data = bytes(buffers[0])
            if len(data) > PATCH_BYTES:
                raise ValueError(len(data))
            patch = Image.open(io.BytesIO(data), formats=["PNG"])
            right, bottom = x + patch.width, y + patch.height
            if patch.mode != self.MODE or min(x, y) < 0 or right > self._paint.width or bottom > self._paint.height:
                raise ValueError(patch)
            patch.load()
        except Exception as error:
            raise RAError("studio.error.message") from error
        return patch

    def _on_lacking(self, _: dict[str, Any]) -> None:
        with self._lock:
            self._by = ""
            self.send_state(["_layer", "_version"])

    # -- callbacks -------------------------------------------------------------------------------------------------
    def on_change(self, callback: Callable[[Any], Any], remove: bool = False) -> None:
        """Call ``callback(widget)`` after each stroke and every other change of what is painted."""
        self._register("change", callback, remove)

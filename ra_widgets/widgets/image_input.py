"""A picture from outside: from a file, the clipboard, the gallery, another window; from an address only if allowed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.errors import GalleryError, RAError
from ra_widgets.results import Record
from ra_widgets.widgets._base import shared, text_of
from ra_widgets.widgets._pictures import PictureWidget, load
from ra_widgets.widgets._uploads import Uploads
from ra_widgets.widgets.gallery_view import gallery_page

if TYPE_CHECKING:
    from PIL.Image import Image

    from ra_widgets.gallery import Gallery

REMEMBERED = 5
"""Pictures that 撤销 can bring back."""
_REFUSED = {
    "large": "studio.input.error.large",
    "no_picture": "studio.input.error.none",
    "clipboard": "studio.input.error.clipboard",
    "url": "studio.input.error.url",
}


class ImageInput(PictureWidget):
    """Where a picture comes in: drop it, paste it, choose a file, choose from the gallery.

    Args:
        image: a PIL image, a path, bytes of a file, or a :class:`Record`; None: empty.
        gallery: offers to choose from it.
        allow_url: offers to fetch a picture from a web address. Off by default: the computer that runs the kernel
            fetches it. Addresses inside its own network are refused.
        hint: a sentence that stands in the empty widget.
        compact: where another widget shows the picture: one line, once there is one.
        tools: buttons of those around it, ``[{"id": "crop", "on": False}]``; see :meth:`on_tool`.

    Attributes:
        image: the picture, RGB or RGBA, upright; None while empty. Setting it takes the same kinds as ``image`` above.
        record: the gallery's record of it, if it came from there.

    Example:
        >>> source = ImageInput(gallery=kernel.gallery)
        >>> source
        >>> source.image
    """

    BUNDLE = "input"
    TEXTS = (
        "input.label", "input.empty", "input.ways", "input.file", "input.file.tip", "input.change", "input.change.tip",
        "input.gallery", "input.gallery.tip", "input.gallery.title", "input.paste", "input.paste.tip",
        "input.tool.crop", "input.tool.sketch", "input.tool.done", "input.undo", "input.clear", "input.url", "input.url.hint", "input.url.go",
        "gallery.search", "gallery.nothing", "gallery.empty", "gallery.more", "lightbox.close",
    )  # fmt: skip
    MESSAGES = ("lacking", "file", "page", "pick", "refused", "undo", "clear", "url", "tool")

    has_gallery = shared(tr.Bool(False))
    allow_url = shared(tr.Bool(False))
    undoable = shared(tr.Bool(False))
    compact = shared(tr.Bool(False))
    hint = shared(tr.Unicode(""))
    tools = shared(tr.List(tr.Dict()))

    def __init__(self, image: Any = None, *, gallery: Gallery | None = None, **kwargs: Any) -> None:
        self.gallery = gallery
        self.record: Record | None = None
        self.find: Callable[[str], Record] = self._in_gallery
        self._name = ""
        self._past: list[tuple[Image | None, str, Record | None]] = []
        self._uploads = Uploads()
        super().__init__(has_gallery=gallery is not None, **kwargs)
        if image is not None:
            self.image = image
            self._past.clear()
            self.undoable = False

    # -- the picture -----------------------------------------------------------------------------------------------
    @property
    def image(self) -> Image | None:
        """The picture that is in it."""
        return self._images.get("picture")

    @image.setter
    def image(self, value: Any) -> None:
        name, record = "", None
        if isinstance(value, Record):
            name, record, value = f"{value.id}.png", value, value.image
        elif isinstance(value, str | Path):
            name = Path(value).name
        self._take(None if value is None else load(value), name, record)

    def clear(self) -> None:
        """Take the picture away; 撤销 brings it back."""
        if self.image is not None:
            self._take(None, "", None)

    def undo(self) -> None:
        """Bring back the picture that was there before."""
        if self._past:
            image, name, record = self._past.pop()
            self._take(image, name, record, remember=False)

    @property
    def held(self) -> tuple[Image | None, str, Record | None]:
        """What is in it: picture, name, record (for :meth:`hold`)."""
        return self.image, self._name, self.record

    def hold(self, image: Image | None, name: str = "", record: Record | None = None) -> None:
        """Put back what :attr:`held` gave."""
        if image is not self.image:
            self._take(image, name, record)

    def on_change(self, callback: Callable[[ImageInput], Any], remove: bool = False) -> None:
        """Call ``callback(source)`` when there is another picture, or none."""
        self._register("change", callback, remove)

    def on_record(self, callback: Callable[[Record], Any], remove: bool = False) -> None:
        """Call ``callback(record)`` when a picture of the gallery was chosen or dropped (its settings are known)."""
        self._register("record", callback, remove)

    def on_tool(self, callback: Callable[[str], Any], remove: bool = False) -> None:
        """Call ``callback(name)`` when one of ``tools`` is taken up or laid down."""
        self._register("tool", callback, remove)

    def _on_tool(self, content: Any) -> None:
        name = text_of(content, "name", 20)
        if name in [tool["id"] for tool in self.tools]:
            self._fire("tool", name)

    def _take(self, image: Image | None, name: str, record: Record | None, *, remember: bool = True) -> None:
        if remember and (self.image is not None or self._past):
            self._past.append((self.image, self._name, self.record))
            del self._past[:-REMEMBERED]
        self._name, self.record = name, record
        self._put_picture("picture", image, name=name[:80])
        self.undoable = bool(self._past)
        self._fire("change", self)

    # -- from the page ---------------------------------------------------------------------------------------------
    def _on_file(self, content: Any) -> None:
        done = True
        try:
            data = self._uploads.add(content)
            done = data is not None
            if data is not None:
                self._take(load(data), text_of(content, "name", 200), None)
                self.clear_error()
        finally:
            if done:
                self.send({"type": "taken"})

    def _on_pick(self, content: Any) -> None:
        record = self.find(text_of(content, "id", 64))
        self.clear_error()
        self.image = record
        self._fire("record", record)

    def _in_gallery(self, record_id: str) -> Record:
        if self.gallery is None:
            raise GalleryError("studio.error.gone")
        return self.gallery.get(record_id)

    def _on_page(self, content: Any) -> None:
        answer, buffers = gallery_page(self.gallery, content)
        self.send(answer, buffers=buffers)

    def _on_refused(self, content: Any) -> None:
        raise RAError(_REFUSED.get(text_of(content, "reason"), "studio.error.message"), limit=64)

    def _on_undo(self, _: Any) -> None:
        self.undo()

    def _on_clear(self, _: Any) -> None:
        self.clear()

    def _on_url(self, content: Any) -> None:
        if not self.allow_url:
            raise RAError("studio.input.error.url")
        url = text_of(content, "url", 2000)
        # a slow server must not hold up the other widgets
        threading.Thread(target=self._fetch, args=(url,), name="ra-fetch", daemon=True).start()

    def _fetch(self, url: str) -> None:
        from ra_widgets.widgets._fetch import fetch_picture

        try:
            self._take(load(fetch_picture(url)), url.rsplit("/", 1)[-1].partition("?")[0], None)
            self.clear_error()
        except Exception as error:
            self.show_error(error)
        finally:
            self.send({"type": "taken"})

"""The gallery: thumbnails newest first, search, endless scrolling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.errors import GalleryError
from ra_widgets.results import Record
from ra_widgets.widgets._base import RAWidget, shared, text_of

if TYPE_CHECKING:
    from ra_widgets.gallery import Gallery

PAGE = 24
"""Pictures that are sent at once."""
THUMBNAIL = 256


def thumbnails(gallery: Gallery | None, records: Sequence[Record]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """What a page needs to show these pictures small: their facts, and their bytes in the same order."""
    items, buffers = [], []
    for record in records:
        try:
            data = gallery.thumbnail(record.id, size=THUMBNAIL) if gallery is not None else b""
        except (GalleryError, OSError):
            continue  # its file went away under us; the rest is still good
        items.append({"id": record.id, "prompt": record.prompt[:300], "seed": record.seed, "type": "image/webp"})
        buffers.append(data)
    return items, buffers


def gallery_page(gallery: Gallery | None, content: Any) -> tuple[dict[str, Any], list[bytes]]:
    """The answer to a page's wish for thumbnails: ``query``, ``before`` (an id), ``view`` and ``number`` (its own)."""
    query, before = text_of(content, "query").strip(), text_of(content, "before", 64) or None
    records: list[Record] = []
    if gallery is not None:
        if query:
            records = gallery.search(query, limit=PAGE, before=before)
        else:
            records = gallery.list(limit=PAGE, before=before)
    items, buffers = thumbnails(gallery, records)
    number = content.get("number")
    answer = {
        "type": "page",
        "view": text_of(content, "view", 64),
        "number": number if isinstance(number, int) else 0,
        "items": items,
        "more": len(records) == PAGE,
    }
    return answer, buffers


class GalleryView(RAWidget):
    """The pictures of a gallery.

    Pages of thumbnails travel as messages, not as state: a long gallery is never sent twice.

    Args:
        gallery: a :class:`ra_widgets.gallery.Gallery`; None shows an empty one.

    Attributes:
        selected: id of the picture that was clicked, "" for none.
        targets: where a picture can be sent (right click), ``[{"id", "title"}]``.

    Example:
        >>> view = GalleryView(kernel.gallery)
        >>> view.on_open(lambda record: print(record.infotext))
        >>> view
    """

    BUNDLE = "gallery"
    TEXTS = (
        "gallery.search",
        "gallery.count",
        "gallery.found",
        "gallery.empty",
        "gallery.nothing",
        "seed",
        "send_to",
        "send_to.tip",
    )
    INPUTS = ("selected",)
    MESSAGES = ("page", "open", "reuse", "send")

    selected = shared(tr.Unicode(""))
    targets = shared(tr.List(tr.Dict()))

    def __init__(self, gallery: Gallery | None = None, **kwargs: Any) -> None:
        self.gallery = gallery
        super().__init__(**kwargs)

    @tr.validate("selected")
    def _valid_selected(self, proposal: Any) -> str:
        return proposal["value"][:64]

    @property
    def record(self) -> Record | None:
        """The picture that was clicked."""
        return self._record(self.selected) if self.selected else None

    def on_open(self, callback: Callable[[Record], Any], remove: bool = False) -> None:
        """Call ``callback(record)`` when a picture is clicked."""
        self._register("open", callback, remove)

    def on_reuse(self, callback: Callable[[Record], Any], remove: bool = False) -> None:
        """Call ``callback(record)`` when a picture is double-clicked: its settings are to be used again."""
        self._register("reuse", callback, remove)

    def on_send(self, callback: Callable[[Record, str], Any], remove: bool = False) -> None:
        """Call ``callback(record, target)`` when a picture is to be sent to one of ``targets``."""
        self._register("send", callback, remove)

    def added(self, records: Sequence[Record]) -> None:
        """Show new pictures (oldest first) at the top."""
        items, buffers = self._items(records)
        self.send({"type": "added", "items": items, "count": self._count("")}, buffers=buffers)

    def refresh(self) -> None:
        """Read the gallery anew."""
        self.send({"type": "reset"})

    def _record(self, record_id: str) -> Record:
        if self.gallery is None:
            raise GalleryError("studio.error.gone")
        return self.gallery.get(record_id)

    def _count(self, query: str) -> int:
        if self.gallery is None:
            return 0
        return self.gallery.count(query) if query else self.gallery.count()

    def _items(self, records: Sequence[Record]) -> tuple[list[dict[str, Any]], list[bytes]]:
        return thumbnails(self.gallery, records)

    def _on_page(self, content: Any) -> None:
        answer, buffers = gallery_page(self.gallery, content)
        self.send({**answer, "count": self._count(text_of(content, "query").strip())}, buffers=buffers)

    def _on_open(self, content: Any) -> None:
        self._fire("open", self._record(text_of(content, "id", 64)))

    def _on_reuse(self, content: Any) -> None:
        self._fire("reuse", self._record(text_of(content, "id", 64)))

    def _on_send(self, content: Any) -> None:
        target = text_of(content, "target", 64)
        if target in [known["id"] for known in self.targets]:
            self._fire("send", self._record(text_of(content, "id", 64)), target)

"""The info bar: the parameters of a picture, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as tr

from ra_widgets.errors import GalleryError
from ra_widgets.results import Record
from ra_widgets.widgets._base import RAWidget, shared, text_of

FIELDS = (
    "prompt", "negative_prompt", "steps", "sampler", "scheduler", "cfg_scale", "seed", "subseed", "subseed_strength",
    "width", "height", "clip_skip",
)  # fmt: skip


def describe_record(record: Record) -> dict[str, Any]:
    """What the page shows of a record: plain data."""
    request = record.to_request()
    info = {name: getattr(request, name, None) for name in FIELDS}
    return {
        **info,
        "id": record.id,
        "seed": record.seed,
        "width": record.width,
        "height": record.height,
        "model": record.model,
        "seconds": record.seconds,
        "infotext": record.infotext,
        "code": request.to_code(),
    }


class InfoBar(RAWidget):
    """Parameters of the picture that is shown, as chips; reuse, copy, save.

    Attributes:
        info: what is shown (plain data).
        targets: where the picture can be sent, ``[{"id", "title"}]``. can_vary: offer variations of it.

    Example:
        >>> bar = InfoBar()
        >>> bar.show(kernel.generate("一个红苹果").records[0])
        >>> bar
    """

    BUNDLE = "info"
    TEXTS = (
        "info.none", "info.model", "info.seconds", "info.steps", "seed", "subseed", "reuse", "reuse.tip", "reuse.one",
        "send_to", "send_to.tip", "vary", "vary.tip", "copy_parameters", "copy_parameters.tip", "copy_code", "copy_code.tip", "save", "save.tip",
    )  # fmt: skip
    MESSAGES = ("reuse", "save", "send", "vary")

    info = shared(tr.Dict())
    targets = shared(tr.List(tr.Dict()))
    can_vary = shared(tr.Bool(False))

    def __init__(self, **kwargs: Any) -> None:
        self.record: Record | None = None
        super().__init__(**kwargs)

    def show(self, record: Record | None) -> None:
        """Show the parameters of ``record``, or nothing."""
        self.record = record
        self.info = describe_record(record) if record is not None else {}

    def on_reuse(self, callback: Callable[[Record, tuple[str, ...]], Any], remove: bool = False) -> None:
        """Call ``callback(record, fields)`` when settings are to be used again; no fields: all of them."""
        self._register("reuse", callback, remove)

    def on_send(self, callback: Callable[[Record, str], Any], remove: bool = False) -> None:
        """Call ``callback(record, target)`` when the picture is to be sent to one of ``targets``."""
        self._register("send", callback, remove)

    def on_vary(self, callback: Callable[[Record], Any], remove: bool = False) -> None:
        """Call ``callback(record)`` when variations of the picture are wanted; shows the button."""
        self._register("vary", callback, remove)
        self.can_vary = bool(self._callbacks["vary"])

    def _on_vary(self, _: Any) -> None:
        if self.record is None:
            raise GalleryError("studio.error.no_picture")
        self._fire("vary", self.record)

    def _on_send(self, content: Any) -> None:
        if self.record is None:
            raise GalleryError("studio.error.no_picture")
        target = text_of(content, "target", 64)
        if target in [known["id"] for known in self.targets]:
            self._fire("send", self.record, target)

    def _on_reuse(self, content: Any) -> None:
        if self.record is None:
            raise GalleryError("studio.error.no_picture")
        asked = content.get("fields")
        fields = tuple(name for name in asked if name in FIELDS) if isinstance(asked, list) else ()
        self._fire("reuse", self.record, fields)

    def _on_save(self, _: Any) -> None:
        record = self.record
        if record is None:
            raise GalleryError("studio.error.no_picture")
        if record.path is not None:
            try:
                data = record.path.read_bytes()
            except FileNotFoundError:
                raise GalleryError("studio.error.gone") from None
            name = record.path.name
        else:
            import io

            from PIL.PngImagePlugin import PngInfo

            text = PngInfo()
            text.add_itxt("parameters", record.infotext)
            buffer = io.BytesIO()
            record.image.save(buffer, "PNG", pnginfo=text)
            data, name = buffer.getvalue(), f"{record.id}.png"
        self.send({"type": "file", "name": name, "mime": "image/png"}, buffers=[data])

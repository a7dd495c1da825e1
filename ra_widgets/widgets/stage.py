"""The stage: live preview, progress, the finished pictures."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from typing import Any

import traitlets as tr

from ra_widgets.events import Loading, Progress
from ra_widgets.results import Record
from ra_widgets.widgets._base import guarded, shared
from ra_widgets.widgets._before import before_of, has_before
from ra_widgets.widgets._pictures import PictureWidget
from ra_widgets.widgets._traits import Whole
from ra_widgets.widgets.compare_slider import TEXTS as COMPARE_TEXTS

MOST = 36
"""Pictures on the stage, at most; the gallery has them all."""
PAGE_BYTES = 24 * 2**20
"""Pictures beyond this many bytes together go to the page as JPEG of at most 1024 pixels."""


def page_picture(record: Record, room: int) -> tuple[bytes, str]:
    """The picture for the page and its media type: the PNG itself, or a JPEG when it is larger than ``room`` bytes."""
    if record.path is not None:
        data = record.path.read_bytes()
    else:
        buffer = io.BytesIO()
        record.image.save(buffer, "PNG", compress_level=1)
        data = buffer.getvalue()
    if len(data) <= room:
        return data, "image/png"
    small = record.image.convert("RGB")
    small.thumbnail((1024, 1024))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), "image/jpeg"


def _facts(record: Record) -> dict[str, Any]:
    facts = {name: getattr(record, name) for name in ("id", "width", "height", "seed")}
    return {**facts, "alt": record.prompt[:500]}


class Stage(PictureWidget):
    """Shows the work: previews with step, time and estimate while it goes on, then the pictures.

    Attributes:
        status: what is going on, see :meth:`show_progress`.
        previews: JPEG bytes of the work in progress, one a picture.
        pictures: what is shown, as dicts with id, width, height, seed, alt.
        selected: index of the picture that is selected.
        examples: sentences offered while the stage is empty.
        comparable: the selected picture was made from another one; comparing: the two are shown over each other.

    Example:
        >>> stage = Stage()
        >>> stage.follow(kernel.submit("一个红苹果"))
        >>> stage
    """

    BUNDLE = "stage"
    TEXTS = (
        "empty.title", "empty.examples", "empty.text", "enlarge", "picture.label",
        "lightbox.close", "lightbox.previous", "lightbox.next",
        "status.queued", "status.loading", "status.working", "status.stopping", "status.image", "status.step",
        "status.elapsed", "status.eta", "stage.import", "stage.read", "stage.prepare", "stage.ready",
        "compare", "compare.tip", *COMPARE_TEXTS,
    )  # fmt: skip
    INPUTS = ("selected", "comparing")
    MESSAGES = ("example", "lacking")

    status = shared(tr.Dict())
    previews = shared(tr.List(tr.Bytes()))
    pictures = shared(tr.List(tr.Dict()))
    selected = shared(Whole(0))
    examples = shared(tr.List(tr.Unicode()))
    comparable = shared(tr.Bool(False))
    comparing = shared(tr.Bool(False))

    def __init__(self, **kwargs: Any) -> None:
        self._records: list[Record] = []
        self._bytes = 0
        # pictures come from the worker's side and from clicks in the gallery
        self._lock = threading.RLock()
        super().__init__(**kwargs)
        self.observe(lambda _: self._select(), "selected")
        self.observe(lambda _: self._show_before(), "comparing")

    @tr.validate("selected")
    def _valid_selected(self, proposal: Any) -> int:
        return min(max(proposal["value"], 0), max(0, len(self._records) - 1))

    # -- the pictures ----------------------------------------------------------------------------------------------
    @property
    def records(self) -> list[Record]:
        """The pictures that are shown."""
        return list(self._records)

    @property
    def record(self) -> Record | None:
        """The selected picture."""
        return self._records[self.selected] if self._records else None

    def show(self, records: Sequence[Record]) -> None:
        """Show these pictures and select the first."""
        with self._lock:
            self._records = []
            self.pictures = []
            self._bytes = 0
            self.add(*records)
            self.selected = 0
            self._select()

    def add(self, *records: Record) -> None:
        """Show these pictures after those that are shown; of very many, the last :data:`MOST`.

        The bytes travel once, as a message; a page that opens later asks for what it lacks.
        """
        with self._lock:
            self._send_bytes(records)
            self._records.extend(records)
            shown = [*self.pictures, *map(_facts, records)]
            del self._records[:-MOST]
            self.pictures = shown[-MOST:]

    def _send_bytes(self, records: Sequence[Record]) -> None:
        for record in records:
            data, kind = page_picture(record, PAGE_BYTES - self._bytes)
            self._bytes += len(data)
            self.send({"type": "picture", "id": record.id, "mime": kind}, buffers=[data])

    def _on_lacking(self, content: Any) -> None:
        super()._on_lacking(content)
        asked = content.get("ids")
        with self._lock:
            self._send_bytes([record for record in self._records if isinstance(asked, list) and record.id in asked])

    # -- before and after ------------------------------------------------------------------------------------------
    def _select(self) -> None:
        record = self.record
        self.comparable = record is not None and has_before(record.to_request())
        if not self.comparable:
            self.comparing = False
        self._show_before()
        self._fire("select", self)

    @guarded
    def _show_before(self) -> None:
        record = self.record if self.comparing else None
        if record is None:
            if self.shown:
                self._put_picture("before", None)
        elif self.shown.get("before", {}).get("of") != record.id:
            self._put_picture("before", before_of(record), of=record.id)

    def clear(self) -> None:
        """Show nothing."""
        self.show([])

    # -- the work --------------------------------------------------------------------------------------------------
    def show_progress(self, event: Progress | Loading, stopping: bool = False) -> None:
        """Show how far the work is."""
        if isinstance(event, Loading):
            self.status = {"kind": "loading", "model": event.model, "stage": event.stage, "fraction": event.fraction}
        else:
            self.status = {
                "kind": "stopping" if stopping else "working",
                "step": event.step, "steps": event.steps, "image": event.image, "images": event.images,
                "fraction": event.fraction, "elapsed": round(event.elapsed, 2), "eta": event.eta,
            }  # fmt: skip

    def show_queued(self, position: int) -> None:
        """Show that work waits behind ``position`` other jobs."""
        self.status = {"kind": "queued", "position": position}

    def show_idle(self) -> None:
        """Take the progress away."""
        self.status = {"kind": "idle"}

    def follow(self, job: Any) -> None:
        """Show a job from now on: its progress, previews and pictures."""
        from ra_widgets.widgets._pump import EventPump, StageFollower

        follower = StageFollower(self)
        pump = EventPump(follower.handle, follower.previews, self.show_error, close_after_final=True)
        job.add_listener(pump.put)

    # -- callbacks -------------------------------------------------------------------------------------------------
    def on_example(self, callback: Callable[[Stage, str], Any], remove: bool = False) -> None:
        """Call ``callback(stage, sentence)`` when one of the examples is clicked."""
        self._register("example", callback, remove)

    def on_select(self, callback: Callable[[Stage], Any], remove: bool = False) -> None:
        """Call ``callback(stage)`` when another picture is selected."""
        self._register("select", callback, remove)

    def _on_example(self, content: Any) -> None:
        index = content.get("index")
        if isinstance(index, int) and 0 <= index < len(self.examples):
            self._fire("example", self, self.examples[index])

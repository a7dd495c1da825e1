"""From the worker's events to the page: in order, in a thread of its own, never more than a page can show.

A listener of a job runs in the worker thread and under the job's lock. It must neither draw nor ask the kernel anything
there: the pump only notes the event down, and its own thread does the rest. Of progress and previews only the newest is
kept, and they are shown at most about ten times a second; all other events are handled, each of them, in order.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ra_widgets.events import Cancelled, Done, Event, Failed, ImageDone, Loading, Preview, Progress, Queued, Started

if TYPE_CHECKING:
    from ra_widgets.widgets.stage import Stage

GAP = 0.095


class EventPump:
    """Hands events on in its own daemon thread.

    Args:
        handle: called with each event that is to be shown, but for previews.
        previews: called with the newest previews, one a picture.
        failed: called with an exception of either.
        close_after_final: end after the first final event.
    """

    def __init__(
        self,
        handle: Callable[[Event], None],
        previews: Callable[[list[Preview]], None],
        failed: Callable[[BaseException], None],
        *,
        close_after_final: bool = False,
    ) -> None:
        self._handle, self._previews, self._failed = handle, previews, failed
        self._close_after_final = close_after_final
        self._events: deque[Event] = deque()
        self._newest: dict[tuple[type[Event], int], Event] = {}
        self._next = 0.0
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, event: Event) -> None:
        """Note an event down; returns at once. From any thread."""
        with self._changed:
            if self._closed:
                return
            if isinstance(event, Progress | Preview):
                self._newest[type(event), getattr(event, "index", 0)] = event
            else:
                # a finished picture is not covered by its preview, and a job that is over shows no progress
                gone = (Progress, Preview) if event.final else (Preview,) if isinstance(event, ImageDone) else ()
                self._newest = {
                    key: old for key, old in self._newest.items() if not (key[0] in gone and old.job_id == event.job_id)
                }
                self._events.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ra-widgets-events", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Handle nothing more and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, timeout: float = 10.0) -> bool:
        """Wait until everything that was noted down has been handled (for tests)."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._events or self._newest or self._busy), timeout)

    def _take(self) -> list[Event] | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            while not self._closed:
                if self._events:
                    self._busy = True
                    return [self._events.popleft()]
                left = self._next - time.monotonic()
                if self._newest and left <= 0:
                    self._busy = True
                    self._next = time.monotonic() + GAP
                    events, self._newest = list(self._newest.values()), {}
                    return events
                self._changed.wait(left if self._newest else None)
            return None

    def _run(self) -> None:
        while (events := self._take()) is not None:
            previews = [event for event in events if isinstance(event, Preview)]
            try:
                for event in events:
                    if not isinstance(event, Preview):
                        self._handle(event)
                if previews:
                    self._previews(previews)
            except Exception as error:
                self._failed(error)
            if self._close_after_final and events[-1].final:
                self.close()


class StageFollower:
    """Shows one job after the other on a stage. ``records`` are those of the job that is shown."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stopping: set[str] = set()
        self._shown: str = ""
        self._current: str = ""
        self._ignored: str = ""
        self._shots: dict[int, Preview] = {}

    def look_away(self) -> None:
        """The user looks at another picture: no previews of the present job; what it finishes is shown again."""
        self._shown, self._ignored = "", self._current
        self._no_previews()

    def _no_previews(self) -> None:
        self._shots.clear()
        self.stage.previews = []

    def previews(self, events: list[Preview]) -> None:
        """Show the newest previews: of a batch, those of its first pictures."""
        for event in events:
            if event.job_id != self._current or event.job_id == self._ignored:
                continue
            if any(old.step > event.step for old in self._shots.values()):
                self._shots.clear()  # the next batch has begun
            self._shots[event.index] = event
        self.stage.previews = [self._shots[index].data for index in sorted(self._shots)]

    def handle(self, event: Event) -> None:
        """Bring one event to the stage."""
        stage = self.stage
        if isinstance(event, Started | Progress):
            self._current = event.job_id
        if isinstance(event, Queued):
            if stage.status.get("kind", "idle") in ("idle", "queued"):
                stage.show_queued(event.position)
        elif isinstance(event, Loading | Progress):
            stage.show_progress(event, stopping=event.job_id in self.stopping)
        elif isinstance(event, Started):
            stage.show_progress(Progress(job_id=event.job_id))
        elif isinstance(event, ImageDone):
            self._no_previews()
            if self._shown == event.job_id:
                stage.add(event.record)
            else:
                self._shown = event.job_id
                stage.show([event.record])
        elif isinstance(event, Done | Failed | Cancelled):
            self.stopping.discard(event.job_id)
            self._current = ""
            self._no_previews()
            stage.show_idle()

"""Jobs: one piece of queued work, watched through its events; and the queue they wait in."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

from ra_widgets.errors import JobCancelled, JobTimeout
from ra_widgets.events import Cancelled, Done, Event, Failed, Loading, Preview, Progress, Queued, Started
from ra_widgets.requests import Request
from ra_widgets.results import Result

log = logging.getLogger(__name__)

Listener = Callable[[Event], None]

MAX_PAST = 4096
"""Progress events that a job remembers for late subscribers, at most."""


class Job:
    """A request on its way. Thread-safe; made by :meth:`PipelineKernel.submit`.

    ``await job`` and :meth:`result` give the :class:`Result`; :meth:`events` gives what happens, past and future.
    """

    def __init__(self, request: Any, *, owner: str = "", keep: bool = True) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.request = request
        self.owner = owner
        self.keep = keep
        """Whether the pictures go into the gallery."""
        self.created = time.monotonic()
        self._events: list[Event] = []
        self._listeners: list[Listener] = []
        self._changed = threading.Condition(threading.RLock())
        self._cancel = threading.Event()

    # -- state ---------------------------------------------------------------------------------------------------
    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``failed`` or ``cancelled``."""
        with self._changed:
            last = self._events[-1] if self._events else None
            if isinstance(last, Done):
                return "done"
            if isinstance(last, Failed):
                return "failed"
            if isinstance(last, Cancelled):
                return "cancelled"
            started = any(isinstance(event, (Started, Loading, Progress)) for event in self._events)
            return "running" if started else "queued"

    @property
    def done(self) -> bool:
        """True when nothing more will happen: finished, failed or cancelled."""
        with self._changed:
            return bool(self._events) and self._events[-1].final

    @property
    def cancelled(self) -> bool:
        """True as soon as :meth:`cancel` was called (the work may need one more step to stop)."""
        return self._cancel.is_set()

    @property
    def progress(self) -> Progress | None:
        """The latest progress event."""
        with self._changed:
            return next((event for event in reversed(self._events) if isinstance(event, Progress)), None)

    def cancel(self) -> bool:
        """Ask the job to stop, within one sampling step. Returns False if it was over already."""
        with self._changed:
            if self.done:
                return False
            self._cancel.set()
            waiting = self.state == "queued"
        if waiting:
            self._finish_if_open(Cancelled(job_id=self.id))
        return True

    # -- waiting -------------------------------------------------------------------------------------------------
    def result(self, timeout: float | None = None) -> Any:
        """Wait and return the :class:`Result`.

        Ctrl-C (or the notebook's ■) while waiting cancels the job.

        Args:
            timeout: seconds to wait at most; None: for ever.

        Raises:
            JobTimeout: not finished in time; the job goes on.
            JobCancelled: the job was cancelled.
            RAError: the job failed; the sentence says why.
        """
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self.done, timeout):
                    raise JobTimeout("error.timeout", seconds=timeout)
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self._outcome()

    def _outcome(self) -> Any:
        last = self._events[-1]
        if isinstance(last, Done):
            return last.result
        if isinstance(last, Failed):
            raise last.error
        assert isinstance(last, Cancelled)
        raise JobCancelled(partial=last.partial)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        try:
            async for _ in self.events():
                pass
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.cancel()
            raise
        return self._outcome()

    # -- events --------------------------------------------------------------------------------------------------
    def events(self) -> JobEvents:
        """All events from the first on: ``for event in job.events()`` or ``async for event in job.events()``.

        A late subscriber sees the past. Of a job's previews only the newest is kept in the past.
        """
        return JobEvents(self)

    def add_listener(self, listener: Listener, *, past: bool = True) -> Callable[[], None]:
        """Call ``listener(event)`` for each event, from the thread that makes it; ``past``: first for those that were.

        Returns a function that stops it. An exception in a listener is logged and stops nothing.
        """
        with self._changed:
            if past:
                for event in list(self._events):
                    _call(listener, event)
            self._listeners.append(listener)

        def remove() -> None:
            with self._changed:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def emit(self, event: Event) -> None:
        """Record an event and tell everybody (for engines). Events after the final one are dropped."""
        with self._changed:
            if self.done:
                return
            if isinstance(event, Preview):
                # keep the past small: 150 steps x previews would hold megabytes for each job of a long session
                self._events = [old for old in self._events if not isinstance(old, Preview)]
            elif isinstance(event, Progress) and len(self._events) > MAX_PAST:
                self._events = [old for old in self._events if not isinstance(old, Progress)]
            self._events.append(event)
            listeners = list(self._listeners)
            for listener in listeners:
                _call(listener, event)
            self._changed.notify_all()

    def _finish_if_open(self, event: Event) -> None:
        with self._changed:
            if not self.done:
                self.emit(event)

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.state})"


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except Exception:
        log.exception("a listener failed on %s", event.name)


class JobEvents(Iterator[Event], AsyncIterator[Event]):
    """Blocking and async iterator over a job's events; ends after the final one. Made by :meth:`Job.events`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._queue: deque[Event] = deque()
        self._over = False
        self._ready = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._remove = job.add_listener(self._put)

    def _put(self, event: Event) -> None:
        with self._ready:
            self._queue.append(event)
            self._ready.notify_all()
            if self._loop is not None and self._wake is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._wake.set)

    def _pop(self) -> Event | None:
        with self._ready:
            if not self._queue:
                return None
            event = self._queue.popleft()
        if event.final:
            # outside the lock: emit() takes the job's lock first and this one second
            self._over = True
            self._remove()
        return event

    def __iter__(self) -> JobEvents:
        return self

    def __next__(self) -> Event:
        if self._over:
            raise StopIteration
        try:
            with self._ready:
                self._ready.wait_for(lambda: bool(self._queue))
        except KeyboardInterrupt:
            self._job.cancel()
            raise
        event = self._pop()
        assert event is not None
        return event

    def __aiter__(self) -> JobEvents:
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        with self._ready:
            self._loop = asyncio.get_running_loop()
            self._wake = self._wake or asyncio.Event()
        while True:
            self._wake.clear()
            event = self._pop()
            if event is not None:
                return event
            await self._wake.wait()


class JobQueue:
    """First in, first out; jobs that were cancelled while waiting are passed over. Thread-safe."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, job: Job, *, running: int = 0) -> None:
        """Append a job and tell it its place (``running``: jobs that are being worked on)."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the queue is closed")
            position = sum(not waiting.done for waiting in self._jobs)
            job.emit(Queued(job_id=job.id, position=position + running))
            self._jobs.append(job)
            self._changed.notify()

    def get(self) -> Job | None:
        """The next job; waits for one. None when the queue was closed."""
        with self._changed:
            while True:
                while self._jobs:
                    job = self._jobs.popleft()
                    if not job.done:
                        return job
                if self._closed:
                    return None
                self._changed.wait()

    def waiting(self) -> list[Job]:
        """Jobs that wait, in order."""
        with self._changed:
            return [job for job in self._jobs if not job.done]

    def close(self) -> None:
        """Give out no more jobs; those that wait are cancelled."""
        with self._changed:
            self._closed = True
            jobs, self._jobs = list(self._jobs), deque()
            self._changed.notify_all()
        for job in jobs:
            job.cancel()


__all__ = ["Job", "JobEvents", "JobQueue", "Listener", "Request", "Result"]

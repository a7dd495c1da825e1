"""What a task is given besides its request: the way to report progress, to hand over pictures and to hear "stop"."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ra_widgets.errors import JobCancelled, Notice
from ra_widgets.events import ImageDone, Preview, Progress, Warned
from ra_widgets.jobs import Job
from ra_widgets.results import Record

PREVIEW_INTERVAL = 0.1
"""Seconds between previews: at most ten a second."""
PREVIEWED = 4
"""Pictures of a batch that are previewed."""
DECODE_SHARE = 0.08
"""Share of a picture's time that decoding takes, for the progress bar."""


class Finish(Protocol):
    """Save a finished picture and return its record. ``facts`` are what only the task knows of it."""

    def __call__(self, image: Any, index: int, seconds: float, facts: dict[str, Any]) -> Record: ...


class Work:
    """One job being worked on. Every report also checks for cancellation.

    Args:
        job: receives the events.
        images: pictures that the job will make.
        finish: saves a picture.
        jpeg: ``jpeg(latents, index) -> (bytes, width, height)``, or None for no previews.
        other_model: ``other_model(name)`` loads a further model (the refiner) beside the one in use.
    """

    def __init__(
        self,
        job: Job,
        images: int,
        finish: Finish,
        jpeg: Callable[[Any, int], tuple[bytes, int, int]] | None = None,
        other_model: Callable[[str], Any] | None = None,
    ) -> None:
        self.job = job
        self.images = images
        self.records: list[Record] = []
        self.started = time.monotonic()
        self._finish = finish
        self._jpeg = jpeg
        self._last_preview = 0.0
        self._batch = 1
        self._passes, self._pass = [1], 0
        self._other_model = other_model

    def other_model(self, name: str) -> Any:
        """The loaded model of this name, beside the one in use."""
        assert self._other_model is not None
        return self._other_model(name)

    def check(self) -> None:
        """Raise :class:`JobCancelled` if the job was cancelled. Call it before anything that takes long."""
        if self.job.cancelled:
            raise JobCancelled()

    def warn(self, notices: Iterable[Notice]) -> None:
        """Tell what the user probably did not mean."""
        for notice in notices:
            self.job.emit(Warned(job_id=self.job.id, notice=notice))

    def batch(self, size: int, passes: list[int] | None = None) -> None:
        """A batch of ``size`` pictures begins; ``passes``: the steps of each pass it takes."""
        self._batch = size
        self._passes, self._pass = passes or [1], 0
        self.progress(0, self._passes[0])

    def next_pass(self) -> None:
        """The next pass of the batch begins."""
        self._pass += 1

    def progress(self, step: int, steps: int) -> None:
        """``step`` of ``steps`` of the present pass are done."""
        self.check()
        done = len(self.records)
        before, now = sum(self._passes[: self._pass]), self._passes[self._pass]
        share = (before + step / max(steps, 1) * now) / max(sum(self._passes), 1) * (1 - DECODE_SHARE)
        self._emit(step, steps, min((done + self._batch * share) / max(self.images, 1), 1.0))

    def _emit(self, step: int, steps: int, fraction: float) -> None:
        elapsed = time.monotonic() - self.started
        eta = elapsed * (1 - fraction) / fraction if fraction > 0.01 else None
        self.job.emit(
            Progress(
                job_id=self.job.id,
                step=step,
                steps=steps,
                image=len(self.records),
                images=self.images,
                fraction=fraction,
                elapsed=elapsed,
                eta=eta,
            )
        )

    def preview(self, latents: Any, step: int, first: int = 0) -> None:
        """Show latents [B, C, h, w] if the last preview is long enough ago; ``first``: place of the first in the batch."""
        now = time.monotonic()
        if self._jpeg is None or now - self._last_preview < PREVIEW_INTERVAL:
            return
        self._last_preview = now
        for k in range(min(len(latents), PREVIEWED)):
            data, width, height = self._jpeg(latents, k)
            place = len(self.records) + first + k
            self.job.emit(Preview(job_id=self.job.id, data=data, width=width, height=height, index=place, step=step))

    def image(self, image: Any, seconds: float, **facts: Any) -> Record:
        """Hand over a finished picture; returns when it is safely saved.

        A fact called ``request`` is the request that makes this picture alone, where the job's own cannot tell.
        """
        index = len(self.records)
        record = self._finish(image, index, seconds, facts)
        self.records.append(record)
        self.job.emit(ImageDone(job_id=self.job.id, record=record, index=index))
        self._emit(0, 0, len(self.records) / max(self.images, 1))
        return record

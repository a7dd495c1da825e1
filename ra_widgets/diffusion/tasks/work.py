"""What a task is given besides its request: the way to report progress, to hand over pictures and to hear "stop"."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from ra_widgets.errors import JobCancelled
from ra_widgets.events import ImageDone, Preview, Progress
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
    """

    def __init__(
        self,
        job: Job,
        images: int,
        finish: Finish,
        jpeg: Callable[[Any, int], tuple[bytes, int, int]] | None = None,
    ) -> None:
        self.job = job
        self.images = images
        self.records: list[Record] = []
        self.started = time.monotonic()
        self._finish = finish
        self._jpeg = jpeg
        self._last_preview = 0.0
        self._batch = 1

    def check(self) -> None:
        """Raise :class:`JobCancelled` if the job was cancelled. Call it before anything that takes long."""
        if self.job.cancelled:
            raise JobCancelled()

    def batch(self, size: int) -> None:
        """A batch of ``size`` pictures begins."""
        self._batch = size
        self.progress(0, 1)

    def progress(self, step: int, steps: int) -> None:
        """``step`` of ``steps`` of the present batch are done."""
        self.check()
        done = len(self.records)
        share = step / max(steps, 1) * (1 - DECODE_SHARE)
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

    def preview(self, latents: Any, step: int) -> None:
        """Show latents [B, C, h, w] if the last preview is long enough ago."""
        now = time.monotonic()
        if self._jpeg is None or now - self._last_preview < PREVIEW_INTERVAL:
            return
        self._last_preview = now
        for k in range(min(len(latents), PREVIEWED)):
            data, width, height = self._jpeg(latents, k)
            self.job.emit(
                Preview(
                    job_id=self.job.id, data=data, width=width, height=height, index=len(self.records) + k, step=step
                )
            )

    def image(self, image: Any, seconds: float, **facts: Any) -> Record:
        """Hand over a finished picture; returns when it is safely saved."""
        index = len(self.records)
        record = self._finish(image, index, seconds, facts)
        self.records.append(record)
        self.job.emit(ImageDone(job_id=self.job.id, record=record, index=index))
        self._emit(0, 0, len(self.records) / max(self.images, 1))
        return record

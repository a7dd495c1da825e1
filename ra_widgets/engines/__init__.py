"""Engines carry out jobs: in a thread of this process (:mod:`.local`); elsewhere, behind the same few methods."""

from __future__ import annotations

from typing import Any, Protocol

from ra_widgets.jobs import Job
from ra_widgets.library.identify import ModelInfo


class Engine(Protocol):
    """What the kernel asks of an engine."""

    model: ModelInfo

    def submit(self, job: Job) -> None:
        """Queue a job; its events tell how it goes."""

    def load(self, job: Job, info: ModelInfo) -> None:
        """Queue the loading of a model."""

    @property
    def running(self) -> Job | None:
        """The job that is being worked on."""

    def waiting(self) -> list[Job]:
        """Jobs in the queue, in order."""

    def status(self) -> dict[str, Any]:
        """Device, precision, state."""

    def close(self, timeout: float = 10.0) -> None:
        """Cancel everything, free the device."""

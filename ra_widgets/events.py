"""What a job reports while it runs: small frozen records, the same for widgets, the terminal bar and the server.

``time`` is ``time.monotonic()`` seconds. A job's events always begin with :class:`Queued` and end with exactly one of
:class:`Done`, :class:`Failed`, :class:`Cancelled`.
"""

from __future__ import annotations

import time as _time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ra_widgets.errors import Notice
    from ra_widgets.results import Record, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    job_id: str
    time: float = field(default_factory=_time.monotonic)

    @property
    def name(self) -> str:
        """The event's name on the wire: ``queued``, ``progress``, ``image_done`` ..."""
        return "".join("_" + c.lower() if c.isupper() else c for c in type(self).__name__).lstrip("_")

    @property
    def final(self) -> bool:
        """True for the event after which nothing more comes."""
        return isinstance(self, (Done, Failed, Cancelled))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Event):
    """The job waits; ``position`` jobs are before it (0: it is next)."""

    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """The worker took the job. ``request`` is resolved: seed, size and CFG are the numbers really used."""

    request: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading(Event):
    """A model is being loaded; ``stage`` is one of ``import``, ``read``, ``prepare``, ``ready``; ``fraction`` 0..1."""

    model: str = ""
    stage: str = "read"
    fraction: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """How far the job is.

    Attributes:
        step, steps: UNet steps done / to do in the present batch.
        image, images: pictures finished / asked for.
        fraction: 0..1 over the whole job.
        elapsed: seconds since the work began; eta: estimated seconds left (None until there is something to go by).
    """

    step: int = 0
    steps: int = 0
    image: int = 0
    images: int = 1
    fraction: float = 0.0
    elapsed: float = 0.0
    eta: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something in the request probably is not what was meant; the job goes on. ``notice.text(lang)`` says what."""

    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(Event):
    """A cheap picture of the work in progress.

    Attributes:
        data: JPEG bytes; width, height: its size in pixels; index: which picture of the job (0-based).
        step: the step it shows.
    """

    data: bytes = b""
    width: int = 0
    height: int = 0
    index: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDone(Event):
    """One picture is finished and safely in the gallery."""

    record: Record
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Event):
    """All pictures are finished."""

    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The job failed; ``error`` is what :meth:`Job.result` raises."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """The job was cancelled; pictures finished before are in ``partial``."""

    partial: Result | None = None

"""A job's events as a progress bar: one moving line on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ra_widgets.errors import JobCancelled, RAError
from ra_widgets.events import Loading, Progress, Queued, Started, Warned
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from rich.console import Console

    from ra_widgets.jobs import Job
    from ra_widgets.results import Record


class Meter(Protocol):
    """Something that shows how far the work is."""

    def show(self, text: str, fraction: float | None, detail: str = "") -> None:
        """``fraction`` is 0..1, or None for "unknown"."""


class Bar:
    """The moving line (rich)."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self.progress = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32, complete_style="#c2402d", finished_style="#2b7a6b", pulse_style="#c2402d"),
            TextColumn("{task.fields[percent]}"),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            transient=True,
        )
        self.task = self.progress.add_task("", total=None, percent="", detail="")

    def show(self, text: str, fraction: float | None, detail: str = "") -> None:
        """Move the line."""
        percent = "" if fraction is None else f"{fraction:4.0%}"
        total = None if fraction is None else 1.0
        self.progress.update(
            self.task, description=text, total=total, completed=fraction or 0.0, percent=percent, detail=detail
        )


class Lines:
    """Plain lines, for a log file: each new text once, and each quarter of the way."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last: tuple[str, int] = ("", -1)

    def show(self, text: str, fraction: float | None, detail: str = "") -> None:
        """Print a line if it says something new."""
        quarter = -1 if fraction is None else int(fraction * 4)
        if (text, quarter) == self.last:
            return
        self.last = (text, quarter)
        percent = "" if fraction is None else f" {fraction:.0%}"
        self.console.print(f"{text}{percent}{'  ' + detail if detail else ''}", markup=False)


class Silent:
    """Nothing at all."""

    def show(self, text: str, fraction: float | None, detail: str = "") -> None:
        """Ignore."""


@contextlib.contextmanager
def meter(console: Console, *, quiet: bool = False) -> Iterator[Meter]:
    """The meter that suits the console."""
    if quiet:
        yield Silent()
    elif console.is_terminal:
        bar = Bar(console)
        with bar.progress:
            yield bar
    else:
        yield Lines(console)


def seconds(value: float) -> str:
    """A duration for people: ``0.8``, ``12``, ``3:05``, ``1:02:03``."""
    if value < 10:
        return f"{value:.1f}"
    whole = round(value)
    if whole < 60:
        return str(whole)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass(frozen=True)
class Among:
    """Where a job stands among others: ``done`` of ``total`` are over, ``name`` is its picture, ``mean`` the seconds that one took."""

    done: int
    total: int
    name: str
    mean: float = 0.0

    def words(self, working: str) -> str:
        """What is done to which."""
        return f"{self.done + 1}/{self.total} {self.name} · {working}"

    def fraction(self, of_this: float) -> float:
        """0..1 of all."""
        return (self.done + of_this) / self.total

    def eta(self, event: Progress) -> float | None:
        """Seconds until all are over."""
        if event.eta is None:
            return None
        mean = self.mean or event.elapsed + event.eta
        return event.eta + mean * (self.total - self.done - 1)


def follow(
    job: Job,
    console: Console,
    *,
    quiet: bool = False,
    working: str = "cli.generate.working",
    steps: bool = True,
    among: Among | None = None,
) -> None:
    """Show a job's events until it is over. Ctrl-C is passed on; then :func:`stop` it.

    Args:
        working: key of the word for what it does. steps: count the steps, too. among: if it is one of several.
    """
    words = t(working) if among is None else among.words(t(working))
    with meter(console, quiet=quiet) as display:
        for event in job.events():
            if isinstance(event, Queued):
                display.show(t("cli.generate.starting"), None)
            elif isinstance(event, Loading):
                display.show(t("cli.generate.loading", model=event.model), event.fraction if event.fraction else None)
            elif isinstance(event, Warned):
                if not quiet:
                    console.print(f"! {event.notice.text()}", style="yellow", markup=False)
            elif isinstance(event, Started):
                display.show(words, among.fraction(0.0) if among else 0.0)
            elif isinstance(event, Progress):
                parts = []
                if event.images > 1:
                    parts.append(t("cli.generate.image", image=min(event.image + 1, event.images), images=event.images))
                if steps and event.steps:
                    parts.append(t("cli.generate.step", step=event.step, steps=event.steps))
                eta = among.eta(event) if among else event.eta
                if eta and eta >= 0.05:
                    parts.append(t("cli.generate.eta", seconds=seconds(eta)))
                fraction = min(max(event.fraction, 0.0), 1.0)
                display.show(words, among.fraction(fraction) if among else fraction, " · ".join(parts))


def stop(job: Job) -> tuple[Record, ...]:
    """Cancel, wait for the step in hand to end; the pictures that were finished before."""
    job.cancel()
    try:
        return tuple(job.result(timeout=60).records)
    except JobCancelled as stopped:
        return tuple(getattr(stopped.partial, "records", ()))
    except RAError:
        return ()

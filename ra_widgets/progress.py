"""The progress bar of a waiting cell or script: appears after a second, shows an estimate, leaves nothing behind."""

from __future__ import annotations

import html
import sys
import time
from typing import Any, TextIO

from ra_widgets.events import Event, Loading, Progress, Queued
from ra_widgets.i18n import t
from ra_widgets.jobs import Job

PATIENCE = 1.0
"""Seconds before a bar appears."""
INTERVAL = 0.2
WIDTH = 28


def describe(event: Event) -> tuple[str, float] | None:
    """The words and the fraction (0..1) that a bar shows for an event; None for events without either."""
    if isinstance(event, Queued) and event.position:
        return t("progress.queued", position=event.position), 0.0
    if isinstance(event, Loading):
        return t("progress.loading", model=event.model), event.fraction
    if isinstance(event, Progress):
        words = t("progress.step", step=event.step, steps=event.steps) if event.steps > 1 else ""
        if event.images > 1:
            words += " · " + t("progress.image", image=min(event.image + 1, event.images), images=event.images)
        if event.eta is not None:
            words += " · " + t("progress.eta", seconds=f"{event.eta:.1f}")
        return words.removeprefix(" · "), event.fraction
    return None


def in_notebook() -> bool:
    """True inside a Jupyter kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def watch(job: Job, stream: TextIO | None = None) -> None:
    """Follow a job to its end in the calling thread and show a bar, in a notebook or on a terminal; else only wait.

    Never raises for a failed job: :meth:`Job.result` does. Ctrl-C cancels the job.
    """
    stream = stream or sys.stderr
    bar: Any = NotebookBar() if in_notebook() else TerminalBar(stream) if stream.isatty() else None
    if bar is None:
        return
    began = last = time.monotonic()
    try:
        for event in job.events():
            now = time.monotonic()
            shown = describe(event)
            if shown and now - began >= PATIENCE and now - last >= INTERVAL:
                bar.show(*shown)
                last = now
    finally:
        bar.clear()


class TerminalBar:
    """One line on a terminal, rewritten in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def show(self, words: str, fraction: float) -> None:
        """Draw the line."""
        full = round(WIDTH * fraction)
        self._stream.write(f"\r\x1b[K{'█' * full}{'░' * (WIDTH - full)} {fraction:4.0%} {words}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Wipe the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


class NotebookBar:
    """One output of the running cell, updated in place and emptied at the end."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, words: str, fraction: float) -> None:
        """Draw the bar."""
        from IPython.display import HTML, display

        markup = HTML(
            '<div class="ra-progress" style="font:13px/1.6 system-ui,sans-serif;max-width:420px">'
            f'{html.escape(words)}<div style="height:5px;border-radius:5px;background:#8883">'
            f'<div style="width:{fraction:.1%};height:5px;border-radius:5px;background:#c2402d"></div></div></div>'
        )
        if self._handle is None:
            self._handle = display(markup, display_id=True)
        else:
            self._handle.update(markup)

    def clear(self) -> None:
        """Empty the output."""
        if self._handle is not None:
            from IPython.display import HTML

            self._handle.update(HTML(""))

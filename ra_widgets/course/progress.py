"""What a learner has done: one small JSON file in the user's home folder of the workbench.

Several notebooks may be open at once, each with its own kernel; every change reads, merges and replaces the file under a lock,
so that none undoes another's. A damaged file is put aside, never fatal: a lesson must go on.
"""

from __future__ import annotations

import html
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ra_widgets import paths
from ra_widgets.course._text import LESSONS
from ra_widgets.i18n import t
from ra_widgets.plotting import PAPER

SCHEMA = 1
STALE = 10.0
"""Seconds after which a lock is taken to be left over by a process that died."""


class Progress:
    """The learner's record.

    Args:
        path: the JSON file; default ``paths.home()/"course"/"progress.json"``.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path(path) if path else paths.home() / "course" / "progress.json"

    # -- reading ---------------------------------------------------------------------------------------------------
    def read(self) -> dict[str, Any]:
        """``{"schema": 1, "exercises": {name: {"attempts", "passed", "at"}}, "quizzes": {...}}``; empty when there is none."""
        empty: dict[str, Any] = {"schema": SCHEMA, "exercises": {}, "quizzes": {}}
        try:
            data = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return empty
        except (OSError, ValueError):
            return empty
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            return empty
        for part in ("exercises", "quizzes"):
            entries = data.get(part)
            data[part] = {k: v for k, v in entries.items() if isinstance(v, dict)} if isinstance(entries, dict) else {}
        return data

    def passed(self, name: str) -> bool:
        """True when the exercise or quiz was ever answered rightly."""
        data = self.read()
        return any(bool(data[part].get(name, {}).get("passed")) for part in ("exercises", "quizzes"))

    def attempts(self, name: str) -> int:
        """How often an answer to the exercise or quiz was looked at."""
        data = self.read()
        return sum(int(data[part].get(name, {}).get("attempts", 0)) for part in ("exercises", "quizzes"))

    # -- writing ---------------------------------------------------------------------------------------------------
    def note(self, part: str, name: str, passed: bool) -> int:
        """Record one attempt; what was passed once stays passed.

        Args:
            part: ``"exercises"`` or ``"quizzes"``; name: e.g. ``"02.1"``.

        Returns:
            The number of attempts so far. A folder that cannot be written costs the record, not the lesson.
        """

        def change(data: dict[str, Any]) -> int:
            entry = data[part].setdefault(name, {"attempts": 0, "passed": False})
            entry["attempts"] = int(entry.get("attempts", 0)) + 1
            if passed and not entry.get("passed"):
                entry["passed"] = True
                entry["at"] = datetime.now(UTC).isoformat(timespec="seconds")
            return entry["attempts"]

        try:
            return self._change(change)
        except OSError:
            return 1

    def reset(self, lesson: str | None = None) -> None:
        """Forget everything, or one lesson (``"02"``)."""

        def change(data: dict[str, Any]) -> int:
            for part in ("exercises", "quizzes"):
                data[part] = {k: v for k, v in data[part].items() if lesson and not k.startswith(f"{lesson}.")}
            return 0

        self._change(change)

    def _change(self, change: Callable[[dict[str, Any]], int]) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path.with_suffix(".lock")):
            data = self.read()
            if self.path.exists() and not data["exercises"] and not data["quizzes"]:
                self._put_aside()
            answer = change(data)
            handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".tmp")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(data, file, ensure_ascii=False, indent=1, sort_keys=True)
                os.replace(name, self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            return answer

    def _put_aside(self) -> None:
        # an empty record is nothing to keep; a damaged one may hold weeks of work that somebody can repair
        try:
            json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            os.replace(self.path, self.path.with_suffix(".damaged.json"))

    # -- showing ---------------------------------------------------------------------------------------------------
    def summary(self) -> list[dict[str, Any]]:
        """One entry a lesson: ``{"lesson", "title", "exercises": [(name, passed), ...], "quizzes": [(name, passed), ...]}``."""
        from ra_widgets.course.checks import exercises
        from ra_widgets.course.quiz import PAIRS, QUESTIONS

        data = self.read()

        def entries(part: str, names: Any, lesson: str) -> list[tuple[str, bool]]:
            own = sorted(name for name in names if name.startswith(f"{lesson}."))
            return [(name, bool(data[part].get(name, {}).get("passed"))) for name in own]

        return [
            {
                "lesson": lesson,
                "title": t(f"course.title.{lesson}"),
                "exercises": entries("exercises", exercises(), lesson),
                "quizzes": entries("quizzes", [*PAIRS, *QUESTIONS], lesson),
            }
            for lesson in LESSONS
        ]

    def __repr__(self) -> str:
        lines = []
        for entry in self.summary():
            marks = " ".join(("\u2713" if done else "\u00b7") + name for name, done in entry["exercises"])
            lines.append(f"{entry['lesson']} {entry['title']}  {marks}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for entry in self.summary():
            dots = "".join(_dot(name, done) for name, done in [*entry["exercises"], *entry["quizzes"]])
            total = len(entry["exercises"]) + len(entry["quizzes"])
            done = sum(flag for _, flag in [*entry["exercises"], *entry["quizzes"]])
            rows.append(
                f'<tr><td style="font-family:ui-monospace,monospace;opacity:.6">{html.escape(entry["lesson"])}</td>'
                f'<td style="text-align:left">{html.escape(entry["title"])}</td><td style="text-align:left">{dots}</td>'
                f'<td style="font-family:ui-monospace,monospace">{done}/{total}</td></tr>'
            )
        return f'<table style="font:14px/1.6 system-ui,sans-serif"><tbody>{"".join(rows)}</tbody></table>'


def _dot(name: str, done: bool) -> str:
    fill = PAPER["jade"] if done else "transparent"
    edge = PAPER["jade"] if done else PAPER["muted"]
    return (
        f'<span title="{html.escape(name, quote=True)}" style="display:inline-block;width:12px;height:12px;margin-right:5px;'
        f'border-radius:50%;vertical-align:-1px;background:{fill};border:1.5px solid {edge}"></span>'
    )


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold a lock file; one that a dead process left is broken after a while."""
    deadline = time.monotonic() + STALE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            try:
                left = time.time() - lock.stat().st_mtime > STALE
            except FileNotFoundError:
                continue
            if left or time.monotonic() > deadline:
                lock.unlink(missing_ok=True)
            else:
                time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def progress(path: Path | None = None) -> Progress:
    """The learner's record, shown as a table in a notebook; its dots are exercises and quizzes."""
    return Progress(path)

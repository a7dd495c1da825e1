"""Exercises that check themselves.

    answer = kernel.generate("一个红苹果", seed=1)
    check("00.1", answer)

A check looks at requests, results and metadata, never at pixels: what counts is that the learner asked for the right thing.
The outcome is a :class:`Verdict`, which shows itself in the notebook in the language of the interface, and is recorded in the
learner's progress. A check never raises: whatever the learner hands in, the answer is a sentence that helps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ra_widgets.course._text import MARKS, banner
from ra_widgets.course.progress import Progress
from ra_widgets.errors import RAError, describe
from ra_widgets.i18n import catalogue, t
from ra_widgets.requests import Request
from ra_widgets.results import Record, Result

PATIENCE = 3
"""After so many wrong answers, the larger hint is shown too."""

EXERCISES: dict[str, Callable[[Any], dict[str, Any] | None]] = {}
"""The exercises by name (``"02.1"``): functions that return values for the praise, or raise :class:`Hint`."""


class Hint(Exception):
    """The answer is not right yet; ``key`` names the sentence that says what to look at."""

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key)


def exercise(name: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register the check of an exercise under ``name``."""

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        EXERCISES[name] = function
        return function

    return register


@dataclass(frozen=True)
class Verdict:
    """What a check says.

    Attributes:
        name: the exercise; state: ``passed``, ``failed`` or ``empty`` (nothing handed in yet).
        text: one line; hint: what to look at, or a word of praise.
    """

    name: str
    state: str
    text: str
    hint: str = ""

    @property
    def ok(self) -> bool:
        """True when the exercise is solved."""
        return self.state == "passed"

    def __bool__(self) -> bool:
        return self.ok

    def require(self) -> Verdict:
        """Itself when solved.

        Raises:
            AssertionError: the exercise is not solved (used by the tests of the lessons).
        """
        if not self.ok:
            raise AssertionError(repr(self))
        return self

    def __repr__(self) -> str:
        return f"{MARKS[self.state]} {self.text}" + (f"\n  {self.hint}" if self.hint else "")

    def _repr_html_(self) -> str:
        return banner(self.state, self.text, self.hint)


def check(name: str, *answers: Any) -> Verdict:
    """Look at the answer to an exercise.

    Args:
        name: e.g. ``"02.1"``.
        *answers: what the exercise asks for; ``...`` and None count as "not answered yet".

    Returns:
        The verdict. Attempts and successes are written to the learner's progress; an empty answer is not an attempt.

    Raises:
        KeyError: there is no such exercise.
    """
    known = exercises()
    if name not in known:
        raise KeyError(t("course.check.unknown", name=name, known=", ".join(sorted(known))))
    if not answers or any(_open(answer) for answer in answers):
        return Verdict(name, "empty", t("course.check.empty", name=name), t("course.check.how"))
    answer = answers[0] if len(answers) == 1 else list(answers)
    try:
        values = known[name](answer) or {}
    except Hint as hint:
        return _failed(name, t(hint.key, **hint.values))
    except RAError as error:
        return _failed(name, error.text())
    except Exception as error:  # a learner may hand in anything; the lesson must go on
        return _failed(name, t("course.check.strange", kind=type(answer).__name__, detail=describe(error)))
    Progress().note("exercises", name, True)
    return Verdict(name, "passed", t("course.check.passed", name=name), t(f"course.{name}.ok", **values))


def _failed(name: str, hint: str) -> Verdict:
    attempts = Progress().note("exercises", name, False)
    if attempts >= PATIENCE:
        hint = " ".join(filter(None, [hint, _larger(name)]))
    return Verdict(name, "failed", t("course.check.failed", name=name), hint)


def _larger(name: str) -> str:
    key = f"course.{name}.more"
    return t(key) if key in catalogue("zh_CN") else ""


def _open(answer: Any) -> bool:
    if answer is None or answer is Ellipsis:
        return True
    return isinstance(answer, (list, tuple)) and (not answer or any(_open(item) for item in answer))


def exercises() -> dict[str, Callable[[Any], dict[str, Any] | None]]:
    """All exercises of the course by name, with the function that checks each."""
    # the lessons' modules register themselves; they import this one, which can load them only when it is whole
    import_module("ra_widgets.course.exercises")
    return EXERCISES


# -- what checks have in common --------------------------------------------------------------------------------------------
def records(answer: Any) -> list[Record]:
    """All pictures in an answer: a result, a record, or lists of them.

    Raises:
        Hint: something in it is not a picture made by the kernel.
    """
    if isinstance(answer, Result):
        return list(answer.records)
    if isinstance(answer, Record):
        return [answer]
    if isinstance(answer, (list, tuple)):
        return [record for item in answer for record in records(item)]
    raise Hint("course.hint.result", kind=type(answer).__name__)


def requests(answer: Any) -> list[Any]:
    """All requests in an answer, of whatever kind: requests themselves, or those of results and records.

    Raises:
        Hint: something in it is neither.
    """
    if isinstance(answer, Request):
        return [answer]
    if isinstance(answer, (list, tuple)):
        return [request for item in answer for request in requests(item)]
    if isinstance(answer, (Result, Record)):
        return [record.request for record in records(answer)]
    raise Hint("course.hint.request", kind=type(answer).__name__)


def count(items: list[Any], wanted: int) -> None:
    """Raise a hint unless there are exactly ``wanted`` items."""
    if len(items) != wanted:
        raise Hint("course.hint.count", wanted=wanted, got=len(items))


APART = ("schema_version", "batch_size", "n_iter")
"""Fields that say nothing about one picture."""


def differing(items: list[Any]) -> list[str]:
    """Names of the fields in which the requests differ; pictures count by what they show."""
    names = dict.fromkeys(name for item in items for name in type(item).model_fields if name not in APART)
    return [name for name in names if any(getattr(item, name, None) != getattr(items[0], name, None) for item in items)]


def only(items: list[Any], field: str) -> None:
    """Raise a hint unless the requests differ in ``field``, pairwise, and in nothing else."""
    fields = differing(items)
    others = [name for name in fields if name != field]
    if others:
        raise Hint("course.hint.only", field=field, others=", ".join(others))
    values = [getattr(item, field, None) for item in items]
    if any(value in values[:index] for index, value in enumerate(values)):
        raise Hint("course.hint.same", field=field)

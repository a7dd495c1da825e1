"""What the checks of several lessons ask of an answer; each raises a :class:`~ra_widgets.course.checks.Hint` if it is not so."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from ra_widgets.course.checks import Hint, requests


def number(answer: Any) -> float:
    """The answer as a finite number."""
    try:
        value = float(answer)
    except (TypeError, ValueError, OverflowError):
        raise Hint("course.hint.number") from None
    if not math.isfinite(value):
        raise Hint("course.hint.number")
    return value


def whole_number(answer: Any) -> int:
    """The answer as a whole number."""
    value = number(answer)
    if value != int(value):
        raise Hint("course.hint.number")
    return int(value)


def series(answer: Any, least: int) -> list[Any]:
    """The requests of an answer that has at least so many."""
    found = requests(answer)
    if len(found) < least:
        raise Hint("course.hint.at_least", wanted=least, got=len(found))
    return found


def of_kind(kind: type[Any], items: list[Any]) -> None:
    """Every request is of this kind."""
    other = next((item for item in items if not isinstance(item, kind)), None)
    if other is not None:
        raise Hint("course.hint.kind", wanted=f"ra.{kind.__name__}", got=f"ra.{type(other).__name__}")


def rising(values: list[float], key: str = "course.hint.rising") -> None:
    """Every number is larger than the one before."""
    if any(b <= a for a, b in pairwise(values)):
        raise Hint(key, values=listed(values))


def listed(values: list[float]) -> str:
    """Numbers as the hints show them."""
    return ", ".join(f"{value:g}" for value in values)

"""Lesson 04: samplers, steps, and walks between seeds."""

from __future__ import annotations

from typing import Any

from ra_widgets.course.checks import Hint, differing, exercise, requests
from ra_widgets.course.exercises._answers import listed, rising, series, whole_number


@exercise("04.1")
def nine(answer: Any) -> dict[str, Any]:
    """Three samplers times three numbers of steps: nine pictures, nothing else changed."""
    found = requests(answer)
    if len(found) != 9:
        raise Hint("course.hint.count", wanted=9, got=len(found))
    others = [name for name in differing(found) if name not in ("sampler", "steps", "scheduler")]
    if others:
        raise Hint("course.04.1.others", others=", ".join(others))
    samplers = list(dict.fromkeys(request.sampler for request in found))
    steps = list(dict.fromkeys(request.steps for request in found))
    if len(samplers) != 3 or len(steps) != 3:
        raise Hint("course.04.1.axes", samplers=len(samplers), steps=len(steps))
    if len({(request.sampler, request.steps) for request in found}) != 9:
        raise Hint("course.04.1.cells")
    return {"samplers": ", ".join(samplers), "steps": ", ".join(map(str, sorted(steps)))}


@exercise("04.2")
def heun_calls(answer: Any) -> None:
    """Heun asks the model twice a step, but once in the last: 2 x 10 - 1 = 19 calls."""
    value = whole_number(answer)
    if value == 10:
        raise Hint("course.04.2.once")
    if value == 20:
        raise Hint("course.04.2.last")
    if value != 19:
        raise Hint("course.04.2.count")


@exercise("04.3")
def walk(answer: Any) -> dict[str, Any]:
    """A walk from one seed towards another: the variation strength rises, all else stays."""
    found = series(answer, 4)
    others = [name for name in differing(found) if name not in ("subseed_strength", "subseed")]
    if others:
        raise Hint("course.hint.only", field="subseed_strength", others=", ".join(others))
    targets = {request.subseed for request in found if request.subseed_strength > 0}
    if len(targets) != 1:
        raise Hint("course.04.3.target")
    strengths = [request.subseed_strength for request in found]
    rising(strengths, "course.04.3.rising")
    return {"values": listed(strengths)}

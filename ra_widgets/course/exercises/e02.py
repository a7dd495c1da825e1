"""Lesson 02: requests, results, and what "the same" means."""

from __future__ import annotations

from typing import Any

from ra_widgets.course.checks import Hint, count, differing, exercise, only, records, requests
from ra_widgets.results import Result


@exercise("02.1")
def twice(answer: Any) -> dict[str, Any]:
    """The same request made twice gives the same picture, to the last bit."""
    found = records(answer)
    count(found, 2)
    first, second = found
    if first.id == second.id:
        raise Hint("course.02.1.one")
    fields = differing(requests(found))
    if fields:
        raise Hint("course.02.1.differ", others=", ".join(fields))
    if first.image.tobytes() != second.image.tobytes():
        raise Hint("course.02.1.pixels")
    return {"seed": first.seed}


@exercise("02.2")
def only_seed(answer: Any) -> dict[str, Any]:
    """Two pictures whose requests differ in the seed alone."""
    found = requests(answer)
    count(found, 2)
    only(found, "seed")
    return {"first": found[0].seed, "second": found[1].seed}


@exercise("02.3")
def four_at_once(answer: Any) -> dict[str, Any]:
    """One job, four pictures, seeds in a row."""
    if not isinstance(answer, Result):
        raise Hint("course.02.3.job")
    count(list(answer.records), 4)
    seeds = [record.seed for record in answer.records]
    if seeds != list(range(seeds[0], seeds[0] + 4)):
        raise Hint("course.02.3.seeds", seeds=", ".join(map(str, seeds)))
    return {"seeds": ", ".join(map(str, seeds))}


@exercise("02.4")
def guidance_series(answer: Any) -> dict[str, Any]:
    """Three or more pictures that differ in CFG alone, from weak to strong."""
    found = requests(answer)
    if len(found) < 3:
        raise Hint("course.02.4.three", got=len(found))
    only(found, "cfg_scale")
    values = [request.cfg_scale for request in found]
    if any(value is None for value in values):
        raise Hint("course.02.4.said")
    numbers = [float(value) for value in values if value is not None]
    if numbers != sorted(numbers):
        raise Hint("course.02.4.order")
    if numbers[-1] < 2 * max(numbers[0], 0.5):
        raise Hint("course.02.4.range")
    return {"values": ", ".join(f"{value:g}" for value in numbers)}

"""Lesson 08: outpainting. Where the old picture lies, that it stays, what lies on the new ground, and how to go far."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ra_widgets.course.checks import Hint, count, exercise, only, records, requests
from ra_widgets.image_requests import Outpaint
from ra_widgets.pictures import Picture
from ra_widgets.results import Record

SIDES = ("left", "right", "top", "bottom")


@exercise("08.1")
def place(answer: Any) -> None:
    """128 x 128 with 32 at the left and 64 at the top lies in (32, 64, 160, 192)."""
    try:
        values = tuple(int(value) for value in answer)
    except (TypeError, ValueError, OverflowError):
        raise Hint("course.08.1.four") from None
    if len(values) != 4:
        raise Hint("course.08.1.four")
    if values[:2] == (0, 0):
        raise Hint("course.08.1.moved")
    if values[2:] == (128, 128):
        raise Hint("course.08.1.size")
    if values == (64, 32, 192, 160):
        raise Hint("course.08.1.order")
    if values != (32, 64, 160, 192):
        raise Hint("course.08.1.wrong", got=", ".join(map(str, values)))


def _outpainted(record: Record) -> Outpaint:
    request = record.request
    if not isinstance(request, Outpaint):
        raise Hint("course.08.hint.outpaint", kind=getattr(request, "kind", type(request).__name__))
    return request


def _kept(before: Record, after: Record) -> bool:
    """Whether the picture of ``before`` is in ``after``, to the last bit, where the request of ``after`` puts it."""
    request = _outpainted(after)
    old = before.image.convert("RGB")
    left, top = request.left, request.top
    part = after.image.convert("RGB").crop((left, top, left + old.width, top + old.height))
    return bool(part.tobytes() == old.tobytes())


@exercise("08.2")
def upwards(answer: Any) -> dict[str, Any]:
    """A picture, and the same with 64 pixels more at the top, the old ones unchanged."""
    found = records(answer)
    count(found, 2)
    old, new = found
    request = _outpainted(new)
    if Picture(old.image) != request.image:
        raise Hint("course.08.2.other")
    sides = {side: getattr(request, side) for side in SIDES}
    if sides != {"left": 0, "right": 0, "top": 64, "bottom": 0}:
        raise Hint("course.08.2.sides", sides=", ".join(f"{side} {value}" for side, value in sides.items() if value))
    if not _kept(old, new):
        raise Hint("course.08.2.pixels")
    return {"pixels": old.width * old.height, "width": new.width, "height": new.height}


@exercise("08.3")
def grounds(answer: Any) -> dict[str, Any]:
    """All four grounds, and nothing else changed."""
    found = requests(answer)
    if len(found) != 4:
        raise Hint("course.hint.count", wanted=4, got=len(found))
    for request in found:
        if not isinstance(request, Outpaint):
            raise Hint("course.08.hint.outpaint", kind=getattr(request, "kind", type(request).__name__))
    only(found, "fill_mode")
    return {"strength": f"{found[0].denoising_strength:g}"}


@exercise("08.4")
def scroll(answer: Any) -> dict[str, Any]:
    """A picture extended at least twice, each time from the last result, to at least twice its width or height."""
    found = records(answer)
    if len(found) < 3:
        raise Hint("course.hint.at_least", wanted=3, got=len(found))
    for number, (before, after) in enumerate(pairwise(found), 2):
        if Picture(before.image) != _outpainted(after).image:
            raise Hint("course.08.4.chain", number=number)
        if not _kept(before, after):
            raise Hint("course.08.2.pixels")
    first, last = found[0], found[-1]
    if last.width < 2 * first.width and last.height < 2 * first.height:
        sizes = {"width": last.width, "height": last.height, "wide": 2 * first.width, "high": 2 * first.height}
        raise Hint("course.08.4.short", **sizes)
    return {"count": len(found) - 1, "width": last.width, "height": last.height}

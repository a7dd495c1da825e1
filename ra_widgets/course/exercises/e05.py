"""Lesson 05: sizes, hires fix, upscalers."""

from __future__ import annotations

from typing import Any

from ra_widgets.course.checks import Hint, count, differing, exercise, only, records, requests
from ra_widgets.course.exercises._answers import listed, of_kind, rising, series, whole_number
from ra_widgets.requests import TextToImage, Upscale

CELLS = (832 // 8) * (1216 // 8)


@exercise("05.1")
def cells(answer: Any) -> None:
    """832 x 1216 pixels are 104 x 152 cells."""
    value = whole_number(answer)
    if value == 832 * 1216:
        raise Hint("course.05.1.pixels")
    if value == 832 * 1216 // 8:
        raise Hint("course.05.1.once")
    if value == 4 * CELLS:
        raise Hint("course.05.1.channels")
    if value != CELLS:
        raise Hint("course.05.1.count")


@exercise("05.2")
def hires(answer: Any) -> dict[str, Any]:
    """One picture of the hires fix, exactly twice as wide and high as its first pass."""
    found = records(answer)
    count(found, 1)
    record, request = found[0], found[0].request
    of_kind(TextToImage, [request])
    if not request.enable_hr:  # type: ignore[attr-defined]
        raise Hint("course.05.2.off")
    small = (request.width, request.height)  # type: ignore[attr-defined]
    if None in small or (record.width, record.height) != (2 * small[0], 2 * small[1]):
        raise Hint("course.05.2.twice", small=f"{small[0]} × {small[1]}", large=f"{record.width} × {record.height}")
    strength = request.denoising_strength  # type: ignore[attr-defined]
    if not 0.05 <= strength <= 0.85:
        raise Hint("course.05.2.strength", strength=f"{strength:g}")
    return {"small": f"{small[0]} × {small[1]}", "large": f"{record.width} × {record.height}"}


@exercise("05.3")
def hires_series(answer: Any) -> dict[str, Any]:
    """Three or more hires pictures that differ in their denoising strength alone, from small to large."""
    found = series(answer, 3)
    of_kind(TextToImage, found)
    if not all(request.enable_hr for request in found):
        raise Hint("course.05.2.off")
    only(found, "denoising_strength")
    strengths = [request.denoising_strength for request in found]
    rising(strengths)
    return {"values": listed(strengths)}


@exercise("05.4")
def two_upscalers(answer: Any) -> dict[str, Any]:
    """The same picture enlarged by the same factor with two upscalers."""
    found = requests(answer)
    count(found, 2)
    of_kind(Upscale, found)
    fields = differing(found)
    if "image" in fields:
        raise Hint("course.05.4.image")
    if "upscaler" not in fields:
        raise Hint("course.hint.same", field="upscaler")
    only(found, "upscaler")
    if found[0].scale <= 1 and found[0].width is None and found[0].height is None:
        raise Hint("course.05.4.scale")
    return {"first": found[0].upscaler, "second": found[1].upscaler}

"""Lesson 07: inpainting. What is kept must be kept to the last bit, so here the checks do look at pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ra_widgets.course.checks import Hint, count, exercise, only, records
from ra_widgets.course.exercises._answers import number, of_kind, series
from ra_widgets.requests import Inpaint
from ra_widgets.results import Record

VISIBLE = 8.0
"""Mean difference inside (0..255) from which a change counts as one."""


@dataclass(frozen=True)
class Change:
    """What inpainting did: ``area`` of the mask (share of the picture), the largest difference ``outside`` (beyond the blurred
    edge), the mean ``inside`` taken over the largest of the channels, and ``inside_mean`` over the mean of the channels."""

    area: float
    outside: int
    inside: float
    inside_mean: float


def _request(answer: Any) -> tuple[Record, Inpaint]:
    found = records(answer)
    count(found, 1)
    of_kind(Inpaint, [found[0].request])
    return found[0], found[0].request  # type: ignore[return-value]


def _mask(request: Inpaint) -> Any:
    from PIL import ImageOps

    if request.mask is None:
        raise Hint("course.07.mask")
    mask = request.mask.gray().resize(request.image.size)
    return ImageOps.invert(mask) if request.inpainting_mask_invert else mask


def _change(record: Record, request: Inpaint) -> Change:
    import numpy as np

    from ra_widgets.imaging import masks

    picture = record.image.convert("RGB")
    if picture.size != request.image.size:
        raise Hint("course.07.size")
    mask = _mask(request)
    x = request.mask_blur if request.mask_blur_x is None else request.mask_blur_x
    y = request.mask_blur if request.mask_blur_y is None else request.mask_blur_y
    beyond = np.asarray(masks.blur(mask, x, y)) == 0
    inside = np.asarray(mask) > 0
    apart = np.abs(np.asarray(picture, dtype=int) - np.asarray(request.image.rgb(), dtype=int))
    if not inside.any():
        raise Hint("course.07.mask")
    largest = apart.max(axis=2)
    return Change(
        float(inside.mean()),
        int(largest[beyond].max()) if beyond.any() else 0,
        float(largest[inside].mean()),
        float(apart.mean(axis=2)[inside].mean()),
    )


@exercise("07.1")
def not_one_bit(answer: Any) -> dict[str, Any]:
    """A picture inpainted without blur, and the learner's own measure of what changed outside and inside the mask."""
    if not isinstance(answer, list) or len(answer) != 3:
        raise Hint("course.07.1.three")
    record, request = _request(answer[0])
    if max(request.mask_blur, request.mask_blur_x or 0, request.mask_blur_y or 0) > 0:
        raise Hint("course.07.1.blur", blur=request.mask_blur)
    change = _change(record, request)
    outside, inside = number(answer[1]), number(answer[2])
    if outside != change.outside:
        raise Hint("course.07.1.outside", outside=f"{outside:g}")
    slack = 0.02 * change.inside + 0.05
    if not change.inside_mean - slack <= inside <= change.inside + slack:
        raise Hint("course.07.1.inside", inside=f"{inside:g}")
    return {"inside": f"{inside:.1f}"}


@exercise("07.2")
def replaced(answer: Any) -> dict[str, Any]:
    """Something else inside a mask of 5 to 60 % of the picture, nothing changed beyond its edge."""
    record, request = _request(answer)
    change = _change(record, request)
    if not 0.05 <= change.area <= 0.6:
        raise Hint("course.07.2.area", area=f"{change.area:.0%}")
    if change.outside:
        raise Hint("course.07.2.outside", outside=change.outside)
    if change.inside < VISIBLE:
        raise Hint("course.07.2.inside", inside=f"{change.inside:.1f}")
    return {"area": f"{change.area:.0%}", "inside": f"{change.inside:.0f}"}


@exercise("07.3")
def grounds(answer: Any) -> dict[str, Any]:
    """Three or more pictures that differ only in what lies under the mask at the start."""
    found = series(answer, 3)
    of_kind(Inpaint, found)
    only(found, "inpainting_fill")
    return {"values": ", ".join(request.inpainting_fill for request in found)}


@exercise("07.4")
def only_masked(answer: Any) -> dict[str, Any]:
    """A small mask painted by "only masked", with some padding."""
    record, request = _request(answer)
    if not request.inpaint_full_res:
        raise Hint("course.07.4.whole")
    change = _change(record, request)
    if change.area >= 0.15:
        raise Hint("course.07.4.area", area=f"{change.area:.0%}")
    if request.inpaint_full_res_padding < 8:
        raise Hint("course.07.4.padding", padding=request.inpaint_full_res_padding)
    return {"area": f"{change.area:.1%}", "padding": request.inpaint_full_res_padding}

"""Lesson 09: maps of edges and depth, weight and window of a control."""

from __future__ import annotations

from typing import Any

from ra_widgets.control_requests import ControlUnit
from ra_widgets.course.checks import Hint, count, differing, exercise, records
from ra_widgets.course.exercises._answers import listed, rising, series


def _map(answer: Any) -> Any:
    """The answer as a uint8 array [H, W].

    Raises:
        Hint: it is no map of one number a pixel.
    """
    import numpy as np
    from PIL import Image

    page = np.asarray(answer) if isinstance(answer, (np.ndarray, Image.Image)) else None
    if page is None:
        raise Hint("course.09.hint.map", kind=type(answer).__name__)
    if page.ndim == 3 and page.shape[2] == 3 and (page == page[..., :1]).all():
        page = page[..., 0]
    if page.ndim != 2 or page.dtype != np.uint8:
        raise Hint("course.09.hint.shape", shape=" × ".join(map(str, page.shape)), dtype=str(page.dtype))
    return page


@exercise("09.1")
def edges(answer: Any) -> dict[str, Any]:
    """A map of only black and white, 3 to 8 per cent of it white."""
    page = _map(answer)
    if not ((page == 0) | (page == 255)).all():
        raise Hint("course.09.1.grey")
    share = float((page == 255).mean())
    if share < 0.03:
        raise Hint("course.09.1.few", share=f"{share:.1%}")
    if share > 0.08:
        raise Hint("course.09.1.many", share=f"{share:.1%}")
    return {"share": f"{share:.1%}", "width": page.shape[1], "height": page.shape[0]}


@exercise("09.2")
def depth(answer: Any) -> dict[str, Any]:
    """A depth map, and (x, y) of its brightest pixel."""
    if not isinstance(answer, (list, tuple)) or len(answer) != 2:
        raise Hint("course.09.2.two")
    page = _map(answer[0])
    if int(page.max()) - int(page.min()) < 64:
        raise Hint("course.09.2.flat", low=int(page.min()), high=int(page.max()))
    try:
        x, y = (int(value) for value in answer[1])
    except (TypeError, ValueError, OverflowError):
        raise Hint("course.09.2.point") from None
    high, wide = page.shape
    best = int(page.max())
    if 0 <= x < wide and 0 <= y < high and page[y, x] == best:
        return {"x": x, "y": y}
    if 0 <= y < wide and 0 <= x < high and page[x, y] == best:
        raise Hint("course.09.2.order")
    if 0 <= x < wide and 0 <= y < high and page[y, x] == page.min():
        raise Hint("course.09.2.far")
    raise Hint("course.09.2.wrong", x=x, y=y)


def _unit(request: Any) -> ControlUnit:
    units: tuple[ControlUnit, ...] = getattr(request, "control", ())
    if len(units) != 1:
        raise Hint("course.09.hint.unit", got=len(units))
    return units[0]


def _only(found: list[Any], field: str) -> list[float]:
    """The values of ``field`` in the only unit of each request; a hint unless they differ, and nothing else does."""
    units = [_unit(request) for request in found]
    names = [
        name for name in type(units[0]).model_fields if any(getattr(u, name) != getattr(units[0], name) for u in units)
    ]
    others = [name for name in [*names, *differing(found)] if name not in (field, "control")]
    if others:
        raise Hint("course.hint.only", field=field, others=", ".join(others))
    values = [float(getattr(unit, field)) for unit in units]
    if len(set(values)) < len(values):
        raise Hint("course.hint.same", field=field)
    return values


@exercise("09.3")
def nothing_and_all(answer: Any) -> dict[str, Any]:
    """Weight 0 and weight 1, nothing else changed; the pictures differ."""
    found = records(answer)
    count(found, 2)
    weights = _only([record.request for record in found], "weight")
    if sorted(weights) != [0.0, 1.0]:
        raise Hint("course.09.3.weights", values=", ".join(f"{weight:g}" for weight in weights))
    first, second = (record.image.convert("RGB").tobytes() for record in found)
    if first == second:
        raise Hint("course.09.3.pixels")
    return {"model": _unit(found[0].request).model}


@exercise("09.4")
def letting_go(answer: Any) -> dict[str, Any]:
    """Three or more that differ in guidance_end only, rising to 1."""
    found = series(answer, 3)
    values = _only(found, "guidance_end")
    rising(values, "course.09.4.rising")
    if values[-1] != 1:
        raise Hint("course.09.4.last", got=f"{values[-1]:g}")
    return {"values": listed(values)}

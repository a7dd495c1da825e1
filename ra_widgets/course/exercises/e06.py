"""Lesson 06: image to image."""

from __future__ import annotations

from typing import Any

from ra_widgets.course.checks import Hint, count, exercise, only, records
from ra_widgets.course.exercises._answers import listed, of_kind, rising, series, whole_number
from ra_widgets.requests import ImageToImage

SHARE = 0.004
"""A patch of colour counts from this share of the sketch on."""
FLAT = 0.5
"""Share of pixels that are exactly like their right neighbour: nearly all in a drawing, few in a photograph or a finished picture."""


@exercise("06.1")
def steps_walked(answer: Any) -> None:
    """30 steps at strength 0.4: int(0.4 * 30) + 1 = 13."""
    value = whole_number(answer)
    if value == 12:
        raise Hint("course.06.1.one")
    if value == 30:
        raise Hint("course.06.1.all")
    if value in (18, 17, 19):
        raise Hint("course.06.1.skipped")
    if value != 13:
        raise Hint("course.06.1.count")


@exercise("06.2")
def strength_series(answer: Any) -> dict[str, Any]:
    """Four or more pictures of rising strength and nothing else changed; the last is further from the source than the first."""
    found = series(answer, 4)
    of_kind(ImageToImage, found)
    only(found, "denoising_strength")
    strengths = [request.denoising_strength for request in found]
    rising(strengths)
    if strengths[0] > 0.3 or strengths[-1] < 0.7:
        raise Hint("course.06.2.range", values=listed(strengths))
    distances = [_distance(record) for record in records(answer)]
    if distances[-1] <= distances[0]:
        raise Hint("course.06.2.distance")
    return {"first": f"{distances[0]:.0f}", "last": f"{distances[-1]:.0f}"}


def _distance(record: Any) -> float:
    import numpy as np

    picture = record.image.convert("RGB")
    source = record.request.image.rgb().resize(picture.size)
    return float(np.abs(np.asarray(picture, dtype=float) - np.asarray(source, dtype=float)).mean())


@exercise("06.3")
def siblings(answer: Any) -> dict[str, Any]:
    """Three or more pictures from one source with one strength: only the seeds differ."""
    found = series(answer, 3)
    of_kind(ImageToImage, found)
    only(found, "seed")
    return {"seeds": ", ".join(str(request.seed) for request in found)}


@exercise("06.4")
def from_sketch(answer: Any) -> dict[str, Any]:
    """A picture made from a sketch of at least three colours, at a strength that respects it."""
    found = records(answer)
    count(found, 1)
    request = found[0].request
    of_kind(ImageToImage, [request])
    if not found[0].prompt.strip():
        raise Hint("course.hint.no_prompt")
    picture = request.image.rgb()  # type: ignore[attr-defined]
    if _flatness(picture) < FLAT:
        raise Hint("course.06.4.finished")
    patches = _patches(picture)
    if patches < 3:
        raise Hint("course.06.4.colours", got=patches)
    strength = request.denoising_strength  # type: ignore[attr-defined]
    if not 0.3 <= strength <= 0.9:
        raise Hint("course.06.4.strength", strength=f"{strength:g}")
    return {"colours": patches, "strength": f"{strength:g}"}


def _flatness(image: Any) -> float:
    """Share of pixels exactly like their right neighbour, 0..1."""
    import numpy as np

    pixels = np.asarray(image)
    return float((pixels[:, 1:] == pixels[:, :-1]).all(axis=2).mean()) if pixels.shape[1] > 1 else 1.0


def _patches(image: Any) -> int:
    """How many colours, seen coarsely, cover a good part of the picture."""
    from PIL import ImageOps

    coarse = ImageOps.posterize(image, 3)
    whole = coarse.width * coarse.height
    colours = coarse.getcolors(whole) or []
    return sum(pixels >= SHARE * whole for pixels, _ in colours)

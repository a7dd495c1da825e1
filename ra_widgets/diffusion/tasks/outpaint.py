"""Outpainting: the picture on a larger sheet, the new ground inpainted, the old put back as it was.

A model draws well at the size it was trained on; on a larger sheet it repeats what the prompt names. So the new ground is first
composed on a sheet made smaller, where it sees old and new as one picture, and then painted in full size. Of a large picture only
the part beside the new ground is worked on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.canvas import Canvas
from ra_widgets.diffusion.tasks.image_to_image import Painter
from ra_widgets.diffusion.tasks.reading import readable
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.imaging import grounds
from ra_widgets.imaging.resizing import stretch
from ra_widgets.requests import Generation, Inpaint, Outpaint, Picture

SMALLEST = 64
"""Pixels a side of the smallest sheet that is painted."""
LARGE = 1.2
"""A sheet of so many times the area of the model's own pictures is composed small first."""
DETAIL = 0.3
"""Strength of the pass in full size after that."""


def run(model: LoadedModel, request: Outpaint, work: Work) -> None:
    """Make all pictures of a resolved request, one by one: each has a ground of its own.

    Raises:
        InvalidRequest: the numbers leave nothing to do. OutOfMemory, EngineError, JobCancelled.
    """
    spoken, facts = readable(model, request, work)
    old = request.image.rgb()
    sheet = Sheet.of(request, model.latent_scale, model.info.default_size)
    for index in range(request.images):
        seed, subseed = request.image_seed(index)
        ground = grounds.extend(old, sheet.sides, request.fill_mode, seed)
        image, seconds, painter = _paint(model, spoken, sheet, ground, (seed, subseed), work)
        image = grounds.join(image, old, sheet.sides, request.mask_blur)
        work.image(_cut(image, request, sheet.sides), seconds, **painter.facts(1), **facts)


@dataclass(frozen=True)
class Sheet:
    """Where things lie.

    Attributes:
        sides: what is added to the old picture for the sheet. box: the part of the sheet that is worked on.
        small: the size (width, height) at which that part is composed, or None if it needs not be.
    """

    sides: grounds.Sides
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    small: tuple[int, int] | None

    @classmethod
    def of(cls, request: Outpaint, scale: int, native: tuple[int, int]) -> Sheet:
        """For a request, a model with ``scale`` pixels a latent cell and pictures of the size ``native``."""
        left, right = _span(request.left, request.image.width, request.right, scale)
        top, bottom = _span(request.top, request.image.height, request.bottom, scale)
        width, height = left + request.image.width + right, top + request.image.height + bottom
        x1, x2 = _part(width, left, right, request.left, request.right, native[0], scale)
        y1, y2 = _part(height, top, bottom, request.top, request.bottom, native[1], scale)
        share = (x2 - x1) * (y2 - y1) / (native[0] * native[1])
        small = None
        if share > LARGE:
            factor = math.sqrt(1 / share)
            small = _cells((x2 - x1) * factor, scale), _cells((y2 - y1) * factor, scale)
        return cls((left, right, top, bottom), (width, height), (x1, y1, x2, y2), small)


def _cells(length: float, scale: int) -> int:
    return max(round(length / scale) * scale, SMALLEST)


def _span(before: int, length: int, after: int, scale: int) -> tuple[int, int]:
    """What is added before and after, so that the old begins on a latent cell and the whole is whole cells."""
    before = -(-before // scale) * scale
    total = max(-(-(before + length + after) // scale) * scale, SMALLEST)
    return before, total - before - length


def _part(total: int, before: int, after: int, low: int, high: int, native: int, scale: int) -> tuple[int, int]:
    """The span that is worked on along one axis: the new ground and beside it as much of the old as the model overlooks."""
    if bool(low) == bool(high):  # both ends or neither: all of it
        return 0, total
    reach = max(native, low, high)
    reach = -(-reach // scale) * scale
    return (0, min(before + reach, total)) if low else (max((total - after - reach) // scale * scale, 0), total)


def _paint(
    model: LoadedModel, request: Outpaint, sheet: Sheet, ground: Image.Image, seed: tuple[int, int], work: Work
) -> tuple[Image.Image, float, Painter]:
    """The whole sheet with the new ground painted; seconds of work; the last painter."""
    new = Image.fromarray(np.where(grounds.distance(sheet.size, sheet.sides) > 0, 255, 0).astype(np.uint8))
    part, mask = ground.crop(sheet.box), new.crop(sheet.box)
    painters = []
    if sheet.small is not None:
        canvas = Canvas(stretch(part, *sheet.small), *sheet.small, mask=mask.resize(sheet.small, Image.Resampling.BOX))
        painters.append(Painter(model, _inpainting(request, canvas), work, canvas))
    full = Canvas(part, *part.size, mask=mask)
    strength = DETAIL if painters else None
    last = Painter(model, _inpainting(request, full, strength), work, full)
    work.batch(1, passes=[painter.walk.run_steps for painter in (*painters, last)])
    seconds = 0.0
    for painter in painters:
        ((small, share),) = painter.batch([seed], announce=False)
        part = Image.composite(stretch(small, *part.size), part, mask)
        seconds += share
        last.canvas = Canvas(part, *part.size, mask=mask)
        work.next_pass()
    ((painted, share),) = last.batch([seed], announce=False)
    whole = ground.copy()
    whole.paste(painted, sheet.box[:2])
    return whole, seconds + share, last


def _inpainting(request: Outpaint, canvas: Canvas, strength: float | None = None) -> Inpaint:
    """The inpainting that paints the new ground; ``strength`` None: the request's own."""
    shared = {name: getattr(request, name) for name in Generation.model_fields if name in request.model_fields_set}
    shared |= {"width": canvas.width, "height": canvas.height}
    fresh = request.fill_mode == "latent noise" and strength is None
    return Inpaint(
        **shared,
        image=Picture(canvas.image),
        mask=Picture(canvas.mask),
        denoising_strength=request.denoising_strength
        if strength is None
        else min(strength, request.denoising_strength),
        inpainting_fill="latent noise" if fresh else "original",
        control=request.control,
        ip_adapter=request.ip_adapter,
    )


def _cut(image: Image.Image, request: Outpaint, sides: grounds.Sides) -> Image.Image:
    width, height = request.final_size
    left, top = sides[0] - request.left, sides[2] - request.top
    return image.crop((left, top, left + width, top + height))

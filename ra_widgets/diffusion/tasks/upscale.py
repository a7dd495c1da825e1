"""A picture made larger, as on the webui's Extras tab: one upscaler, or two blended. No model is needed for it."""

from __future__ import annotations

import time
from typing import Any

from PIL import Image

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.diffusion.tiles import Done
from ra_widgets.diffusion.upscalers import Upscalers
from ra_widgets.library import upscalers as registry
from ra_widgets.library.upscalers import UpscalerInfo
from ra_widgets.requests import Upscale

TICKS = 100
"""Steps of the progress bar."""


def tools(model: LoadedModel) -> Upscalers:
    """The upscalers on a model's device, made once."""
    found: Upscalers = model.cache.setdefault("upscalers", Upscalers(model.device))
    return found


def run(model: LoadedModel, request: Upscale, work: Work) -> None:
    """Enlarge the picture of the request. Transparent parts show white, as in the webui.

    Raises:
        ModelError: there is no such upscaler, or its file cannot be used. OutOfMemory, JobCancelled.
    """
    began = time.perf_counter()
    ways: list[tuple[UpscalerInfo, float]] = [(registry.resolve(request.upscaler), 1.0)]
    if request.upscaler_2 and request.upscaler_2_visibility > 0:
        ways.append((registry.resolve(request.upscaler_2), request.upscaler_2_visibility))
    work.batch(1, passes=[TICKS] * len(ways))
    size = request.covering_size
    result: Image.Image | None = None
    for number, (info, share) in enumerate(ways):
        if number:
            work.next_pass()
        larger = tools(model).resize(
            request.image.rgb(),
            info,
            size,
            tile=request.tile_size,
            overlap=request.tile_overlap,
            done=progress(work),
        )
        result = larger if result is None else Image.blend(result, larger, share)
    assert result is not None
    work.check()
    work.image(crop(result, request.final_size), time.perf_counter() - began, **facts(model, request, ways))


def progress(work: Work) -> Done:
    """Reports the progress of an upscaler as that of the present pass, and hears "stop"."""

    def done(fraction: float) -> None:
        work.progress(int(fraction * TICKS), TICKS)

    return done


def crop(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture."""
    if image.size == size:
        return image
    left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    return image.crop((left, top, left + size[0], top + size[1]))


def facts(model: LoadedModel, request: Upscale, ways: list[tuple[UpscalerInfo, float]]) -> dict[str, Any]:
    """What the record says of it; the words of the infotext are the webui's."""
    words: dict[str, Any] = {}
    if request.width or request.height:
        width, height = request.covering_size
        words["Postprocess upscale to"] = f"{width}x{height}"
        if request.final_size != request.covering_size:
            words["Postprocess crop to"] = f"{request.final_size[0]}x{request.final_size[1]}"
    else:
        words["Postprocess upscale by"] = f"{request.scale:g}"
    for (info, share), key in zip(ways, ("Postprocess upscaler", "Postprocess upscaler 2"), strict=False):
        words[key] = info.name
        if share < 1:
            words[f"{key} visibility"] = f"{share:g}"
    hashes = {info.name: info.hash for info, _ in ways if info.hash}
    return {"infotext": words, "engine": "upscale", "upscalers": hashes}

"""Text to image on our own engine, as the webui does it: noise from the seed, a walk down the sigmas, pixels.

With hires fix a second pass goes over the enlarged picture.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks import hires
from ra_widgets.diffusion.tasks.passes import Pass, sample, to_image
from ra_widgets.diffusion.tasks.reading import readable
from ra_widgets.diffusion.tasks.walks import plan_walk
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.requests import TextToImage


def run(model: LoadedModel, request: TextToImage, work: Work) -> None:
    """Make all pictures of a resolved request.

    Raises:
        InvalidRequest: the numbers leave nothing to do. OutOfMemory, EngineError, JobCancelled.
    """
    assert request.width and request.height
    walk = plan_walk(model, request, request.sampler, request.scheduler, request.steps)
    timeline = Timeline(walk.cond_steps, old=request.old_prompt_timelines)
    spoken, facts = readable(model, request, work)
    first = Pass(
        walk,
        spoken.prompt,
        spoken.negative_prompt,
        timeline,
        request.width,
        request.height,
        refine=not request.enable_hr,  # with hires fix the webui gives only the second pass to the refiner
    )
    second = hires.plan_second(model, spoken, timeline) if request.enable_hr else None
    facts |= {"engine": "ra", "sampler": walk.info.name, "scheduler": walk.scheduler}
    for start in range(0, request.images, request.batch_size):
        seeds = [request.image_seed(start + k) for k in range(request.batch_size)]
        _batch(model, request, first, second, seeds, work, facts)


def _batch(
    model: LoadedModel,
    request: TextToImage,
    first: Pass,
    second: Pass | None,
    seeds: list[tuple[int, int]],
    work: Work,
    facts: dict[str, Any],
) -> None:
    began = time.perf_counter()
    last = second or first
    sizes = {"width": last.width, "height": last.height, "batch": len(seeds)}
    work.batch(len(seeds), passes=[first.walk.run_steps, second.walk.run_steps] if second else [first.walk.run_steps])
    latents = model.ladder.run(lambda: sample(model, request, first, seeds, work), **sizes)
    if second is not None:
        enlarged = model.ladder.run(
            lambda: hires.enlarge(model, request, latents, second, lambda _: work.check()), **sizes
        )
        work.next_pass()
        latents = model.ladder.run(lambda: sample(model, request, second, seeds, work, enlarged), **sizes)
    for latent in latents.split(1):
        work.check()
        pixels: torch.Tensor = model.ladder.run(lambda of=latent: model.decode(of), **sizes)
        share = (time.perf_counter() - began) / len(seeds)
        work.image(to_image(pixels[0]), share, batch=len(seeds), **facts)

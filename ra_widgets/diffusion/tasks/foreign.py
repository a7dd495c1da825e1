"""Text to image on a family's own diffusers pipeline (flow models and other newcomers).

These models define their own samplers, so webui settings that have no meaning for them are refused with a sentence,
never ignored.
"""

from __future__ import annotations

import inspect
import time
from typing import Any

import torch

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import ModelError
from ra_widgets.requests import TextToImage

GUIDANCE = ("guidance_scale", "true_cfg_scale")


def run(model: LoadedModel, request: TextToImage, work: Work) -> None:
    """Make the pictures of ``request``; each from its own seed, so that a batch equals its singles.

    Raises:
        ModelError: the request asks for something that this pipeline does not have.
    """
    pipe = model.pipe
    known = set(inspect.signature(type(pipe).__call__).parameters)
    options = _options(model, request, known)
    for first in range(0, request.images, request.batch_size):
        work.batch(request.batch_size)
        began = time.perf_counter()
        seeds = [request.image_seed(first + k)[0] for k in range(request.batch_size)]
        call = _call(model, request, seeds, options, known, work)
        images = model.ladder.run(call, width=request.width, height=request.height, batch=len(seeds))
        work.check()
        seconds = (time.perf_counter() - began) / len(images)
        for image in images:
            work.image(image.convert("RGB"), seconds, engine=type(pipe).__name__)


def _call(
    model: LoadedModel, request: TextToImage, seeds: list[int], options: dict[str, Any], known: set[str], work: Work
) -> Any:
    def on_step(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        work.progress(step + 1, request.steps)
        return values

    def call() -> list[Any]:
        extra: dict[str, Any] = {"generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds]}
        if "callback_on_step_end" in known:
            extra["callback_on_step_end"] = on_step
        found: list[Any] = model.pipe(**options, **extra, num_images_per_prompt=len(seeds), output_type="pil").images
        return found

    return call


def _options(model: LoadedModel, request: TextToImage, known: set[str]) -> dict[str, Any]:
    """The pipeline's arguments for a request; refuses what it lacks."""
    name = model.info.name
    refused = {
        "sampler": request.sampler != TextToImage.model_fields["sampler"].default,
        "scheduler": request.scheduler != TextToImage.model_fields["scheduler"].default,
        "subseed_strength": request.subseed_strength > 0,
        "prompt_blend": bool(request.prompt_blend),
        "further_variations": bool(request.further_variations),
        "clip_skip": request.clip_skip > 1 and "clip_skip" not in known,
        "negative_prompt": bool(request.negative_prompt) and "negative_prompt" not in known,
    }
    for option, wanted in refused.items():
        if wanted:
            raise ModelError("model.option", name=name, option=option)
    options: dict[str, Any] = {
        "prompt": request.prompt,
        "num_inference_steps": request.steps,
        "width": request.width,
        "height": request.height,
    }
    if request.negative_prompt:
        options["negative_prompt"] = request.negative_prompt
    if request.clip_skip > 1:
        options["clip_skip"] = request.clip_skip - 1
    guidance = next((option for option in GUIDANCE if option in known), None)
    if guidance:
        options[guidance] = request.cfg_scale
    elif request.cfg_scale != model.info.default_cfg:
        raise ModelError("model.option", name=name, option="cfg_scale")
    return options

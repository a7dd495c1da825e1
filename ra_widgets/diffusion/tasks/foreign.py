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
HEARD = frozenset(
    """kind schema_version model prompt steps cfg_scale seed width height batch_size n_iter rng tiled_vae
    subseed blend_mode denoising_strength hr_scale hr_resize_x hr_resize_y hr_upscaler hr_second_pass_steps hr_sampler
    hr_scheduler hr_prompt hr_negative_prompt refiner_switch_at refiner_switch_by_sample_steps tile_size
    tile_overlap""".split()
)
"""Fields that all these pipelines hear, and, below the first line, those that say nothing alone: what would give them a meaning
(``subseed_strength``, ``prompt_blend``, ``enable_hr``, ``refiner_checkpoint``, ``tiled_diffusion``) is refused."""


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
    for option, field in type(request).model_fields.items():
        value = getattr(request, option)
        heard = option in HEARD or (option in ("negative_prompt", "clip_skip") and option in known)
        if not heard and value != field.default and not (value is False and field.default is None):
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

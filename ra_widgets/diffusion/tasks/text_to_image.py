"""Text to image on our own engine, as the webui does it: noise from the seed, a walk down the sigmas, pixels."""

from __future__ import annotations

import time
from typing import Any

import torch
from PIL import Image

from ra_widgets.diffusion.conditioning import Part, TextEncoder
from ra_widgets.diffusion.denoiser import LCMDenoiser, ModelDenoiser, diffusers_call
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond, GuidanceOptions
from ra_widgets.diffusion.noise import BrownianNoise, ImageNoise
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.plan import SamplingPlan, plan
from ra_widgets.diffusion.sampling import SAMPLERS, pick_options
from ra_widgets.diffusion.sampling_base import Step
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import EngineError, InvalidRequest
from ra_widgets.requests import TextToImage


def run(model: LoadedModel, request: TextToImage, work: Work) -> None:
    """Make all pictures of a resolved request.

    Raises:
        InvalidRequest: the schedule leaves nothing to do. OutOfMemory, EngineError, JobCancelled.
    """
    assert model.alphas_cumprod is not None and request.width and request.height
    try:
        walk = plan(
            request.sampler,
            request.scheduler,
            request.steps,
            model.alphas_cumprod,
            sdxl=model.info.family == "sdxl",
        )
    except ValueError as error:
        raise InvalidRequest("invalid.schedule", field="steps", detail=str(error), got=request.steps) from error
    facts = {"engine": "ra", "sampler": walk.info.name, "scheduler": walk.scheduler}
    for first in range(0, request.images, request.batch_size):
        indices = range(first, first + request.batch_size)
        work.batch(len(indices))
        began = time.perf_counter()
        sizes = {"width": request.width, "height": request.height, "batch": len(indices)}
        latents = model.ladder.run(lambda of=indices: sample(model, request, walk, of, work), **sizes)
        for latent in latents.split(1):
            work.check()
            pixels = model.ladder.run(lambda of=latent: model.decode(of), **sizes)
            share = (time.perf_counter() - began) / len(indices)
            work.image(to_image(pixels[0]), share, batch=len(indices), **facts)


def sample(
    model: LoadedModel, request: TextToImage, walk: SamplingPlan, indices: range, work: Work
) -> torch.Tensor:
    """The latents float32 [B, 4, h, w] of the pictures ``indices`` of the job."""
    height, width = request.height // model.latent_scale, request.width // model.latent_scale
    seeds, subseeds = (list(column) for column in zip(*(request.image_seed(i) for i in indices), strict=True))
    noise = ImageNoise(
        seeds,
        (model.unet.config.in_channels, height, width),
        subseeds=subseeds if request.subseed_strength > 0 else None,
        subseed_strength=request.subseed_strength,
    )
    x = walk.start(noise.first().to(model.device))
    guided = CFGDenoiser(
        denoiser(model, walk),
        *conditioning(model, request, walk, len(seeds)),
        GuidanceOptions(cfg_scale=request.cfg_scale),
        total_steps=walk.guidance_steps,
        seen=lambda _: work.check(),
    )

    def report(step: Step) -> None:
        work.progress(step.i + 1, step.total or walk.run_steps)
        work.preview(step.denoised, step.i + 1)

    latents = SAMPLERS[walk.info.name](
        guided,
        x,
        walk.sigmas,
        noise_sampler=noise_sampler(walk, noise, x),
        callback=report,
        **pick_options(walk.info.name, **walk_options(walk)),
    )
    if not bool(torch.isfinite(latents).all()):
        raise EngineError("error.nan")
    return latents


def walk_options(walk: SamplingPlan) -> dict[str, Any]:
    """Options that the webui passes to a sampler by default."""
    return {"eta": walk.info.default_eta} if walk.info.uses_eta else {}


def noise_sampler(walk: SamplingPlan, noise: ImageNoise, x: torch.Tensor) -> Any:
    """What a sampler draws on its way: a Brownian tree for the SDE family, else the images' own generators."""
    if not walk.info.brownian:
        return noise.sampler(x)
    positive = walk.sigmas[walk.sigmas > 0]
    return BrownianNoise(x, positive.min(), positive.max(), noise.seeds)


def denoiser(model: LoadedModel, walk: SamplingPlan) -> ModelDenoiser:
    """The model's denoiser for this sampler, made once."""
    kind = LCMDenoiser if walk.info.name == "LCM" else ModelDenoiser
    key = kind.__name__
    if key not in model.cache:
        model.cache[key] = kind(diffusers_call(model.unet), model.alphas_cumprod, model.prediction_type)
    found: ModelDenoiser = model.cache[key]
    return found


def text_encoder(model: LoadedModel) -> TextEncoder:
    """The model's text encoder with its cache, made once."""
    found: TextEncoder = model.cache.setdefault("text_encoder", TextEncoder(model))
    return found


def conditioning(
    model: LoadedModel, request: TextToImage, walk: SamplingPlan, count: int
) -> tuple[list[list[tuple[Cond, float]]], list[Cond]]:
    """Prompts and negative prompts for ``count`` pictures."""
    encoder = text_encoder(model)
    sizes = _time_ids(request) if model.info.family == "sdxl" else None
    positive = encoder.parts(request.prompt, walk.cond_steps, request.clip_skip)
    negative = encoder.negative(request.negative_prompt, walk.cond_steps, request.clip_skip)
    prompts = [(_cond(part, sizes), part.weight) for part in positive]
    return [prompts] * count, [_cond(negative, sizes)] * count


def _cond(part: Part, time_ids: torch.Tensor | None) -> Cond:
    entries = []
    for end, encoded in part.schedule:
        extras = {}
        if time_ids is not None and encoded.pooled is not None:
            extras = {"text_embeds": encoded.pooled, "time_ids": time_ids}
        entries.append((end, encoded.embeds, extras))
    return Cond(tuple(entries))


def _time_ids(request: TextToImage) -> torch.Tensor:
    """SDXL's size conditioning: original size, crop corner, target size (height first)."""
    height, width = float(request.height or 0), float(request.width or 0)
    return torch.tensor([height, width, 0.0, 0.0, height, width])


def to_image(pixels: torch.Tensor) -> Image.Image:
    """float [3, H, W] in 0..1 to a PIL RGB image (webui's rounding: truncate)."""
    array = (pixels.permute(1, 2, 0) * 255.0).to(torch.uint8).cpu().contiguous().numpy()
    return Image.fromarray(array)

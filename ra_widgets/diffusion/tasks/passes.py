"""One pass of sampling, shared by all tasks on our own engine: prompts and noise in, latents out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from ra_widgets.diffusion import tiled_diffusion
from ra_widgets.diffusion.brownian import BrownianNoise
from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.control.steering import Steering
from ra_widgets.diffusion.denoiser import LCMDenoiser, ModelDenoiser, diffusers_call
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond, GuidanceOptions, Refiner
from ra_widgets.diffusion.masking import LatentMask
from ra_widgets.diffusion.noise import ImageNoise
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.plan import SamplingPlan
from ra_widgets.diffusion.sampling import SAMPLERS, pick_options
from ra_widgets.diffusion.sampling_base import Step
from ra_widgets.diffusion.tasks import channels, control
from ra_widgets.diffusion.tasks.conditions import Prompts, conditioning, text_encoder
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import EngineError
from ra_widgets.pictures import Picture
from ra_widgets.requests import TextToImage


@dataclass(frozen=True)
class Pass:
    """What one pass does, beyond what the request says for all of them.

    Attributes:
        walk: sampler and sigmas. prompt, negative: texts. timeline: what their schedules count against.
        width, height: pixels. refine: hand over to the refiner, if the request names one.
        hires: whether this is the second pass of hires fix.
        picture: what control units without a picture of their own look at. mask: L, white where to paint; for inpainting
            modules. place, whole: the part of a picture of size ``whole`` that is worked on ("only masked"), for units with
            their own picture.
    """

    walk: SamplingPlan
    prompt: str
    negative: str
    timeline: Timeline
    width: int
    height: int
    refine: bool = False
    hires: bool = False
    picture: Picture | None = None
    mask: Image.Image | None = None
    place: tuple[int, int, int, int] | None = None
    whole: tuple[int, int] = (0, 0)


def sample(
    model: LoadedModel,
    request: TextToImage,
    this: Pass,
    seeds: Sequence[tuple[int, int]],
    work: Work,
    init: torch.Tensor | None = None,
    *,
    mask: LatentMask | None = None,
    image_cond: torch.Tensor | None = None,
    noise_multiplier: float = 1.0,
    extra_noise: float = 0.0,
    part: tuple[int, int] = (0, 1),
) -> torch.Tensor:
    """Latents float32 [B, 4, h, w] for (seed, variation seed) pairs, from pure noise or from ``init`` latents.

    Args:
        init: [B or 1, 4, h, w]. mask: which part is drawn anew; the caller does the final blend.
        image_cond: [B or 1, C', h, w], further input channels of the UNet; None: what it gets in text to image.
        noise_multiplier: factor of the first noise. extra_noise: noise on top of ``init``.
        part: which of how many parts of the batch this is, for the progress.

    Raises:
        EngineError: the model produced invalid numbers. JobCancelled.
    """
    walk = this.walk
    if walk.info.adaptive and len(seeds) > 1:
        return torch.cat(
            [
                sample(
                    *(model, request, this, [pair], work, _of(init, k)),
                    mask=None if mask is None else mask.of(k),
                    image_cond=_of(image_cond, k),
                    noise_multiplier=noise_multiplier,
                    extra_noise=extra_noise,
                    part=(k, len(seeds)),
                )
                for k, pair in enumerate(seeds)
            ]
        )
    noise = make_noise(model, request, seeds, this.width, this.height)
    first = noise.first().to(model.device)
    if noise_multiplier != 1.0:
        first = first * noise_multiplier
    x = walk.start(first) if init is None else walk.start(first, init.to(first), extra_noise)
    if image_cond is None:
        image_cond = channels.image_cond(model, this.height, this.width)
    if image_cond is not None:
        image_cond = image_cond.to(model.device).expand(len(seeds), -1, -1, -1)
    prompts, negatives = conditioning(model, request, this, len(seeds))
    steer = control.steering(model, request, this)
    guided = CFGDenoiser(
        denoiser(model, walk, steer, tiled_diffusion.plan(model, request, this.width, this.height, len(seeds))),
        prompts,
        negatives,
        guidance(model, request, walk),
        total_steps=walk.guidance_steps,
        mask=mask,
        image_cond=image_cond,
        refiner=refiner(request, this, len(seeds), work) if this.refine else None,
        seen=lambda _: work.check(),
    )

    def report(step: Step) -> None:
        if steer is not None:
            steer.step = step.i
        total = step.total or walk.run_steps
        work.progress(part[0] * total + min(step.i + 1, total), part[1] * total)
        work.preview(step.denoised if guided.denoised is None else guided.denoised, step.i + 1, part[0])

    with control.installed(steer):
        latents = SAMPLERS[walk.info.name](
            guided,
            x,
            walk.sigmas,
            noise_sampler=noise_sampler(request, walk, noise, x),
            callback=report,
            **pick_options(walk.info.name, **sampler_options(request, walk)),
        )
    if not bool(torch.isfinite(latents).all()):
        raise EngineError("error.nan")
    return latents


def _of(latents: torch.Tensor | None, image: int) -> torch.Tensor | None:
    """One image's part of [B or 1, ...]."""
    return latents if latents is None or len(latents) == 1 else latents[image : image + 1]


def make_noise(
    model: LoadedModel, request: TextToImage, seeds: Sequence[tuple[int, int]], width: int, height: int
) -> ImageNoise:
    """The noise of a batch: a source of its own for every picture."""
    scale = model.latent_scale
    varied = request.subseed_strength > 0
    return ImageNoise(
        [seed for seed, _ in seeds],
        (model.vae.config.latent_channels, height // scale, width // scale),
        rng=request.rng,
        subseeds=[subseed for _, subseed in seeds] if varied else None,
        subseed_strength=request.subseed_strength,
        seed_resize=(request.seed_resize_from_w, request.seed_resize_from_h) if request.seed_resize_from_w else None,
        eta_noise_seed_delta=request.eta_noise_seed_delta,
        further=request.further_variations,
    )


def sampler_options(request: TextToImage, walk: SamplingPlan) -> dict[str, Any]:
    """The request's options for the sampler, which takes those that it knows, as in the webui; and the walk's own."""
    eta = request.eta if request.eta is not None else walk.info.default_eta if walk.info.uses_eta else None
    unipc: dict[str, Any] = {}
    if walk.info.name == "UniPC":
        lower = request.uni_pc_lower_order_final
        unipc = {"solver": request.uni_pc_variant, "order": request.uni_pc_order, "lower_order_final": lower}
    return {
        "eta": eta,
        "s_churn": request.s_churn,
        "s_tmin": request.s_tmin,
        "s_tmax": request.s_tmax or math.inf,
        "s_noise": request.s_noise if walk.info.takes_s_noise else None,
        **walk.options,
        **unipc,
    }


def guidance(model: LoadedModel, request: TextToImage, walk: SamplingPlan) -> GuidanceOptions:
    """The request's guidance settings."""
    return GuidanceOptions(
        cfg_scale=float(request.cfg_scale or 0.0),
        rescale=request.cfg_rescale,
        s_min_uncond=request.s_min_uncond,
        s_min_uncond_all=request.s_min_uncond_all,
        counts_timesteps=walk.info.timestep_based,
        skip_early_cond=request.skip_early_cond,
        pad_v0=request.pad_cond_uncond_v0,
        pad_empty=text_encoder(model).encode("", request.clip_skip).embeds if request.pad_cond_uncond else None,
    )


def noise_sampler(request: TextToImage, walk: SamplingPlan, noise: ImageNoise, x: torch.Tensor) -> Any:
    """What a sampler draws on its way: a Brownian tree for the SDE family, else the pictures' own sources."""
    if not walk.info.brownian:
        return noise.sampler(x)
    return BrownianNoise(x, *walk.noise_range, noise.seeds, rng=request.rng)


def denoiser(
    model: LoadedModel, walk: SamplingPlan, steer: Steering | None = None, tiling: tiled_diffusion.Tiling | None = None
) -> ModelDenoiser:
    """The model's denoiser for this sampler; without steering and tiles made once."""
    kind = LCMDenoiser if walk.info.name == "LCM" else ModelDenoiser
    alphas = model.alphas_cumprod if walk.alphas_cumprod is None else walk.alphas_cumprod
    call = diffusers_call(model.unet, steer)
    if tiling is not None:
        return kind(tiled_diffusion.TiledCall(call, tiling, steer), alphas, model.prediction_type)
    if steer is not None or alphas is not model.alphas_cumprod:
        return kind(call, alphas, model.prediction_type)
    key = kind.__name__
    if key not in model.cache:
        model.cache[key] = kind(call, alphas, model.prediction_type)
    found: ModelDenoiser = model.cache[key]
    return found


def refiner(request: TextToImage, this: Pass, count: int, work: Work) -> Refiner | None:
    """The second model for the end of the run, loaded when it is needed."""
    name = request.refiner_checkpoint
    if not name or request.refiner_switch_at >= 1:
        return None

    def make() -> tuple[ModelDenoiser, Prompts, list[Cond]]:
        other = work.other_model(name)
        tiling = tiled_diffusion.plan(other, request, this.width, this.height, count)
        # the request's noise schedule is the first model's; the webui gives a model that it loads its own
        walk = replace(this.walk, alphas_cumprod=None)
        return denoiser(other, walk, None, tiling), *conditioning(other, request, this, count)

    return Refiner(request.refiner_switch_at, make, request.refiner_switch_by_sample_steps)


def to_image(pixels: torch.Tensor) -> Image.Image:
    """float [3, H, W] in 0..1 to a PIL RGB image (webui's rounding: truncate)."""
    array = (pixels.permute(1, 2, 0) * 255.0).to(torch.uint8).cpu().contiguous().numpy()
    return Image.fromarray(array)


def to_pixels(image: Image.Image) -> torch.Tensor:
    """A PIL RGB image to float32 [3, H, W] in 0..1."""
    data = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
    return data.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 255

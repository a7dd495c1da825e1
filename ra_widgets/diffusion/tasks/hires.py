"""Hires fix: enlarge what the first pass made, then let a second pass draw the details (webui 1.10 semantics).

One deliberate difference: where pixels are coded back into latents, we take the mean of the VAE's posterior; the webui
draws from it with an unseeded generator.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.passes import Pass, to_image, to_pixels
from ra_widgets.diffusion.tasks.upscale import tools
from ra_widgets.diffusion.tasks.walks import plan_walk
from ra_widgets.diffusion.tiles import Done
from ra_widgets.library import upscalers as registry
from ra_widgets.requests import TextToImage

LATENT_MODES: dict[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}


def plan_second(model: LoadedModel, request: TextToImage, first: Timeline) -> Pass:
    """The second pass: exactly ``hr_second_pass_steps`` (or ``steps``) steps, entered at ``denoising_strength``.

    Raises:
        InvalidRequest: nothing is left to do. ModelError: there is no such upscaler.
    """
    walk = plan_walk(
        model,
        request,
        request.hr_sampler or request.sampler,
        request.hr_scheduler or request.scheduler,
        request.hr_second_pass_steps or request.steps,
        strength=request.denoising_strength,
        fixed_steps=True,
        steps_field="hr_second_pass_steps" if request.hr_second_pass_steps else "steps",
    )
    if request.hr_upscaler not in LATENT_MODES:
        registry.resolve(request.hr_upscaler)  # an unknown one is refused before the first pass, not after it
    steps = request.hr_second_pass_steps or request.steps
    width, height = request.hires_size()
    scale = model.latent_scale
    return Pass(
        walk,
        request.hr_prompt or request.prompt,
        request.hr_negative_prompt or request.negative_prompt,
        Timeline(first.calls, walk.info.total_steps(steps), request.old_prompt_timelines),
        width // scale * scale,
        height // scale * scale,
        refine=True,
        hires=True,
    )


def enlarge(
    model: LoadedModel, request: TextToImage, latents: torch.Tensor, second: Pass, done: Done | None = None
) -> torch.Tensor:
    """Latents [B, 4, h, w] of the first pass to those that the second begins with, at its size.

    ``done(fraction)`` hears how far a network is, and may raise to stop it.
    """
    cells = (second.height // model.latent_scale, second.width // model.latent_scale)
    crop_w, crop_h = _overhang(request, second)
    scale = model.latent_scale
    if request.hr_upscaler in LATENT_MODES:
        mode, antialias = LATENT_MODES[request.hr_upscaler]
        full = (cells[0] + crop_h // scale, cells[1] + crop_w // scale)
        options = {} if mode.startswith("nearest") else {"align_corners": False, "antialias": antialias}
        grown = F.interpolate(latents, size=full, mode=mode, **options)
        top, left = crop_h // scale // 2, crop_w // scale // 2
        return grown[:, :, top : top + cells[0], left : left + cells[1]].contiguous()
    pictures = []
    upscaler = registry.resolve(request.hr_upscaler)
    for latent in latents.split(1):
        image = to_image(model.decode(latent)[0])
        size = (second.width + crop_w, second.height + crop_h)
        if image.size != size:
            image = tools(model).resize(image, upscaler, size, done=done)
        left, top = crop_w // 2, crop_h // 2
        pictures.append(to_pixels(image.crop((left, top, left + second.width, top + second.height))))
    return model.encode(torch.stack(pictures))


def _overhang(request: TextToImage, second: Pass) -> tuple[int, int]:
    """How much wider and higher than wanted the enlarged picture is, when both sides are given: it is cropped then."""
    if not (request.hr_resize_x and request.hr_resize_y and request.width and request.height):
        return 0, 0
    if second.width * request.height > second.height * request.width:
        return 0, second.width * request.height // request.width - second.height
    return second.height * request.width // request.height - second.width, 0

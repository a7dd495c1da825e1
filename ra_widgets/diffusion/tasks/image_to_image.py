"""Image to image and inpainting on our own engine, as the webui does them: latents of a picture, noised half way, drawn anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.masking import LatentMask, soft_blend
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.canvas import Canvas, finish, kept_softly, prepare
from ra_widgets.diffusion.tasks.channels import DEPTH, extra_channels, image_cond
from ra_widgets.diffusion.tasks.control import depth_channel
from ra_widgets.diffusion.tasks.passes import Pass, make_noise, sample, to_image, to_pixels
from ra_widgets.diffusion.tasks.reading import readable
from ra_widgets.diffusion.tasks.walks import plan_walk
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.imaging.colours import correct
from ra_widgets.imaging.soft import SoftSettings, adaptive_mask
from ra_widgets.requests import DepthToImage, ImageToImage, Inpaint, Picture

Seeds = list[tuple[int, int]]


def run(model: LoadedModel, request: ImageToImage, work: Work) -> None:
    """Make all pictures of a resolved request.

    Raises:
        InvalidRequest: the numbers or the mask leave nothing to do. OutOfMemory, EngineError, JobCancelled.
    """
    spoken, facts = readable(model, request, work)
    if request.loops > 1:
        _loops(model, request, spoken, work, facts)
        return
    painter = Painter(model, spoken, work)
    for start in range(0, request.images, request.batch_size):
        seeds = [request.image_seed(start + k) for k in range(request.batch_size)]
        for image, seconds in painter.batch(seeds):
            work.image(image, seconds, **painter.facts(len(seeds)), **facts)


def _loops(model: LoadedModel, request: ImageToImage, spoken: ImageToImage, work: Work, facts: dict[str, Any]) -> None:
    """Each picture made from the one before. Every one is kept with the request that makes it alone from its own input."""
    for start in range(0, request.images, request.loops):
        image = request.image
        for loop in range(request.loops):
            index = start + loop
            changes: dict[str, Any] = {"image": image}
            if loop and isinstance(request, Inpaint):
                changes["inpainting_fill"] = "original"
                if request.mask is None:  # the first picture's transparent parts
                    changes["mask"] = Picture(_holes(request))
            own = request.single(index).replace(**changes)
            said = {name: getattr(spoken, name) for name in ("prompt", "negative_prompt")}
            painter = Painter(model, own.replace(**said), work)
            for picture, seconds in painter.batch([request.image_seed(index)]):
                work.image(picture, seconds, request=own, **painter.facts(1), **facts)
                image = Picture(picture)


def _holes(request: Inpaint) -> Image.Image:
    opacity = request.image.image.getchannel("A")
    return opacity.point(lambda value: 255 if value < 255 else 0)


@dataclass(frozen=True)
class Start:
    """What a batch begins with, beside noise: ``latents`` [1 or B, C, h, w], ``mask``, ``cond`` (more input channels)."""

    latents: torch.Tensor
    mask: LatentMask | None
    cond: torch.Tensor | None


class Painter:
    """Paints over one picture, batch after batch.

    Args:
        model: the loaded model. request: resolved, in words that the model reads. work: hears how it goes.
        canvas: pixels and mask; None: made from the request.
    """

    def __init__(self, model: LoadedModel, request: ImageToImage, work: Work, canvas: Canvas | None = None) -> None:
        self.model, self.request, self.work = model, request, work
        self.canvas = canvas = canvas or prepare(request)
        self.walk = plan_walk(
            model,
            request,
            request.sampler,
            request.scheduler,
            request.steps,
            strength=request.denoising_strength,
            fixed_steps=request.img2img_fix_steps,
        )
        timeline = Timeline(self.walk.info.total_steps(request.steps), old=request.old_prompt_timelines)
        self.step = Pass(
            self.walk,
            request.prompt,
            request.negative_prompt,
            timeline,
            canvas.width,
            canvas.height,
            refine=True,
            picture=Picture(canvas.seen or canvas.image) if request.control or request.kind == "depth2img" else None,
            mask=canvas.mask,
            place=canvas.place,
            whole=canvas.whole.size if canvas.whole is not None else (0, 0),
        )
        self._base: tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None] | None = None

    def facts(self, batch: int) -> dict[str, Any]:
        """What the record says about how it was made."""
        walk = self.walk
        return {"engine": "ra", "sampler": walk.info.name, "scheduler": walk.scheduler, "batch": batch}

    def batch(self, seeds: Seeds, announce: bool = True) -> Iterator[tuple[Image.Image, float]]:
        """Make a picture of each seed: (RGB image, seconds of work). ``announce``: tell that a batch begins."""
        began = time.perf_counter()
        model, work, canvas, request = self.model, self.work, self.canvas, self.request
        sizes = {"width": canvas.width, "height": canvas.height, "batch": len(seeds)}
        if announce:
            work.batch(len(seeds), passes=[self.walk.run_steps])
        start = model.ladder.run(lambda: self.start(seeds), **sizes)
        latents = model.ladder.run(
            lambda: sample(
                model,
                request,
                self.step,
                seeds,
                work,
                start.latents,
                mask=start.mask,
                image_cond=start.cond,
                noise_multiplier=request.initial_noise_multiplier,
                extra_noise=request.extra_noise,
            ),
            **sizes,
        )
        if start.mask is not None:
            latents = start.mask.final(latents)
        share = (time.perf_counter() - began) / len(seeds)
        for k, latent in enumerate(latents.split(1)):
            work.check()
            began = time.perf_counter()
            pixels: torch.Tensor = model.ladder.run(lambda of=latent: model.decode(of), **sizes)
            image = to_image(pixels[0])
            if request.color_correction:
                image = correct(image, canvas.image)
            kept = self._soft(start, latent[0], k)
            finished = finish(canvas, image, kept)
            yield finished, share + time.perf_counter() - began

    def start(self, seeds: Seeds) -> Start:
        """Latents, mask and further channels for these seeds; the picture is coded once for all batches."""
        model, request, canvas = self.model, self.request, self.canvas
        if self._base is None:
            self._base = self._encode()
        latents, mask, cond = self._base
        if mask is None or not isinstance(request, Inpaint):
            return Start(latents, None, cond)
        if request.inpainting_fill == "latent noise":
            noise = make_noise(model, request, seeds, canvas.width, canvas.height).first().to(latents)
            latents = latents * (1 - mask) + noise * mask
        elif request.inpainting_fill == "latent nothing":
            latents = latents * (1 - mask)
        blending = None
        if request.soft_inpainting:
            blending = soft_blend(
                request.soft_schedule_bias, request.soft_preservation_strength, request.soft_transition_contrast_boost
            )
        return Start(latents, LatentMask(mask, latents, self.walk.info.timestep_based, blending), cond)

    def _encode(self) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        model, canvas, request = self.model, self.canvas, self.request
        cells = (canvas.height // model.latent_scale, canvas.width // model.latent_scale)
        pixels = to_pixels(canvas.image)[None]
        latents = model.encode(pixels)
        if latents.shape[-2:] != cells:
            latents = F.interpolate(latents, size=cells, mode="bilinear")
        soft = isinstance(request, Inpaint) and request.soft_inpainting
        mask = shown = None
        if canvas.mask is not None:
            mask = latent_mask(canvas.mask, cells, soft).to(latents)
            shown = torch.from_numpy(np.asarray(canvas.mask, dtype=np.float32) / 255)[None, None]
            if shown.shape[-2:] != pixels.shape[-2:]:
                shown = F.interpolate(shown, size=pixels.shape[-2:], mode="bilinear")
            shown = shown if soft else shown.round()
        if extra_channels(model) == DEPTH:
            given = request.depth_map if isinstance(request, DepthToImage) else None
            return latents, mask, depth_channel(model, canvas.seen or canvas.image, given, cells)
        weight = request.inpainting_mask_weight if isinstance(request, Inpaint) else 1.0
        return latents, mask, image_cond(model, canvas.height, canvas.width, pixels, shown, weight)

    def _soft(self, start: Start, latent: torch.Tensor, k: int) -> Image.Image | None:
        """What soft inpainting lays over picture ``k`` of the batch."""
        request, canvas = self.request, self.canvas
        if start.mask is None or not isinstance(request, Inpaint) or not request.soft_inpainting:
            return None
        settings = SoftSettings(
            request.soft_preservation_strength,
            request.soft_mask_influence,
            request.soft_difference_threshold,
            request.soft_difference_contrast,
        )
        before = start.latents[min(k, len(start.latents) - 1)].float().cpu().numpy()
        mask = start.mask.mask[0, 0].float().cpu().numpy()
        shown = adaptive_mask(before, latent.float().cpu().numpy(), mask, settings, canvas.width, canvas.height)
        return kept_softly(canvas, shown)


def latent_mask(mask: Image.Image, cells: tuple[int, int], soft: bool) -> torch.Tensor:
    """A mask in latent cells, float [1, 1, h, w], 1 where to paint; 0 or 1 unless ``soft``."""
    small = mask.resize((cells[1], cells[0]), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)[None, None]
    return values if soft else values.round()

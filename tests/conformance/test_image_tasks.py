"""Image to image and inpainting against diffusers' pipelines on the same weights, scheduler and steps."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy import ndimage

import ra_widgets as ra
from ra_widgets.diffusion.tasks.conditions import text_encoder

PROMPT = "草地上的一只猫"
SIDE = 128


@pytest.fixture(scope="module")
def photo(kernel: Any) -> Image.Image:
    image: Image.Image = kernel.generate("草地上的一座房子", seed=4, steps=12, width=SIDE, height=SIDE).images[0]
    return image


@pytest.fixture(scope="module")
def disc() -> Image.Image:
    sheet = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(sheet).ellipse((30, 30, 100, 100), fill=255)
    return sheet


def theirs(kernel: Any, name: str, steps: int, strength: float, seed: int, **call: Any) -> Image.Image:
    """The picture that a pipeline of diffusers makes with the parts of the kernel's model."""
    model = kernel._engine._loaded
    scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
        model.pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace", algorithm_type="dpmsolver++"
    )
    pipe = getattr(diffusers, name)(**{**model.pipe.components, "scheduler": scheduler}, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    encoder = text_encoder(model)
    with torch.inference_mode():
        made: Image.Image = pipe(
            prompt_embeds=encoder.encode(PROMPT).embeds[None],
            negative_prompt_embeds=encoder.encode("").embeds[None],
            guidance_scale=model.info.default_cfg,
            num_inference_steps=steps,
            strength=strength,
            generator=torch.Generator().manual_seed(seed),
            **call,
        ).images[0]
    return made


def roughness(image: Image.Image, where: Image.Image) -> float:
    """How much neighbouring pixels differ from their surroundings inside a mask: noise has much of it, painted shapes little."""
    grey = np.asarray(image.convert("L"), np.float32)
    fine = grey - ndimage.gaussian_filter(grey, 1.0)
    return float(fine[np.asarray(where) > 127].std())


def test_the_measure_sees_noise(photo: Image.Image, disc: Image.Image) -> None:
    noisy = np.asarray(photo, np.float32) + np.random.default_rng(1).normal(0, 12, (SIDE, SIDE, 1))
    assert roughness(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), disc) > 1.5 * roughness(photo, disc)


@pytest.mark.parametrize("fill", ["original", "latent noise"])
def test_few_steps_of_inpainting_leave_no_noise(kernel: Any, photo: Image.Image, disc: Image.Image, fill: str) -> None:
    """10 steps at strength 0.75 end as clean as 20 at 1.0, and about as clean as diffusers' inpainting with as many calls of the UNet.

    Looked at away from the rim: there the webui's way (whole latent cells, old pixels laid over) is another one.
    """
    inside = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(inside).ellipse((42, 42, 88, 88), fill=255)
    shared = {"prompt": PROMPT, "image": photo, "mask": disc, "inpainting_fill": fill}
    call = {"image": photo, "mask_image": disc, "width": SIDE, "height": SIDE}
    found = []
    for seed in range(3):
        few = kernel.generate(ra.Inpaint(**shared, seed=seed, steps=10, denoising_strength=0.75)).images[0]
        many = kernel.generate(ra.Inpaint(**shared, seed=seed, steps=20, denoising_strength=1.0)).images[0]
        other = theirs(kernel, "StableDiffusionInpaintPipeline", 10, 0.8, seed, **call)
        found.append([roughness(image, inside) for image in (few, many, other)])
    few, many, other = np.mean(found, axis=0)
    assert few < 1.15 * many and few < 1.35 * other, found


def test_image_to_image_goes_as_far_from_the_picture(kernel: Any, photo: Image.Image) -> None:
    """Another noise, the same walk: over some seeds the mean distance from the picture agrees at every strength."""
    for strength in (0.4, 0.8):
        far: list[list[float]] = [[], []]
        for seed in range(4):
            request = ra.ImageToImage(prompt=PROMPT, image=photo, steps=10, denoising_strength=strength, seed=seed)
            # the webui walks one step more
            pictures = [
                kernel.generate(request).images[0],
                theirs(kernel, "StableDiffusionImg2ImgPipeline", 10, strength + 0.1, seed, image=photo),
            ]
            for row, made in zip(far, pictures, strict=True):
                row.append(float(np.abs(np.asarray(made, np.float32) - np.asarray(photo, np.float32)).mean()))
        ours, others = np.mean(far[0]), np.mean(far[1])
        assert 0.75 < ours / others < 1.33, (strength, far)

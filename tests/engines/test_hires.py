"""Hires fix and the refiner, through the kernel on the embedded model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ra_widgets import events
from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.tasks import hires
from ra_widgets.diffusion.tasks.passes import Pass, sample, to_image
from ra_widgets.diffusion.tasks.walks import plan_walk
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.jobs import Job
from ra_widgets.request_fields import LATENT_UPSCALERS, PIXEL_UPSCALERS
from ra_widgets.requests import TextToImage

BASE = {"prompt": "草地上的一只狗", "seed": 9, "steps": 4, "width": 96, "height": 64, "cfg_scale": 4.0}


def pixels(image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_hires_equals_two_passes_by_hand(kernel):
    request = TextToImage(**BASE, enable_hr=True, hr_scale=1.5, denoising_strength=0.5, hr_second_pass_steps=3)
    made = kernel.generate(request)
    assert made.images[0].size == (144, 96)
    model = kernel._engine._loaded
    torch.set_num_threads(1)
    work = Work(Job(request), 1, None)  # type: ignore[arg-type]
    with torch.inference_mode():
        walk = plan_walk(model, request, request.sampler, request.scheduler, request.steps)
        first = Pass(walk, request.prompt, "", Timeline(walk.cond_steps), 96, 64)
        work.batch(1, passes=[4, 3])
        latents = sample(model, request, first, [(9, -1)], work)
        assert (
            pixels(to_image(model.decode(latents)[0])) == pixels(kernel.generate(TextToImage(**BASE)).images[0])
        ).all()
        grown = torch.nn.functional.interpolate(latents, size=(12, 18), mode="bilinear", align_corners=False)
        second = plan_walk(model, request, request.sampler, request.scheduler, 3, strength=0.5, fixed_steps=True)
        timeline = Timeline(walk.cond_steps, second.info.total_steps(3))
        work.next_pass()
        final = sample(model, request, Pass(second, request.prompt, "", timeline, 144, 96), [(9, -1)], work, grown)
    assert (pixels(to_image(model.decode(final)[0])) == pixels(made.images[0])).all()


def test_the_second_pass_runs_exactly_the_steps_asked_for(kernel):
    job = kernel.submit(TextToImage(**BASE, enable_hr=True, hr_second_pass_steps=7, denoising_strength=0.3))
    job.result(120)
    steps = [(e.step, e.steps) for e in job.events() if isinstance(e, events.Progress) and e.steps]
    assert [s for s, of in steps if of == 4] == [0, 1, 2, 3, 4]
    assert [s for s, of in steps if of == 7] == [1, 2, 3, 4, 5, 6, 7]
    fractions = [e.fraction for e in job.events() if isinstance(e, events.Progress)]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


@pytest.mark.parametrize("upscaler", [*LATENT_UPSCALERS, *PIXEL_UPSCALERS])
def test_every_upscaler_runs(kernel, upscaler):
    request = TextToImage(**BASE, enable_hr=True, hr_upscaler=upscaler, denoising_strength=0.3)
    assert kernel.generate(request).images[0].size == (192, 128)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"hr_scale": 1.3}, (120, 80)),  # 124x83 rounded down to whole latent cells
        ({"hr_resize_x": 192}, (192, 128)),
        ({"hr_resize_y": 96}, (144, 96)),
        ({"hr_resize_x": 128, "hr_resize_y": 128}, (128, 128)),
        ({"hr_resize_x": 128, "hr_resize_y": 128, "hr_upscaler": "Lanczos"}, (128, 128)),
    ],
)
def test_sizes(kernel, fields, size):
    assert kernel.generate(TextToImage(**BASE, enable_hr=True, **fields)).images[0].size == size


def test_the_refiner_takes_over(kernel):
    plain = pixels(kernel.generate(TextToImage(**BASE)).images[0])
    same = kernel.generate(TextToImage(**BASE, refiner_checkpoint="ra-mini", refiner_switch_at=0.5)).images[0]
    assert (pixels(same) == plain).all()  # the same model refines to the same picture


def test_the_enlarged_picture_is_cropped_in_the_middle(kernel):
    request = TextToImage(**BASE, enable_hr=True, hr_resize_x=128, hr_resize_y=128)
    kernel.generate(TextToImage(**BASE))
    model = kernel._engine._loaded
    second = hires.plan_second(model, request, Timeline(4))
    ramp = torch.arange(12.0).expand(1, 4, 8, 12).contiguous()
    grown = hires.enlarge(model, request, ramp, second)
    assert grown.shape == (1, 4, 16, 16)
    assert grown[0, 0, 0].mean().item() == pytest.approx(5.5, abs=0.3)

"""Every sampler with every schedule on the embedded model: a picture, and the same picture again; batches and resuming."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ra_widgets.diffusion import pipeline
from ra_widgets.diffusion.brownian import BrownianNoise
from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.guidance import CFGDenoiser
from ra_widgets.diffusion.noise import ImageNoise
from ra_widgets.diffusion.plan import plan
from ra_widgets.diffusion.sampling import SAMPLERS, Step, pick_options
from ra_widgets.diffusion.tasks.conditions import conditioning
from ra_widgets.diffusion.tasks.passes import Pass, denoiser
from ra_widgets.errors import InvalidRequest, ModelError
from ra_widgets.requests import TextToImage
from ra_widgets.samplers import AUTOMATIC, SAMPLER_NAMES, SAMPLERS_INFO, SCHEDULER_NAMES

SMALL = {"width": 64, "height": 64, "steps": 4}
# "Automatic" is one of the others; by default "Polyexponential" (rho 1) is "Exponential" and "Normal" is "Uniform"
DIFFERENT = [name for name in SCHEDULER_NAMES if name not in (AUTOMATIC, "Polyexponential", "Normal")]


def schedules_of(sampler: str) -> list[str]:
    """The schedules that make a difference to a sampler."""
    info = SAMPLERS_INFO[sampler]
    if info.timestep_based:
        return [AUTOMATIC]
    return ["Uniform"] if info.own_levels else DIFFERENT


def pixels(image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_every_pair_makes_a_picture_and_verify_makes_it_again(kernel, sampler):
    made = set()
    for schedule in schedules_of(sampler):
        record = kernel.generate("草地上的一个红苹果", seed=42, sampler=sampler, scheduler=schedule, **SMALL).records[0]
        picture = np.asarray(record.image)
        assert picture.shape == (64, 64, 3) and picture.std() > 5, schedule
        report = kernel.verify(record.path)
        assert report.same and report.max_difference == 0, (schedule, report.reasons)
        made.add(picture.tobytes())
    assert len(made) == len(schedules_of(sampler)), "each schedule makes its own picture"


@pytest.mark.parametrize(
    ("sampler", "schedule", "other"),
    [("Euler", "Polyexponential", "Exponential"), ("Euler", "Normal", "Uniform"), ("DDIM", "Karras", "Automatic"),
     ("UniPC", "Beta", "Automatic"), ("DPM++ 2M", "Automatic", "Karras"), ("Euler a", "Automatic", "Uniform")],
)  # fmt: skip
def test_what_must_be_the_same_is(kernel, sampler, schedule, other):
    one, two = (
        kernel.generate("一个红苹果", seed=42, sampler=sampler, scheduler=name, **SMALL).images[0]
        for name in (schedule, other)
    )
    assert abs(pixels(one) - pixels(two)).max() <= 1  # "Polyexponential" rounds its sigmas otherwise


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_a_member_of_a_batch_is_the_picture_made_alone(kernel, sampler):
    batch = kernel.generate("a [red|green] car", seed=10, batch_size=2, sampler=sampler, **SMALL)
    assert [record.seed for record in batch.records] == [10, 11]
    record = batch.records[1]
    alone = kernel.generate(record.to_request()).images[0]
    assert abs(pixels(alone) - pixels(record.image)).max() <= 2


@pytest.fixture(scope="module")
def model(kernel):
    return pipeline.load(kernel.model, torch.device("cpu"), "fp32")


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
def test_a_run_resumed_from_its_latents_equals_one_uninterrupted(model, sampler):
    """The real network with a prompt that changes on the way, stopped in the middle and gone on with."""
    request = TextToImage(prompt="a [cat:dog:0.5] on the grass", sampler=sampler, **SMALL).replace(steps=5)
    walk = plan(sampler, None, request.steps, model.alphas_cumprod)
    this = Pass(walk, request.prompt, "", Timeline(walk.cond_steps), 64, 64)
    seeds = [3] if SAMPLERS_INFO[sampler].adaptive else [3, 4]
    options = pick_options(sampler, **walk.options, eta=1.0, s_churn=3.0)
    noise = ImageNoise(seeds, (4, 8, 8))
    with torch.inference_mode():
        prompts, negatives = conditioning(model, request, this, len(seeds))
        x = walk.start(noise.first())
        tree = BrownianNoise(x, *walk.noise_range, seeds) if walk.info.brownian else None
        kept: list[tuple[Step, int, int]] = []

        def run(start: torch.Tensor, calls: int = 0, resume: Step | None = None) -> torch.Tensor:
            guided = CFGDenoiser(
                denoiser(model, walk), prompts, negatives, cfg_scale=4.0, total_steps=walk.guidance_steps
            )
            guided.step = calls

            def keep(step: Step) -> None:
                if resume is None:
                    kept.append((step, guided.step, noise.drawn))

            return SAMPLERS[sampler](
                guided,
                start,
                walk.sigmas,
                noise_sampler=tree or noise.sampler(x),
                callback=keep,
                resume=resume,
                **options,
            )

        whole = run(x)
        step, calls, drawn = kept[len(kept) // 2]
        # the report comes after the step's first call, which is made again (UniPC's was the end of the step before);
        # churn has drawn by then, the others have not
        again = 1 if not (sampler == "UniPC" and step.i) else 0
        noise.seek(drawn - walk.info.uses_churn)
        assert torch.equal(run(step.x, calls - again, step), whole)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"sampler": "DDIM", "steps": 1}, "steps", "2"),
        ({"sampler": "PLMS", "steps": 1, "batch_size": 2}, "steps", "PLMS"),
        ({"schedule_min_sigma": 900.0}, "schedule_min_sigma", "900"),
        (
            {"sampler": "DDIM", "steps": 20, "enable_hr": True, "hr_second_pass_steps": 1, "hr_scale": 1.5},
            "hr_second_pass_steps",
            "DDIM",
        ),
        (
            {"sampler": "DDIM", "steps": 20, "enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.01},
            "denoising_strength",
            "1000",
        ),
    ],
)
def test_what_leaves_no_steps_is_refused_before_the_network_is_asked(kernel, fields, field, says, monkeypatch):
    kernel.generate("a cat", width=64, height=64, seed=1, steps=1)
    loaded = kernel._engine._loaded
    asked: list[int] = []
    original = type(loaded.unet).forward
    monkeypatch.setattr(type(loaded.unet), "forward", lambda self, *a, **k: asked.append(1) or original(self, *a, **k))
    with pytest.raises(InvalidRequest) as caught:
        kernel.generate("a cat", width=64, height=64, seed=1, **fields)
    assert caught.value.field == field and not asked
    for language in ("zh_CN", "en"):
        assert field in caught.value.text(language) and says in caught.value.text(language)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "R-ESRGAN 99x"}, "R-ESRGAN 99x"),
        ({"refiner_checkpoint": "no-such-refiner", "refiner_switch_at": 0.5}, "no-such-refiner"),
    ],
)
def test_what_would_be_missing_later_is_missed_before_the_network_is_asked(kernel, fields, says, monkeypatch):
    kernel.generate("a cat", width=64, height=64, seed=1, steps=1)
    unet = type(kernel._engine._loaded.unet)
    asked: list[int] = []
    original = unet.forward
    monkeypatch.setattr(unet, "forward", lambda self, *a, **k: asked.append(1) or original(self, *a, **k))
    with pytest.raises(ModelError) as caught:
        kernel.generate("a cat", seed=1, **{**SMALL, **fields})
    assert not asked
    assert says in caught.value.text("zh_CN") and says in caught.value.text("en")


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"use_downcasted_alpha_bar": True}, True),
        ({"use_downcasted_alpha_bar": True, "sampler": "DDIM"}, True),
        ({"use_downcasted_alpha_bar": True, "sampler": "LCM"}, True),
        ({"sd_noise_schedule": "Zero Terminal SNR"}, True),
        ({"sampler": "UniPC", "uni_pc_variant": "bh2"}, True),
        ({"sampler": "UniPC", "uni_pc_skip_type": "logSNR"}, True),
        ({"sampler": "UniPC", "uni_pc_order": 1}, True),
        ({"sampler": "UniPC", "uni_pc_lower_order_final": False}, True),
        ({"sampler": "LMS", "uni_pc_order": 1}, False),
        ({"s_min_uncond": 10.0, "s_min_uncond_all": True}, True),
        ({"refiner_switch_by_sample_steps": True}, False),
    ],
)
def test_settings_of_old_pictures_act_and_verify(kernel, fields, changes):
    base = TextToImage(prompt="a red car", negative_prompt="grass", seed=5, sampler="Euler", **SMALL)
    plain = base.replace(**{name: value for name, value in fields.items() if name in ("sampler", "s_min_uncond")})
    record = kernel.generate(base, **fields).records[0]
    assert (pixels(record.image) != pixels(kernel.generate(plain).images[0])).any() == changes
    assert kernel.verify(record.path).max_difference == 0

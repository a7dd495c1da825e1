"""How runs start: sigmas, noise gains, img2img entry, hires fix, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ra_widgets.diffusion import schedules
from ra_widgets.diffusion.plan import plan
from ra_widgets.errors import InvalidRequest
from ra_widgets.samplers import SAMPLER_NAMES, SCHEDULER_NAMES

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
TABLE = schedules.model_sigmas(ALPHAS)
NOISE, INIT = torch.full((1, 4, 2, 2), 1.0), torch.full((1, 4, 2, 2), 10.0)


@pytest.mark.parametrize("sampler", SAMPLER_NAMES)
@pytest.mark.parametrize("scheduler", SCHEDULER_NAMES)
def test_every_pair_can_be_planned(sampler, scheduler):
    for strength in (None, 0.6):
        planned = plan(sampler, scheduler, 10, ALPHAS, strength=strength)
        assert (planned.sigmas.diff() < 0).all()
        assert torch.isfinite(planned.start(NOISE, None if strength is None else INIT)).all()


def test_text_to_image():
    planned = plan("DPM++ 2M", "Automatic", 20, ALPHAS)
    assert planned.scheduler == "Karras"
    assert torch.equal(planned.sigmas, schedules.sigmas("Karras", 20, ALPHAS))
    assert torch.equal(planned.start(NOISE), NOISE * float(planned.sigmas[0]))
    assert (planned.steps, planned.run_steps, planned.cond_steps, planned.guidance_steps) == (20, 20, 20, 20)


def test_second_order_samplers_count_calls():
    planned = plan("Heun", "Automatic", 20, ALPHAS, strength=0.5)
    assert (planned.steps, planned.run_steps, planned.cond_steps, planned.guidance_steps) == (20, 11, 40, 22)


def test_sgm_noise_multiplier():
    planned = plan("Euler", "Automatic", 20, ALPHAS, sgm_noise_multiplier=True)
    assert float(planned.start(NOISE)[0, 0, 0, 0]) == pytest.approx((1 + float(TABLE[-1]) ** 2) ** 0.5)


@pytest.mark.parametrize(("steps", "strength", "calls"), [(20, 0.75, 16), (20, 1.0, 20), (20, 0.01, 1), (8, 0.5, 5)])
def test_image_to_image(steps, strength, calls):
    """t_enc + 1 steps at the end of the full schedule; init plus noise times the first sigma."""
    planned = plan("Euler", "Karras", steps, ALPHAS, strength=strength)
    assert len(planned.sigmas) - 1 == calls == planned.run_steps
    assert torch.equal(planned.sigmas, schedules.sigmas("Karras", steps, ALPHAS)[-calls - 1 :])
    first = float(planned.sigmas[0])
    assert float(planned.start(NOISE, INIT)[0, 0, 0, 0]) == pytest.approx(10 + first)
    assert float(planned.start(NOISE, INIT, extra_noise=0.5)[0, 0, 0, 0]) == pytest.approx(10 + first + 0.5)


@pytest.mark.parametrize(("steps", "strength"), [(10, 0.7), (15, 0.35), (20, 1.0)])
def test_hires_pass_runs_exactly_the_steps_asked_for(steps, strength):
    planned = plan("DPM++ 2M", "Automatic", steps, ALPHAS, strength=strength, fixed_steps=True)
    assert len(planned.sigmas) - 1 == steps == planned.run_steps


def test_penultimate_sigma():
    planned = plan("DPM2", "Automatic", 20, ALPHAS)
    assert torch.equal(planned.sigmas, schedules.sigmas("Karras", 20, ALPHAS, discard_penultimate=True))
    always = plan("Euler", "Karras", 20, ALPHAS, always_discard_penultimate=True)
    assert torch.equal(always.sigmas, planned.sigmas)


@pytest.mark.parametrize("sampler", ["DDIM", "PLMS", "DDIM CFG++"])
def test_timestep_samplers(sampler):
    """Timesteps 951, 901, ..., 1; unit noise on the model's scale; schedule names change nothing."""
    planned = plan(sampler, "Karras", 20, ALPHAS)
    assert torch.equal(planned.sigmas[:-1], TABLE[list(range(951, 0, -50))])
    on_model_scale = planned.start(NOISE) / (1 + planned.sigmas[0] ** 2) ** 0.5
    assert torch.allclose(on_model_scale, NOISE)


def test_timestep_samplers_from_an_image():
    """webui noises to timestep 751 and walks from 701: 15 timesteps, 14 calls."""
    planned = plan("DDIM", None, 20, ALPHAS, strength=0.75)
    assert torch.equal(planned.sigmas[:-1], TABLE[list(range(701, 0, -50))])
    on_model_scale = planned.start(NOISE, INIT, extra_noise=0.1) / (1 + planned.sigmas[0] ** 2) ** 0.5
    alpha = ALPHAS[751]
    expected = 10 * alpha**0.5 + (1 - alpha) ** 0.5 + 0.1 * alpha**0.5
    assert float(on_model_scale[0, 0, 0, 0]) == pytest.approx(expected, rel=1e-5)


def test_unipc_has_a_grid_of_its_own():
    """From the last timestep to timestep 0 in even steps, log alpha linear between timesteps."""
    planned = plan("UniPC", None, 20, ALPHAS)
    alphas = np.exp(np.interp(np.linspace(999, 0, 21), np.arange(1000), np.log(ALPHAS)))
    assert np.allclose(planned.sigmas.numpy(), np.sqrt((1 - alphas) / alphas), rtol=5e-5)
    image = plan("UniPC", None, 20, ALPHAS, strength=0.5)
    assert len(image.sigmas) == 11
    assert float(image.sigmas[0]) == pytest.approx(float(TABLE[451]), rel=1e-5)
    for skip in ("time_quadratic", "logSNR"):
        other = plan("UniPC", None, 20, ALPHAS, unipc_skip_type=skip).sigmas
        assert len(other) == 21
        assert float(other[0]) == pytest.approx(float(TABLE[-1]), rel=1e-5)
        assert float(other[-1]) == pytest.approx(float(TABLE[0]), rel=1e-4)
    with pytest.raises(ValueError, match="time_uniform"):
        plan("UniPC", None, 20, ALPHAS, unipc_skip_type="even")


def test_lcm_walks_its_fifty_timesteps():
    planned = plan("LCM", "Automatic", 4, ALPHAS)
    assert float(planned.sigmas[0]) == pytest.approx(float(TABLE[999]), rel=1e-5)
    assert float(planned.sigmas[-2]) == pytest.approx(float(TABLE[19]), rel=1e-5)


@pytest.mark.parametrize(
    ("sampler", "steps", "options"),
    [
        ("Euler", 0, {}),
        ("Euler", 2.5, {}),
        ("Euler", float("nan"), {}),
        ("Euler", 20, {"strength": 1.2}),
        ("DDIM", 1, {}),
        ("DDIM", 20, {"strength": 0.04}),
        ("PLMS", 1001, {}),
        ("Euler", 20, {"sigma_min": 50.0}),
    ],
)
def test_nothing_to_do_is_refused(sampler, steps, options):
    with pytest.raises(ValueError):
        plan(sampler, None, steps, ALPHAS, **options)


@pytest.mark.parametrize(("sampler", "scheduler"), [("Eular", None), ("Euler", "linear")])
def test_unknown_names(sampler, scheduler):
    with pytest.raises(KeyError, match="known"):
        plan(sampler, scheduler, 20, ALPHAS)


@pytest.mark.parametrize("sampler", ["DPM fast", "DPM adaptive"])
def test_dpm_solvers_get_the_ends_that_webui_gives_them(sampler):
    """Text to image: the model's whole range under any schedule, which only scales the first noise. From a picture: the
    first and the last but one of the schedule's rest.
    """
    for scheduler in SCHEDULER_NAMES:
        planned = plan(sampler, scheduler, 20, ALPHAS, sigma_min=0.1 if scheduler == "Karras" else None)
        assert planned.options == {"sigma_min": float(TABLE[0]), "sigma_max": float(TABLE[-1])}
        assert len(planned.sigmas) == 21
        first = schedules.sigmas(scheduler, 20, ALPHAS)[0]
        assert float(planned.start(NOISE)[0, 0, 0, 0]) == pytest.approx(float(first))
        rest = schedules.sigmas(scheduler, 20, ALPHAS)[9:]
        from_image = plan(sampler, scheduler, 20, ALPHAS, strength=0.5)
        assert torch.equal(from_image.sigmas, rest)
        assert from_image.options == {"sigma_min": float(rest[-2]), "sigma_max": float(rest[0])}
    assert plan("Euler", None, 20, ALPHAS).options == {}


def test_brownian_trees_span_the_whole_schedule():
    """Also where a picture enters half way: the tree, and with it the noise, depends on its ends."""
    for strength in (None, 0.3):
        planned = plan("DPM++ SDE", None, 20, ALPHAS, strength=strength)
        assert planned.noise_range == (pytest.approx(float(TABLE[0])), pytest.approx(float(TABLE[-1])))
    third = schedules.sigmas("Exponential", 21, ALPHAS)
    ends = (float(third[-3]), float(third[0]))
    assert plan("DPM++ 3M SDE", None, 20, ALPHAS, strength=0.3).noise_range == ends, "without the discarded one"


REFUSALS = [
    # sampler, steps, options, field, what the sentence must name in both languages
    ("DDIM", 1, {}, "steps", "2"),
    ("PLMS", 1, {}, "steps", "2"),
    ("DDIM", 20, {"strength": 0.04}, "steps", "50"),
    ("UniPC", 10, {"strength": 0.05}, "steps", "20"),
    ("DPM fast", 10, {"strength": 0.05}, "steps", "20"),
    ("DDIM CFG++", 150, {"strength": 0.005}, "denoising_strength", "0.005"),
    ("DDIM", 100, {"strength": 0.05, "fixed_steps": True}, "denoising_strength", "1000"),
    ("Euler", 20, {"sigma_min": 50.0}, "schedule_min_sigma", "14.6146"),
    ("Euler", 20, {"sigma_max": 0.01}, "schedule_max_sigma", "0.0292"),
]


@pytest.mark.parametrize(("sampler", "steps", "options", "field", "says"), REFUSALS)
def test_refusals_name_the_field_and_what_is_allowed_in_both_languages(sampler, steps, options, field, says):
    with pytest.raises(InvalidRequest) as caught:
        plan(sampler, None, steps, ALPHAS, **options)
    assert caught.value.field == field
    for language in ("zh_CN", "en"):
        text = caught.value.text(language)
        assert field in text and says in text and "{" not in text, text


@pytest.mark.parametrize(
    ("sampler", "options"), [("DDIM", {"strength": 0.04}), ("DPM fast", {"strength": 0.05}), ("PLMS", {})]
)
def test_the_fewest_steps_that_are_named_do_work(sampler, options):
    with pytest.raises(InvalidRequest) as caught:
        plan(sampler, None, 1, ALPHAS, **options)
    least = caught.value.values["least"]
    assert len(plan(sampler, None, least, ALPHAS, **options).sigmas) >= 2
    with pytest.raises(InvalidRequest):
        plan(sampler, None, least - 1, ALPHAS, **options)

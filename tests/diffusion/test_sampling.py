"""Samplers on problems with known answers: convergence, call counts, callbacks, cancelling, resuming, batches,
dtypes.
"""

from __future__ import annotations

import inspect
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from ra_widgets.diffusion import schedules
from ra_widgets.diffusion.brownian import BrownianNoise
from ra_widgets.diffusion.noise import ImageNoise
from ra_widgets.diffusion.plan import plan
from ra_widgets.diffusion.sampling import SAMPLERS, Step, accepted_options, pick_options
from ra_widgets.diffusion.sampling_ode import restart_walk
from ra_widgets.samplers import SAMPLER_NAMES, SAMPLERS_INFO

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
SHAPE = (4, 8, 8)
MEAN, DEVIATION = 0.3, 0.5
DETERMINISTIC = {
    "DPM++ 2M": 2,
    "Euler": 1,
    "LMS": 4,
    "Heun": 2,
    "DPM2": 2,
    "DPM fast": 3,
    "DDIM": 1,
    "DDIM CFG++": 1,
    "PLMS": 2,
    "UniPC": 3,
}
STOCHASTIC = [name for name in SAMPLER_NAMES if name not in {*DETERMINISTIC, "DPM adaptive", "LCM"}]


class Gaussian:
    """The exact denoiser of data drawn from N(MEAN, DEVIATION^2), and a counter of its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        assert sigma.shape == (len(x),)
        self.calls += 1
        variance = DEVIATION**2
        return MEAN + (x - MEAN) * (variance / (variance + sigma.to(x.dtype).reshape(-1, 1, 1, 1) ** 2))


def wavy(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A nonlinear denoiser that treats every image alike."""
    return torch.tanh(x / (0.1 + sigma.to(x.dtype).reshape(-1, 1, 1, 1) ** 2)) * 0.9


def exact_end(x: torch.Tensor, first: float, last: float) -> torch.Tensor:
    """Where the probability flow ODE takes x from sigma ``first`` to ``last``."""
    variance = DEVIATION**2
    return MEAN + (x - MEAN) * ((variance + last**2) / (variance + first**2)) ** 0.5


def run_error(name: str, steps: int) -> float:
    """Root mean square distance from the exact solution, float64."""
    sigmas = schedules.sigmas("Karras", steps, ALPHAS).double()
    sigmas = sigmas[:-1]  # end at a positive sigma: the last Euler-like step to 0 would hide the order
    x = ImageNoise([1], SHAPE).first().double() * sigmas[0]
    made = SAMPLERS[name](Gaussian(), x, sigmas)
    expected = exact_end(x, float(sigmas[0]), float(sigmas[-1]))
    if SAMPLERS_INFO[name].timestep_based:
        expected = expected / (1 + float(sigmas[-1]) ** 2) ** 0.5
    return float((made - expected).square().mean().sqrt())


@pytest.mark.parametrize(("name", "order"), DETERMINISTIC.items(), ids=DETERMINISTIC)
def test_deterministic_samplers_converge_at_their_order(name, order):
    coarse, fine = run_error(name, 48), run_error(name, 96)
    assert fine < 0.05 if order == 1 else fine < 5e-3
    # half the step, an error 2^order smaller; high orders start with lower ones, so three quarters of it are asked for
    assert coarse / fine > 2 ** (0.75 * min(order, 3))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_samplers_converge_in_distribution(name):
    sigmas = schedules.sigmas("Karras", 40 if SAMPLERS_INFO[name].brownian else 80, ALPHAS)
    noise = ImageNoise([1, 2], (4, 32, 32))
    x = noise.next() * sigmas[0]
    sampler = BrownianNoise(x, sigmas[-2], sigmas[0], [5, 6]) if SAMPLERS_INFO[name].brownian else noise.sampler(x)
    made = SAMPLERS[name](Gaussian(), x, sigmas, noise_sampler=sampler)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.03)
    assert float(made.std()) == pytest.approx(DEVIATION, rel=0.08)


def test_dpm_adaptive_keeps_to_its_tolerance():
    sigmas = schedules.sigmas("Karras", 5, ALPHAS)
    x = ImageNoise([1], SHAPE).first() * sigmas[0]
    expected = exact_end(x, float(sigmas[0]), float(sigmas[-2]))
    loose, tight = (
        float((SAMPLERS["DPM adaptive"](Gaussian(), x, sigmas, rtol=rtol, atol=rtol / 5) - expected).abs().max())
        for rtol in (0.05, 0.0005)
    )
    assert loose < 0.1
    assert tight < loose / 10


def test_lcm_ends_at_the_models_own_answer():
    """LCM believes the model: with a constant one, the constant comes out."""
    sigmas = schedules.sigmas("Karras", 4, ALPHAS)
    made = SAMPLERS["LCM"](lambda x, sigma: torch.full_like(x, 0.7), torch.randn(2, *SHAPE), sigmas)
    assert torch.equal(made, torch.full((2, *SHAPE), 0.7))


CALLS = dict.fromkeys(("DPM++ SDE", "DPM++ 2S a", "Heun", "DPM2", "DPM2 a", "Restart"), 39) | {
    "DDIM": 19,
    "DDIM CFG++": 19,
}


@pytest.mark.parametrize("name", [name for name in SAMPLER_NAMES if name != "DPM adaptive"])
def test_calls_and_reports(name):
    """20 steps as webui counts them: DDIM makes 19 calls, second-order samplers two a step but the last."""
    planned, model, seen = plan(name, None, 20, ALPHAS), Gaussian(), []
    x = planned.start(ImageNoise([1], SHAPE).first())
    made = SAMPLERS[name](model, x, planned.sigmas, callback=seen.append)
    assert model.calls == CALLS.get(name, 20)
    assert torch.isfinite(made).all()
    assert [step.i for step in seen] == list(range(seen[0].total))
    assert torch.equal(seen[0].x, x)
    assert seen[0].sigma == pytest.approx(float(planned.sigmas[0]), rel=1e-5)
    assert all(step.denoised.shape == x.shape and step["sigma"] == step.sigma for step in seen)
    with pytest.raises(KeyError):
        seen[0]["nothing"]


def test_ddim_of_thirty_steps():
    """30 does not divide 1000: 31 timesteps, 30 calls."""
    planned, model = plan("DDIM", None, 30, ALPHAS), Gaussian()
    SAMPLERS["DDIM"](model, torch.zeros(1, *SHAPE), planned.sigmas)
    assert len(planned.sigmas) == 32
    assert model.calls == 30


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_a_callback_may_cancel(name):
    class Cancelled(Exception):
        pass

    def cancel(step: Step) -> None:
        if step.i == 1:
            raise Cancelled

    planned, model = plan(name, None, 12, ALPHAS), Gaussian()
    with pytest.raises(Cancelled):
        SAMPLERS[name](model, planned.start(torch.ones(1, *SHAPE)), planned.sigmas, callback=cancel)
    assert model.calls <= 6


@pytest.mark.parametrize("name", SAMPLER_NAMES)
@pytest.mark.parametrize("stop", [1, 6])
def test_resuming_equals_an_uninterrupted_run(name, stop):
    """From a step's report and a noise source that stands where it stood, the same latents come out, bit for bit."""
    planned = plan(name, None, 21, ALPHAS)
    options = pick_options(name, eta=1.0, s_churn=5.0)
    noise = ImageNoise([1, 2], SHAPE)
    x = planned.start(noise.next())
    brownian = BrownianNoise(x, planned.sigmas[-2], planned.sigmas[0], [1, 2]) if SAMPLERS_INFO[name].brownian else None
    reports: list[tuple[Step, int]] = []
    whole = SAMPLERS[name](
        wavy,
        x,
        planned.sigmas,
        noise_sampler=brownian or noise.sampler(x),
        callback=lambda s: reports.append((s, noise.drawn)),
        **options,
    )
    step, drawn = reports[min(stop, len(reports) - 1)]  # the DPM solvers make few, long steps
    # churn draws before the model's call, so before the report; all others draw after it
    noise.seek(drawn - SAMPLERS_INFO[name].uses_churn)
    resumed = SAMPLERS[name](
        wavy, step.x, planned.sigmas, noise_sampler=brownian or noise.sampler(x), resume=step, **options
    )
    assert torch.equal(resumed, whole)


@pytest.mark.parametrize("name", [name for name in SAMPLER_NAMES if name != "DPM adaptive"])
def test_batch_equals_singles(name):
    planned = plan(name, None, 8, ALPHAS)

    def make(seeds: list[int]) -> torch.Tensor:
        noise = ImageNoise(seeds, SHAPE)
        x = planned.start(noise.next())
        info = SAMPLERS_INFO[name]
        sampler = BrownianNoise(x, planned.sigmas[-2], planned.sigmas[0], seeds) if info.brownian else noise.sampler(x)
        return SAMPLERS[name](wavy, x, planned.sigmas, noise_sampler=sampler)

    batch = make([4, 5, 6])
    for index, seed in enumerate((4, 5, 6)):
        assert torch.allclose(batch[index], make([seed])[0], atol=1e-6)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_half_precision_latents_see_exact_sigmas(name):
    planned, seen = plan(name, None, 6, ALPHAS), []

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        seen.append(sigma)
        return wavy(x, sigma)

    made = SAMPLERS[name](model, planned.start(torch.ones(1, *SHAPE)).half(), planned.sigmas)
    assert made.dtype == torch.float16
    assert torch.isfinite(made).all()
    assert all(sigma.dtype == torch.float32 for sigma in seen)
    assert float(seen[0][0]) == pytest.approx(float(planned.sigmas[0]), rel=1e-6)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_one_signature(name):
    signature = inspect.signature(SAMPLERS[name])
    assert list(signature.parameters)[:3] == ["model", "x", "sigmas"]
    assert {"noise_sampler", "callback", "resume"} <= set(signature.parameters)
    assert all(p.kind is p.KEYWORD_ONLY for p in list(signature.parameters.values())[3:])
    info = SAMPLERS_INFO[name]
    assert ("eta" in signature.parameters) == info.uses_eta
    assert ("s_churn" in signature.parameters) == info.uses_churn
    assert ("s_noise" in signature.parameters) == info.uses_noise
    assert "arXiv:" in inspect.getdoc(SAMPLERS[name]) or name in ("DPM fast", "DPM adaptive")
    assert not SAMPLERS[name](Gaussian(), torch.ones(1, *SHAPE), plan(name, None, 4, ALPHAS).sigmas).requires_grad


def test_every_name_has_a_sampler():
    assert tuple(SAMPLERS) == SAMPLER_NAMES


def test_options():
    assert accepted_options("Euler") == {"s_churn", "s_tmin", "s_tmax", "s_noise"}
    assert accepted_options("DDIM") == {"eta"}
    assert pick_options("Euler", eta=0.5, s_noise=1.1, s_churn=None) == {"s_noise": 1.1}
    with pytest.raises(TypeError):
        SAMPLERS["Euler"](Gaussian(), torch.ones(1, *SHAPE), torch.tensor([1.0, 0.0]), nonsense=1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("DPM++ 2M SDE", {"solver_type": "rk4"}),
        ("UniPC", {"solver": "bh3"}),
        ("UniPC", {"order": 0}),
        ("DPM adaptive", {"order": 4}),
        ("DPM fast", {"sigma_min": 20.0}),
    ],
)
def test_bad_options(name, options):
    with pytest.raises(ValueError):
        SAMPLERS[name](Gaussian(), torch.ones(1, *SHAPE), plan(name, None, 4, ALPHAS).sigmas, **options)


def test_dpm_solvers_need_two_levels():
    with pytest.raises(ValueError, match="2 steps"):
        SAMPLERS["DPM fast"](Gaussian(), torch.ones(1, *SHAPE), torch.tensor([1.0, 0.0]))


def test_no_sigmas_no_steps():
    x = torch.ones(1, *SHAPE)
    for name in SAMPLER_NAMES:
        model = Gaussian()
        if not SAMPLERS_INFO[name].brownian:
            assert torch.equal(SAMPLERS[name](model, x, torch.tensor([])), x)
            assert model.calls == 0


def test_restart_walk():
    """Xu et al.: Heun down to .1, noise back up to 2, down again; the steps stay those asked for."""
    sigmas = schedules.sigmas("Karras", 40, ALPHAS)
    walk = restart_walk(sigmas)
    assert len(walk) == 40
    jumps = [(float(a[1]), float(b[0])) for a, b in pairwise(walk) if a[1] < b[0]]
    assert len(jumps) == 2
    assert all(0.05 < low < 0.2 and 1.5 < high < 2.5 for low, high in jumps)
    assert len(restart_walk(schedules.sigmas("Karras", 19, ALPHAS))) == 19
    assert len(restart_walk(schedules.sigmas("Karras", 20, ALPHAS))) == 20
    assert len(restart_walk(sigmas, {0.3: (6, 3, 3.0)})) == 40 + 3 * 5


def test_ddim_with_full_eta_is_ancestral():
    """With eta 1 DDIM's step is DDPM's: the same distribution as Euler a's, here with the same noise."""
    sigmas = schedules.sigmas("Uniform", 30, ALPHAS)
    x = ImageNoise([1], SHAPE).first() * sigmas[0]
    ours, theirs = (
        SAMPLERS[name](Gaussian(), x, cut, noise_sampler=ImageNoise([9], SHAPE).sampler(x), eta=1.0)
        for name, cut in (("DDIM", sigmas), ("Euler a", sigmas[:-1]))
    )
    assert torch.allclose(ours * math.sqrt(1 + float(sigmas[-2]) ** 2), theirs, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in SAMPLER_NAMES if name != "DPM adaptive"])
def test_no_step_waits_for_the_device(name):
    """On torch's meta device there is nothing to read back: any host synchronisation would raise."""
    from ra_widgets.diffusion.denoiser import ModelDenoiser
    from ra_widgets.diffusion.guidance import CFGDenoiser, Cond

    denoiser = ModelDenoiser(lambda x, t, cond: x * 0.5, ALPHAS)
    prompt, negative = Cond.constant(torch.zeros(77, 8)), Cond.constant(torch.zeros(77, 8))
    model = CFGDenoiser(denoiser, [[(prompt, 1.0)]] * 2, [negative] * 2, rescale=0.5)
    planned = plan(name, None, 22, ALPHAS)
    x = torch.empty(2, *SHAPE, device="meta")
    options = pick_options(name, eta=0.7, s_churn=3.0)
    noise = torch.empty_like(x)
    made = SAMPLERS[name](model, x, planned.sigmas, noise_sampler=lambda sigma, sigma_next: noise, **options)
    assert made.device.type == "meta"
    assert made.shape == x.shape

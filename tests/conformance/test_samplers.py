"""Every sampler that k-diffusion has, against it: same denoiser, sigmas and noise, float32, 20 steps, error below
1e-5.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from ra_widgets.diffusion import schedules
from ra_widgets.diffusion.brownian import BrownianNoise
from ra_widgets.diffusion.denoiser import LCMDenoiser, ModelDenoiser
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond
from ra_widgets.diffusion.noise import ImageNoise
from ra_widgets.diffusion.plan import plan
from ra_widgets.diffusion.sampling import SAMPLERS

from . import kdiffusion

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
SEEDS = [7, 8]
SHAPE = (4, 12, 8)
LIMIT = 1e-5


def mixture(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The exact, nonlinear denoiser of two Gaussians at -1 and +1 in every coordinate, with a little coupling of
    the channels.
    """
    s2 = (sigma**2).reshape(-1, 1, 1, 1) + 0.1
    mixed = x + 0.2 * x.roll(1, dims=1)
    return torch.tanh(mixed / s2) * (1 - 0.1 / s2) + 0.1 * mixed / s2


def network() -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A small random convolutional denoiser, preconditioned: rougher than any formula."""
    generator = torch.Generator().manual_seed(3)
    first = torch.randn(16, 4, 3, 3, generator=generator) * 0.2
    second = torch.randn(4, 16, 3, 3, generator=generator) * 0.05

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        s = sigma.reshape(-1, 1, 1, 1)
        hidden = torch.nn.functional.conv2d(x / (s**2 + 1) ** 0.5, first, padding=1)
        out = torch.nn.functional.conv2d(torch.nn.functional.silu(hidden + s.log()), second, padding=1)
        return x / (s**2 + 1) + out * s / (s**2 + 1) ** 0.5

    return model


CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    # our name, k-diffusion's function, options for both, options for k-diffusion only
    ("Euler", "sample_euler", {}, {}),
    ("Euler", "sample_euler", {"s_churn": 8.0, "s_tmin": 0.3, "s_tmax": 9.0, "s_noise": 1.01}, {}),
    ("Heun", "sample_heun", {}, {}),
    ("Heun", "sample_heun", {"s_churn": 8.0, "s_tmin": 0.3, "s_noise": 1.003}, {}),
    ("DPM2", "sample_dpm_2", {}, {}),
    ("DPM2", "sample_dpm_2", {"s_churn": 40.0, "s_tmax": 5.0}, {}),
    ("LMS", "sample_lms", {}, {}),
    ("LMS", "sample_lms", {"order": 2}, {}),
    ("DPM++ 2M", "sample_dpmpp_2m", {}, {}),
    ("Euler a", "sample_euler_ancestral", {}, {}),
    ("Euler a", "sample_euler_ancestral", {"eta": 0.6, "s_noise": 1.02}, {}),
    ("Euler a", "sample_euler_ancestral", {"eta": 0.0}, {}),
    ("DPM2 a", "sample_dpm_2_ancestral", {}, {}),
    ("DPM2 a", "sample_dpm_2_ancestral", {"eta": 0.5}, {}),
    ("DPM++ 2S a", "sample_dpmpp_2s_ancestral", {}, {}),
    ("DPM++ 2S a", "sample_dpmpp_2s_ancestral", {"eta": 0.5, "s_noise": 0.99}, {}),
    ("DPM++ SDE", "sample_dpmpp_sde", {}, {}),
    ("DPM++ SDE", "sample_dpmpp_sde", {"eta": 0.4, "r": 0.4}, {}),
    ("DPM++ 2M SDE", "sample_dpmpp_2m_sde", {}, {}),
    ("DPM++ 2M SDE", "sample_dpmpp_2m_sde", {"eta": 0.0}, {}),
    ("DPM++ 2M SDE", "sample_dpmpp_2m_sde", {"solver_type": "heun", "eta": 0.7}, {}),
    ("DPM++ 2M SDE Heun", "sample_dpmpp_2m_sde", {}, {"solver_type": "heun"}),
    ("DPM++ 3M SDE", "sample_dpmpp_3m_sde", {}, {}),
    ("DPM++ 3M SDE", "sample_dpmpp_3m_sde", {"eta": 0.3, "s_noise": 1.01}, {}),
]
IDS = [
    f"{name}-{'-'.join(f'{key}={value}' for key, value in options.items()) or 'default'}"
    for name, _, options, _ in CASES
]


class Noises:
    """The same noise for both: a fresh one a run, and torch's own randn for the churn that k-diffusion draws itself."""

    def __init__(self, name: str, sigmas: torch.Tensor) -> None:
        self._brownian = "SDE" in name
        self._sigmas = sigmas

    def __call__(self, x: torch.Tensor) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        torch.manual_seed(11)
        if self._brownian:
            positive = self._sigmas[self._sigmas > 0]
            return BrownianNoise(x, positive.min(), positive.max(), SEEDS)
        return lambda sigma, sigma_next: torch.randn_like(x)


def start(sigmas: torch.Tensor) -> torch.Tensor:
    return ImageNoise(SEEDS, SHAPE).first() * sigmas[0]


@pytest.mark.parametrize(
    ("model", "schedule"),
    [(mixture, "Karras"), (network(), "Uniform"), (network(), "Exponential")],
    ids=["mixture-Karras", "network-Uniform", "network-Exponential"],
)
@pytest.mark.parametrize(("name", "function", "options", "theirs"), CASES, ids=IDS)
def test_equals_k_diffusion(name, function, options, theirs, model, schedule):
    sigmas = schedules.sigmas(schedule, 20, ALPHAS)
    noises = Noises(name, sigmas)
    x = start(sigmas)
    oracle = getattr(kdiffusion.sampling(), function)
    noise = noises(x)
    given = {"noise_sampler": noise} if "noise_sampler" in inspect.signature(oracle).parameters else {}
    expected = oracle(model, x, sigmas, disable=True, **options, **theirs, **given)
    ours = SAMPLERS[name](model, x, sigmas, noise_sampler=noises(x), **options)
    assert torch.isfinite(expected).all()
    assert (ours - expected).abs().max() < LIMIT


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [2, 3, 4, 5, 6, 7, 20])
def test_dpm_fast_equals_k_diffusion(steps, eta):
    sigmas = schedules.sigmas("Uniform", steps, ALPHAS)
    noises, x = Noises("DPM fast", sigmas), start(sigmas)
    oracle = kdiffusion.sampling().sample_dpm_fast
    low, high = float(sigmas[-2]), float(sigmas[0])
    calls: list[torch.Tensor] = []

    def counted(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        calls.append(sigma)
        return mixture(x, sigma)

    expected = oracle(mixture, x, low, high, steps, disable=True, eta=eta, noise_sampler=noises(x))
    ours = SAMPLERS["DPM fast"](counted, x, sigmas, noise_sampler=noises(x), eta=eta)
    assert (ours - expected).abs().max() < LIMIT
    assert len(calls) == steps


@pytest.mark.parametrize("options", [{}, {"eta": 1.0}, {"order": 2}, {"rtol": 0.01, "pcoeff": 0.2, "dcoeff": 0.1}])
def test_dpm_adaptive_equals_k_diffusion(options):
    sigmas = schedules.sigmas("Karras", 20, ALPHAS)
    noises, x = Noises("DPM adaptive", sigmas), start(sigmas)
    oracle = kdiffusion.sampling().sample_dpm_adaptive
    expected, info = oracle(
        mixture,
        x,
        float(sigmas[-2]),
        float(sigmas[0]),
        disable=True,
        noise_sampler=noises(x),
        return_info=True,
        **options,
    )
    steps: list[int] = []
    ours = SAMPLERS["DPM adaptive"](
        mixture, x, sigmas, noise_sampler=noises(x), callback=lambda step: steps.append(step.i), **options
    )
    assert len(steps) == info["steps"] > 4
    assert (ours - expected).abs().max() < LIMIT


@pytest.mark.filterwarnings("ignore:Should have:UserWarning")  # torchsde's, about the oracle's own queries
@pytest.mark.parametrize("rng_shape", [(4, 16, 16), (4, 24, 8)])
def test_brownian_noise_equals_k_diffusion(rng_shape):
    """With torch's own generator the tree is k-diffusion's, number for number, an image a seed."""
    sigmas = schedules.sigmas("Exponential", 12, ALPHAS)
    x = torch.zeros(2, *rng_shape)
    theirs = kdiffusion.sampling().BrownianTreeNoiseSampler(x, sigmas[-2], sigmas[0], seed=SEEDS)
    ours = BrownianNoise(x, sigmas[-2], sigmas[0], SEEDS, rng="CPU")
    for sigma, sigma_next in pairwise(sigmas[:-1]):
        assert torch.equal(ours(sigma, sigma_next), theirs(sigma, sigma_next))


@pytest.mark.parametrize("steps", [1, 2, 7, 20, 150])
def test_schedules_equal_k_diffusion(steps):
    oracle, low, high = kdiffusion.sampling(), 0.03, 14.6
    limits = {"sigma_min": low, "sigma_max": high}
    assert torch.equal(schedules.sigmas("Karras", steps, ALPHAS, **limits), oracle.get_sigmas_karras(steps, low, high))
    steep = schedules.sigmas("Karras", steps, ALPHAS, rho=3.0, **limits)
    assert torch.equal(steep, oracle.get_sigmas_karras(steps, low, high, rho=3.0))
    even = schedules.sigmas("Exponential", steps, ALPHAS, **limits)
    assert torch.equal(even, oracle.get_sigmas_exponential(steps, low, high))
    power = schedules.sigmas("Polyexponential", steps, ALPHAS, rho=1.7, **limits)
    assert torch.equal(power, oracle.get_sigmas_polyexponential(steps, low, high, rho=1.7))


@pytest.mark.parametrize(("steps", "times"), [(12, 0), (24, 1), (40, 2)])
def test_restart_is_heun_with_detours(steps, times):
    """Xu et al.'s algorithm written out over k-diffusion's Heun: down to about .1, noise up to about 2, down again."""
    sigmas = schedules.sigmas("Karras", steps, ALPHAS)
    source, x = ImageNoise([3, 4], SHAPE), start(sigmas)  # not torch's generator, from which Heun draws, too
    ours = SAMPLERS["Restart"](mixture, x, sigmas, noise_sampler=source.sampler(x))
    source.restart()
    oracle = kdiffusion.sampling()
    detour = {0: 0, 1: 9, 2: steps // 4}[times]
    main = oracle.get_sigmas_karras(steps - detour * times, float(sigmas[-2]), float(sigmas[0]))
    low, high = (int((main - level).abs().argmin()) for level in (0.1, 2.0))
    again = oracle.get_sigmas_karras(detour + 1, float(main[low]), float(main[high]))[:-1] if times else None
    x = oracle.sample_heun(mixture, x, main[: low + 1] if times else main, disable=True)
    for _ in range(times):
        x = x + source.next() * (main[high] ** 2 - main[low] ** 2) ** 0.5
        x = oracle.sample_heun(mixture, x, again, disable=True)
    expected = oracle.sample_heun(mixture, x, main[low:], disable=True) if times else x
    assert torch.isfinite(expected).all()
    assert (ours - expected).abs().max() < LIMIT


@pytest.mark.parametrize("cfg", [1.0, 6.25, 12.5])
def test_ddim_cfgpp_is_the_papers_algorithm(cfg):
    """Chung et al., algorithm 2, on the model's own scale: the guided picture, the unconditional noise; lambda = CFG / 12.5."""
    table = schedules.model_sigmas(ALPHAS)

    def eps(x: torch.Tensor, t: int, prompt: float) -> torch.Tensor:
        wide = x * (1 + table[t] ** 2) ** 0.5
        return (wide - mixture(wide + 0.1 * prompt, table[t][None])) / table[t]

    def unet(x: torch.Tensor, t: torch.Tensor, cond: Any) -> torch.Tensor:
        prompts = cond.context[:, 0, 0].tolist()
        return torch.cat([eps(x[k : k + 1], round(float(t[k])), value) for k, value in enumerate(prompts)])

    words = [Cond.constant(torch.full((77, 4), value)) for value in (1.0, 0.0)]
    guided = CFGDenoiser(ModelDenoiser(unet, ALPHAS), [[(words[0], 1.0)]], [words[1]], cfg_scale=cfg)
    planned = plan("DDIM CFG++", None, 20, ALPHAS)
    x = ImageNoise([7], SHAPE).first()
    ours = SAMPLERS["DDIM CFG++"](guided, planned.start(x), planned.sigmas)
    scale = cfg / 12.5
    for t, t_next in pairwise(range(951, 0, -50)):
        a, a_next = float(ALPHAS[t]), float(ALPHAS[t_next])
        plain, wanted = eps(x, t, 0.0), eps(x, t, 1.0)
        picture = (x - (1 - a) ** 0.5 * (plain + scale * (wanted - plain))) / a**0.5
        x = a_next**0.5 * picture + (1 - a_next) ** 0.5 * plain
    assert (ours - x).abs().max() < 2e-5  # our timesteps are found from sigma and are whole to a thousandth


class TestAgainstDiffusers:
    """The samplers k-diffusion lacks, against diffusers' schedulers on the same grid of timesteps.

    Its answers are on the model's scale and start from noise of standard deviation 1.
    """

    KWARGS: ClassVar = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}

    @staticmethod
    def predict_noise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        """mixture() as a noise-predicting network that sees latents on the model's scale."""
        wide = x * (1 + sigma**2) ** 0.5
        return (wide - mixture(wide, torch.tensor([sigma]))) / sigma

    @pytest.mark.parametrize("eta", [0.0, 0.5])
    @pytest.mark.parametrize("steps", [4, 20, 30])
    def test_ddim(self, steps, eta):
        from diffusers import DDIMScheduler

        planned = plan("DDIM", None, steps, ALPHAS)
        grid = [int(t) for t in reversed(range(1, 1001, 1000 // steps))]
        assert torch.allclose(planned.sigmas[:-1], schedules.model_sigmas(ALPHAS)[grid])
        scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False, **self.KWARGS)
        noise, extra = ImageNoise(SEEDS, SHAPE), ImageNoise([3, 4], SHAPE)
        x = noise.next()
        ours = SAMPLERS["DDIM"](mixture, planned.start(x), planned.sigmas, noise_sampler=extra.sampler(x), eta=eta)
        extra.restart()
        for t, t_next in pairwise(grid):
            scheduler.num_inference_steps = 1000 // (t - t_next)
            eps = self.predict_noise(x, float(schedules.model_sigmas(ALPHAS)[t]))
            drawn = {"eta": eta, "variance_noise": extra.next()} if eta else {}
            x = scheduler.step(eps, t, x, **drawn).prev_sample
        assert (ours - x).abs().max() < LIMIT

    @pytest.mark.parametrize("steps", [5, 20])
    def test_plms(self, steps):
        """Steps that divide 1000: only then do both take the same grid. diffusers counts the improved first step as
        two.
        """
        from diffusers import PNDMScheduler

        planned = plan("PLMS", None, steps, ALPHAS)
        x = ImageNoise(SEEDS, SHAPE).next()
        ours = SAMPLERS["PLMS"](mixture, planned.start(x), planned.sigmas)
        scheduler = PNDMScheduler(skip_prk_steps=True, steps_offset=1, **self.KWARGS)
        scheduler.set_timesteps(steps)
        for t in scheduler.timesteps[:-1]:
            eps = self.predict_noise(x, float(schedules.model_sigmas(ALPHAS)[t]))
            x = scheduler.step(eps, int(t), x).prev_sample
        assert len(scheduler.timesteps[:-1]) == steps
        assert (ours - x).abs().max() < LIMIT

    @pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within diffusers
    @pytest.mark.parametrize("solver", ["bh1", "bh2"])
    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_unipc(self, solver, order):
        from diffusers import UniPCMultistepScheduler

        planned = plan("UniPC", None, 20, ALPHAS)
        x = ImageNoise(SEEDS, SHAPE).next()
        ours = SAMPLERS["UniPC"](mixture, planned.start(x), planned.sigmas, order=order, solver=solver)
        scheduler = UniPCMultistepScheduler(solver_order=order, solver_type=solver, **self.KWARGS)
        scheduler.set_timesteps(20)
        scheduler.sigmas = planned.sigmas.clone()
        for t, sigma in zip(scheduler.timesteps, planned.sigmas[:-1], strict=True):
            x = scheduler.step(self.predict_noise(x, float(sigma)), t, x).prev_sample
        assert (ours - x).abs().max() < LIMIT

    def test_lcm(self):
        """Eight of the fifty distilled timesteps; both add fresh noise after each picture they believe."""
        from diffusers import LCMScheduler

        planned = plan("LCM", None, 8, ALPHAS)
        table = schedules.model_sigmas(ALPHAS)
        grid = [999 - 140 * k for k in range(8)]
        assert torch.allclose(planned.sigmas[:-1], table[grid], rtol=1e-5)
        first, extra = ImageNoise(SEEDS, SHAPE).next(), ImageNoise([3, 4], SHAPE)

        def network(x: torch.Tensor, t: torch.Tensor, cond: Any) -> torch.Tensor:
            return self.predict_noise(x, float(table[int(t[0])]))

        denoiser = LCMDenoiser(network, ALPHAS)
        ours = SAMPLERS["LCM"](
            lambda x, sigma: denoiser(x, sigma, None),
            planned.start(first),
            planned.sigmas,
            noise_sampler=extra.sampler(first),
        )
        extra.restart()
        scheduler = LCMScheduler(clip_sample=False, set_alpha_to_one=False, **self.KWARGS)
        scheduler.set_timesteps(timesteps=grid)
        # webui's first noise has the standard deviation of the largest sigma, not of a whole noised picture
        x = first * float(planned.sigmas[0]) / (1 + float(planned.sigmas[0]) ** 2) ** 0.5
        drawn = iter([extra.next() for _ in grid])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("diffusers.schedulers.scheduling_lcm.randn_tensor", lambda *_, **__: next(drawn))
            for t in grid:
                x = scheduler.step(self.predict_noise(x, float(table[t])), t, x).prev_sample
        assert (ours - x).abs().max() < 1e-4  # their part of the input in the answer is taken on another scale

"""Samplers of the probability flow ODE: Euler, Heun, DPM2, LMS, DPM++ 2M and Restart.

Here and in the sibling modules: ``model(x, sigma[B]) -> denoised``; ``x`` is [B, C, H, W] with noise of standard
deviation sigmas[0]; ``sigmas`` fall, usually to 0. See :class:`ra_widgets.diffusion.sampling_base.Step` for callbacks
and resuming.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch

from ra_widgets.diffusion.sampling_base import Callback, Model, NoiseSampler, Run, Step, fresh_noise, slope
from ra_widgets.diffusion.schedules import karras

_MAX_GAMMA = 2**0.5 - 1  # Karras et al. 2022: more churn than this asks the model for more than it was trained on


class _Churn:
    """Adds a little noise before a step (Karras et al. 2022, algorithm 2, lines 4-6)."""

    def __init__(
        self, run: Run, noise: NoiseSampler, s_churn: float, s_tmin: float, s_tmax: float, s_noise: float
    ) -> None:
        self._gamma = min(s_churn / max(run.steps, 1), _MAX_GAMMA)
        self._noise, self._s_noise = noise, s_noise
        self._tmin, self._tmax = s_tmin, s_tmax

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, sigma_next: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self._gamma <= 0:
            return x, sigma
        # k-diffusion draws at every step, used or not: with tmin or tmax set, later noise depends on it
        noise = self._noise(sigma, sigma_next) * self._s_noise
        if not self._tmin <= sigma <= self._tmax:
            return x, sigma
        sigma_hat = sigma * (self._gamma + 1)
        return x + noise * (sigma_hat**2 - sigma**2) ** 0.5, sigma_hat


@torch.no_grad()
def euler(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = float("inf"),
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """Euler: one straight line a step (Karras et al. 2022, arXiv:2206.00364, algorithm 2 without the correction)."""
    run = Run(model, x, sigmas, callback, resume)
    churn = _Churn(run, noise_sampler or fresh_noise(x), s_churn, s_tmin, s_tmax, s_noise)
    for i, sigma, sigma_next in run:
        before = x
        x, sigma_hat = churn(x, sigma, sigma_next)
        denoised = run.denoise(x, sigma_hat)
        run.report(i, before, sigma, denoised, sigma_hat)
        x = x + slope(x, sigma_hat, denoised) * (sigma_next - sigma_hat)
    return x


@torch.no_grad()
def heun(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = float("inf"),
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """Heun: Euler, then the mean of the slopes at both ends (Karras et al. 2022, arXiv:2206.00364, algorithm 2)."""
    run = Run(model, x, sigmas, callback, resume)
    churn = _Churn(run, noise_sampler or fresh_noise(x), s_churn, s_tmin, s_tmax, s_noise)
    for i, sigma, sigma_next in run:
        before = x
        x, sigma_hat = churn(x, sigma, sigma_next)
        denoised = run.denoise(x, sigma_hat)
        run.report(i, before, sigma, denoised, sigma_hat)
        x = _heun_step(run, x, denoised, sigma_hat, sigma_next)
    return x


def _heun_step(
    run: Run, x: torch.Tensor, denoised: torch.Tensor, sigma: torch.Tensor, sigma_next: torch.Tensor
) -> torch.Tensor:
    d = slope(x, sigma, denoised)
    ahead = x + d * (sigma_next - sigma)
    if sigma_next == 0:
        return ahead
    d_ahead = slope(ahead, sigma_next, run.denoise(ahead, sigma_next))
    return x + (d + d_ahead) / 2 * (sigma_next - sigma)


@torch.no_grad()
def dpm2(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = float("inf"),
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM2: the slope at the geometric middle of the step (after DPM-Solver-2, Lu et al. 2022, arXiv:2206.00927)."""
    run = Run(model, x, sigmas, callback, resume)
    churn = _Churn(run, noise_sampler or fresh_noise(x), s_churn, s_tmin, s_tmax, s_noise)
    for i, sigma, sigma_next in run:
        before = x
        x, sigma_hat = churn(x, sigma, sigma_next)
        denoised = run.denoise(x, sigma_hat)
        run.report(i, before, sigma, denoised, sigma_hat)
        x = midpoint_step(run, x, denoised, sigma_hat, sigma_next)
    return x


def midpoint_step(
    run: Run, x: torch.Tensor, denoised: torch.Tensor, sigma: torch.Tensor, sigma_next: torch.Tensor
) -> torch.Tensor:
    """From sigma to sigma_next along the slope found half way in log sigma; a plain Euler step when sigma_next is 0."""
    d = slope(x, sigma, denoised)
    if sigma_next == 0:
        return x + d * (sigma_next - sigma)
    middle = sigma.log().lerp(sigma_next.log(), 0.5).exp()
    half_way = x + d * (middle - sigma)
    return x + slope(half_way, middle, run.denoise(half_way, middle)) * (sigma_next - sigma)


def adams_bashforth_weights(sigmas: np.ndarray, i: int, order: int) -> list[float]:
    """Weights of the last ``order`` slopes, newest first: integrals over the step of the Lagrange basis polynomials."""
    nodes = sigmas[i - np.arange(order)]
    weights = []
    for j in range(order):
        others = np.delete(nodes, j)
        # polynomials in tau - sigma_i, so that small sigmas lose no digits to large ones
        basis = np.poly1d(others - nodes[0], r=True) / np.prod(nodes[j] - others)
        integral = basis.integ()
        weights.append(float(integral(sigmas[i + 1] - nodes[0]) - integral(0.0)))
    return weights


@torch.no_grad()
def lms(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    order: int = 4,
    resume: Step | None = None,
) -> torch.Tensor:
    """LMS: a polynomial through the last four slopes (Adams-Bashforth on uneven steps; cf. Liu et al. 2022,
    arXiv:2202.09778).
    """
    run = Run(model, x, sigmas, callback, resume)
    table = run.sigmas.double().numpy()
    slopes: list[torch.Tensor] = list(run.recall("slopes", ()))
    for i, sigma, _ in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised, slopes=tuple(slopes))
        slopes = [slope(x, sigma, denoised), *slopes][:order]
        x = x + sum(
            weight * d for weight, d in zip(adams_bashforth_weights(table, i, len(slopes)), slopes, strict=True)
        )
    return x


@torch.no_grad()
def dpmpp_2m(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM++ 2M: exponential integrator, extrapolating from the last two denoised (Lu et al. 2022, arXiv:2211.01095,
    algorithm 2).
    """
    run = Run(model, x, sigmas, callback, resume)
    old_denoised: torch.Tensor | None = run.recall("old_denoised")
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised, old_denoised=old_denoised)
        t, t_next = -sigma.log(), -sigma_next.log()
        h = t_next - t
        target = denoised
        if old_denoised is not None and sigma_next > 0:
            r = (t - -run.sigmas[i - 1].log()) / h
            target = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * old_denoised
        x = ((-t_next).exp() / (-t).exp()) * x - (-h).expm1() * target
        old_denoised = denoised
    return x


Restarts = Mapping[float, tuple[int, int, float]]


def restart_walk(sigmas: torch.Tensor, restarts: Restarts | None = None) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The (from, to) pairs of a Restart run. A pair that starts above the end of the one before it is a restart:
    noise is added.

    ``restarts``: {sigma to restart at: (points of the detour, how often, sigma to go back up to)}. None chooses as
    webui does: nothing below 20 steps; else one detour of 9 steps between .1 and 2 (from 36 steps on two, of a
    quarter of the steps each), paid for by a coarser Karras schedule, so that the total stays the number of steps
    asked for.
    """
    steps = len(sigmas) - 1
    if restarts is None:
        restarts = {}
        if steps >= 20:
            detour, times = (steps // 4, 2) if steps >= 36 else (9, 1)
            sigmas = karras(steps - detour * times, float(sigmas[-2]), float(sigmas[0]))
            restarts = {0.1: (detour + 1, times, 2.0)}
    at = {int((sigmas - level).abs().argmin()): plan for level, plan in restarts.items()}
    walk: list[tuple[torch.Tensor, torch.Tensor]] = []
    for i in range(len(sigmas) - 1):
        walk.append((sigmas[i], sigmas[i + 1]))
        if i + 1 not in at:
            continue
        points, times, level = at[i + 1]
        top = int((sigmas - level).abs().argmin())
        if top < i + 1:
            detour_sigmas = karras(points, float(sigmas[i + 1]), float(sigmas[top]))[:-1]
            walk += list(pairwise(detour_sigmas)) * times
    return walk


@torch.no_grad()
def restart(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    s_noise: float = 1.0,
    restarts: Restarts | None = None,
    resume: Step | None = None,
) -> torch.Tensor:
    """Restart: Heun steps that go back up to a middle noise level and down again (Xu et al. 2023, arXiv:2306.14878)."""
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume)
    walk = restart_walk(run.sigmas, restarts)
    run = Run(model, x, sigmas, callback, resume, total=len(walk))
    for i in range(run.start, len(walk)):
        sigma, sigma_next = walk[i]
        before = x
        if i > 0 and walk[i - 1][1] < sigma:
            x = x + noise_sampler(walk[i - 1][1], sigma) * s_noise * (sigma**2 - walk[i - 1][1] ** 2) ** 0.5
        denoised = run.denoise(x, sigma)
        run.report(i, before, sigma, denoised)
        x = _heun_step(run, x, denoised, sigma, sigma_next)
    return x

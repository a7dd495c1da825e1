"""Samplers that add noise on the way: the ancestral ones, the DPM++ SDE family, and LCM.

The ancestral ones take fresh noise a step; the SDE family takes the increments of one Brownian path
(:class:`ra_widgets.diffusion.brownian.BrownianNoise`), so that more steps refine the same picture.
"""

from __future__ import annotations

import torch

from ra_widgets.diffusion.sampling_base import (
    Callback,
    Model,
    NoiseSampler,
    Run,
    Step,
    ancestral,
    brownian_noise,
    fresh_noise,
    slope,
)
from ra_widgets.diffusion.sampling_ode import midpoint_step


@torch.no_grad()
def euler_ancestral(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """Euler a: an Euler step further down than wanted, then fresh noise back up (the ancestral sampling of Ho et
    al. 2020, arXiv:2006.11239).
    """
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume)
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised)
        down, up = ancestral(sigma, sigma_next, eta)
        x = x + slope(x, sigma, denoised) * (down - sigma)
        if sigma_next > 0:
            x = x + noise_sampler(sigma, sigma_next) * s_noise * up
    return x


@torch.no_grad()
def dpm2_ancestral(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM2 a: DPM2's midpoint step with the ancestral noise of Euler a (after Lu et al. 2022, arXiv:2206.00927)."""
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume)
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised)
        down, up = ancestral(sigma, sigma_next, eta)
        x = midpoint_step(run, x, denoised, sigma, down)
        if down > 0:
            x = x + noise_sampler(sigma, sigma_next) * s_noise * up
    return x


@torch.no_grad()
def dpmpp_2s_ancestral(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM++ 2S a: single-step second order with ancestral noise (Lu et al. 2022, DPM-Solver++, arXiv:2211.01095,
    algorithm 1).
    """
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume)
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised)
        down, up = ancestral(sigma, sigma_next, eta)
        if down == 0:
            x = x + slope(x, sigma, denoised) * (down - sigma)
        else:
            t, t_next = -sigma.log(), -down.log()
            h = t_next - t
            middle = (-(t + 0.5 * h)).exp()
            half_way = (middle / (-t).exp()) * x - (-h * 0.5).expm1() * denoised
            x = ((-t_next).exp() / (-t).exp()) * x - (-h).expm1() * run.denoise(half_way, middle)
        if sigma_next > 0:
            x = x + noise_sampler(sigma, sigma_next) * s_noise * up
    return x


@torch.no_grad()
def dpmpp_sde(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM++ SDE: two stages a step, both with Brownian noise (Lu et al. 2022, DPM-Solver++, arXiv:2211.01095).

    ``r``: where in the step, in log sigma, the second stage is taken.
    """
    noise_sampler = noise_sampler or brownian_noise(x, sigmas)
    run = Run(model, x, sigmas, callback, resume)
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised)
        if sigma_next == 0:
            x = x + slope(x, sigma, denoised) * (sigma_next - sigma)
            continue
        t, t_next = -sigma.log(), -sigma_next.log()
        s = t + (t_next - t) * r
        here, middle, there = (-t).exp(), (-s).exp(), (-t_next).exp()

        def stage(target: torch.Tensor, end: torch.Tensor, x=x, t=t, here=here) -> torch.Tensor:
            down, up = ancestral(here, end, eta)
            t_down = -down.log()
            moved = ((-t_down).exp() / here) * x - (t - t_down).expm1() * target
            return moved + noise_sampler(here, end) * s_noise * up

        denoised_middle = run.denoise(stage(denoised, middle), middle)
        share = 1 / (2 * r)
        x = stage((1 - share) * denoised + share * denoised_middle, there)
    return x


@torch.no_grad()
def dpmpp_2m_sde(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "midpoint",
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM++ 2M SDE: the stochastic two-step solver (Lu et al. 2022, DPM-Solver++, arXiv:2211.01095,
    SDE-DPM-Solver++(2M)).

    ``solver_type``: "midpoint" or "heun", how the second-order term is weighted; anything else raises ValueError.
    """
    if solver_type not in ("midpoint", "heun"):
        raise ValueError(f"solver_type must be 'midpoint' or 'heun', got {solver_type!r}")
    noise_sampler = noise_sampler or brownian_noise(x, sigmas)
    run = Run(model, x, sigmas, callback, resume)
    old_denoised, h_last = run.recall("old_denoised"), run.recall("h_last")
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised, old_denoised=old_denoised, h_last=h_last)
        if sigma_next == 0:
            return denoised
        h = -sigma_next.log() - -sigma.log()
        eta_h = eta * h
        gain = (-h - eta_h).expm1().neg()
        x = sigma_next / sigma * (-eta_h).exp() * x + gain * denoised
        if old_denoised is not None:
            r = h_last / h
            weight = 0.5 * gain if solver_type == "midpoint" else gain / (-h - eta_h) + 1
            x = x + weight * (1 / r) * (denoised - old_denoised)
        if eta:
            x = x + noise_sampler(sigma, sigma_next) * sigma_next * (-2 * eta_h).expm1().neg().sqrt() * s_noise
        old_denoised, h_last = denoised, h
    return x


@torch.no_grad()
def dpmpp_2m_sde_heun(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM++ 2M SDE Heun: :func:`dpmpp_2m_sde` with the Heun weighting (Lu et al. 2022, arXiv:2211.01095)."""
    return dpmpp_2m_sde(
        model,
        x,
        sigmas,
        noise_sampler=noise_sampler,
        callback=callback,
        eta=eta,
        s_noise=s_noise,
        solver_type="heun",
        resume=resume,
    )


@torch.no_grad()
def dpmpp_3m_sde(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM++ 3M SDE: the stochastic solver with three denoised in memory (Crowson 2023, after Lu et al.,
    arXiv:2211.01095).
    """
    noise_sampler = noise_sampler or brownian_noise(x, sigmas)
    run = Run(model, x, sigmas, callback, resume)
    denoised_1, denoised_2 = run.recall("denoised_1"), run.recall("denoised_2")
    h_1, h_2 = run.recall("h_1"), run.recall("h_2")
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised, denoised_1=denoised_1, denoised_2=denoised_2, h_1=h_1, h_2=h_2)
        if sigma_next == 0:
            return denoised
        h = -sigma_next.log() - -sigma.log()
        h_eta = h * (eta + 1)
        x = torch.exp(-h_eta) * x + (-h_eta).expm1().neg() * denoised
        phi_2 = (-h_eta).expm1() / h_eta + 1
        if denoised_2 is not None:
            r0, r1 = h_1 / h, h_2 / h
            d1_0 = (denoised - denoised_1) / r0
            d1_1 = (denoised_1 - denoised_2) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            d2 = (d1_0 - d1_1) / (r0 + r1)
            x = x + phi_2 * d1 - (phi_2 / h_eta - 0.5) * d2
        elif denoised_1 is not None:
            x = x + phi_2 * ((denoised - denoised_1) / (h_1 / h))
        if eta:
            x = x + noise_sampler(sigma, sigma_next) * sigma_next * (-2 * h * eta).expm1().neg().sqrt() * s_noise
        denoised_1, denoised_2, h_1, h_2 = denoised, denoised_1, h, h_1
    return x


@torch.no_grad()
def lcm(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    resume: Step | None = None,
) -> torch.Tensor:
    """LCM: believe the denoised picture, add the next level's noise to it (Luo et al. 2023, arXiv:2310.04378)."""
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume)
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised)
        x = denoised
        if sigma_next > 0:
            x = x + sigma_next * noise_sampler(sigma, sigma_next)
    return x

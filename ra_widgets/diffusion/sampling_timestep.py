"""Samplers that webui runs on the model's own variance-preserving scale: DDIM, DDIM CFG++, PLMS, UniPC.

They take the same arguments as all others. Inside, x / sqrt(alpha) with sigma = sqrt((1 - alpha) / alpha) is the same
process seen from the k-diffusion side, so alphas are 1 / (1 + sigma^2). Two habits of webui are kept: DDIM and PLMS
do not walk the last stretch to sigma 0 (N steps make N - 1), and the result is returned on the model's scale,
multiplied by sqrt(alpha) of where the walk ended. A callback's ``x`` is on the sigma scale, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ra_widgets.diffusion.sampling_base import Callback, Model, NoiseSampler, Run, Step, fresh_noise, slope

CFGPP_SCALE = 1 / 12.5  # webui maps its CFG scale 0..12.5 to the 0..1 of the CFG++ paper


def alpha_of(sigma: torch.Tensor) -> torch.Tensor:
    """Cumulative alpha at a sigma: 1 / (1 + sigma^2)."""
    return 1 / (1 + sigma**2)


def _walk_of(sigmas: torch.Tensor) -> torch.Tensor:
    """The sigmas without a last 0: their N - 1 gaps are what DDIM and PLMS walk."""
    sigmas = torch.as_tensor(sigmas).detach().cpu()
    return sigmas[:-1] if len(sigmas) and sigmas[-1] == 0 else sigmas


def _on_model_scale(x: torch.Tensor, walk: torch.Tensor) -> torch.Tensor:
    return x * alpha_of(walk[-1]) ** 0.5 if len(walk) else x


def _ddim_noise(sigma: torch.Tensor, sigma_next: torch.Tensor, eta: float) -> torch.Tensor:
    """Standard deviation of DDIM's noise, on the sigma scale (Song et al. 2020, eq. 16, divided by
    sqrt(alpha_next)).
    """
    a, a_next = alpha_of(sigma), alpha_of(sigma_next)
    return eta * ((1 - a_next) / (1 - a) * (1 - a / a_next)) ** 0.5 / a_next**0.5


@torch.no_grad()
def ddim(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 0.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DDIM: keep the predicted noise, lower its level (Song et al. 2020, arXiv:2010.02502, eq. 12); eta 1 is DDPM."""
    noise_sampler = noise_sampler or fresh_noise(x)
    walk = _walk_of(sigmas)
    run = Run(model, x, walk, callback, resume)
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised)
        eps = slope(x, sigma, denoised)
        if eta:
            added = _ddim_noise(sigma, sigma_next, eta)
            noise = added * noise_sampler(sigma, sigma_next)
            x = denoised + (sigma_next**2 - added**2).clamp(min=0).sqrt() * eps + noise
        else:
            x = denoised + sigma_next * eps
    return _on_model_scale(x, walk)


@torch.no_grad()
def ddim_cfgpp(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 0.0,
    resume: Step | None = None,
) -> torch.Tensor:
    """DDIM CFG++: DDIM that goes on with the *unconditional* noise (Chung et al. 2024, arXiv:2406.08070).

    A guided model (:class:`ra_widgets.diffusion.guidance.CFGDenoiser`) is asked through ``model.cfgpp(True)`` to
    divide its CFG scale by 12.5 and to keep ``model.last_uncond``, the unconditional denoised. A model without
    guidance makes this plain DDIM.
    """
    guidance: Any = model if hasattr(model, "cfgpp") else None
    if guidance is not None:
        guidance.cfgpp(True)
    try:
        noise_sampler = noise_sampler or fresh_noise(x)
        walk = _walk_of(sigmas)
        run = Run(model, x, walk, callback, resume)
        for i, sigma, sigma_next in run:
            denoised = run.denoise(x, sigma)
            run.report(i, x, sigma, denoised)
            eps = slope(x, sigma, denoised if guidance is None else guidance.last_uncond)
            if eta:
                added = _ddim_noise(sigma, sigma_next, eta)
                noise = added * noise_sampler(sigma, sigma_next)
                x = denoised + (sigma_next**2 - added**2).clamp(min=0).sqrt() * eps + noise
            else:
                x = denoised + sigma_next * eps
        return _on_model_scale(x, walk)
    finally:
        if guidance is not None:
            guidance.cfgpp(False)


# Adams-Bashforth on even steps, newest first (Liu et al. 2022, eq. 9 and its lower orders)
_PLMS_WEIGHTS = {2: (3 / 2, -1 / 2), 3: (23 / 12, -16 / 12, 5 / 12), 4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}


@torch.no_grad()
def plms(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    resume: Step | None = None,
) -> torch.Tensor:
    """PLMS: DDIM steps along a mix of the last four noises (Liu et al. 2022, PNDM, arXiv:2202.09778, algorithm 2).

    The first step has no history and is an improved Euler step, so N steps make N calls.
    """
    walk = _walk_of(sigmas)
    run = Run(model, x, walk, callback, resume)
    memory: list[torch.Tensor] = list(run.recall("memory", ()))
    for i, sigma, sigma_next in run:
        denoised = run.denoise(x, sigma)
        run.report(i, x, sigma, denoised, memory=tuple(memory))
        memory = [slope(x, sigma, denoised), *memory][:4]
        if len(memory) == 1:
            ahead = denoised + sigma_next * memory[0]
            eps = (memory[0] + slope(ahead, sigma_next, run.denoise(ahead, sigma_next))) / 2
        else:
            eps = _mix(_PLMS_WEIGHTS[len(memory)], memory)
        x = x + (sigma_next - sigma) * eps
    return _on_model_scale(x, walk)


def _unipc_weights(ratios: Sequence[float], h: float, solver: str) -> tuple[torch.Tensor, torch.Tensor, float]:
    """(matrix R, vector b, B(h)) of UniPC's linear conditions (Zhao et al. 2023, theorem 3.1), in data prediction,
    double precision.
    """
    order = len(ratios)
    hh = -h
    b_h = hh if solver == "bh1" else float(torch.expm1(torch.tensor(hh, dtype=torch.float64)))
    phi = float(torch.expm1(torch.tensor(hh, dtype=torch.float64))) / hh - 1
    factorial = 1
    rows, b = [], []
    for k in range(1, order + 1):
        rows.append([ratio ** (k - 1) for ratio in ratios])
        b.append(phi * factorial / b_h)
        factorial *= k + 1
        phi = phi / hh - 1 / factorial
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(b, dtype=torch.float64), b_h


@torch.no_grad()
def unipc(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    order: int = 3,
    solver: str = "bh1",
    lower_order_final: bool = True,
    resume: Step | None = None,
) -> torch.Tensor:
    """UniPC: a multistep predictor, corrected by the very call that the next step needs (Zhao et al. 2023,
    arXiv:2302.04867).

    ``solver``: "bh1" or "bh2" (the paper's B(h)).  ``order``: highest order, 1 or more.  ``lower_order_final``:
    steadier ends for few steps; a last step to sigma 0 is always of order 1. N steps make N calls. Raises ValueError
    for an unknown solver or order < 1.
    """
    if solver not in ("bh1", "bh2"):
        raise ValueError(f"solver must be 'bh1' or 'bh2', got {solver!r}")
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order}")
    run = Run(model, x, sigmas, callback, resume)
    if not run.steps:
        return x
    outputs: list[torch.Tensor] = list(run.recall("outputs", ()))  # denoised, newest first
    for i, sigma, sigma_next in run:
        if not outputs:
            outputs = [run.denoise(x, sigma)]
        run.report(i, x, sigma, outputs[0], outputs=tuple(outputs))
        last = i == run.steps - 1
        if sigma_next == 0:
            x = outputs[0]
            break
        use = min(order, len(outputs), run.steps - i if lower_order_final else order)
        lambdas = [-float(run.sigmas[i - k].double().log()) for k in range(use)]
        h = -float(sigma_next.double().log()) - lambdas[0]
        ratios = [(old - lambdas[0]) / h for old in lambdas[1:]]
        differences = [(old - outputs[0]) / ratio for old, ratio in zip(outputs[1:use], ratios, strict=True)]
        matrix, b, b_h = _unipc_weights([*ratios, 1.0], h, solver)
        shrink = float(sigma_next) / float(sigma)
        base = shrink * x - (shrink - 1) * outputs[0]
        # with one difference the paper's predictor takes 1/2, and so does the corrector with none
        predict = [0.5] if use == 2 else torch.linalg.solve(matrix[:-1, :-1], b[:-1]).tolist() if use > 2 else []
        predicted = base - b_h * _mix(predict, differences)
        if last:
            x = predicted
            break
        output = run.denoise(predicted, sigma_next)
        correct = torch.linalg.solve(matrix, b).tolist() if use > 1 else [0.5]
        x = base - b_h * _mix(correct, [*differences, output - outputs[0]])
        outputs = [output, *outputs][:order]
    return x * alpha_of(run.sigmas[-1]) ** 0.5


def _mix(weights: Sequence[float], tensors: Sequence[torch.Tensor]) -> torch.Tensor | Any:
    return sum((weight * tensor for weight, tensor in zip(weights, tensors, strict=True)), 0.0)

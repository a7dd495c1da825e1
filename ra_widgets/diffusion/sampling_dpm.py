"""DPM fast and DPM adaptive: single-step DPM-Solvers of order 1, 2 and 3 in t = -log sigma (Lu et al. 2022,
arXiv:2206.00927).

They choose their own noise levels between the largest and the smallest positive sigma they are given; of the schedule
between they use only the length (fast) or nothing (adaptive). webui runs both with eta 1 unless the user says
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ra_widgets.diffusion.sampling_base import Callback, Model, NoiseSampler, Run, Step, ancestral, fresh_noise

_END_TOLERANCE = 1e-5


class _Solver:
    """One step's noise predictions; ``eps`` at its start is computed once and shared by the orders tried."""

    def __init__(self, run: Run, x: torch.Tensor, t: torch.Tensor) -> None:
        self.run, self.x, self.t = run, x, t
        self.first = self.eps(x, t)
        self._third: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def denoised(self) -> torch.Tensor:
        return self.x - _sigma(self.t) * self.first

    def eps(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return (x - self.run.denoise(x, _sigma(t))) / _sigma(t)

    def order1(self, t_next: torch.Tensor) -> torch.Tensor:
        return self.x - _sigma(t_next) * (t_next - self.t).expm1() * self.first

    def _probe(self, t_next: torch.Tensor, r: float) -> torch.Tensor:
        """eps at the fraction r of the step, reached with order 1."""
        h = t_next - self.t
        s = self.t + r * h
        return self.eps(self.x - _sigma(s) * (r * h).expm1() * self.first, s)

    def order2(self, t_next: torch.Tensor, r: float = 0.5) -> torch.Tensor:
        return self._order2(t_next, r, self._probe(t_next, r))

    def _order2(self, t_next: torch.Tensor, r: float, probe: torch.Tensor) -> torch.Tensor:
        h = t_next - self.t
        full = _sigma(t_next) * h.expm1()
        return self.x - full * self.first - _sigma(t_next) / (2 * r) * h.expm1() * (probe - self.first)

    def order3(self, t_next: torch.Tensor, probe: torch.Tensor | None = None) -> torch.Tensor:
        r1, r2 = 1 / 3, 2 / 3
        probe = self._probe(t_next, r1) if probe is None else probe
        h = t_next - self.t
        s = self.t + r2 * h
        bend = _sigma(s) * (r2 / r1) * ((r2 * h).expm1() / (r2 * h) - 1)
        later = self.eps(self.x - _sigma(s) * (r2 * h).expm1() * self.first - bend * (probe - self.first), s)
        full = _sigma(t_next) * h.expm1()
        return self.x - full * self.first - _sigma(t_next) / r2 * (h.expm1() / h - 1) * (later - self.first)

    def pair(self, t_next: torch.Tensor, order: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(lower order, higher order) answers that share their model calls: orders 1 and 2, or 2 and 3."""
        if order == 2:
            return self.order1(t_next), self.order2(t_next)
        probe = self._probe(t_next, 1 / 3)
        return self._order2(t_next, 1 / 3, probe), self.order3(t_next, probe)


def _sigma(t: torch.Tensor) -> torch.Tensor:
    return (-t).exp()


def _ends(sigmas: torch.Tensor, sigma_min: float | None, sigma_max: float | None) -> tuple[torch.Tensor, torch.Tensor]:
    """(t at the start, t at the end); raises ValueError without two positive, falling sigmas."""
    positive = sigmas[sigmas > 0]
    if len(positive) < 2 and sigma_min is None:
        raise ValueError("DPM fast and DPM adaptive need two positive sigmas: at least 2 steps")
    high = positive[0] if sigma_max is None else torch.tensor(sigma_max)
    low = positive[-1] if sigma_min is None else torch.tensor(sigma_min)
    if not 0 < low < high:
        raise ValueError(f"sigma_min and sigma_max must be positive and in order, got {float(low)} and {float(high)}")
    return -high.log(), -low.log()


def _split(t: torch.Tensor, t_next: torch.Tensor, t_end: torch.Tensor, eta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(t to solve to, sigma of the noise to add afterwards); never beyond the end."""
    down, _ = ancestral(_sigma(t), _sigma(t_next), eta)
    t_down = torch.minimum(t_end, -down.log())
    return t_down, (_sigma(t_next) ** 2 - _sigma(t_down) ** 2) ** 0.5


@torch.no_grad()
def dpm_fast(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    eta: float = 0.0,
    s_noise: float = 1.0,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM fast: third-order steps, with lower orders at the end so that exactly len(sigmas) - 1 model calls are
    made.
    """
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume)
    if run.steps < 1:
        return x
    t_start, t_end = _ends(run.sigmas, sigma_min, sigma_max)
    calls = run.steps
    groups = calls // 3 + 1
    orders = [3] * (groups - 2) + [2, 1] if calls % 3 == 0 else [3] * (groups - 1) + [calls % 3]
    ts = torch.linspace(float(t_start), float(t_end), groups + 1, dtype=t_start.dtype)
    run = Run(model, x, sigmas, callback, resume, total=len(orders))
    for i in range(run.start, len(orders)):
        t, t_next = ts[i], ts[i + 1]
        t_solve, up = _split(t, t_next, t_end, eta) if eta else (t_next, None)
        solver = _Solver(run, x, t)
        run.report(i, x, _sigma(t), solver.denoised)
        step: Callable = {1: solver.order1, 2: solver.order2, 3: solver.order3}[orders[i]]
        x = step(t_solve)
        if up is not None:
            x = x + up * s_noise * noise_sampler(_sigma(t), _sigma(t_next))
    return x


class _StepSize:
    """A PID controller of the step (Söderlind 2003, "Digital filters in adaptive time-stepping"); webui uses only
    its I part.
    """

    def __init__(self, h: float, p: float, i: float, d: float, order: float, accept_safety: float) -> None:
        self.h, self._safety = h, accept_safety
        self._powers = ((p + i + d) / order, -(p + 2 * d) / order, d / order)
        self._inverse_errors: list[float] = []

    def propose(self, error: float) -> bool:
        """Set the next h from this step's error (1 is just tolerable); True when the step may be kept."""
        inverse = 1 / (error + 1e-8)
        history = [inverse, *(self._inverse_errors or [inverse, inverse])]
        factor = math.prod(value**power for value, power in zip(history, self._powers, strict=True))
        factor = 1 + math.atan(factor - 1)  # never more than a factor of about 2.6
        accepted = factor >= self._safety
        self._inverse_errors = history[:2] if accepted else history[1:]
        self.h *= factor
        return accepted


@torch.no_grad()
def dpm_adaptive(
    model: Model,
    x: torch.Tensor,
    sigmas: torch.Tensor,
    *,
    noise_sampler: NoiseSampler | None = None,
    callback: Callback | None = None,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    resume: Step | None = None,
) -> torch.Tensor:
    """DPM adaptive: steps as long as two solvers of neighbouring orders agree; the number of steps asked for is not
    looked at.

    ``order``: 2 or 3, else ValueError.  ``rtol``, ``atol``: tolerated disagreement.  Each step reads one number back
    from the device.
    """
    if order not in (2, 3):
        raise ValueError(f"order must be 2 or 3, got {order}")
    noise_sampler = noise_sampler or fresh_noise(x)
    run = Run(model, x, sigmas, callback, resume, total=0)
    if run.steps < 1:
        return x
    t_start, t_end = _ends(run.sigmas, sigma_min, sigma_max)
    s = run.recall("s", t_start)
    previous = run.recall("previous", x)
    controller = _StepSize(run.recall("h", abs(h_init)), pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    controller._inverse_errors = list(run.recall("inverse_errors", ()))
    i = run.start
    while s < t_end - _END_TOLERANCE:
        t = torch.minimum(t_end, s + controller.h)
        t_solve, up = _split(s, t, t_end, eta) if eta else (t, None)
        solver = _Solver(run, x, s)
        memory = {"s": s, "h": controller.h, "previous": previous, "inverse_errors": tuple(controller._inverse_errors)}
        run.report(i, x, _sigma(s), solver.denoised, **memory)
        low, high = solver.pair(t_solve, order)
        tolerated = (rtol * torch.maximum(low.abs(), previous.abs())).clamp(min=atol)
        error = torch.linalg.vector_norm((low - high) / tolerated) / x.numel() ** 0.5
        if controller.propose(float(error)):
            previous, x, s = low, high, t
            if up is not None:
                x = x + up * s_noise * noise_sampler(_sigma(memory["s"]), _sigma(t))
        i += 1
    return x

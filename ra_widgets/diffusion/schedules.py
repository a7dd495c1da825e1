"""Sigma schedules of webui 1.10, with their exact formulas, over a model's ``alphas_cumprod``.

A schedule is a float32 tensor on the CPU: n sigmas that fall from the model's largest to its smallest, then 0. Two
names differ from that on purpose, as they do in webui: "KL Optimal" ends at the smallest sigma instead of 0, and
"DDIM" has one entry every ``1000 // n`` timesteps, so more than n when n does not divide 1000.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ra_widgets.samplers import find_scheduler

DEFAULT_RHO = {"Karras": 7.0, "Polyexponential": 1.0}
DEFAULT_BETA = 0.6
_ZERO_SNR_LAST_ALPHA = 4.8973451890853435e-08  # what webui puts in place of the exact zero

# Sabour et al. 2024, "Align Your Steps", arXiv:2404.14507: published ten-step tables, ending at .029
_AYS_SD15 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@dataclass(frozen=True)
class SigmaTable:
    """A model's sigmas, ascending float32 [T], where they do not follow from its alphas: takes the alphas' place."""

    sigmas: torch.Tensor

    def __len__(self) -> int:
        return len(self.sigmas)


def model_sigmas(alphas_cumprod) -> torch.Tensor:
    """The model's own sigmas, ascending float32 [T]: sqrt((1 - a) / a) of its cumulative alphas (any array-like)."""
    if isinstance(alphas_cumprod, SigmaTable):
        return alphas_cumprod.sigmas
    alphas = torch.as_tensor(np.asarray(alphas_cumprod) if not torch.is_tensor(alphas_cumprod) else alphas_cumprod)
    alphas = alphas.detach().to("cpu", torch.float32)
    return ((1 - alphas) / alphas) ** 0.5


def rescale_zero_terminal_snr(alphas_cumprod) -> torch.Tensor:
    """Shift and scale so that the last timestep has no signal left (Lin et al. 2023, arXiv:2305.08891, algorithm 1).

    The last value is 4.897e-08 rather than 0, as in webui, so that the largest sigma (about 4519) is finite. Returns
    float32 [T].
    """
    roots = torch.as_tensor(alphas_cumprod).detach().to("cpu", torch.float32).sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    roots = (roots - last) * (first / (first - last))
    alphas = roots**2
    alphas[-1] = _ZERO_SNR_LAST_ALPHA
    return alphas


def halved(alphas_cumprod, whole_sigmas: bool = True) -> torch.Tensor | SigmaTable:
    """The schedule in half precision, as webui before 1.7 had it ("Downcast alphas_cumprod").

    For samplers on sigmas (``whole_sigmas``) webui divides in half precision and takes the root in single: that gives
    the often copied range of .0312652550637722 to 14.611639022827148. The others use the rounded alphas.
    """
    half = torch.as_tensor(alphas_cumprod).detach().to("cpu", torch.float32).half()
    return SigmaTable(((1 - half) / half).float() ** 0.5) if whole_sigmas else half.float()


def lcm_alphas(alphas_cumprod, original_steps: int = 50) -> torch.Tensor:
    """The cumulative alphas a latent consistency model was distilled on: every ``T / original_steps``-th, ending at
    the last.
    """
    alphas = torch.as_tensor(alphas_cumprod).detach().to("cpu", torch.float32)
    skip = len(alphas) // original_steps
    return alphas[torch.arange(len(alphas) - 1 - skip * (original_steps - 1), len(alphas), skip)]


def t_to_sigma(t: torch.Tensor | float, sigmas: torch.Tensor) -> torch.Tensor:
    """Sigma at a fractional timestep: linear in log sigma between its two neighbours. ``sigmas`` ascending [T]."""
    t = torch.as_tensor(t, dtype=torch.float32, device=sigmas.device).clamp(0, len(sigmas) - 1)
    low, high, part = t.floor().long(), t.ceil().long(), t.frac()
    logs = sigmas.log()
    return ((1 - part) * logs[low] + part * logs[high]).exp()


def sigma_to_t(sigma: torch.Tensor | float, sigmas: torch.Tensor) -> torch.Tensor:
    """The fractional timestep of a sigma, the inverse of :func:`t_to_sigma`; clamped to 0 .. T-1. No host
    synchronisation.
    """
    logs = sigmas.log()
    value = torch.as_tensor(sigma, dtype=torch.float32, device=sigmas.device).log()
    low = (torch.searchsorted(logs, value.contiguous(), right=True) - 1).clamp(0, len(logs) - 2)
    below, above = logs[low], logs[low + 1]
    part = ((below - value) / (below - above)).clamp(0, 1)
    return ((1 - part) * low + part * (low + 1)).reshape(value.shape)


def karras(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> torch.Tensor:
    """n + 1 sigmas, evenly spaced in sigma^(1/rho), then 0 (Karras et al. 2022, arXiv:2206.00364, eq. 5)."""
    ramp = torch.linspace(0, 1, n)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _with_zero((high + ramp * (low - high)) ** rho)


def _with_zero(sigmas) -> torch.Tensor:
    values = torch.as_tensor(sigmas, dtype=torch.float32)
    return torch.cat([values, values.new_zeros([1])])


class _Asked:
    """What one call of :func:`sigmas` was asked for; one method a schedule."""

    def __init__(self, n: int, table: torch.Tensor, low: float, high: float, **more) -> None:
        self.n, self.table, self.low, self.high = n, table, low, high
        self.rho: float = more["rho"]
        self.alpha: float = more["alpha"]
        self.beta: float = more["beta"]
        self.sgm: bool = more["sgm"]
        self.sdxl: bool = more["sdxl"]

    def uniform(self) -> torch.Tensor:
        """Evenly spaced timesteps over the model's whole range; sigma limits are not looked at."""
        return _with_zero(t_to_sigma(torch.linspace(len(self.table) - 1, 0, self.n), self.table))

    def karras(self) -> torch.Tensor:
        return karras(self.n, self.low, self.high, self.rho)

    def exponential(self) -> torch.Tensor:
        """Evenly spaced in log sigma."""
        return _with_zero(torch.linspace(np.log(self.high), np.log(self.low), self.n).exp())

    def polyexponential(self) -> torch.Tensor:
        """A power of a ramp in log sigma; rho 1 is Exponential."""
        ramp = torch.linspace(1, 0, self.n) ** self.rho
        return _with_zero((ramp * (np.log(self.high) - np.log(self.low)) + np.log(self.low)).exp())

    def _timesteps(self, points: int) -> torch.Tensor:
        start, end = (float(sigma_to_t(sigma, self.table)) for sigma in (self.high, self.low))
        return torch.linspace(start, end, points)

    def sgm_uniform(self) -> torch.Tensor:
        """n + 1 evenly spaced timesteps without the last (Stability's generative-models)."""
        return _with_zero(t_to_sigma(self._timesteps(self.n + 1)[:-1], self.table))

    def normal(self) -> torch.Tensor:
        """Evenly spaced timesteps between the sigma limits."""
        return self.sgm_uniform() if self.sgm else _with_zero(t_to_sigma(self._timesteps(self.n), self.table))

    def kl_optimal(self) -> torch.Tensor:
        """tan of evenly spaced arctan, n + 1 values from the largest to the smallest sigma (AYS paper, theorem 3.1)."""
        part = torch.arange(self.n + 1) / self.n
        low, high = torch.arctan(torch.tensor(self.low)), torch.arctan(torch.tensor(self.high))
        return torch.tan(part * low + (1.0 - part) * high)

    def align_your_steps(self) -> torch.Tensor:
        """The published table of eleven, log-interpolated to n; sigma limits are not looked at."""
        known = _AYS_SDXL if self.sdxl else _AYS_SD15
        if self.n == len(known):
            return _with_zero(known)
        places = np.linspace(0, 1, len(known))
        # the table falls, np.interp wants rising places: interpolate the reversed table and turn it round again
        logs = np.interp(np.linspace(0, 1, self.n), places, np.log(known[::-1]))[::-1]
        return _with_zero(np.exp(logs))

    def simple(self) -> torch.Tensor:
        """Every T/n-th sigma of the table, counted from the largest."""
        stride = len(self.table) / self.n
        return _with_zero(self.table[[-(1 + int(step * stride)) for step in range(self.n)]])

    def ddim(self) -> torch.Tensor:
        """Every (T // n)-th sigma from index 1: the grid of webui's DDIM; n + 1 values only when n divides T."""
        return _with_zero(self.table[1 :: max(len(self.table) // self.n, 1)].flip(0))

    def beta_quantiles(self) -> torch.Tensor:
        """Quantiles of a beta distribution, stretched over the sigma range (Lee et al. 2024, arXiv:2407.12173)."""
        from scipy.special import betaincinv

        quantiles = betaincinv(self.alpha, self.beta, 1 - np.linspace(0, 1, self.n))
        return _with_zero(self.low + quantiles * (self.high - self.low))


_MAKERS: dict[str, Callable[[_Asked], torch.Tensor]] = {
    "Automatic": _Asked.uniform,
    "Uniform": _Asked.uniform,
    "Karras": _Asked.karras,
    "Exponential": _Asked.exponential,
    "Polyexponential": _Asked.polyexponential,
    "SGM Uniform": _Asked.sgm_uniform,
    "KL Optimal": _Asked.kl_optimal,
    "Align Your Steps": _Asked.align_your_steps,
    "Simple": _Asked.simple,
    "Normal": _Asked.normal,
    "DDIM": _Asked.ddim,
    "Beta": _Asked.beta_quantiles,
}


def sigmas(
    name: str,
    n: int,
    alphas_cumprod,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rho: float | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    discard_penultimate: bool = False,
    sgm: bool = False,
    sdxl: bool = False,
) -> torch.Tensor:
    """The sigmas of ``n`` steps under a webui schedule name (any spelling :func:`ra_widgets.samplers.find_scheduler`
    knows).

    ``alphas_cumprod``: the model's cumulative alphas [T], any array-like.  ``sigma_min``, ``sigma_max``: None or 0
    for the model's own; Uniform, Simple, DDIM and Align Your Steps do not look at them.  ``rho``: Karras (7) and
    Polyexponential (1).  ``alpha``, ``beta``: Beta (.6).  ``discard_penultimate``: make n + 1 and drop the last one
    above zero.  ``sgm``: Normal without its last timestep.  ``sdxl``: the SDXL table of Align Your Steps.

    Returns float32 on the CPU, n + 1 long (see the module's two exceptions). Raises KeyError for an unknown name,
    ValueError for n < 1, limits that are not positive, finite and in order, and rho, alpha or beta that are not
    positive.
    """
    label = find_scheduler(name)
    n = whole_steps(n)
    table = model_sigmas(alphas_cumprod)
    low, high = float(sigma_min or table[0]), float(sigma_max or table[-1])
    chosen = {"rho": rho or DEFAULT_RHO.get(label, 7.0), "alpha": alpha or DEFAULT_BETA, "beta": beta or DEFAULT_BETA}
    if not (0 < low < high < float("inf")):
        raise ValueError(f"sigma_min and sigma_max must be positive, finite and in order, got {low} and {high}")
    for key, value in chosen.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{key} must be positive and finite, got {value}")
    asked = _Asked(n + bool(discard_penultimate), table, low, high, sgm=sgm, sdxl=sdxl, **chosen)
    made = _MAKERS[label](asked).to(torch.float32)
    return torch.cat([made[:-2], made[-1:]]) if discard_penultimate else made


def whole_steps(steps: float) -> int:
    """A number of steps as an int. Raises ValueError unless it is a whole number of at least 1."""
    if not 1 <= steps < 1 << 31 or int(steps) != steps:
        raise ValueError(f"steps must be a whole number of at least 1, got {steps}")
    return int(steps)


def img2img_steps(steps: int, strength: float, fixed: bool = False) -> tuple[int, int]:
    """webui's count for picture-to-picture: (steps of the full schedule, t_enc); t_enc + 1 steps are run.

    The run starts at ``sigmas(..., steps)[steps - t_enc - 1:]``. ``fixed`` (the second pass of hires fix, or "do
    exactly the steps asked for") stretches the schedule so that exactly ``steps`` are run. ``strength`` in 0..1.
    Raises ValueError otherwise.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"denoising_strength must be in 0..1, got {strength}")
    steps = whole_steps(steps)
    strength = min(strength, 0.999)
    if fixed and strength > 0:
        return int(steps / strength), steps - 1
    return steps, int(strength * steps)

"""How webui starts a sampler: which sigmas it walks, how the first noise is scaled, how img2img enters half way.

One :class:`SamplingPlan` answers these for text-to-image, image-to-image and the second pass of hires fix, for
sigma-based and timestep-based samplers alike, so that no caller repeats the special cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ra_widgets.diffusion import schedules
from ra_widgets.errors import InvalidRequest
from ra_widgets.samplers import SAMPLERS_INFO, SamplerInfo, resolve


@dataclass(frozen=True)
class SamplingPlan:
    """What to run: make it with :func:`plan`, call :meth:`start`, give ``sigmas`` to ``SAMPLERS[info.name]``.

    ``sigmas``: float32 CPU, what the sampler walks.  ``scheduler``: the label for the infotext.  ``steps``: of the
    full schedule, the base of prompt schedules.  ``run_steps``: webui's count for this run (t_enc + 1 for img2img).
    ``alphas_cumprod``: those of the denoiser to use; for LCM not the model's own (use
    :class:`ra_widgets.diffusion.denoiser.LCMDenoiser`). ``noise_gain``, ``init_gain``: start latents are ``init *
    init_gain + noise * noise_gain``.  ``options``: what the sampler must be given besides the user's options.
    ``noise_range``: smallest and largest sigma of the *full* schedule; webui's Brownian trees span it even where
    img2img enters half way.  ``alphas_cumprod``: what the plan was made from, for the denoiser; None: the model's own.
    """

    info: SamplerInfo
    scheduler: str
    sigmas: torch.Tensor
    steps: int
    run_steps: int
    noise_gain: float
    init_gain: float
    extra_gain: float
    options: Mapping[str, float] = field(default_factory=dict)
    noise_range: tuple[float, float] = (0.0, 0.0)
    alphas_cumprod: Any = None

    @property
    def cond_steps(self) -> int:
        """Length of the prompt schedule, in denoiser calls (twice the steps for second-order samplers)."""
        return self.info.total_steps(self.steps)

    @property
    def guidance_steps(self) -> int:
        """What CFGDenoiser counts its calls against (``total_steps``): those of this run."""
        return self.info.total_steps(self.run_steps)

    def start(self, noise: torch.Tensor, init: torch.Tensor | None = None, extra_noise: float = 0.0) -> torch.Tensor:
        """Latents to give the sampler: from ``noise`` alone, or from ``init`` (same shape) and noise.

        ``extra_noise``: webui's "extra noise multiplier" for img2img and hires fix, on top.
        """
        x = noise * self.noise_gain
        return x if init is None else init * self.init_gain + x + noise * (extra_noise * self.extra_gain)


def plan(
    sampler: str,
    scheduler: str | None,
    steps: int,
    alphas_cumprod,
    *,
    strength: float | None = None,
    fixed_steps: bool = False,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rho: float | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    always_discard_penultimate: bool = False,
    sgm_noise_multiplier: bool = False,
    sdxl: bool = False,
    unipc_skip_type: str = "time_uniform",
) -> SamplingPlan:
    """Work out a run. ``strength`` None is text-to-image, else 0..1; ``fixed_steps`` is the second pass of hires fix.

    Raises KeyError for unknown names and InvalidRequest (a ValueError) for numbers that leave nothing to do, before any
    work starts.
    """
    name, label = resolve(sampler, scheduler)
    info = SAMPLERS_INFO[name]
    asked = steps = schedules.whole_steps(steps)
    t_enc = None
    if strength is not None:
        steps, t_enc = schedules.img2img_steps(steps, strength, fixed_steps)
    discard = info.discard_penultimate or always_discard_penultimate
    if info.timestep_based:
        if not _makes_steps(info, asked, strength, fixed_steps):
            raise nothing_to_do(info, asked, strength, fixed_steps)
        made = _timestep_plan(info, label, steps, t_enc, alphas_cumprod, always_discard_penultimate, unipc_skip_type)
        return replace(made, alphas_cumprod=alphas_cumprod)
    given = alphas_cumprod
    if name == "LCM":
        alphas_cumprod = schedules.lcm_alphas(alphas_cumprod)
    _check_range(alphas_cumprod, sigma_min, sigma_max)
    sigmas = schedules.sigmas(
        label,
        steps,
        alphas_cumprod,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        rho=rho,
        alpha=alpha,
        beta=beta,
        discard_penultimate=discard,
        sdxl=sdxl,
    )
    spanned = sigmas[sigmas > 0]
    noise_range = (float(spanned.min()), float(spanned.max()))
    if t_enc is not None:
        sigmas = sigmas[steps - t_enc - 1 :]
    if len(sigmas) < 2:  # a schedule of webui's that is shorter than asked for, entered beyond its end
        raise InvalidRequest("invalid.no_steps_at_all", field="denoising_strength", strength=strength, sampler=name)
    first = float(sigmas[0])
    # "SGM noise multiplier": noise as if the picture's own unit variance were still in it; text-to-image only
    gain = (1.0 + first**2) ** 0.5 if sgm_noise_multiplier and t_enc is None else first
    options: dict[str, float] = {}
    if info.own_levels:
        sigmas, options = _own_levels(sigmas, steps, alphas_cumprod, t_enc is None)
        if not options["sigma_min"] < options["sigma_max"]:
            raise nothing_to_do(info, asked, strength, fixed_steps)
    run_steps = steps if t_enc is None else t_enc + 1
    return SamplingPlan(info, label, sigmas, steps, run_steps, gain, 1.0, 1.0, options, noise_range, given)


def _check_range(alphas_cumprod, sigma_min: float | None, sigma_max: float | None) -> None:
    """Refuse limits that leave no range, once the model's own fill in for those that are not given."""
    table = schedules.model_sigmas(alphas_cumprod)
    low, high = float(sigma_min or table[0]), float(sigma_max or table[-1])
    if not low < high:
        name = "schedule_min_sigma" if sigma_min else "schedule_max_sigma"
        raise InvalidRequest("invalid.sigma_range", field=name, low=round(low, 4), high=round(high, 4))


def _own_levels(sigmas: torch.Tensor, steps: int, alphas_cumprod, whole: bool) -> tuple[torch.Tensor, dict[str, float]]:
    """What webui gives DPM fast and DPM adaptive, which choose their levels themselves: (sigmas, their two ends).

    In text-to-image that is the model's whole range, whatever the schedule (it only scales the first noise); in
    image-to-image the first and the last but one of the schedule's rest.
    """
    if whole:
        table = schedules.model_sigmas(alphas_cumprod)
        levels = schedules.sigmas("Uniform", steps, alphas_cumprod)
        return levels, {"sigma_min": float(table[0]), "sigma_max": float(table[-1])}
    return sigmas, {"sigma_min": float(sigmas[-2]), "sigma_max": float(sigmas[0])}


def nothing_to_do(info: SamplerInfo, steps: int, strength: float | None, fixed: bool) -> InvalidRequest:
    """The refusal of ``steps`` that leave this sampler no step to make; it names the fewest that do."""
    least = next((n for n in range(1, 1001) if _makes_steps(info, n, strength, fixed)), None)
    if least is None or (strength is not None and least > 150):
        key, field = "invalid.no_steps_at_all", "denoising_strength"
    else:
        key, field = "invalid.no_steps" if strength is None else "invalid.no_steps_from_image", "steps"
    return InvalidRequest(key, field=field, sampler=info.name, got=steps, least=least, strength=strength)


def _makes_steps(info: SamplerInfo, steps: int, strength: float | None, fixed: bool) -> bool:
    """Whether the sampler has anything to do in ``steps``."""
    if strength is None:
        return steps >= info.least_steps
    _, t_enc = schedules.img2img_steps(steps, strength, fixed)
    # the timestep samplers walk t_enc of webui's grid points, the others t_enc + 1 steps
    return (t_enc if info.timestep_based else t_enc + 1) >= (2 if info.own_levels else info.least_steps)


def _timestep_plan(
    info: SamplerInfo, label: str, steps: int, t_enc: int | None, alphas_cumprod, discard: bool, unipc_skip_type: str
) -> SamplingPlan:
    """DDIM, PLMS, UniPC: webui's integer grid 1, 1 + T//n, ...; schedule names change nothing."""
    table = schedules.model_sigmas(alphas_cumprod)
    length = len(table)
    points = steps + 1 if discard else steps
    if points > length:
        name = "steps" if t_enc is None else "denoising_strength"
        raise InvalidRequest("invalid.too_many_steps", field=name, sampler=info.name, limit=length, got=points)
    grid = (torch.arange(0, length, length // points) + 1).clamp(max=length - 1)
    walk = grid if t_enc is None else grid[:t_enc]
    if info.name == "UniPC":
        sigmas = _unipc_sigmas(table, len(walk), None if t_enc is None else int(walk[-1]), unipc_skip_type)
    else:
        sigmas = torch.cat([table[walk].flip(0), table.new_zeros([1])])
    alpha_first = 1 / (1 + float(sigmas[0]) ** 2)
    if t_enc is None:
        # webui hands these samplers noise of standard deviation 1 on the model's scale
        return SamplingPlan(info, label, sigmas, steps, steps, alpha_first**-0.5, 0.0, 0.0)
    # noised to one grid point more than the walk begins at: webui's img2img does that, and its pictures depend on it
    alpha_start = 1 / (1 + float(table[grid[min(t_enc, len(grid) - 1)]]) ** 2)
    init_gain = (alpha_start / alpha_first) ** 0.5
    noise_gain = ((1 - alpha_start) / alpha_first) ** 0.5
    return SamplingPlan(info, label, sigmas, steps, t_enc + 1, noise_gain, init_gain, init_gain)


def _unipc_sigmas(table: torch.Tensor, steps: int, start: int | None, skip_type: str) -> torch.Tensor:
    """UniPC's own grid from the last timestep (or ``start``) down to timestep 0, not to sigma 0: ``steps`` + 1 values.

    Timesteps are continuous; between two of the model's, log alpha is linear (the paper's discrete noise schedule).
    """
    log_alphas = -0.5 * torch.log1p(table.double() ** 2)
    begin = len(table) - 1 if start is None else start

    def sigma_at(t: torch.Tensor) -> torch.Tensor:
        low = t.floor().long().clamp(max=len(table) - 2)
        log_alpha = torch.lerp(log_alphas[low], log_alphas[low + 1], t - low)
        return (torch.expm1(-2 * log_alpha)) ** 0.5

    if skip_type == "time_uniform":
        return sigma_at(torch.linspace(begin, 0, steps + 1, dtype=torch.float64)).float()
    if skip_type == "time_quadratic":
        ends = (torch.tensor([begin + 1.0, 1.0], dtype=torch.float64)) ** 0.5
        return sigma_at(torch.linspace(float(ends[0]), float(ends[1]), steps + 1, dtype=torch.float64) ** 2 - 1).float()
    if skip_type == "logSNR":
        return torch.logspace(
            float(table[begin].log10()), float(table[0].log10()), steps + 1, dtype=torch.float64
        ).float()
    raise ValueError(f"unipc_skip_type must be time_uniform, time_quadratic or logSNR, got {skip_type!r}")

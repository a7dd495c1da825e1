"""From a request to the walk of one pass: which noise levels of which noise schedule."""

from __future__ import annotations

from typing import Any

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.plan import SamplingPlan, plan
from ra_widgets.diffusion.schedules import halved, rescale_zero_terminal_snr
from ra_widgets.errors import InvalidRequest
from ra_widgets.requests import TextToImage
from ra_widgets.samplers import SAMPLERS_INFO


def noise_schedule(model: LoadedModel, request: TextToImage, sampler: str) -> Any:
    """The model's cumulative alphas, or what the request makes of them; ``sampler``: canonical name."""
    alphas: Any = model.alphas_cumprod
    zero = request.sd_noise_schedule == "Zero Terminal SNR"
    if request.use_downcasted_alpha_bar:
        alphas = halved(alphas, not (zero or SAMPLERS_INFO[sampler].timestep_based or sampler == "LCM"))
    return rescale_zero_terminal_snr(alphas) if zero else alphas


def plan_walk(
    model: LoadedModel,
    request: TextToImage,
    sampler: str,
    scheduler: str,
    steps: int,
    strength: float | None = None,
    fixed_steps: bool = False,
    steps_field: str = "steps",
) -> SamplingPlan:
    """The walk down the sigmas for a request; ``steps_field`` is the field that ``steps`` came from.

    Raises:
        InvalidRequest: its numbers leave nothing to do.
    """
    try:
        return plan(
            sampler,
            scheduler,
            steps,
            noise_schedule(model, request, sampler),
            strength=strength,
            fixed_steps=fixed_steps,
            sigma_min=request.schedule_min_sigma or None,
            sigma_max=request.schedule_max_sigma or None,
            rho=request.schedule_rho or None,
            alpha=request.beta_alpha,
            beta=request.beta_beta,
            always_discard_penultimate=request.discard_penultimate,
            sgm_noise_multiplier=request.sgm_noise_multiplier,
            sdxl=model.info.family == "sdxl",
            unipc_skip_type=request.uni_pc_skip_type,
        )
    except InvalidRequest as error:
        if error.field != "steps" or steps_field == "steps":
            raise
        values = {name: value for name, value in error.values.items() if name != "field"}
        raise InvalidRequest(error.key, field=steps_field, **values) from error  # type: ignore[arg-type]
    except ValueError as error:
        raise InvalidRequest("invalid.schedule", field=steps_field, detail=str(error), got=steps) from error

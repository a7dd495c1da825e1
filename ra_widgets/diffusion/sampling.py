"""The samplers of webui by name, one function each with one signature, and which options each takes.

``SAMPLERS[name](model, x, sigmas, *, noise_sampler=None, callback=None, **options) -> x`` with ``model(x, sigma[B])
-> denoised`` and ``noise_sampler(sigma, sigma_next) -> noise like x``. The functions live in the sibling modules
``sampling_*``; how webui calls them (eta 1 for the ancestral ones, which sigmas, how the first noise is scaled) is in
:mod:`ra_widgets.diffusion.plan`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from ra_widgets.diffusion.sampling_base import Callback, Model, NoiseSampler, Run, Step
from ra_widgets.diffusion.sampling_dpm import dpm_adaptive, dpm_fast
from ra_widgets.diffusion.sampling_ode import dpm2, dpmpp_2m, euler, heun, lms, restart
from ra_widgets.diffusion.sampling_sde import (
    dpm2_ancestral,
    dpmpp_2m_sde,
    dpmpp_2m_sde_heun,
    dpmpp_2s_ancestral,
    dpmpp_3m_sde,
    dpmpp_sde,
    euler_ancestral,
    lcm,
)
from ra_widgets.diffusion.sampling_timestep import ddim, ddim_cfgpp, plms, unipc

__all__ = ["SAMPLERS", "Callback", "Model", "NoiseSampler", "Run", "Step", "accepted_options", "pick_options"]

SAMPLERS: dict[str, Callable[..., torch.Tensor]] = {
    "DPM++ 2M": dpmpp_2m,
    "DPM++ SDE": dpmpp_sde,
    "DPM++ 2M SDE": dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": dpmpp_2m_sde_heun,
    "DPM++ 2S a": dpmpp_2s_ancestral,
    "DPM++ 3M SDE": dpmpp_3m_sde,
    "Euler a": euler_ancestral,
    "Euler": euler,
    "LMS": lms,
    "Heun": heun,
    "DPM2": dpm2,
    "DPM2 a": dpm2_ancestral,
    "DPM fast": dpm_fast,
    "DPM adaptive": dpm_adaptive,
    "Restart": restart,
    "DDIM": ddim,
    "DDIM CFG++": ddim_cfgpp,
    "PLMS": plms,
    "UniPC": unipc,
    "LCM": lcm,
}

_COMMON = {"model", "x", "sigmas", "noise_sampler", "callback", "resume"}


def accepted_options(name: str) -> frozenset[str]:
    """Names of the options this sampler takes beyond the common ones (eta, s_churn, s_noise, order, ...)."""
    return frozenset(inspect.signature(SAMPLERS[name]).parameters) - _COMMON


def pick_options(name: str, **options: Any) -> dict[str, Any]:
    """The given options that this sampler takes and that are not None: webui ignores an eta set for Euler, say."""
    accepted = accepted_options(name)
    return {key: value for key, value in options.items() if key in accepted and value is not None}

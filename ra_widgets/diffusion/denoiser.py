"""From a UNet that predicts noise, v or the picture to the ``denoised`` that samplers want.

``x`` is on the sigma scale (clean latents plus sigma times unit noise); the UNet sees ``x / sqrt(sigma^2 + 1)`` and a
*fractional* timestep, found by log interpolation in the model's sigma table, as in webui. Nothing here waits for the
device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ra_widgets.diffusion import schedules

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True)
class CondBatch:
    """Conditioning of one UNet call: ``context`` [N, T, D] text embeddings; ``extras`` tensors [N, ...].

    Extras by name: ``text_embeds`` [N, P] and ``time_ids`` [N, 6] (SDXL), ``image_cond`` [N, C', H, W] (more input
    channels of inpainting and depth models), anything else a custom ``unet_call`` understands. ``positive``: how many of
    the rows, from the first, belong to prompts; the others to negative prompts. None: not known, as if all did.
    """

    context: torch.Tensor
    extras: dict[str, torch.Tensor] = field(default_factory=dict)
    positive: int | None = None


UNetCall = Callable[[torch.Tensor, torch.Tensor, CondBatch], torch.Tensor]


def _like(value: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A per-image vector [B] with the dimensions of x."""
    return value.reshape(value.shape + (1,) * (x.ndim - value.ndim))


class ModelDenoiser:
    """``denoiser(x, sigma[B], cond) -> denoised``, float32 [B, C, H, W].

    ``unet_call(x_in, t, cond)``: the network; ``x_in`` float32 [B, C, H, W] of about unit variance, ``t`` float32 [B]
    fractional timesteps; it answers with the prediction, any float dtype.  ``alphas_cumprod``: the model's cumulative
    alphas [T]. ``prediction_type``: "epsilon", "v_prediction" (Salimans & Ho 2022, arXiv:2202.00512) or "sample";
    else ValueError. Preconditioning after Karras et al. 2022, arXiv:2206.00364, table 1 (VP column) and k-diffusion's
    v variant.
    """

    def __init__(self, unet_call: UNetCall, alphas_cumprod, prediction_type: str = "epsilon") -> None:
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"unknown prediction type {prediction_type!r}; known: {', '.join(PREDICTION_TYPES)}")
        self.unet_call = unet_call
        self.prediction_type = prediction_type
        self.sigmas = schedules.model_sigmas(alphas_cumprod)
        self._tables: dict[torch.device, torch.Tensor] = {self.sigmas.device: self.sigmas}

    def table(self, device: torch.device) -> torch.Tensor:
        """The model's sigmas, ascending [T], on a device (copied there once)."""
        if device not in self._tables:
            self._tables[device] = self.sigmas.to(device)
        return self._tables[device]

    def sigma_to_t(self, sigma: torch.Tensor) -> torch.Tensor:
        """Fractional timesteps, float32, of sigmas, on their device."""
        return schedules.sigma_to_t(sigma, self.table(sigma.device))

    def t_to_sigma(self, t: torch.Tensor) -> torch.Tensor:
        """Sigmas, float32, of fractional timesteps, on their device."""
        return schedules.t_to_sigma(t, self.table(t.device))

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, cond: CondBatch | Any) -> torch.Tensor:
        """The picture the model sees in x: [B, C, H, W], in the dtype of x (float32 at least)."""
        x = x if x.dtype == torch.float64 else x.float()
        s = _like(sigma.to(x.dtype), x)
        output = self.unet_call(x / (s**2 + 1) ** 0.5, self.sigma_to_t(sigma), cond).to(x.dtype)
        return self.from_output(x, s, output)

    def from_output(self, x: torch.Tensor, s: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """The network's output for x at sigma ``s`` (broadcastable) as denoised."""
        if self.prediction_type == "epsilon":
            return x - output * s
        if self.prediction_type == "v_prediction":
            return x / (s**2 + 1) - output * (s / (s**2 + 1) ** 0.5)
        return output

    def to_output(self, x: torch.Tensor, s: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`from_output`: what the network would have said."""
        if self.prediction_type == "epsilon":
            return (x - denoised) / s
        if self.prediction_type == "v_prediction":
            return (x / (s**2 + 1) - denoised) * ((s**2 + 1) ** 0.5 / s)
        return denoised


class LCMDenoiser(ModelDenoiser):
    """Latent consistency models: the fifty timesteps they were distilled on, and their boundary condition
    (arXiv:2310.04378, eq. 9).

    Timesteps are rounded to the nearest of the fifty. Use the plan's sigmas, which come from the same fifty.
    """

    def __init__(
        self, unet_call: UNetCall, alphas_cumprod, prediction_type: str = "epsilon", original_steps: int = 50
    ) -> None:
        super().__init__(unet_call, schedules.lcm_alphas(alphas_cumprod, original_steps), prediction_type)
        self.skip = len(alphas_cumprod) // original_steps

    def sigma_to_t(self, sigma: torch.Tensor) -> torch.Tensor:
        """The nearest distilled timestep: skip - 1, 2 skip - 1, ..."""
        distance = (sigma.reshape(-1, 1).float().log() - self.table(sigma.device).log()).abs()
        return (distance.argmin(dim=1) * self.skip + (self.skip - 1)).to(torch.float32).reshape(sigma.shape)

    def t_to_sigma(self, t: torch.Tensor) -> torch.Tensor:
        """Sigmas of timesteps of the full model, by log interpolation between the distilled ones."""
        return schedules.t_to_sigma((t - (self.skip - 1)) / self.skip, self.table(t.device))

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, cond: CondBatch | Any) -> torch.Tensor:
        """Denoised, mixed with the input so that at t = 0 it is the input."""
        denoised = super().__call__(x, sigma, cond)
        scaled = _like(self.sigma_to_t(sigma).to(denoised.dtype), x) * 10.0  # timestep scaling of the LCM authors
        sigma_data = 0.5
        skip = sigma_data**2 / (scaled**2 + sigma_data**2)
        return scaled / (scaled**2 + sigma_data**2) ** 0.5 * denoised + skip * x


Steer = Callable[[torch.Tensor, torch.Tensor, CondBatch, dict[str, torch.Tensor]], dict[str, Any]]
"""``steer(x, t, cond, added) -> keyword arguments``: what ControlNets and their like add to a call."""


def diffusers_call(unet: Any, steer: Steer | None = None, **more: Any) -> UNetCall:
    """A ``unet_call`` for a diffusers UNet2DConditionModel; ``more`` goes to each of its calls
    (cross_attention_kwargs, ...), with what ``steer`` says for this one.

    Casts to the UNet's dtype; ``text_embeds`` and ``time_ids`` of the extras become ``added_cond_kwargs``,
    ``image_cond`` is appended to the input channels.
    """

    def call(x: torch.Tensor, t: torch.Tensor, cond: CondBatch) -> torch.Tensor:
        dtype = next(unet.parameters()).dtype  # unet.dtype walks over all modules, a millisecond a step
        added = {key: cond.extras[key].to(dtype) for key in ("text_embeds", "time_ids") if key in cond.extras}
        steered = {} if steer is None else steer(x, t, cond, added)
        if "image_cond" in cond.extras:
            x = torch.cat([x, cond.extras["image_cond"].to(x)], dim=1)
        kwargs = {**more, **steered}
        if added:
            kwargs["added_cond_kwargs"] = {**added, **kwargs.get("added_cond_kwargs", {})}
        return unet(x.to(dtype), t, encoder_hidden_states=cond.context.to(dtype), return_dict=False, **kwargs)[0]

    return call

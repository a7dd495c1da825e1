"""UNets with more input channels than latents: what they are shown beside the noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.errors import ModelError

DEPTH = 1
"""Channels of a depth model beyond the latents."""
INPAINTING = 5
"""Channels of an inpainting model beyond the latents: the mask, and the latents of the picture without the masked part."""


def extra_channels(model: LoadedModel) -> int:
    """How many input channels the UNet has beyond the latents."""
    return int(model.unet.config.in_channels) - int(model.vae.config.latent_channels)


def image_cond(
    model: LoadedModel,
    height: int,
    width: int,
    pixels: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    weight: float = 1.0,
) -> torch.Tensor | None:
    """The further input channels [1, C', h, w] for a picture of ``height`` x ``width`` pixels; None if the UNet has none.

    Args:
        pixels: float [1, 3, H, W] in 0..1, what the run starts from; None: nothing (text to image).
        mask: float [1, 1, H, W], 1 where to paint; None: everywhere. weight: how much of it the model is to see, 0..1.

    Raises:
        ModelError: it wants something that nobody here can give.
    """
    extra = extra_channels(model)
    if extra == 0:
        return None
    if extra == DEPTH:  # without a picture: a flat one
        return torch.zeros((1, 1, height // model.latent_scale, width // model.latent_scale))
    if extra != INPAINTING:
        raise ModelError("model.channels", name=model.info.name, channels=int(model.unet.config.in_channels))
    cells = (height // model.latent_scale, width // model.latent_scale)
    if pixels is None:
        pixels = torch.full((1, 3, height, width), 0.5)
    if mask is None:
        mask = torch.ones((1, 1, *pixels.shape[-2:])) if weight else torch.zeros((1, 1, *pixels.shape[-2:]))
    # grey is the middle of the model's range: the masked part is taken there
    hidden = (pixels - 0.5) * (1 - mask * weight) + 0.5
    latents = model.encode(hidden)
    if latents.shape[-2:] != cells:
        latents = F.interpolate(latents, size=cells, mode="bilinear")
    return torch.cat([F.interpolate(mask, size=cells).to(latents), latents], dim=1)

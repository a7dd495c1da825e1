"""Build the three networks of the pipeline from their shapes, freshly initialised in the ways that learned fastest."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from .config import TextShape, UnetShape, VaeShape


def build_vae(shape: VaeShape, size: int) -> AutoencoderKL:
    """An autoencoder that starts as blurred down- and upsampling (residual branches nearly silent)."""
    n = len(shape.channels)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * n,
        up_block_types=("UpDecoderBlock2D",) * n,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers,
        latent_channels=4,
        norm_num_groups=shape.groups,
        mid_block_add_attention=False,
        sample_size=size,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        for m in vae.modules():
            if isinstance(m, ResnetBlock2D):
                m.conv2.weight.mul_(0.05)
                m.conv2.bias.zero_()
                if m.conv_shortcut is not None:
                    nn.init.orthogonal_(m.conv_shortcut.weight)
                    m.conv_shortcut.bias.zero_()
        kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
        for name, m in vae.named_modules():
            if isinstance(m, nn.Conv2d) and ("downsamplers" in name or "upsamplers" in name):
                m.weight.mul_(0.1)
                m.bias.zero_()
                for i in range(m.weight.shape[0]):
                    if "downsamplers" in name:
                        m.weight[i, i, 0:2, 0:2] += 0.25
                    else:
                        m.weight[i, i] += kernel
        for m in (vae.encoder.conv_in, vae.decoder.conv_in, vae.encoder.conv_out):
            nn.init.orthogonal_(m.weight)
            m.bias.zero_()
        # unit latents with a small posterior noise from the first step: log-variance -5
        q, p = vae.quant_conv, vae.post_quant_conv
        for m in (q, p):
            m.weight.zero_()
            m.bias.zero_()
        for i in range(8):
            q.weight[i, i, 0, 0] = 1.0 if i < 4 else 0.1
        q.bias[4:] = -5.0
        for i in range(4):
            p.weight[i, i, 0, 0] = 1.0
    return vae


def build_unet(shape: UnetShape, text_width: int, latent: int) -> UNet2DConditionModel:
    """A UNet whose residual branches and output start at zero."""
    n = len(shape.channels)
    unet = UNet2DConditionModel(
        sample_size=latent,
        in_channels=4,
        out_channels=4,
        block_out_channels=shape.channels,
        layers_per_block=shape.layers,
        cross_attention_dim=text_width,
        attention_head_dim=shape.heads,
        norm_num_groups=shape.groups,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (n - 1)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (n - 1), "UpBlock2D"),
    )
    with torch.no_grad():
        for name, m in unet.named_modules():
            if isinstance(m, ResnetBlock2D):
                m.conv2.weight.zero_()
                m.conv2.bias.zero_()
            elif name.endswith("proj_out"):
                m.weight.zero_()
                m.bias.zero_()
        unet.conv_out.weight.zero_()
        unet.conv_out.bias.zero_()
    return unet


def text_config(shape: TextShape, vocabulary: int) -> CLIPTextConfig:
    """The text encoder's configuration. EOS is 3: transformers pools at the wrong place when it is 2."""
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.width * 4,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.positions,
        bos_token_id=1,
        eos_token_id=3,
        pad_token_id=0,
        projection_dim=shape.width,
    )


def build_text(shape: TextShape, vocabulary: int) -> CLIPTextModel:
    """A fresh text encoder."""
    return CLIPTextModel(text_config(shape, vocabulary))


@torch.no_grad()
def whiten(vae: AutoencoderKL, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold mean and deviation of the latents of ``images`` (float [N, 3, H, W], -1..1) into the 1x1 convolutions.

    Afterwards latents have mean 0 and deviation 1 per channel (``scaling_factor`` 1.0) and pictures are unchanged.
    Returns the mean and deviation that were removed.
    """
    z = torch.cat([vae.encode(images[i : i + 16]).latent_dist.mean for i in range(0, len(images), 16)])
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
    q, p = vae.quant_conv, vae.post_quant_conv
    q.weight[:4] /= std.view(4, 1, 1, 1)
    q.bias[:4] = (q.bias[:4] - mean) / std
    q.bias[4:] -= 2 * std.log()
    p.bias += p.weight[:, :, 0, 0] @ mean
    p.weight *= std.view(1, 4, 1, 1)
    vae.register_to_config(scaling_factor=1.0)
    return mean, std


def _double(self: Upsample2D, hidden_states: torch.Tensor, output_size: Any = None, *_: Any, **__: Any) -> torch.Tensor:
    """What ``Upsample2D`` does, nearest neighbours and a convolution, with views instead of ``interpolate``."""
    assert output_size is None
    n, c, h, w = hidden_states.shape
    doubled = hidden_states[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)
    return self.conv(doubled)


def for_compiling(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same UNet (changed in place), ready for ``torch.compile``.

    Inductor of torch 2.13 on CPUs loses the gradient at the UNet's ``interpolate``: everything below the first level and all that
    comes before, the text included, silently gets zeros (280 of 326 tensors of ra-mini's UNet).
    """
    for module in unet.modules():
        if isinstance(module, Upsample2D):
            module.forward = MethodType(_double, module)
    return unet


def unmoved(networks: dict[str, nn.Module]) -> list[str]:
    """Names of the parameters without a gradient, or with nothing but zeros in it."""
    return [
        f"{name}.{inner}"
        for name, network in networks.items()
        for inner, p in network.named_parameters()
        if p.grad is None or not p.grad.any()
    ]

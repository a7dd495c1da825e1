"""A small deterministic sampler (DDIM, Song et al. 2021, arXiv:2010.02502) for sample grids and the evaluation.

Pictures made with the pipeline's own schedulers look the same; this one needs no pipeline while training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from .runtime import autocast
from .schedule import STEPS, alphas_cumprod

#: looked at in every grid: both languages, styles, colours, places, numbers, pairs, scenes, motifs; subjects of the tier camp.
PROMPTS = (
    "a cat",
    "一只熊猫在草地上",
    "a red apple on a blue background",
    "月光下的灯笼",
    "a rocket in space",
    "海底的一只章鱼",
    "a blue cat on a yellow background",
    "雪地里的企鹅",
    "a castle at sunset",
    "竹林里的一座宝塔",
    "a small car on the right",
    "左边是一只狐狸，右边是一朵玫瑰",
    "three bananas on a pink background",
    "一只老虎，扁平风格",
    "a robot, pencil sketch",
    "一条龙",
    "a girl in a meadow",
    "下雨天的一把紫色雨伞",
    "a purple elephant in the city",
    "樱花，粉色背景",
    "a teapot on a green background",
    "帮我画一只孔雀，谢谢",
    "two fish in the ocean",
    "山水之间的一只天鹅",
)


@torch.no_grad()
def embed(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, encoder: CLIPTextModel) -> torch.Tensor:
    """Hidden states [N, length, width] of the texts, padded as the pipeline pads them."""
    length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    ids = tokenizer(
        list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return encoder(input_ids=ids.to(encoder.device)).last_hidden_state


def noise(seeds: Sequence[int], latent: int) -> torch.Tensor:
    """Starting noise [N, 4, latent, latent], one seed a picture."""
    return torch.stack([torch.randn(4, latent, latent, generator=torch.Generator().manual_seed(s)) for s in seeds])


@torch.no_grad()
def generate(
    texts: Sequence[str],
    seeds: Sequence[int],
    unet: UNet2DConditionModel,
    encoder: CLIPTextModel,
    tokenizer: PreTrainedTokenizerFast,
    vae: AutoencoderKL,
    *,
    steps: int = 20,
    cfg: float = 4.0,
    latent: int = 16,
    batch: int = 12,
    negative: str = "",
    abar: torch.Tensor | None = None,
) -> torch.Tensor:
    """Pictures [N, 3, H, W] in -1..1, float32 on the CPU. ``abar`` [1000]: another noise schedule than ours."""
    abar = (torch.from_numpy(alphas_cumprod()).float() if abar is None else abar).to(unet.device)
    times = np.round(np.linspace(STEPS - 1, 0, steps + 1)[:-1]).astype(int)
    out = []
    for i in range(0, len(texts), batch):
        part = list(texts[i : i + batch])
        context = torch.cat([embed([negative] * len(part), tokenizer, encoder), embed(part, tokenizer, encoder)])
        x = noise(seeds[i : i + batch], latent).to(unet.device)
        for j, t in enumerate(times):
            a = abar[t]
            b = abar[times[j + 1]] if j + 1 < len(times) else torch.ones((), device=unet.device)
            with autocast():
                v = unet(torch.cat([x, x]), int(t), encoder_hidden_states=context).sample
            low, high = v.float().chunk(2)
            v = low + cfg * (high - low)
            clean = a.sqrt() * x - (1 - a).sqrt() * v
            eps = a.sqrt() * v + (1 - a).sqrt() * x
            x = b.sqrt() * clean + (1 - b).sqrt() * eps
        with autocast():
            out.append(vae.decode(x / vae.config.scaling_factor).sample.float().clamp(-1, 1).cpu())
    return torch.cat(out)

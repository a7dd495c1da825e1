"""Stage ``sharpen``: the decoder learns to draw crisp edges; the latents stay what they are.

A decoder trained on absolute errors blurs what 48-fold compression leaves open. Here a patch discriminator (hinge
loss, Lim and Ye 2017, arXiv:1705.02894; spectral norm, Miyato et al. 2018, arXiv:1802.05957) looks at whole pictures and
the decoder must match its features (Wang et al. 2018, arXiv:1711.11585), beside the plain reconstruction loss. Latents
come from the pool, pictures are rendered again from their specs, so nothing is encoded; noise on the latents makes
the decoder forgive what a diffusion model gets slightly wrong.
"""

from __future__ import annotations

import copy
import itertools
import json
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from .compose import Composer
from .config import Config
from .pool import Pool, fingerprint
from .runtime import (
    Log,
    Stop,
    autocast,
    average_gradients,
    device,
    follow,
    launch,
    load_state,
    save_grid,
    save_state,
    seeded,
    to_tensor,
)
from .stage_vae import psnr, reconstruct, reconstruction_loss, validation_set

NOISE = 0.15


class Critic(nn.Module):
    """A patch discriminator of [N, 3, H, W] in -1..1: a score for every 8 x 8 pixels and the features on the way."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList([spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in itertools.pairwise(sizes)])
        self.score = spectral_norm(nn.Conv2d(sizes[-1], 1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features


def train(config: Config, steps: int, quiet: bool = False) -> None:
    """Run or resume the stage; ``state/vae`` gets the averaged decoder. The encoder is untouched."""
    launch(_train, 1, config, steps, quiet)


def _train(rank: int, world: int, config: Config, steps: int, quiet: bool) -> None:
    dev, folder = device(), config.state / "vae"
    composer, pool = Composer(config.data, config.size), Pool(config.data / "pool")
    torch.manual_seed(config.seed)
    vae = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).to(dev, memory_format=torch.channels_last)
    known = json.loads((config.data / "pool" / "pool.json").read_text())["encoder"]
    if fingerprint(vae) != known:
        raise ValueError("the pool was encoded by another encoder than state/vae")
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)
    ema, critic = copy.deepcopy(vae).eval(), Critic().to(dev, memory_format=torch.channels_last)
    params = [p for p in vae.parameters() if p.requires_grad]
    averages = [e for e, p in zip(ema.parameters(), vae.parameters(), strict=True) if p.requires_grad]
    both = nn.ModuleList([nn.ParameterList(params), critic])
    optimiser = torch.optim.AdamW(
        [
            {"params": params, "lr": config.vae_lr, "top": config.vae_lr},
            {"params": list(critic.parameters()), "lr": 4e-4, "top": 4e-4},
        ],
        betas=(0.5, 0.98),
        weight_decay=1e-4,
    )
    state, step = config.state / "sharpen.safetensors", 0
    if state.exists():
        step = load_state(state, {"vae": vae, "ema": ema, "critic": critic}, optimiser)["step"]
    log, stop = Log(config.logs, "sharpen", steps, step, quiet), Stop()
    val, styles = validation_set(composer, 32)

    def save() -> None:
        save_state(state, {"vae": vae, "ema": ema, "critic": critic}, optimiser, {"step": step})
        rec = reconstruct(ema, val)
        p = psnr(rec, val)
        by = {s: p[[i for i, t in enumerate(styles) if t == s]].mean().item() for s in dict.fromkeys(styles)}
        log.report(step, psnr=p.mean().item(), **by)
        save_grid(config.logs / "sharpen.png", [v for k in (0, 8, 16) for v in (val[k : k + 8], rec[k : k + 8])])
        ema.save_pretrained(folder)

    log.say(f"start at step {step}, PSNR {psnr(reconstruct(ema, val), val).mean():.2f} dB; {len(both)} networks")
    last = time.monotonic()
    mean = {"plain": 0.0, "match": 0.0, "fool": 0.0, "critic": 0.0}
    while step < steps:
        r = seeded(config.seed + 9, rank, step)
        for g in optimiser.param_groups:
            g["lr"] = g["top"] * min(1.0, (step + 1) / 100) * max(0.03, min(1.0, 2 * (1 - step / steps)))
        z, specs = pool.draw(config.sharpen_batch, r)
        real = to_tensor([composer.render(s) for s in specs]).to(dev, memory_format=torch.channels_last)
        z = (z + torch.randn_like(z) * NOISE * torch.rand(len(z), 1, 1, 1)).to(dev)
        with autocast():
            fake = vae.decode(z).sample.float()
            scores, features = critic(torch.cat([real, fake.detach()]))
            high, low = scores.float().chunk(2)
            critic_loss = (F.relu(1 - high) + F.relu(1 + low)).mean()
            # the critic's weights must not learn from the decoder's loss
            for p in critic.parameters():
                p.requires_grad_(False)
            score, mine = critic(fake)
            for p in critic.parameters():
                p.requires_grad_(True)
            n = len(real)
            match = sum(F.l1_loss(a.float(), b[:n].detach().float()) for a, b in zip(mine, features, strict=True))
            fool = -score.float().mean()
        plain = reconstruction_loss(fake, real)
        # the critic needs a few steps before its opinion is worth anything
        share = min(1.0, step / 300)
        loss = plain + share * (config.sharpen_match * match + config.sharpen_fool * fool) + critic_loss
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        average_gradients(params, world)
        optimiser.step()
        step += 1
        follow(averages, params, 0.998, step)
        now = {"plain": plain, "match": match, "fool": fool, "critic": critic_loss}
        mean = {k: 0.97 * mean[k] + 0.03 * v.item() if step > 1 else v.item() for k, v in now.items()}
        if step % 50 == 0:
            log.report(step, **mean)
        if stop.asked or time.monotonic() - last > config.save_seconds:
            save()
            last = time.monotonic()
        if stop.asked:
            return
    save()

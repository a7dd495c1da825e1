"""Stage ``vae``: train the autoencoder; with ``decoder_only`` the latents stay what they are.

Loss: L1 + 2 MSE + 0.5 L1 of neighbour differences (edges) + 2e-4 KL + 0.15 decorrelation of the latent channels.
Half of the steps see whole pictures (group norms must know their extent), half four quarter-area crops.
"""

from __future__ import annotations

import copy
import random
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

from .compose import Composer, Curriculum, random_spec
from .config import Config
from .networks import build_vae, whiten
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


def validation_set(composer: Composer, n: int, seed: int = 7) -> tuple[torch.Tensor, list[str]]:
    """``n`` fresh compositions (equal styles) as a tensor in -1..1, and their styles."""
    r, curriculum = random.Random(seed), Curriculum(composer.subjects)
    styles = ("3d", "flat", "cartoon", "sketch")
    specs = [random_spec(r, curriculum, style=styles[i % 4]) for i in range(n)]
    return to_tensor([composer.render(s) for s in specs]), [s["style"] for s in specs]


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, x: torch.Tensor, batch: int = 16) -> torch.Tensor:
    """Decode the mean of the encoding, clamped to -1..1."""
    parts = [
        vae.decode(vae.encode(x[i : i + batch].to(vae.device)).latent_dist.mean).sample for i in range(0, len(x), batch)
    ]
    return torch.cat(parts).float().clamp(-1, 1).cpu()


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Peak signal to noise ratio in dB of each picture (range -1..1)."""
    return 10 * torch.log10(4 / ((a - b) ** 2).mean((1, 2, 3)))


def reconstruction_loss(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """L1 + 2 MSE + 0.5 L1 of horizontal and vertical differences."""
    e = out - x
    edges = (e[..., 1:] - e[..., :-1]).abs().mean() + (e[..., 1:, :] - e[..., :-1, :]).abs().mean()
    return e.abs().mean() + 2 * (e**2).mean() + 0.5 * edges


def decorrelation(z: torch.Tensor) -> torch.Tensor:
    """Mean squared off-diagonal correlation of the four latent channels of [N, 4, h, w]."""
    m = z.transpose(0, 1).reshape(4, -1)
    m = m - m.mean(1, keepdim=True)
    m = m / (m.std(1, keepdim=True) + 1e-4)
    return ((m @ m.t()) / m.shape[1] - torch.eye(4, device=z.device)).pow(2).sum() / 12


def train(config: Config, start: Path | None = None, decoder_only: bool = False, quiet: bool = False) -> None:
    """Run or resume the stage; the averaged, whitened autoencoder ends in ``state/vae``."""
    launch(_train, config.workers, config, start, decoder_only, quiet)


def _train(rank: int, world: int, config: Config, start: Path | None, decoder_only: bool, quiet: bool) -> None:
    dev = device()
    composer = Composer(config.data, config.size)
    curriculum = Curriculum(composer.subjects)
    torch.manual_seed(config.seed)
    out = config.state / "vae"
    source = out if decoder_only and start is None else start
    vae = (
        AutoencoderKL.from_pretrained(source, torch_dtype=torch.float32)
        if source
        else build_vae(config.vae, config.size)
    )
    vae = vae.to(dev, memory_format=torch.channels_last)
    if decoder_only:
        for part in (vae.encoder, vae.quant_conv):
            part.requires_grad_(False)
    ema = copy.deepcopy(vae).eval()
    params = [p for p in vae.parameters() if p.requires_grad]
    averages = [e for e, p in zip(ema.parameters(), vae.parameters(), strict=True) if p.requires_grad]
    optimiser = torch.optim.AdamW(params, lr=config.vae_lr, betas=(0.9, 0.98), weight_decay=1e-4)
    name = "vae-decoder" if decoder_only else "vae"
    state, step = config.state / f"{name}.safetensors", 0
    if state.exists():
        step = load_state(state, {"vae": vae, "ema": ema}, optimiser)["step"]
    total, stop = config.vae_steps, Stop()
    log = Log(config.logs, name, total, step, quiet) if rank == 0 else None
    val, styles = validation_set(composer, 32) if rank == 0 else (torch.zeros(0), [])

    def save(final: bool) -> None:
        assert log is not None
        save_state(state, {"vae": vae, "ema": ema}, optimiser, {"step": step})
        shown = copy.deepcopy(ema)
        if final and not decoder_only:
            whiten(shown, torch.cat([val] + [validation_set(composer, 32, s)[0] for s in range(100, 107)]).to(dev))
        rec = reconstruct(shown, val)
        p = psnr(rec, val)
        by = {s: p[[i for i, t in enumerate(styles) if t == s]].mean().item() for s in dict.fromkeys(styles)}
        log.report(step, psnr=p.mean().item(), **by)
        save_grid(config.logs / f"{name}.png", [v for k in (0, 8, 16) for v in (val[k : k + 8], rec[k : k + 8])])
        shown.save_pretrained(out)

    if log:
        log.say(f"start at step {step}, initial PSNR {psnr(reconstruct(ema, val), val).mean():.2f} dB")
    last, loss_mean = time.monotonic(), 0.0
    while step < total:
        r = seeded(config.seed, rank, step)
        warm = min(1.0, (step + 1) / 100)
        for g in optimiser.param_groups:
            g["lr"] = config.vae_lr * warm * max(0.03, min(1.0, 2 * (1 - step / total)))
        x = _batch(composer, curriculum, config.vae_batch, r).to(dev, memory_format=torch.channels_last)
        with autocast():
            posterior = vae.encode(x).latent_dist
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            z = (
                mean.detach() + torch.randn_like(mean) * 0.08 * torch.rand(len(x), 1, 1, 1, device=dev)
                if decoder_only
                else mean + torch.randn_like(mean) * (0.5 * logvar).exp()
            )
            decoded = vae.decode(z).sample
        loss = reconstruction_loss(decoded.float(), x)
        if not decoder_only:
            kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
            loss = loss + 2e-4 * kl + 0.15 * decorrelation(mean)
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        norm = average_gradients(params, world)
        optimiser.step()
        step += 1
        follow(averages, params, 0.998, step)
        loss_mean = loss.item() if loss_mean == 0 else 0.98 * loss_mean + 0.02 * loss.item()
        if log and step % 50 == 0:
            log.report(step, loss=loss_mean, norm=norm)
        if stop.agreed(world):
            break
        if log and time.monotonic() - last > config.save_seconds:
            save(False)
            last = time.monotonic()
    if log:
        save(True)


def _batch(composer: Composer, curriculum: Curriculum, n: int, r: random.Random) -> torch.Tensor:
    """``n`` whole pictures, or ``4 n`` crops of a quarter of the area from ``2 n`` pictures."""
    if r.random() < 0.5:
        return to_tensor([composer.render(random_spec(r, curriculum)) for _ in range(n)])
    half, crops = composer.size // 2, []
    for _ in range(2 * n):
        image = composer.render(random_spec(r, curriculum))
        for _ in range(2):
            x, y = 8 * r.randint(0, half // 8), 8 * r.randint(0, half // 8)
            crops.append(image.crop((x, y, x + half, y + half)))
    return to_tensor(crops)


def count_parameters(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())

"""Stage ``x2``: a small network that doubles the side of what the embedded model paints -> ``models/ra-mini-x2``.

Architecture: Real-ESRGAN's compact one (``SRVGGNetCompact``, Wang et al. 2021, arXiv:2107.10833), so that every program that
reads ESRGAN files reads it: plain 3x3 convolutions with PReLU, the residual of the nearest neighbour, a pixel shuffle at the end.

Pairs: a composition at twice the size, made small by one of four filters. A third stays as it is; a quarter also goes through the
VAE with a little noise on the latents, because that is how the pictures look that the network will meet. But what a VAE lost
cannot be guessed, only averaged, which teaches no sharp edges: so the others are softened by a blur of about the same strength,
which can be undone, and the network does the same to the softness of painted pictures.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from .compose import Composer, Curriculum, random_spec
from .config import REPOSITORY, Config
from .runtime import (
    Log,
    Stop,
    autocast,
    device,
    follow,
    launch,
    load_state,
    read_module,
    save_grid,
    save_state,
    seeded,
    to_tensor,
)
from .stage_vae import psnr, reconstruction_loss

FILTERS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
CLEAN, BLURRED = 0.35, 0.4
"""Shares of the pictures that stay as they are and that are blurred; the others go through the VAE."""
BLUR = (0.4, 1.6)
"""Standard deviation of the blur, in small pixels."""
LATENT_NOISE = 0.1
"""Upper end of the noise on the latents: what comes out of a sampler is never quite a code of the encoder."""
LICENCE = "Apache-2.0 (weights); art: Microsoft fluentui-emoji, MIT; Google Noto Emoji, Apache-2.0"
LIMIT_MB = 2.0


class Compact(nn.Module):
    """``SRVGGNetCompact`` for pixels [N, 3, H, W] in 0..1 -> [N, 3, 2H, 2W]; the file's names are ``body.<n>.*``."""

    def __init__(self, features: int, convs: int, scale: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, 1, 1), nn.PReLU(features)]
        for _ in range(convs):
            layers += [nn.Conv2d(features, features, 3, 1, 1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, 3 * scale * scale, 3, 1, 1))
        self.body = nn.ModuleList(layers)
        self.scale = scale
        for layer in layers[:-1]:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)
                nn.init.zeros_(layer.bias)
        # begins as the nearest neighbour
        nn.init.zeros_(layers[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The enlarged picture, not clamped."""
        out = x
        for layer in self.body:
            out = layer(out)
        return F.pixel_shuffle(out, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


@torch.no_grad()
def soften(vae: AutoencoderKL, small: torch.Tensor, noise: float, generator: torch.Generator) -> torch.Tensor:
    """Pictures [N, 3, H, W] in -1..1 as the VAE gives them back, with noise of this size on the (unit) latents."""
    with autocast():
        z = vae.encode(small.to(vae.device)).latent_dist.mean.float()
        z = z + noise * torch.randn(z.shape, generator=generator).to(z.device)
        out = vae.decode(z).sample
    return out.float().clamp(-1, 1).cpu()


def blur(small: torch.Tensor, sigma: float) -> torch.Tensor:
    """Pictures [N, 3, H, W] blurred by a Gaussian; borders are repeated."""
    reach = max(1, round(3 * sigma))
    line = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma * sigma))
    line = (line / line.sum()).expand(3, 1, 1, -1)
    out = F.conv2d(F.pad(small, (reach, reach, 0, 0), mode="replicate"), line, groups=3)
    return F.conv2d(F.pad(out, (0, 0, reach, reach), mode="replicate"), line.transpose(2, 3), groups=3)


class Pairs:
    """Picture ``i``: (small [3, s, s], large [3, 2s, 2s]) in -1..1, the same for the same ``i``; the last few are kept."""

    def __init__(self, config: Config, vae: AutoencoderKL, salt: str = "x2") -> None:
        self.composer = Composer(config.data, 2 * config.size)
        self.curriculum = Curriculum(self.composer.subjects)
        self.vae, self.size, self.kept = vae, config.size, config.x2_pool
        self.salt = f"{config.seed}:{salt}"
        self._pairs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def make(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Render, shrink and perhaps soften picture ``index``."""
        r = random.Random(f"{self.salt}:{index}")
        large = self.composer.render(random_spec(r, self.curriculum))
        small = to_tensor([large.resize((self.size, self.size), r.choice(FILTERS))])
        generator, way = torch.Generator().manual_seed(r.getrandbits(48)), r.random()
        if way < CLEAN:
            pass
        elif way < CLEAN + BLURRED:
            small = blur(small, r.uniform(*BLUR)) + r.uniform(0, 0.015) * torch.randn(small.shape, generator=generator)
            small = small.clamp(-1, 1)
        else:
            small = soften(self.vae, small, r.uniform(0, LATENT_NOISE), generator)
        return small[0], to_tensor([large])[0]

    def window(self, last: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Pictures ``last - kept + 1`` .. ``last`` (from 0), made where they are missing."""
        wanted = range(max(0, last - self.kept + 1), last + 1)
        for gone in [i for i in self._pairs if i not in wanted]:
            del self._pairs[gone]
        for i in wanted:
            if i not in self._pairs:
                self._pairs[i] = self.make(i)
        return [self._pairs[i] for i in wanted]


def crops(
    pairs: list[tuple[torch.Tensor, torch.Tensor]], n: int, side: int, r: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """``n`` random crops, mirrored and turned: [n, 3, side, side] and [n, 3, 2 side, 2 side] in 0..1."""
    smalls, larges = [], []
    for _ in range(n):
        small, large = r.choice(pairs)
        edge = min(side, small.shape[-1])
        x, y = r.randint(0, small.shape[-1] - edge), r.randint(0, small.shape[-2] - edge)
        a = small[:, y : y + edge, x : x + edge]
        b = large[:, 2 * y : 2 * (y + edge), 2 * x : 2 * (x + edge)]
        if r.random() < 0.5:
            a, b = a.flip(-1), b.flip(-1)
        turns = r.randrange(4)
        smalls.append(a.rot90(turns, (-2, -1)))
        larges.append(b.rot90(turns, (-2, -1)))
    return torch.stack(smalls) / 2 + 0.5, torch.stack(larges) / 2 + 0.5


def held_out(config: Config, vae: AutoencoderKL, n: int = 24) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Fresh compositions, all four styles: ``"clean"`` (bicubic), ``"blurred"`` (by one pixel) and ``"vae"`` pairs
    (small, large) in -1..1."""
    composer = Composer(config.data, 2 * config.size)
    r, curriculum = random.Random("x2 held out"), Curriculum(composer.subjects)
    styles = ("3d", "flat", "cartoon", "sketch")
    images = [composer.render(random_spec(r, curriculum, style=styles[i % 4])) for i in range(n)]
    size = (config.size, config.size)
    small = to_tensor([image.resize(size, Image.Resampling.BICUBIC) for image in images])
    large = to_tensor(images)
    generator = torch.Generator().manual_seed(7)
    soft = torch.cat([soften(vae, one, 0.05, generator) for one in small.split(1)])
    return {"clean": (small, large), "blurred": (blur(small, 1.0), large), "vae": (soft, large)}


def lanczos(small: torch.Tensor) -> torch.Tensor:
    """The yardstick: [N, 3, H, W] in -1..1 doubled by Pillow's Lanczos filter."""
    pixels = ((small + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    size = (2 * small.shape[-1], 2 * small.shape[-2])
    return to_tensor([Image.fromarray(p).resize(size, Image.Resampling.LANCZOS) for p in pixels])


@torch.no_grad()
def double(net: Compact, small: torch.Tensor) -> torch.Tensor:
    """The network's answer for [N, 3, H, W] in -1..1, clamped, on the CPU; in float32."""
    where = next(net.parameters()).device
    return torch.cat([net(x.to(where) / 2 + 0.5).clamp(0, 1).cpu() * 2 - 1 for x in small.split(4)])


def compare(net: Compact, sets: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """Mean PSNR in dB of the network and of Lanczos on each set."""
    numbers = {}
    for name, (small, large) in sets.items():
        numbers[name] = psnr(double(net, small), large).mean().item()
        numbers[f"{name}_lanczos"] = psnr(lanczos(small), large).mean().item()
    return numbers


def read_vae(config: Config) -> AutoencoderKL:
    """The autoencoder in training, else the one that ships."""
    own = config.state / "vae"
    folder = own if own.exists() else REPOSITORY / "models" / "ra-mini" / "vae"
    return AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).eval().to(device())


def train(config: Config, quiet: bool = False) -> None:
    """Run or resume the stage; weights and averages are in ``state/x2.safetensors``."""
    launch(_train, 1, config, quiet)


def _train(rank: int, world: int, config: Config, quiet: bool) -> None:
    dev = device()
    torch.manual_seed(config.seed)
    vae = read_vae(config)
    net = Compact(config.x2_features, config.x2_convs).to(dev, memory_format=torch.channels_last)
    ema = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.x2_lr, betas=(0.9, 0.99), weight_decay=0.0)
    state, step = config.state / "x2.safetensors", 0
    if state.exists():
        step = load_state(state, {"net": net, "ema": ema}, optimiser)["step"]
    pairs, sets, stop = Pairs(config, vae), held_out(config, vae), Stop()
    log = Log(config.logs, "x2", config.x2_steps, step, quiet)
    log.say(f"start at step {step}")
    last, mean = time.monotonic(), 0.0

    def save() -> None:
        save_state(state, {"net": net, "ema": ema}, optimiser, {"step": step})
        log.report(step, **compare(ema, sets))
        small, large = sets["vae"]
        rows = (lanczos(small), double(ema, small), large)
        save_grid(config.logs / "x2.png", [row[k : k + 6] for k in (0, 6) for row in rows])

    while step < config.x2_steps:
        r = seeded(config.seed, rank, step)
        warm, left = min(1.0, (step + 1) / 100), 1 - step / config.x2_steps
        for g in optimiser.param_groups:
            g["lr"] = config.x2_lr * warm * max(0.02, min(1.0, 1.6 * left))
        # one new picture a step; a resumed run makes the same window again
        small, large = crops(pairs.window(step), config.x2_batch, config.x2_crop, r)
        with autocast():
            out = net(small.to(dev, memory_format=torch.channels_last))
        loss = reconstruction_loss(out.float(), large.to(dev))
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        follow(ema.parameters(), net.parameters(), 0.999, step)
        mean = loss.item() if mean == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            log.report(step, loss=mean)
        if stop.asked:
            break
        if time.monotonic() - last > config.save_seconds:
            save()
            last = time.monotonic()
    save()


def export(config: Config, out: Path) -> dict[str, float]:
    """Write the averaged weights in float16 to ``out/<name>.safetensors``; a README.md there stays.

    Returns the PSNR numbers of the float16 weights. Raises ``ValueError`` if the file is over the limit.
    """
    net = Compact(config.x2_features, config.x2_convs)
    net.load_state_dict({k: v.half().float() for k, v in read_module(config.state / "x2.safetensors", "ema").items()})
    numbers = compare(net, held_out(config, read_vae(config)))
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    tensors = {key: value.half().contiguous() for key, value in net.state_dict().items()}
    metadata = {
        "modelspec.title": "RA x2",
        "modelspec.architecture": "compact",
        "modelspec.license": LICENCE,
        "ra_upscaler": json.dumps({"name": "RA x2", "scale": 2, "for": "ra-mini"}),
    }
    path = draft / f"{out.name}.safetensors"
    save_file(tensors, path, metadata=metadata)
    size = path.stat().st_size / 1e6
    if size > LIMIT_MB:
        raise ValueError(f"{size:.1f} MB is more than {LIMIT_MB} MB (left in {draft})")
    if (out / "README.md").exists():
        shutil.copy(out / "README.md", draft / "README.md")
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return numbers

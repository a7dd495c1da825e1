"""The judge: a small CNN that reads subject, colour, background, style, number and time off a picture.

Trained on fresh compositions only (it never sees a generated picture), also of the combinations that are held out from the
painter: who has never seen an orange strawberry takes it for an ordinary one. Its own accuracy on compositions that it was
not trained on is measured and reported beside every score that it gives, for held-out combinations by themselves, too. It
looks at 64 px. The compositions are rendered once and kept (``data/judge-*.npy``): rendering costs as much as learning.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from .compose import Composer, Spec, draw_specs, held_out, of_run
from .config import Config
from .runtime import (
    Log,
    Stop,
    autocast,
    average_gradients,
    device,
    launch,
    load_state,
    save_state,
    seeded,
    to_tensor,
)
from .vocabulary import COLOURS, SCENE_KEYS, STYLE_KEYS

SIZE = 64
HEADS = ("left", "right", "colour", "background", "style", "number", "time")


class Judge(nn.Module):
    """Convolutions, then features pooled over the left half, the right half and the whole picture."""

    def __init__(self, subjects: list[str], width: int = 32) -> None:
        super().__init__()
        self.subjects = subjects
        c = (width, width * 2, width * 4, width * 6)
        layers: list[nn.Module] = [nn.Conv2d(3, c[0], 3, 2, 1), nn.BatchNorm2d(c[0]), nn.ReLU()]
        for a, b in itertools.pairwise(c):
            layers += [
                nn.Conv2d(a, b, 3, 2, 1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
                nn.Conv2d(b, b, 3, 1, 1),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        d, n = c[-1], len(subjects) + 1
        self.mix = nn.Sequential(nn.Linear(d * 6, 384), nn.ReLU())
        sizes = {
            "left": n,
            "right": n,
            "colour": len(COLOURS) + 1,
            "background": 1 + len(COLOURS) + len(SCENE_KEYS),
            "style": len(STYLE_KEYS),
            "number": 4,
            "time": 3,
        }
        self.heads = nn.ModuleDict({k: nn.Linear(384, v) for k, v in sizes.items()})

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 384] features of pictures [N, 3, H, W] in -1..1; also what the FID-like distance compares."""
        x = F.interpolate(x, size=(SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
        f = self.body(x.contiguous(memory_format=torch.channels_last))
        half = f.shape[-1] // 2
        parts = [g for p in (f, f[..., :half], f[..., half:]) for g in (p.mean((2, 3)), p.amax((2, 3)))]
        return self.mix(torch.cat(parts, 1))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of every head."""
        f = self.features(x)
        return {k: head(f) for k, head in self.heads.items()}


def labels(spec: Spec, index: dict[str, int]) -> dict[str, int]:
    """The right answers. A single subject is both ``left`` and ``right``; ``colour`` is -100 (unscored) for pairs
    and for pencil drawings, which show none."""
    o, none = spec["objects"], len(index)
    kind, value = spec["bg"]
    return {
        "left": index[o[0]["s"]] if o else none,
        "right": index[o[-1]["s"]] if o else none,
        "colour": -100 if spec["kind"] == "pair" or spec["style"] == "sketch" or not o else o[0]["c"] % 10,
        "background": 0
        if kind == "none"
        else 1 + value
        if kind == "plain"
        else 1 + len(COLOURS) + SCENE_KEYS.index(value),
        "style": STYLE_KEYS.index(spec["style"]),
        "number": min(3, len(o)),
        "time": ("", "dusk", "night").index(spec["time"]),
    }


def varied(x: torch.Tensor, truth: list[dict[str, int]], r: random.Random) -> tuple[torch.Tensor, list[dict[str, int]]]:
    """Pictures [N, 3, H, W] mirrored, moved, zoomed, blurred, tinted, with noise, and what is right for them.

    A generated picture is softer and noisier than a composed one, its colours are a little off: do not care. Mirrors, moves and
    zooms are there because so few pictures are learned by heart. A third stays where it is: moving softens a picture, and a judge
    that has seen soft ones only takes every sharp one for a flat one.
    """
    n = len(x)
    places = torch.zeros(n, 2, 3)
    out = []
    for i, told in enumerate(truth):
        side, zoom, dx, dy = r.choice((-1, 1)), r.uniform(0.87, 1.12), r.uniform(-0.1, 0.1), r.uniform(-0.1, 0.1)
        if r.random() < 0.33:
            zoom, dx, dy = 1.0, 0.0, 0.0
        places[i] = torch.tensor([[side * zoom, 0, dx], [0, zoom, dy]])
        out.append({**told, "left": told["right"], "right": told["left"]} if side < 0 else told)
    grid = F.affine_grid(places, list(x.shape), align_corners=False).to(x.device)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    if r.random() < 0.5:
        k = round(x.shape[-1] * r.choice((0.5, 0.62, 0.8)))
        small = F.interpolate(x, size=(k, k), mode="bilinear", antialias=True)
        x = F.interpolate(small, size=x.shape[-2:], mode="bilinear")
    return x * r.uniform(0.9, 1.1) + r.uniform(-0.08, 0.08) + torch.randn_like(x) * r.uniform(0, 0.06), out


def pictures(config: Config, composer: Composer) -> tuple[np.ndarray, list[Spec]]:
    """The training pictures uint8 [N, SIZE, SIZE, 3], rendered at the first call, and their specs."""
    r, curriculum = random.Random(config.seed + 3), of_run(config.tiers, composer.subjects)
    specs = draw_specs(r, curriculum, config.judge_pictures, config.places, held=True)
    mark = hashlib.sha256(json.dumps(specs).encode()).hexdigest()[:8]  # pictures of other specs would get wrong labels
    path = config.data / f"judge-{config.tiers}-{config.places}-{mark}.npy"
    if not path.exists():
        draft = path.with_suffix(".draft.npy")
        out = np.lib.format.open_memmap(draft, "w+", np.uint8, (len(specs), SIZE, SIZE, 3))
        for i, spec in enumerate(specs):
            out[i] = np.asarray(composer.render(spec).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        out.flush()
        del out
        os.replace(draft, path)
    return np.load(path, mmap_mode="r"), specs


def train(config: Config, steps: int = 2600, batch: int = 64, quiet: bool = False) -> None:
    """Train or resume the judge; the result is ``state/judge.safetensors`` with its own accuracy beside it."""
    launch(_train, 1, config, steps, batch, quiet)


def _train(rank: int, world: int, config: Config, steps: int, batch: int, quiet: bool) -> None:
    composer, dev = Composer(config.data, config.size), device()
    index = {s: i for i, s in enumerate(composer.subjects)}
    stack, specs = pictures(config, composer)
    torch.manual_seed(config.seed)
    judge = Judge(composer.subjects).to(dev, memory_format=torch.channels_last)
    params = list(judge.parameters())
    optimiser = torch.optim.AdamW(params, lr=2e-3, weight_decay=0.05)
    path, step, last = config.state / "judge-training.safetensors", 0, time.monotonic()
    if path.exists():
        step = load_state(path, {"judge": judge}, optimiser)["step"]
    log, stop = Log(config.logs, "judge", steps, step, quiet), Stop()
    right: dict[str, float] = {}
    while step < steps:
        r = seeded(config.seed + 3, rank, step)
        for g in optimiser.param_groups:
            g["lr"] = 2e-3 * min(1.0, (step + 1) / 100) * max(0.01, 1 - step / steps)
        chosen = r.sample(range(len(specs)), batch)
        x = to_tensor([stack[i] for i in chosen]).to(dev)
        x, truth = varied(x, [labels(specs[i], index) for i in chosen], r)
        with autocast():
            logits = judge(x)
        loss = torch.zeros((), device=dev)
        for k, value in logits.items():
            y = torch.tensor([t[k] for t in truth], device=dev)
            loss = loss + F.cross_entropy(value.float(), y, ignore_index=-100, label_smoothing=0.02)
            hit = (value.argmax(1) == y)[y >= 0].float().mean().item()
            right[k] = 0.98 * right.get(k, hit) + 0.02 * hit
        optimiser.zero_grad()
        loss.backward()
        average_gradients(params, world, clip=5.0)
        optimiser.step()
        step += 1
        leave = stop.asked
        if step % 50 == 0:
            log.report(step, loss=loss.item(), **right)
        if leave or step == steps or time.monotonic() - last > config.save_seconds:
            save_state(path, {"judge": judge}, optimiser, {"step": step})
            last = time.monotonic()
        if leave:
            return
    judge.eval()
    own = accuracy(judge, composer, 2000, config)
    save_file({k: v.cpu().contiguous() for k, v in judge.state_dict().items()}, config.state / "judge.safetensors")
    (config.state / "judge.json").write_text(json.dumps({"subjects": composer.subjects, "own": own}, indent=1))
    log.say(f"own accuracy on 2,000 fresh compositions: {own}")


@torch.no_grad()
def accuracy(judge: Judge, composer: Composer, n: int, config: Config) -> dict[str, float]:
    """Accuracy of each head on ``n`` compositions of an unused seed, of the tiers and places of ``config``; with ``held_`` before
    it, on those of them that show a combination that is held out from the painter."""
    r, index = random.Random(config.seed + 99), {s: i for i, s in enumerate(judge.subjects)}
    curriculum, hits = of_run(config.tiers, composer.subjects), {p + k: [0, 0] for p in ("", "held_") for k in HEADS}
    for i in range(0, n, 50):
        specs = draw_specs(r, curriculum, min(50, n - i), config.places, held=True)
        logits = judge(to_tensor([composer.render(s) for s in specs]).to(next(judge.parameters()).device))
        for j, s in enumerate(specs):
            for k, y in labels(s, index).items():
                if y >= 0:
                    for name in (k, "held_" + k) if held_out(s) else (k,):
                        hits[name][0] += int(logits[k][j].argmax()) == y
                        hits[name][1] += 1
    return {k: round(a / max(1, b), 4) for k, (a, b) in hits.items()}


def load(config: Config) -> tuple[Judge, dict[str, float]]:
    """The trained judge in eval mode, and its own accuracy."""
    info = json.loads((config.state / "judge.json").read_text())
    judge = Judge(info["subjects"])
    judge.load_state_dict(load_file(Path(config.state / "judge.safetensors")))
    return judge.eval(), info["own"]

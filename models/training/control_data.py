"""Pictures with everything that steers them: rendered and encoded once, for the depth estimator and the ControlNets.

``data/control/00000.npz`` holds ``images`` uint8 [n, size, size, 3], ``depth`` uint8 [n, size, size] (nearness) and ``latents``
float16 [n, 4, h, w] of the published model's VAE; ``00000.jsonl`` the specs. Shards appear whole. Edges are found when they are
used: their thresholds vary.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from .compose import Composer, Spec, draw_specs, of_run
from .config import Config
from .depth import nearness
from .pool import encode, fingerprint
from .runtime import Log, Stop, device, launch, to_tensor


def _fill(rank: int, world: int, config: Config, model: Path, shards: int, quiet: bool) -> None:
    folder = config.data / "control"
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32).eval()
    vae = vae.to(device(), memory_format=torch.channels_last)
    composer, stop = Composer(config.data, config.size), Stop()
    log = Log(config.logs, f"control-data{rank}", shards, 0, quiet)
    for index in range(rank, shards, world):
        target = folder / f"{index:05d}.npz"
        if target.exists():
            continue
        r = random.Random(f"{config.seed}:control:{index}")
        curriculum = of_run(config.tiers, composer.subjects)
        specs = draw_specs(r, curriculum, config.shard, config.places)
        images = np.stack([np.asarray(composer.render(s)) for s in specs])
        depth = np.stack([(nearness(composer, s) * 255).round().astype(np.uint8) for s in specs])
        latents = np.concatenate([encode(vae, to_tensor(images[i : i + 32])) for i in range(0, len(specs), 32)])
        if stop.asked:
            return
        target.with_suffix(".jsonl").write_text("".join(json.dumps(s) + "\n" for s in specs))
        draft = target.with_suffix(".draft")
        with draft.open("wb") as file:
            np.savez(file, images=images, depth=depth, latents=latents)
        os.replace(draft, target)
        log.report(index + 1)


def fill(config: Config, model: Path, shards: int, quiet: bool = False) -> None:
    """Make shards 0..``shards`` - 1 where they are missing, of the subjects of ``config.tiers`` in ``config.places``.
    Raises ``ValueError`` if the encoder of ``model`` or these have changed."""
    folder = config.data / "control"
    folder.mkdir(parents=True, exist_ok=True)
    mark = fingerprint(AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32))
    info = folder / "control.json"
    facts = {"encoder": mark, "size": config.size, "tiers": config.tiers, "places": config.places}
    if info.exists() and json.loads(info.read_text()) != facts:
        raise ValueError(
            f"{folder} is of another encoder or of other --tiers, --places: move it away to make new pictures"
        )
    info.write_text(json.dumps(facts))
    launch(_fill, min(config.workers, shards), config, model, shards, quiet)


class Pictures:
    """All finished shards in memory."""

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("[0-9]*.npz"))
        if not files:
            raise FileNotFoundError(f"no pictures in {folder}: run the control stage with --shards")
        parts = [np.load(file) for file in files]
        self.images = np.concatenate([part["images"] for part in parts])
        self.depth = np.concatenate([part["depth"] for part in parts])
        self.latents = np.concatenate([part["latents"] for part in parts])
        self.specs: list[Spec] = [
            json.loads(row) for f in files for row in f.with_suffix(".jsonl").read_text().splitlines()
        ]

    def __len__(self) -> int:
        return len(self.images)

    def split(self, only: Collection[str] | None = None) -> tuple[list[int], list[int]]:
        """Indices to learn from and, a small share at the end, to judge with; ``only``: of pictures of these subjects."""
        kept = len(self) - max(1, min(256, len(self) // 16))
        good = [i for i, s in enumerate(self.specs) if only is None or all(o["s"] in only for o in s["objects"])]
        return [i for i in good if i < kept], [i for i in good if i >= kept]

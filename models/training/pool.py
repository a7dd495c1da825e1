"""The pool: compositions rendered and encoded once, in shards that can be added while a training runs.

``data/pool/00000.npy`` float16 [n, 4, h, w] latents and ``00000.jsonl`` their specs. A shard is written to a draft
name and renamed, so what is there is whole. ``pool.json`` holds a fingerprint of the encoder: latents of two
encoders never mix.
"""

from __future__ import annotations

import hashlib
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
from .runtime import Log, Stop, autocast, device, launch, to_tensor


def fingerprint(vae: AutoencoderKL) -> str:
    """A short hash of everything that the latents depend on (encoder and quant_conv)."""
    digest = hashlib.sha256()
    for name, value in sorted(vae.state_dict().items()):
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(name.encode())
            digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def shard_specs(config: Config, index: int, subjects: list[str]) -> list[Spec]:
    """The specs of shard ``index``, of the subjects of ``config.tiers``: the curriculum moves on with the number of the shard."""
    r = random.Random(f"{config.seed}:shard:{index}")
    curriculum = of_run(config.tiers, subjects, index / max(1, config.shards - 1))
    return draw_specs(r, curriculum, config.shard, config.places)


@torch.no_grad()
def encode(vae: AutoencoderKL, images: torch.Tensor) -> np.ndarray:
    """Latent means of [N, 3, H, W] in -1..1 as float16."""
    with autocast():
        z = vae.encode(images.to(vae.device, memory_format=torch.channels_last)).latent_dist.mean
    return (z.float() * vae.config.scaling_factor).cpu().numpy().astype(np.float16)


def _fill(rank: int, world: int, config: Config, first: int, last: int, quiet: bool) -> None:
    folder = config.data / "pool"
    vae = AutoencoderKL.from_pretrained(config.state / "vae", torch_dtype=torch.float32).eval()
    vae = vae.to(device(), memory_format=torch.channels_last)
    composer, stop = Composer(config.data, config.size), Stop()
    log = Log(config.logs, f"data{rank}", last - first, 0, quiet)
    for index in range(first + rank, last, world):
        target = folder / f"{index:05d}.npy"
        if target.exists():
            continue
        specs = shard_specs(config, index, composer.subjects)
        latents = []
        for i in range(0, len(specs), 32):
            latents.append(encode(vae, to_tensor([composer.render(s) for s in specs[i : i + 32]])))
            if stop.asked:
                return
        (folder / f"{index:05d}.jsonl").write_text("".join(json.dumps(s) + "\n" for s in specs))
        draft = target.with_suffix(".draft.npy")
        np.save(draft, np.concatenate(latents))
        os.replace(draft, target)
        log.report(index + 1 - first)


def fill(config: Config, shards: int, quiet: bool = False) -> None:
    """Make shards 0..``shards`` - 1 where they are missing, of the subjects of ``config.tiers`` in ``config.places``.
    Raises ``ValueError`` if the encoder or these have changed."""
    folder = config.data / "pool"
    folder.mkdir(parents=True, exist_ok=True)
    vae = AutoencoderKL.from_pretrained(config.state / "vae", torch_dtype=torch.float32)
    mark, info = fingerprint(vae), folder / "pool.json"
    facts = {"encoder": mark, "size": config.size, "tiers": config.tiers, "places": config.places}
    if info.exists() and json.loads(info.read_text()) != facts:
        raise ValueError(
            f"{folder} is of another encoder or of other --tiers, --places: move it away to make a new pool"
        )
    info.write_text(json.dumps(facts))
    launch(_fill, config.workers, config, 0, shards, quiet)


class Pool:
    """Random access to all finished shards; :meth:`refresh` picks up new ones.

    Args:
        folder: of the shards. only: subjects; pictures that show any other are passed over (None: all pictures count).
    """

    def __init__(self, folder: Path, only: Collection[str] | None = None) -> None:
        self.folder, self.only = folder, None if only is None else frozenset(only)
        self.latents: list[np.ndarray] = []
        self.specs: list[list[str]] = []
        self.picks: list[tuple[int, int]] = []
        self._names: set[str] = set()
        self.refresh()
        if not self.picks:
            raise FileNotFoundError(f"no pictures in {folder}: run the data stage")

    def refresh(self) -> int:
        """Open shards that have appeared; the number of pictures."""
        for path in sorted(self.folder.glob("[0-9]*.npy")):
            if path.name.endswith(".draft.npy") or path.name in self._names:
                continue
            self._names.add(path.name)
            self.latents.append(np.load(path, mmap_mode="r"))
            lines = path.with_suffix(".jsonl").read_text().splitlines()
            self.specs.append(lines)
            self.picks += [(len(self.specs) - 1, i) for i, line in enumerate(lines) if self._wanted(line)]
        return len(self.picks)

    def _wanted(self, line: str) -> bool:
        return self.only is None or all(o["s"] in self.only for o in json.loads(line)["objects"])

    def draw(self, n: int, r: random.Random) -> tuple[torch.Tensor, list[Spec]]:
        """``n`` latents float32 [n, 4, h, w] and their specs."""
        picks = [self.picks[r.randrange(len(self.picks))] for _ in range(n)]
        x = np.stack([self.latents[k][i] for k, i in picks])
        return torch.from_numpy(x).float(), [json.loads(self.specs[k][i]) for k, i in picks]

"""What every stage shares: worker processes, averaged gradients, exponential averages, resumable state, logs.

On a CPU the fastest way measured is one thread a process and one process a core, with gradients averaged by gloo;
on a GPU it is one process. Random numbers depend on (seed, rank, step) only, so a resumed run goes on exactly as an
uninterrupted one would have.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn


def device() -> torch.device:
    """The device that a stage trains on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast() -> AbstractContextManager[Any]:
    """bfloat16 mixed precision: 1.6 times the speed of float32 for the UNet on a CPU with AVX512-BF16."""
    return torch.autocast(device().type, dtype=torch.bfloat16)


def seeded(seed: int, rank: int, step: int) -> random.Random:
    """The random numbers of one step: also seeds torch."""
    r = random.Random(f"{seed}:{rank}:{step}")
    torch.manual_seed(r.getrandbits(62))
    return r


def _worker(rank: int, world: int, rendezvous: str, fn: Callable[..., None], args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world, timeout=timedelta(minutes=30)
    )
    try:
        fn(rank, world, *args)
        dist.barrier()  # who leaves first cuts the line of one that still receives: gloo aborts that process
    finally:
        dist.destroy_process_group()


def launch(fn: Callable[..., None], workers: int, *args: Any) -> None:
    """Run ``fn(rank, world, *args)`` in ``workers`` processes (in this one for 1). Raises if one of them fails."""
    if workers <= 1:
        if device().type == "cpu":
            torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        fn(0, 1, *args)
        return
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if any(n == "lo" for _, n in socket.if_nameindex()) else "")
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_worker, (workers, str(Path(folder) / "rendezvous"), fn, args), nprocs=workers)


def average_gradients(parameters: Sequence[nn.Parameter], world: int, clip: float = 1.0) -> float:
    """Average the gradients over the workers, clip their common norm to ``clip``; the norm before clipping."""
    if world > 1:
        flat = torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in parameters])
        dist.all_reduce(flat)
        flat /= world
        norm = float(flat.norm())
        flat *= min(1.0, clip / (norm + 1e-6))
        i = 0
        for p in parameters:
            n = p.numel()
            if p.grad is None:
                p.grad = torch.zeros_like(p)
            p.grad.copy_(flat[i : i + n].view_as(p))
            i += n
        return norm
    return float(nn.utils.clip_grad_norm_(parameters, clip))


@torch.no_grad()
def follow(averages: Iterable[torch.Tensor], values: Iterable[torch.Tensor], decay: float, step: int) -> None:
    """Exponential moving average; the decay is warmed up so that the first steps count."""
    d = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(averages), list(values), 1 - d)


# ------------------------------------------------------------------------------------------------ resumable state


def save_state(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer | None, meta: dict[str, Any]
) -> None:
    """Write all modules, the AdamW moments and ``meta`` (JSON) into one safetensors file, atomically."""
    tensors: dict[str, torch.Tensor] = {}
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            tensors[f"{name}/{key}"] = value.detach().cpu().contiguous().clone()
    if optimiser is not None:
        for i, p in enumerate(q for g in optimiser.param_groups for q in g["params"]):
            for key, value in optimiser.state.get(p, {}).items():
                tensors[f"optimiser/{i}/{key}"] = torch.as_tensor(value).detach().cpu().contiguous().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    save_file(tensors, draft, metadata={"meta": json.dumps(meta)})
    with draft.open("rb") as handle:
        os.fsync(handle.fileno())
    os.replace(draft, path)


def load_state(
    path: Path,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer | None = None,
) -> dict[str, Any]:
    """Read what :func:`save_state` wrote; returns ``meta``. Raises ``RuntimeError`` if a shape does not fit."""
    with safe_open(path, "pt") as f:
        keys = list(f.keys())
        meta: dict[str, Any] = json.loads(f.metadata()["meta"])
        for name, module in modules.items():
            module.load_state_dict({k[len(name) + 1 :]: f.get_tensor(k) for k in keys if k.startswith(name + "/")})
        if optimiser is not None:
            params = [q for g in optimiser.param_groups for q in g["params"]]
            for k in keys:
                if k.startswith("optimiser/"):
                    _, i, field = k.split("/")
                    p, value = params[int(i)], f.get_tensor(k)
                    # the moments must lie in memory as the weights do (channels last): the fused AdamW relies on it
                    optimiser.state[p][field] = value if field == "step" else torch.empty_like(p.detach()).copy_(value)
    return meta


def read_meta(path: Path) -> dict[str, Any]:
    """The ``meta`` of a state file."""
    with safe_open(path, "pt") as f:
        return dict(json.loads(f.metadata()["meta"]))


def read_module(path: Path, name: str) -> dict[str, torch.Tensor]:
    """The state dict of one module of a state file."""
    with safe_open(path, "pt") as f:
        return {k[len(name) + 1 :]: f.get_tensor(k) for k in f.keys() if k.startswith(name + "/")}  # noqa: SIM118


class Stop:
    """Set by SIGTERM or SIGINT: the stage saves and leaves at the end of the step."""

    def __init__(self) -> None:
        self.asked = False
        for sig in (signal.SIGTERM, signal.SIGINT):
            try:
                signal.signal(sig, self._ask)
            except ValueError:  # not the main thread (a test runner's): then nobody signals us
                return

    def _ask(self, *_: object) -> None:
        self.asked = True

    def agreed(self, world: int) -> bool:
        """Whether any worker was asked to stop (all must leave at the same step)."""
        if world > 1:
            flag = torch.tensor([1.0 if self.asked else 0.0])
            dist.all_reduce(flag)
            return bool(flag.item() > 0)
        return self.asked


# ----------------------------------------------------------------------------------------------------------- logs


class Log:
    """One line a report, to ``folder/name.log`` and to the screen: time, bar, step, estimate, numbers."""

    def __init__(self, folder: Path, name: str, total: int, start: int = 0, quiet: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"{name}.log").open("a", encoding="utf8")
        self.total, self.start, self.began, self.quiet = total, start, time.monotonic(), quiet

    def say(self, text: str) -> None:
        """Write one line."""
        self.file.write(time.strftime("%F %T ") + text + "\n")
        self.file.flush()
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def report(self, step: int, **numbers: float) -> None:
        """Write the state of the run after ``step`` steps."""
        spent = time.monotonic() - self.began
        share = step / max(1, self.total)
        left = spent / max(1, step - self.start) * (self.total - step)
        bar = "█" * int(20 * share) + "·" * (20 - int(20 * share))
        eta = f"{left / 3600:.1f} h" if left > 5400 else f"{left / 60:.0f} min"
        values = " ".join(f"{k} {v:.5g}" for k, v in numbers.items())
        self.say(f"|{bar}| step {step}/{self.total} left {eta} {values}")


def to_tensor(images: Sequence[Any]) -> torch.Tensor:
    """RGB pictures (PIL or uint8 arrays [H, W, 3]) to float32 [N, 3, H, W] in -1..1."""
    stack = np.stack([np.asarray(i) for i in images])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 127.5 - 1


def save_grid(path: Path, rows: Sequence[torch.Tensor]) -> None:
    """Rows of pictures (each [N, 3, H, W] in -1..1) as one PNG."""
    from PIL import Image

    page = torch.cat([torch.cat(list(row.float().cpu()), 2) for row in rows], 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = ((page.clamp(-1, 1).permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    Image.fromarray(pixels).save(path)

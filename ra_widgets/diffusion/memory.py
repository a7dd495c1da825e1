"""Which device, which number format, and what to do when memory runs out."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import torch

from ra_widgets.errors import OutOfMemory

log = logging.getLogger(__name__)

LARGE = 400_000_000
"""Bytes of weights from which a model counts as large: small ones stay in float32 on a CPU (see :func:`choose_dtype`)."""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

NO_LIMIT = 1 << 62
TIGHT = 64_000_000
"""Bytes for a VAE when memory has run out once."""

T = TypeVar("T")


def choose_device(wanted: str = "auto") -> torch.device:
    """``"auto"``: CUDA, else Apple's MPS, else the CPU; any other text is given to :class:`torch.device`."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@cache
def cpu_has_bf16() -> bool:
    """True if the CPU multiplies bfloat16 natively (AVX512-BF16, AMX or Arm BF16); else bf16 is emulated and slow."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        with contextlib.suppress(Exception):
            found = capabilities()
            return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="ignore") as file:
            flags = file.read()
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def choose_dtype(wanted: str, device: torch.device, size_bytes: int) -> torch.dtype:
    """The number format to run a model in.

    ``"auto"``: float16 on a GPU. On a CPU bfloat16 for large models where the CPU has it (2.1 times faster for SD 1.5),
    float32 otherwise: the embedded model gains under 10 % from bfloat16, and in float32 a member of a batch equals
    its single picture.

    Raises:
        ValueError: unknown name.
    """
    if wanted != "auto":
        if wanted not in DTYPES:
            raise ValueError(f"precision must be auto, {', '.join(DTYPES)}; got {wanted!r}")
        return DTYPES[wanted]
    if device.type in ("cuda", "mps"):
        return torch.float16
    return torch.bfloat16 if size_bytes >= LARGE and cpu_has_bf16() else torch.float32


def choose_threads(device: torch.device, size_bytes: int, pixels: int) -> int:
    """How many CPU threads a job should use.

    Small work gains little from threads, and waits at every step for whichever thread the machine has taken away: beside one
    other busy program, a picture of the embedded model took 0.7 s with one thread and 27 s with two on two cores. So
    small pictures of small models use half of the cores, everything else all of them; never more than ``OMP_NUM_THREADS``
    says, for whoever sets it shares the machine with other work.
    """
    cores = max(1, (os.cpu_count() or 1))
    if device.type != "cpu":
        return cores
    wished = os.environ.get("OMP_NUM_THREADS", "")
    most = int(wished) if wished.isdecimal() and int(wished) else cores
    small = size_bytes < LARGE and pixels <= 256 * 256
    return min(max(1, min(cores // 2, 4)) if small else cores, most)


def dtype_name(dtype: torch.dtype) -> str:
    """``fp32``, ``fp16`` or ``bf16``."""
    return next((name for name, value in DTYPES.items() if value == dtype), str(dtype).removeprefix("torch."))


def device_name(device: torch.device) -> str:
    """What a person calls it: ``CPU``, or the GPU's product name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else f"CPU ({platform.machine()})"


CPU_VAE_BUDGET = 600_000_000
"""Bytes that a VAE may need at once on a CPU before it works in tiles: 1024 x 1024 pixels of the embedded model."""


def available(device: torch.device) -> int:
    """Bytes of memory that are free on a device just now."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # what torch has set aside and not in use is free for us, too
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    import psutil

    return int(psutil.virtual_memory().available)


def vae_budget(device: torch.device) -> int:
    """Bytes that coding a picture may take at once: within a third of what is free, and on a CPU no more than
    :data:`CPU_VAE_BUDGET`, because there tiles cost little and memory belongs to other programs too."""
    third = available(device) // 3
    return max(64_000_000, third if device.type == "cuda" else min(third, CPU_VAE_BUDGET))


def empty_cache(device: torch.device) -> None:
    """Give unused memory back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """True for the allocator errors of CUDA, MPS and the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        text in str(error).lower() for text in ("out of memory", "can't allocate memory", "not enough memory")
    )


@dataclass
class Ladder:
    """Try again with less memory: each rung slows the work a little, none changes the picture's meaning.

    Rungs: give cached memory back; decode in tiles; attention in slices. They stay on for the model once taken.
    """

    pipe: Any
    device: torch.device
    taken: list[str] = field(default_factory=list)
    vae_budget: int | None = None

    def _rungs(self) -> list[tuple[str, Callable[[], object]]]:
        vae, unet = getattr(self.pipe, "vae", None), getattr(self.pipe, "unet", None)
        rungs: list[tuple[str, Callable[[], object]]] = [("empty cache", lambda: None)]
        if vae is not None:
            rungs.append(("VAE tiling", self._tile_vae))
        if unet is not None and hasattr(unet, "set_attention_slice"):
            rungs.append(("attention slicing", lambda: unet.set_attention_slice("auto")))
        return rungs

    @contextlib.contextmanager
    def vae_tiles(self, wanted: bool | None) -> Iterator[None]:
        """While it lasts, the VAE works in tiles always (True), never (False; but see :meth:`run`), or when it must."""
        before = self.vae_budget
        if wanted is not None:
            self.vae_budget = TIGHT if wanted else NO_LIMIT
        try:
            yield
        finally:
            # a rung that was taken meanwhile stays taken
            self.vae_budget = TIGHT if "VAE tiling" in self.taken else before

    def _tile_vae(self) -> None:
        """Code in small tiles from now on: ours, which agree with the whole, else diffusers'."""
        self.vae_budget = TIGHT
        from ra_widgets.diffusion import tiled_vae

        if not tiled_vae.can_be_cut(self.pipe.vae) and hasattr(self.pipe.vae, "enable_tiling"):
            self.pipe.vae.enable_tiling()

    def run(self, work: Callable[[], T], **facts: object) -> T:
        """``work()``, again after each rung while memory does not suffice.

        Raises:
            OutOfMemory: when no rung is left; ``facts`` fill its sentence (width, height, batch).
        """
        rungs = [rung for rung in self._rungs() if rung[0] == "empty cache" or rung[0] not in self.taken]
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if not rungs:
                    empty_cache(self.device)
                    raise OutOfMemory("error.memory", device=device_name(self.device), **facts) from error
            # outside the handler, or the exception's frames would keep the tensors alive
            name, take = rungs.pop(0)
            log.warning("out of memory; trying again with: %s", name)
            empty_cache(self.device)
            take()
            if name not in self.taken:
                self.taken.append(name)

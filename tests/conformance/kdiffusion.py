"""k-diffusion 0.1.1.post1 as an oracle: its ``sampling.py``, loaded from the wheel on the package index.

The package cannot be installed here: its dependencies would replace torch, and importing it whole needs them. Of all
that, the samplers use one helper, which is stood in for below. A wheel is fetched once into ``.cache/`` beside the
repository's own files.
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
import tempfile
import types
import zipfile
from pathlib import Path

import torch

VERSION = "0.1.1.post1"
WHEEL = f"k_diffusion-{VERSION}-py3-none-any.whl"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "wheels"
TRIES = 3


def _wheel() -> Path:
    kept = CACHE / WHEEL
    if kept.is_file() and zipfile.is_zipfile(kept):
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    ask = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    said = ""
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            done = subprocess.run(
                [*ask, "--dest", folder, f"k-diffusion=={VERSION}"],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            got = Path(folder) / WHEEL
            if done.returncode == 0 and zipfile.is_zipfile(got):
                return got.replace(kept)  # atomic: two test runs may do this at once
            said = done.stderr
    raise RuntimeError(f"the oracle k-diffusion {VERSION} could not be downloaded:\n{said}")


def _append_dims(x: torch.Tensor, dims: int) -> torch.Tensor:
    return x[(...,) + (None,) * (dims - x.ndim)]


@functools.cache
def sampling() -> types.ModuleType:
    """The oracle's module ``k_diffusion.sampling``."""
    with zipfile.ZipFile(_wheel()) as wheel:
        source = wheel.read("k_diffusion/sampling.py").decode()
    package = types.ModuleType("k_diffusion")
    package.__path__ = []  # type: ignore[attr-defined]
    utils = types.ModuleType("k_diffusion.utils")
    utils.append_dims = _append_dims  # type: ignore[attr-defined]
    package.utils = utils  # type: ignore[attr-defined]
    torchdiffeq = types.ModuleType("torchdiffeq")
    torchdiffeq.odeint = None  # type: ignore[attr-defined]  # only its log_likelihood, which is not asked here, calls it
    stand_ins = {"k_diffusion": package, "k_diffusion.utils": utils}
    if importlib.util.find_spec("torchdiffeq") is None:
        stand_ins["torchdiffeq"] = torchdiffeq
    module = types.ModuleType("k_diffusion.sampling")
    module.__package__ = "k_diffusion"
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        exec(compile(source, f"{WHEEL}/k_diffusion/sampling.py", "exec"), module.__dict__)
    finally:
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old
    return module

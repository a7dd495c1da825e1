"""Make a checkpoint of the true size of SD 1.5, SD 2.x or SDXL with random weights, in the webui's single-file layout.

    python tools/make_random_checkpoint.py sd1 --out sd1.safetensors
    python tools/make_random_checkpoint.py sdxl --out sdxl.safetensors --fast

For tests of loading and memory: such a model paints noise. Weights are scaled by their fan-in and norms are 1, so that
the numbers stay in the range of float16 all the way. Each run of numbers is a window, at a random place, of one block of
normal numbers: drawing billions afresh would take minutes. ``--fast`` leaves the large tensors as holes of the file (zeros):
SDXL takes a few MB of disk instead of 7 GB. The same seed gives the same file.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
from pathlib import Path

import numpy as np
import torch

from ra_widgets.diffusion import ldm_names
from ra_widgets.diffusion.single_file import PARTS, empty_model
from ra_widgets.library.cards import read_json
from ra_widgets.paths import package

DTYPES = {"fp16": ("F16", torch.float16), "bf16": ("BF16", torch.bfloat16), "fp32": ("F32", torch.float32)}
HOLE = 1 << 16
"""With ``--fast``, tensors of more numbers than this stay zero."""
SLICE = 1 << 22


def layout(family: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the family's checkpoint, in the order in which they are written."""
    folder = package() / "diffusion" / "configs" / family
    index = read_json(folder / "model_index.json")
    shapes: dict[str, tuple[int, ...]] = {}
    for part in PARTS:
        if part not in index:
            continue
        config = read_json(folder / part / "config.json")
        for name, tensor in empty_model(folder / part, *index[part], config).state_dict().items():
            place = ldm_names.place(family, part, name, config)
            shape = tuple(tensor.shape)
            if place.third is not None:
                shape = (3 * shape[0], *shape[1:])
            if place.turned:
                shape = shape[::-1]
            if part == "vae" and ".mid.attn_" in place.name and len(shape) == 2:
                shape = (*shape, 1, 1)
            shapes[place.name] = shape
    return shapes


def make(
    family: str,
    out: Path,
    *,
    dtype: str = "fp16",
    fast: bool = False,
    seed: int = 0,
    markers: tuple[str, ...] = (),
    metadata: dict[str, str] | None = None,
    skip: str = "",
) -> Path:
    """Write the file and return its path.

    Args:
        family: ``sd1``, ``sd2``, ``sdxl``. dtype: ``fp16``, ``bf16``, ``fp32``. fast: zeros in the large tensors, as
        holes. markers: names of empty tensors to add (``v_pred``, ``ztsnr``). metadata: for the header.
        skip: leave out tensors whose name begins so (for tests of incomplete files).
    """
    label, kind = DTYPES[dtype]
    size = torch.empty(0, dtype=kind).element_size()
    shapes = {name: shape for name, shape in layout(family).items() if not (skip and name.startswith(skip))}
    shapes |= dict.fromkeys(markers, (0,))
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    position = 0
    for name, shape in shapes.items():
        length = math.prod(shape) * size
        header[name] = {"dtype": label, "shape": list(shape), "data_offsets": [position, position + length]}
        position += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(seed)
    block = random.standard_normal(2 * SLICE, np.float32)
    with out.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        start = file.tell()
        for name, shape in shapes.items():
            count = math.prod(shape)
            if fast and count > HOLE:
                file.seek(count * size, 1)
                continue
            for first in range(0, count, SLICE):
                values = torch.from_numpy(_values(name, shape, min(SLICE, count - first), block, random)).to(kind)
                file.write(values.view(torch.uint8).numpy().tobytes())
        file.truncate(start + position)
    return out


def _values(
    name: str, shape: tuple[int, ...], count: int, block: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    if len(shape) == 1:
        return np.full(count, float(name.endswith("weight")), np.float32)  # norms and biases
    fan_in = math.prod(shape[1:])
    first = int(random.integers(len(block) - count + 1))
    return block[first : first + count] * np.float32(0.7 / math.sqrt(fan_in))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=("sd1", "sd2", "sdxl"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="fp16")
    parser.add_argument("--fast", action="store_true", help="zeros in the large tensors, as holes of the file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--v-prediction", action="store_true", help="add the marker tensor v_pred")
    parser.add_argument("--zero-snr", action="store_true", help="add the marker tensor ztsnr")
    args = parser.parse_args()
    markers = tuple(name for name, wanted in (("v_pred", args.v_prediction), ("ztsnr", args.zero_snr)) if wanted)
    path = make(args.family, args.out, dtype=args.dtype, fast=args.fast, seed=args.seed, markers=markers)
    print(f"{path}: {path.stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()

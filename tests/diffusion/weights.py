"""Small random networks of ESRGAN's family, in the layouts in which they are found in the wild."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file


def compact(scale: int = 2, features: int = 8, convs: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """Real-ESRGAN's compact network (SRVGGNetCompact)."""
    generator = torch.Generator().manual_seed(seed)

    def conv(inside: int, out: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(out, inside, 3, 3, generator=generator) * 0.05, torch.zeros(out)

    weights: dict[str, torch.Tensor] = {}
    inside = 3
    for k in range(convs + 1):
        weights[f"body.{2 * k}.weight"], weights[f"body.{2 * k}.bias"] = conv(inside, features)
        weights[f"body.{2 * k + 1}.weight"] = torch.full((features,), 0.25)
        inside = features
    last = 2 * (convs + 1)
    weights[f"body.{last}.weight"], weights[f"body.{last}.bias"] = conv(features, 3 * scale * scale)
    return weights


def esrgan(old: bool = False, features: int = 8, seed: int = 0) -> dict[str, torch.Tensor]:
    """ESRGAN x4 with one block (RRDBNet); ``old``: with the names of the first publication."""
    generator = torch.Generator().manual_seed(seed)
    grow = 32  # the reader knows no other
    weights: dict[str, torch.Tensor] = {}

    def conv(name: str, inside: int, out: int) -> None:
        weights[f"{name}.weight"] = torch.randn(out, inside, 3, 3, generator=generator) * 0.05
        weights[f"{name}.bias"] = torch.zeros(out)

    conv("model.0" if old else "conv_first", 3, features)
    for dense in (1, 2, 3):
        for k in range(1, 6):
            place = f"model.1.sub.0.RDB{dense}.conv{k}.0" if old else f"body.0.rdb{dense}.conv{k}"
            conv(place, features + (k - 1) * grow, grow if k < 5 else features)
    conv("model.1.sub.1" if old else "conv_body", features, features)
    for name in ("model.3", "model.6", "model.8") if old else ("conv_up1", "conv_up2", "conv_hr"):
        conv(name, features, features)
    conv("model.10" if old else "conv_last", features, 3)
    return weights


def write(weights: dict[str, torch.Tensor], path: Path) -> Path:
    """Write a safetensors file, or a pickle for any other suffix, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({"params_ema": weights}, path)
    return path

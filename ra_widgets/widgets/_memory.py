"""How much memory a picture of some size will take, told before it is made; an estimate, without torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from ra_widgets.library.identify import ModelInfo

PROGRAM = 560 * 2**20
"""Python, torch and the rest, before any picture."""
TENSORS = 6
"""The decoder holds about so many full-size tensors of its second-widest stage at once: measured with the embedded model,
754 bytes a pixel at 512x512 and 767 at 1024x1024, where a tensor has 32 channels of 4 bytes."""
USUAL = 256
"""Channels of that stage in the models of the SD1, SD2 and SDXL families."""


def estimate(model: ModelInfo | None, width: int, height: int) -> int:
    """Bytes that the program will hold when it makes one picture of ``width`` x ``height``; the decoder is what decides."""
    weights = model.size_bytes if model is not None else 0
    return PROGRAM + weights + width * height * TENSORS * 4 * _channels(model)


def _channels(model: ModelInfo | None) -> int:
    if model is None or model.kind != "diffusers":
        return USUAL
    try:
        config: dict[str, Any] = json.loads((model.path / "vae" / "config.json").read_text("utf-8"))
        stages = config["block_out_channels"]
        return int(stages[1] if len(stages) > 1 else stages[0])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return USUAL


def at_hand() -> int:
    """Bytes that this machine can still give, and what this program holds already."""
    return int(psutil.virtual_memory().available + psutil.Process().memory_info().rss)

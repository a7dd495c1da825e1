"""Are the weights that were loaded the weights that were made? Neither diffusers nor safetensors asks.

A folder that lacks a tensor loads with random numbers in its place, and a flipped bit loads as it is; both paint noise
without a word. These checks cost one pass over the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ra_widgets.errors import ModelError
from ra_widgets.library.folders import elements_of
from ra_widgets.library.identify import ModelInfo

ABSURD = 1e6
"""Absolute value that no trained weight reaches. A flipped exponent bit of a float32 or bfloat16 does; float16 ends at
65504, where such a flip cannot be told from a large weight."""


def check_complete(info: ModelInfo, pipe: Any) -> None:
    """Check that the files of a diffusers folder hold as many numbers as the parts that were made from them.

    Numbers rather than names are counted, since libraries rename tensors while they load.

    Raises:
        ModelError: a part got fewer; the rest of it would be random.
    """
    if info.kind != "diffusers":
        return
    for part, model in pipe.components.items():
        if not isinstance(model, torch.nn.Module) or getattr(model, "is_quantized", False):
            continue
        stored = elements_of(info.path / part)
        if stored and stored < sum(weight.numel() for weight in model.parameters()):
            raise ModelError("model.part_incomplete", name=info.name, part=part)


def check_finite(info: ModelInfo, pipe: Any) -> None:
    """Check that every weight is a number, and one of a size that weights have.

    Raises:
        ModelError: NaN, infinity or an absurd value; names the tensor.
    """
    names, extremes = [], []
    for name, weight in _weights(pipe):
        names.append(name)
        low, high = weight.aminmax()  # NaN comes through
        extremes.append(torch.maximum(low.float().abs(), high.float().abs()))
    if not extremes:
        return
    largest = torch.stack([value.cpu() for value in extremes]) if _mixed(extremes) else torch.stack(extremes).cpu()
    bad = (~(largest < ABSURD)).nonzero()
    if len(bad):
        raise ModelError("model.not_finite", name=info.name, part=names[int(bad[0])][:120])


def _weights(pipe: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for part, model in pipe.components.items():
        if isinstance(model, torch.nn.Module):
            for name, weight in model.named_parameters():
                if weight.is_floating_point() and weight.numel() and not weight.is_meta:
                    # one-byte floats have no comparison of their own
                    yield f"{part}.{name}", weight.half() if weight.element_size() == 1 else weight


def _mixed(values: list[torch.Tensor]) -> bool:
    return len({value.device for value in values}) > 1

"""A UNet on overlapping tiles of large latents, its answers blended at every step: MultiDiffusion (Bar-Tal et al. 2023,
arXiv:2302.08113).

Needs the memory of one tile, and keeps each tile at a size that the model was trained on. Because denoised is affine in the
UNet's answer, blending the answers is blending the pictures that the tiles see.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from ra_widgets.diffusion import memory, tiles
from ra_widgets.diffusion.denoiser import CondBatch, UNetCall
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tiles import Box

TENSORS_ALIVE = 24
"""Tensors of the size of the UNet's first layer that are alive at once (measured 15 to 22)."""


@dataclass(frozen=True)
class Tiling:
    """Tiles of a pass, in latent cells: ``width``, ``height``, ``overlap``; they begin at multiples of ``step``."""

    width: int
    height: int
    overlap: int
    step: int

    def boxes(self, width: int, height: int) -> list[Box]:
        """The tiles of latents of this size."""
        return tiles.plan(width, height, (self.width, self.height), self.overlap, self.step)


class TiledCall:
    """A ``unet_call`` that works on tiles.

    Args:
        call: the UNet's own. tiling: of the latents. steer: what steers the pass (its hints are cut, too), or None.
    """

    def __init__(self, call: UNetCall, tiling: Tiling, steer: Any = None) -> None:
        self.call, self.tiling, self.steer = call, tiling, steer

    def __call__(self, x: torch.Tensor, t: torch.Tensor, cond: CondBatch) -> torch.Tensor:
        """The blended answer for ``x`` [B, C, H, W], float32."""
        height, width = x.shape[-2:]
        boxes = self.tiling.boxes(width, height)
        if len(boxes) == 1:
            return self.call(x, t, cond)
        units = list(getattr(self.steer, "units", ()))
        hints = [unit.embedded for unit in units]
        canvas: tiles.Canvas | None = None
        try:
            for box in boxes:
                for unit, hint in zip(units, hints, strict=True):
                    unit.embedded = cut(hint, box, (height, width))
                extras = {key: cut(value, box, (height, width)) for key, value in cond.extras.items()}
                piece = self.call(box.of(x), t, replace(cond, extras=extras))
                if canvas is None:
                    canvas = tiles.Canvas((*piece.shape[:-2], height, width), self.tiling.overlap, x.device)
                canvas.add(piece, box)
        finally:
            for unit, hint in zip(units, hints, strict=True):
                unit.embedded = hint
        assert canvas is not None
        return canvas.result()


def cut(value: Any, box: Box, size: tuple[int, int]) -> Any:
    """The part of a picture-like tensor [N, C, h, w] (or of a list of them) that belongs to a box of latents of ``size``.

    A tensor may be finer or coarser than the latents by a whole factor; what is no picture stays as it is.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(cut(item, box, size) for item in value)
    if not isinstance(value, torch.Tensor) or value.ndim != 4:
        return value
    up, down = max(1, value.shape[-2] // size[0]), max(1, size[0] // max(1, value.shape[-2]))
    if (value.shape[-2] * down, value.shape[-1] * down) != (size[0] * up, size[1] * up):
        return value
    return box.times(up, down).of(value)


def plan(model: LoadedModel, request: Any, width: int, height: int, batch: int) -> Tiling | None:
    """How a pass of ``width`` x ``height`` pixels is cut into tiles, None if it is not.

    By the request's ``tiled_diffusion``; if that is None, by an estimate of the memory that the UNet needs at once.
    """
    wanted = request.tiled_diffusion
    if wanted is False or (wanted is None and fits(model, width, height, batch)):
        return None
    cell = model.latent_scale
    step = 2 ** (len(model.unet.config.block_out_channels) - 1)
    side = request.tile_size or max(model.info.default_size)
    cells = max(step, side // cell // step * step)
    overlap = cells // 2 if request.tile_overlap is None else min(request.tile_overlap // cell, cells - step)
    columns, rows = width // cell, height // cell
    # tiles that begin at multiples of the step must also be able to end with the picture
    step = next(s for s in (step, step // 2 or 1, 1) if columns % s == 0 and rows % s == 0)
    tiling = Tiling(min(cells, columns), min(cells, rows), overlap // step * step, step)
    return tiling if len(tiling.boxes(columns, rows)) > 1 else None


def settled(model: LoadedModel, request: Any) -> Any:
    """A resolved request in which it stands whether the UNet works in tiles: that changes the picture, so it must be known
    to make the picture again."""
    size = getattr(request, "sampled_size", None)
    if getattr(request, "tiled_diffusion", False) is not None or size is None or not model.own_engine:
        return request
    return request if fits(model, *size, request.batch_size) else request.replace(tiled_diffusion=True)


def fits(model: LoadedModel, width: int, height: int, batch: int) -> bool:
    """Whether the UNet's work on a whole picture fits into two thirds of the free memory, by a rough estimate."""
    return estimate(model, width, height, batch) < memory.available(model.device) * 2 // 3


def estimate(model: LoadedModel, width: int, height: int, batch: int) -> int:
    """Bytes that the UNet needs at once for ``batch`` pictures of this size with guidance."""
    cells = (width // model.latent_scale) * (height // model.latent_scale)
    channels = int(model.unet.config.block_out_channels[0])
    return 2 * batch * channels * cells * model.dtype.itemsize * TENSORS_ALIVE

"""Work on a large picture piece by piece: overlapping tiles whose results are blended.

A tile's rim knows nothing of what lies beyond it, so the outer quarter of every overlap is thrown away and the middle half
is a linear ramp from one tile to the next: no seam, and everywhere else exactly what the tile says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Done = Callable[[float], None]
"""``done(fraction)``: reports how far it is; may raise to stop the work."""


@dataclass(frozen=True)
class Box:
    """A rectangle of cells: columns ``left``..``right`` - 1, rows ``top``..``bottom`` - 1."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    def times(self, up: int, down: int = 1) -> Box:
        """The same rectangle on a grid ``up / down`` times as fine."""
        return Box(*(value * up // down for value in (self.left, self.top, self.right, self.bottom)))

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """This part of a tensor [..., H, W]."""
        return x[..., self.top : self.bottom, self.left : self.right]


def spans(length: int, tile: int, overlap: int, step: int = 1) -> list[tuple[int, int]]:
    """Cut 0..length into spans of ``tile`` that overlap by at least ``overlap``, evenly, beginning at multiples of ``step``.

    One span of the whole length if it fits. All spans are equally long, so that a network sees one size.

    Raises:
        ValueError: the overlap is not smaller than the tile.
    """
    if length <= tile:
        return [(0, length)]
    if not 0 <= overlap < tile:
        raise ValueError(f"an overlap of {overlap} does not fit into tiles of {tile}")
    # a stride of whole steps: rounding then never makes an overlap smaller than asked
    stride = max(step, (tile - overlap) // step * step)
    count = 1 + -(-(length - tile) // stride)
    starts = [round(i * (length - tile) / (count - 1) / step) * step for i in range(count)]
    return [(min(start, length - tile), min(start, length - tile) + tile) for start in starts]


def plan(width: int, height: int, tile: tuple[int, int], overlap: int, step: int = 1) -> list[Box]:
    """The tiles of a picture, row by row. ``tile``: (width, height)."""
    rows, columns = spans(height, tile[1], overlap, step), spans(width, tile[0], overlap, step)
    return [Box(left, top, right, bottom) for top, bottom in rows for left, right in columns]


def ramp(start: int, end: int, length: int, overlap: int) -> torch.Tensor:
    """Weights float32 of a span of 0..length: 0 on the outer quarter of an overlap, rising over its middle half, then 1.

    No ramp where the span ends with the picture.
    """
    weights = torch.ones(end - start)
    quarter, rise = overlap // 4, max(1, overlap - 2 * (overlap // 4))
    edge = ((torch.arange(end - start) - quarter + 0.5) / rise).clamp(0, 1)
    if start > 0:
        weights = torch.minimum(weights, edge)
    if end < length:
        weights = torch.minimum(weights, edge.flip(0))
    return weights


def weights(box: Box, width: int, height: int, overlap: int) -> torch.Tensor:
    """Weights float32 [h, w] of a tile of a picture. Never all zero in a place that only this tile covers."""
    return ramp(box.top, box.bottom, height, overlap)[:, None] * ramp(box.left, box.right, width, overlap)[None, :]


class Canvas:
    """Collects weighted tiles; :meth:`result` is their mean, in float32.

    Args:
        shape: [..., H, W] of the whole. overlap: of its tiles, in its own cells. device: where it is collected.
    """

    def __init__(self, shape: tuple[int, ...], overlap: int, device: torch.device | str = "cpu") -> None:
        self.sum = torch.zeros(shape, device=device)
        self.weight = torch.zeros(shape[-2:], device=device)
        self.overlap = overlap

    def add(self, piece: torch.Tensor, box: Box) -> None:
        """Put a tile's result [..., h, w] where it belongs."""
        height, width = self.weight.shape
        share = weights(box, width, height, self.overlap).to(self.sum.device)
        box.of(self.sum).add_(piece.to(self.sum.device, torch.float32) * share)
        box.of(self.weight).add_(share)

    def result(self) -> torch.Tensor:
        """The blended whole [..., H, W], float32. The canvas is spent afterwards."""
        return self.sum.div_(self.weight.clamp_min_(1e-6))


def run(
    x: torch.Tensor,
    work: Callable[[torch.Tensor], torch.Tensor],
    *,
    tile: int,
    overlap: int,
    scale: tuple[int, int] = (1, 1),
    step: int = 1,
    done: Callable[[int, int], None] | None = None,
    collect_on: torch.device | str = "cpu",
) -> torch.Tensor:
    """``work`` on overlapping tiles of ``x`` [B, C, H, W]; the blended whole, float32 on ``collect_on``.

    Args:
        work: [B, C, h, w] -> [B, C', h * up / down, w * up / down]. scale: (up, down).
        tile, overlap: in cells of ``x``. step: tiles begin at multiples of it (``down`` must divide it).
        done: called with (tiles done, tiles) after each; may raise to stop.
    """
    up, down = scale
    height, width = x.shape[-2:]
    boxes = plan(width, height, (tile, tile), overlap, max(step, down))
    canvas: Canvas | None = None
    for index, box in enumerate(boxes):
        piece = work(box.of(x))
        if canvas is None:
            shape = (*piece.shape[:-2], height * up // down, width * up // down)
            canvas = Canvas(shape, overlap * up // down, collect_on)
        canvas.add(piece, box.times(up, down))
        if done is not None:
            done(index + 1, len(boxes))
    assert canvas is not None
    return canvas.result()

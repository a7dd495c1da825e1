"""A VAE in tiles that gives what the VAE gives: pictures larger than memory, without seams and without patches of another tint.

Memory goes where the picture is at full size. There, and only there, the VAE works on tiles that overlap by as much as the
convolutions reach, which makes them exact. The group norms are the difficulty: their mean and variance belong to the whole
picture, and a tile on its own would come out in another tone. So the norms are measured first, one after another, each by a sweep
over all tiles that ends at that norm. Between the steps of the way the whole is kept, as far as the budget allows, so that a
sweep is short. What is left of a difference is rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ra_widgets.diffusion import tiles
from ra_widgets.diffusion.tiles import Box, Done

TILE = 256
"""Side of a tile in pixels: what a processor's cache likes; GPUs like larger ones."""


@dataclass(frozen=True)
class Unit:
    """A step of the way through a coder.

    Attributes:
        work: [1, C, H, W] -> [1, ``channels``, H * up / down, W * up / down].
        reach: how many cells of its input, to each side, a cell of its result depends on; None: on everything.
        modules: what it consists of.
    """

    work: Callable[[torch.Tensor], torch.Tensor]
    channels: int
    reach: int | None
    modules: tuple[nn.Module, ...]
    up: int = 1
    down: int = 1


def decoder_units(vae: Any) -> list[Unit]:
    """The decoder of diffusers' ``AutoencoderKL`` step by step. Raises ``ValueError`` for a coder of another build."""
    decoder = vae.decoder
    blocks = list(decoder.up_blocks)
    _require(blocks, "UpDecoderBlock2D")
    ahead = vae.post_quant_conv if getattr(vae, "post_quant_conv", None) is not None else nn.Identity()

    def head(x: torch.Tensor) -> torch.Tensor:
        return decoder.mid_block(decoder.conv_in(ahead(x)), None)

    units = [Unit(head, decoder.conv_in.out_channels, None, (decoder.conv_in, decoder.mid_block))]
    for block in blocks:
        units += [Unit(_resnet(r), r.out_channels, 2, (r,)) for r in block.resnets]
        units += [Unit(u, u.out_channels, 1, (u,), up=2) for u in block.upsamplers or ()]

    def tail(x: torch.Tensor) -> torch.Tensor:
        return decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(x)))

    parts = (decoder.conv_norm_out, decoder.conv_out)
    return [*units, Unit(tail, decoder.conv_out.out_channels, 1, parts)]


def encoder_units(vae: Any) -> list[Unit]:
    """The encoder of diffusers' ``AutoencoderKL`` step by step; its result is mean and log variance.

    Raises ``ValueError`` for a coder of another build.
    """
    encoder = vae.encoder
    blocks = list(encoder.down_blocks)
    _require(blocks, "DownEncoderBlock2D")
    units = [Unit(encoder.conv_in, encoder.conv_in.out_channels, 1, (encoder.conv_in,))]
    for block in blocks:
        units += [Unit(_resnet(r), r.out_channels, 2, (r,)) for r in block.resnets]
        units += [Unit(d, d.out_channels, 2, (d,), down=2) for d in block.downsamplers or ()]
    behind = vae.quant_conv if getattr(vae, "quant_conv", None) is not None else nn.Identity()

    def tail(x: torch.Tensor) -> torch.Tensor:
        x = encoder.mid_block(x, None)
        return behind(encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(x))))

    parts = (encoder.mid_block, encoder.conv_norm_out, encoder.conv_out)
    return [*units, Unit(tail, encoder.conv_out.out_channels, None, parts)]


def _require(blocks: list[nn.Module], kind: str) -> None:
    others = {type(block).__name__ for block in blocks} - {kind}
    if others:
        raise ValueError(f"a VAE with {', '.join(sorted(others))} cannot be taken apart")


def _resnet(module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: module(x, None)


def peaks(units: list[Unit], shape: tuple[int, ...], bytes_each: int) -> list[int]:
    """Bytes that each unit needs at once on an input of [1, C, H, W]: its input, its result, and two more of its size."""
    _, channels, height, width = shape
    found = []
    for unit in units:
        before = channels * height * width
        height, width = height * unit.up // unit.down, width * unit.up // unit.down
        channels = unit.channels
        # inside a resnet the input, the normed input, the result and the way around it live at the same time
        found.append((2 * before + 2 * channels * height * width) * bytes_each)
    return found


def segments(units: list[Unit], shape: tuple[int, ...], bytes_each: int, budget: int) -> list[tuple[int, int, bool]]:
    """The way cut into (first, last + 1, in tiles?).

    Units that need more than ``budget`` bytes at once work in tiles. A segment of them is as short as it can be with its input
    and its result within the budget. Units that depend on everything are never cut.
    """
    heavy = [peak > budget and unit.reach is not None for peak, unit in zip(peaks(units, shape, bytes_each), units, strict=True)]  # fmt: skip
    sizes = [shape[1] * shape[2] * shape[3] * bytes_each]
    height, width = shape[2:]
    for unit in units:
        height, width = height * unit.up // unit.down, width * unit.up // unit.down
        sizes.append(unit.channels * height * width * bytes_each)
    found: list[tuple[int, int, bool]] = []
    first = 0
    while first < len(units):
        last = first + 1
        if heavy[first]:
            while sizes[first] + sizes[last] > budget and last < len(units) and units[last].reach is not None:
                last += 1
        found.append((first, last, heavy[first]))
        first = last
    return found


def run(units: list[Unit], x: torch.Tensor, *, budget: int, tile: int = TILE, done: Done | None = None) -> torch.Tensor:
    """All units on ``x`` [1, C, H, W], those that need more than ``budget`` bytes in tiles; float32.

    Args:
        tile: side of a tile in pixels of the picture. done: reports progress.
    """
    way = segments(units, tuple(x.shape), x.element_size(), budget)
    if not any(tiled for _, _, tiled in way):
        for unit in units:
            x = unit.work(x)
        return x.float()
    # cells of the input a pixel: an encoder begins with pixels, a decoder ends with them
    fine = 1
    for unit in units:
        fine = fine * unit.up
    costs = peaks(units, tuple(x.shape), x.element_size())
    for first, last, tiled in way:
        part = None if done is None else _part(done, sum(costs[:first]) / sum(costs), sum(costs[first:last]) / sum(costs))  # fmt: skip
        for unit in [] if tiled else units[first:last]:
            x = unit.work(x)
        if tiled:
            x = _tiled(units[first:last], x, max(16, tile // fine), part)
        for unit in units[first:last]:
            fine = max(1, fine * unit.down // unit.up)
        if part is not None:
            part(1.0)
    return x.float()


def _part(done: Done, start: float, share: float) -> Done:
    return lambda fraction: done(min(1.0, start + fraction * share))


def _tiled(units: list[Unit], x: torch.Tensor, side: int, done: Done | None) -> torch.Tensor:
    up = down = 1
    reach = 0.0
    for unit in units:
        reach += (unit.reach or 0) * down / up
        up, down = up * unit.up, down * unit.down
    halo = -(-int(reach + 1) // down) * down
    side = max(side // down * down, 4 * halo)
    boxes = tiles.plan(x.shape[-1], x.shape[-2], (side, side), 2 * halo, down)
    own = cores(boxes, down)

    def work(piece: torch.Tensor) -> torch.Tensor:
        for unit in units:
            piece = unit.work(piece)
        return piece

    norms = Norms([module for unit in units for module in unit.modules])
    passes = norms.count + 1
    with norms.installed():
        while _sweep(norms, boxes, own, x, work, passes, done):
            pass
        out: torch.Tensor | None = None
        for index, (box, core) in enumerate(zip(boxes, own, strict=True)):
            piece = core.times(up, down).of(work(box.of(x)))
            if out is None:
                size = x.shape[-2] * up // down, x.shape[-1] * up // down
                out = piece.new_empty((*piece.shape[:2], *size))
            left, top = (box.left + core.left) * up // down, (box.top + core.top) * up // down
            Box(left, top, left + piece.shape[-1], top + piece.shape[-2]).of(out).copy_(piece)
            if done is not None:
                done((passes - 1 + (index + 1) / len(boxes)) / passes)
    assert out is not None
    return out


def _sweep(
    norms: Norms,
    boxes: list[Box],
    own: list[Box],
    x: torch.Tensor,
    work: Callable[[torch.Tensor], torch.Tensor],
    passes: int,
    done: Done | None,
) -> bool:
    """Measure the next norm that is not known; False if all are."""
    settled = len(norms.known)
    if settled == norms.count:
        return False
    for index, (box, core) in enumerate(zip(boxes, own, strict=True)):
        norms.core = (core, box.width, box.height)
        try:
            work(box.of(x))
        except Measured:
            pass
        else:  # the remaining norms are not on the way
            return False
        if done is not None:
            done((settled + (index + 1) / len(boxes)) / passes)
    norms.settle()
    return True


def cores(boxes: list[Box], step: int = 1) -> list[Box]:
    """For overlapping tiles, the part of each that is its own, relative to it: they divide the whole among them, at
    multiples of ``step``."""

    def cuts(spans: list[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int]]:
        middles = [(spans[i][1] + spans[i + 1][0]) // 2 // step * step for i in range(len(spans) - 1)]
        edges = [spans[0][0], *middles, spans[-1][1]]
        return {span: (edges[i] - span[0], edges[i + 1] - span[0]) for i, span in enumerate(spans)}

    columns = cuts(sorted({(box.left, box.right) for box in boxes}))
    rows = cuts(sorted({(box.top, box.bottom) for box in boxes}))
    found = []
    for box in boxes:
        (left, right), (top, bottom) = columns[box.left, box.right], rows[box.top, box.bottom]
        found.append(Box(left, top, right, bottom))
    return found


class Measured(Exception):
    """Raised at a norm that is being measured: the rest of the tile's way is not needed yet."""


class Norms:
    """Group norms that use the statistics of the whole picture: each is measured once, over all tiles.

    Attributes:
        known: mean and variance, float32 [B, G], by norm. core: the part of the present tile that counts, and the tile's width and
            height, in cells of its input.
    """

    def __init__(self, modules: list[nn.Module]) -> None:
        found = [norm for module in modules for norm in module.modules() if isinstance(norm, nn.GroupNorm)]
        self._norms = list(dict.fromkeys(found))
        self.known: dict[nn.GroupNorm, tuple[torch.Tensor, torch.Tensor]] = {}
        self.core: tuple[Box, int, int] | None = None
        self._now: nn.GroupNorm | None = None
        self._sums: list[torch.Tensor] = []

    @property
    def count(self) -> int:
        """How many norms there are."""
        return len(self._norms)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While it lasts, the modules' norms are these."""
        try:
            for norm in self._norms:
                norm.forward = self._forward(norm)  # type: ignore[method-assign]
            yield
        finally:
            for norm in self._norms:
                norm.__dict__.pop("forward", None)

    def settle(self) -> None:
        """The norm that was measured is known from now on."""
        assert self._now is not None
        count, total, squares = self._sums
        mean = total / count
        self.known[self._now] = mean.float(), (squares / count - mean**2).clamp_min(0).float()
        self._now, self._sums = None, []

    def _forward(self, norm: nn.GroupNorm) -> Callable[[torch.Tensor], torch.Tensor]:
        def forward(x: torch.Tensor) -> torch.Tensor:
            if norm not in self.known:
                self._measure(norm, x)
                raise Measured()
            mean, variance = self.known[norm]
            each = x.shape[1] // norm.num_groups
            gain = (variance + norm.eps).rsqrt().repeat_interleave(each, 1)
            shift = -mean.repeat_interleave(each, 1) * gain
            if norm.affine:
                gain, shift = gain * norm.weight.float(), shift * norm.weight.float() + norm.bias.float()
            return torch.addcmul(shift.to(x.dtype)[..., None, None], x, gain.to(x.dtype)[..., None, None])

        return forward

    def _measure(self, norm: nn.GroupNorm, x: torch.Tensor) -> None:
        assert self.core is not None
        box, width, height = self.core
        across, down = x.shape[-1] / width, x.shape[-2] / height
        part = Box(int(box.left * across), int(box.top * down), int(box.right * across), int(box.bottom * down)).of(x)
        flat = part.reshape(x.shape[0], norm.num_groups, -1).float()
        new = [torch.tensor(float(flat.shape[-1])), flat.sum(-1).double(), flat.square().sum(-1).double()]
        self._sums = [a + b for a, b in zip(self._sums, new, strict=True)] if self._now is norm else new
        self._now = norm


def decode(vae: Any, latents: torch.Tensor, budget: int, done: Done | None = None) -> torch.Tensor:
    """What ``vae.decode`` gives for one picture's latents [1, C, h, w], within about ``budget`` bytes if that can be."""
    units = _units(vae, decoder_units)
    if units is None or max(peaks(units, tuple(latents.shape), latents.element_size())) <= budget:
        return vae.decode(latents, return_dict=False)[0]
    return run(units, latents, budget=budget, tile=_tile(latents), done=done)


def encode(vae: Any, pixels: torch.Tensor, budget: int, done: Done | None = None) -> torch.Tensor:
    """The mean of what ``vae.encode`` gives for one picture [1, 3, H, W] in -1..1, within about ``budget`` bytes."""
    units = _units(vae, encoder_units)
    if units is None or max(peaks(units, tuple(pixels.shape), pixels.element_size())) <= budget:
        return vae.encode(pixels).latent_dist.mode()
    return run(units, pixels, budget=budget, tile=_tile(pixels), done=done).chunk(2, 1)[0]


def _units(vae: Any, of: Callable[[Any], list[Unit]]) -> list[Unit] | None:
    """The steps of this VAE, None if it cannot be taken apart."""
    try:
        return of(vae)
    except (AttributeError, ValueError):
        return None


def can_be_cut(vae: Any) -> bool:
    """Whether :func:`decode` and :func:`encode` can work in tiles; else diffusers' own tiling is what is left."""
    return _units(vae, decoder_units) is not None and _units(vae, encoder_units) is not None


def _tile(x: torch.Tensor) -> int:
    return TILE if x.device.type == "cpu" else 4 * TILE

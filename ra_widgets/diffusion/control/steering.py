"""What steers one pass beside its prompts: ControlNet units and IP-Adapters, as additions to each call of the UNet.

The rules are those of the webui's ControlNet extension: a unit acts while ``start <= step / steps <= end``, counted as the webui
counts (a call sees the step that was finished last); "my prompt is more important" and "ControlNet is more important" weaken the
outer layers by 0.825 a layer, the latter also leaves the negative prompt alone; the residuals of several units add up. In the
second pass of hires fix, maps of hard edges act with the weakened layers too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ra_widgets.diffusion.control.nets import Net

if TYPE_CHECKING:
    from ra_widgets.diffusion.control.ip_adapter import Adapters
    from ra_widgets.diffusion.denoiser import CondBatch

SOFT = 0.825
ADAPTER_SOFT = (0.25, 0.62, 0.825, 1.0)
HARD_EDGES = ("canny", "mlsd")


@dataclass
class Unit:
    """One ControlNet or T2I-Adapter at work.

    Attributes:
        net: the network. embedded: its view of the hint. weight: strength. start, end: share of the steps, 0..1.
        mode: ``balanced``, ``prompt`` or ``control``. soft: weaken the outer layers.
    """

    net: Net
    embedded: Any
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: str = "balanced"
    soft: bool = False

    def scales(self, count: int) -> list[float]:
        """The weight of each of ``count`` residuals, the last being the deepest."""
        if not (self.soft or self.mode != "balanced"):
            return [self.weight] * count
        if self.net.adapter:
            table = ADAPTER_SOFT[-count:] if count <= 4 else (*ADAPTER_SOFT, *[1.0] * (count - 4))
            return [self.weight * share for share in table]
        # the table is made for the 13 residuals of SD 1; for the 10 of SDXL the webui takes its beginning
        last = 12 if count in (10, 13) else count - 1
        return [self.weight * SOFT ** (last - i) for i in range(count)]


@dataclass
class Steering:
    """All that steers a pass. Set ``step`` after each finished step; call it for the UNet's further arguments.

    Attributes:
        units: ControlNets and T2I-Adapters. total: steps of the pass. step: the step that was finished last (0 at first).
        adapters: IP-Adapters, or None.
    """

    units: Sequence[Unit] = ()
    total: int = 1
    step: int = 0
    adapters: Adapters | None = None
    calls: int = field(default=0, repr=False)

    def __bool__(self) -> bool:
        return bool(self.units) or self.adapters is not None

    @property
    def share(self) -> float:
        """How much of the pass is done, as the units' starts and ends count it."""
        return self.step / max(self.total, 1)

    def __call__(
        self, x: torch.Tensor, t: torch.Tensor, cond: CondBatch, added: dict[str, torch.Tensor]
    ) -> dict[str, Any]:
        """Keyword arguments for the UNet's call on ``x`` [N, C, h, w] (without further input channels)."""
        found: dict[str, Any] = {}
        nets: list[torch.Tensor] | None = None
        adapters: list[torch.Tensor] | None = None
        for unit in self.units:
            if not unit.start <= self.share <= unit.end:
                continue
            if unit.net.adapter:
                adapters = _sum(adapters, self._adapter(unit, x, cond))
            elif (residuals := self._net(unit, x, t, cond, added)) is not None:
                nets = _sum(nets, residuals)
        if nets is not None:
            found["down_block_additional_residuals"] = tuple(nets[:-1])
            found["mid_block_additional_residual"] = nets[-1]
        if self.adapters is not None:
            embeds = self.adapters.image_embeds(len(x), cond.positive, self.share)
            found["added_cond_kwargs"] = {"image_embeds": embeds}
        if adapters is not None:
            found["down_intrablock_additional_residuals"] = adapters
        return found

    def _net(
        self, unit: Unit, x: torch.Tensor, t: torch.Tensor, cond: CondBatch, added: dict[str, torch.Tensor]
    ) -> list[torch.Tensor] | None:
        rows = len(x) if cond.positive is None else cond.positive
        # only the rows of the prompt, when the negative prompt is left alone
        part = slice(0, rows if unit.mode == "control" or unit.net.pooled else len(x))
        if part.stop == 0:
            return None
        self.calls += 1
        some = {key: value[part] for key, value in added.items()}
        residuals = unit.net.residuals(x[part], t[part], cond.context[part], some, unit.embedded)
        scaled = [r * scale for r, scale in zip(residuals, unit.scales(len(residuals)), strict=True)]
        if unit.net.pooled:
            scaled = [r.mean(dim=(2, 3), keepdim=True) for r in scaled]
        if part.stop < len(x):
            scaled = [torch.cat([r, r.new_zeros(len(x) - part.stop, *r.shape[1:])]) for r in scaled]
        return scaled

    def _adapter(self, unit: Unit, x: torch.Tensor, cond: CondBatch) -> list[torch.Tensor]:
        rows = len(x) if cond.positive is None or unit.mode != "control" else cond.positive
        found = []
        for residual, scale in zip(unit.embedded, unit.scales(len(unit.embedded)), strict=True):
            page = (residual * scale).expand(len(x), -1, -1, -1)
            if rows < len(x):
                page = torch.cat([page[:rows], torch.zeros_like(page[rows:])])
            found.append(page)
        return found


def _sum(before: list[torch.Tensor] | None, more: list[torch.Tensor]) -> list[torch.Tensor]:
    return more if before is None else [a + b for a, b in zip(before, more, strict=True)]

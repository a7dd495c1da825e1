"""The variation grid: a picture among its variations; choose one, and go on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets as tr

from ra_widgets.experiments import plans
from ra_widgets.results import Record
from ra_widgets.widgets._base import guarded, shared
from ra_widgets.widgets._traits import Decimal
from ra_widgets.widgets.stage import Stage

if TYPE_CHECKING:
    from ra_widgets.jobs import Job
    from ra_widgets.kernel import PipelineKernel

COUNT = 8
"""Variations around a picture: with it, three by three."""
STRENGTH = 0.2


class VariationGrid(Stage):
    """Variations of a picture, to choose from: the one that is chosen is what the next ones vary.

    Args:
        kernel: makes the pictures. source: a prompt, a request, a record or a result.
        strength: how far the variations go, 0..1. count: how many, 1..35.
        start: begin at once.

    Attributes:
        base: what is varied. picked: the picture that is selected. busy: pictures are being made.

    Example:
        >>> grid = ra.VariationGrid(kernel, "草地上的一只小狗")
        >>> grid
        >>> grid.picked.to_request()
    """

    BUNDLE = "variations"
    TEXTS = (*Stage.TEXTS, "variations.strength", "variations.again", "variations.go_on", "variations.hint", "stop")
    INPUTS = ("selected", "comparing", "strength")
    MESSAGES = ("example", "lacking", "again", "go_on", "stop")

    strength = shared(Decimal(STRENGTH))
    busy = shared(tr.Bool(False))

    def __init__(
        self, kernel: PipelineKernel, source: Any, *, strength: float = STRENGTH, count: int = COUNT, start: bool = True,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        self.kernel = kernel
        self.base = plans.base_request(source)
        self.count = min(max(int(count), 1), 35)
        self.job: Job | None = None
        super().__init__(strength=strength, **kwargs)
        self.observe(lambda change: self.set_trait("busy", change["new"].get("kind", "idle") != "idle"), "status")
        if start:
            self.make()

    @tr.validate("strength")
    def _valid_strength(self, proposal: Any) -> float:
        return min(max(float(proposal["value"]), 0.0), 1.0)

    @property
    def picked(self) -> Record | None:
        """The picture that is selected."""
        return self.record

    @guarded
    def make(self) -> Job | None:
        """Make new variations of :attr:`base`; returns the job."""
        if self.job is not None and not self.job.done:
            return self.job
        self.clear_error()
        plan = plans.variations(self.base, strengths=self.strength, subseeds=self.count)
        self.job = plan.submit(self.kernel)
        self.follow(self.job)
        return self.job

    def go_on(self) -> Job | None:
        """Vary the picture that is selected."""
        if self.record is not None and (self.job is None or self.job.done):
            self.base = plans.base_request(self.record)
        return self.make()

    def stop(self) -> None:
        """Stop; what is finished stays."""
        if self.job is not None:
            self.job.cancel()

    def on_pick(self, callback: Callable[[Record], Any], remove: bool = False) -> None:
        """Call ``callback(record)`` when a picture is chosen to go on with."""
        self._register("pick", callback, remove)

    def _on_again(self, _: Any) -> None:
        self.make()

    def _on_go_on(self, _: Any) -> None:
        record = self.record
        self.go_on()
        if record is not None:
            self._fire("pick", record)

    def _on_stop(self, _: Any) -> None:
        self.stop()

"""The sampler panel: sampler, schedule, steps, guidance."""

from __future__ import annotations

from typing import Any

import traitlets as tr

from ra_widgets.samplers import SAMPLER_NAMES, SCHEDULER_NAMES
from ra_widgets.widgets._base import RequestPanel, shared
from ra_widgets.widgets._traits import Decimal, Whole


class SamplerPanel(RequestPanel):
    """How the picture is sampled.

    Attributes:
        sampler, scheduler: webui names, one of ``samplers`` and ``schedulers``.
        steps: 1..150. cfg_scale: 0..100, None: the model's own.

    Example:
        >>> panel = SamplerPanel(steps=12)
        >>> panel
        >>> kernel.generate("一个红苹果", **panel.values())
    """

    BUNDLE = "sampler"
    TEXTS = ("sampler", "scheduler", "scheduler.automatic", "steps", "cfg")
    INPUTS = ("sampler", "scheduler", "steps", "cfg_scale")

    samplers = shared(tr.List(tr.Unicode(), default_value=list(SAMPLER_NAMES)))
    schedulers = shared(tr.List(tr.Unicode(), default_value=list(SCHEDULER_NAMES)))
    sampler = shared(tr.Unicode("DPM++ 2M"))
    scheduler = shared(tr.Unicode("Automatic"))
    steps = shared(Whole(20))
    cfg_scale = shared(Decimal(None, allow_none=True))

    @tr.validate("sampler", "scheduler")
    def _valid_name(self, proposal: Any) -> str:
        known = self.samplers if proposal["trait"].name == "sampler" else self.schedulers
        if proposal["value"] not in known:
            raise tr.TraitError(f"{proposal['value']!r} is none of {', '.join(known)}")
        return proposal["value"]

"""Experiments: pictures compared, settings compared, results proven; variations, travels and mixtures.

    travel = ra.experiments.prompt_travel(kernel, ["春天的花园", "冬天的花园"], frames=12, seed=7)
    travel.sheet()                    # the labelled contact sheet, a PIL image
    travel.animate("garden.webp")

Each function makes its pictures and waits (progress bar, estimate, Ctrl-C); :mod:`ra_widgets.experiments.plans` has the same without
waiting: ``plan = plans.variations(...)``, ``job = plan.submit(kernel)``, ``plan.sheet(job.result())``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_NAMES = {
    "ContactSheet": "contact",
    "Plan": "plans",
    "prompt_travel": "making",
    "seed_travel": "making",
    "style_mix": "making",
    "variations": "making",
}

__all__ = [*_NAMES]

if TYPE_CHECKING:
    from ra_widgets.experiments.contact import ContactSheet
    from ra_widgets.experiments.making import prompt_travel, seed_travel, style_mix, variations
    from ra_widgets.experiments.plans import Plan


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'ra_widgets.experiments' has no attribute {name!r}")
    value = getattr(import_module(f"ra_widgets.experiments.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

"""A list of units of which one is edited at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as tr

from ra_widgets.widgets._base import RAWidget, shared
from ra_widgets.widgets._traits import Whole

MOST = 8


class UnitList(RAWidget):
    """Chips, one a unit: choose, add, remove.

    Attributes:
        units: ``[{"title", "ready"}]``; selected: index of the one that is edited.
    """

    BUNDLE = "units"
    TEXTS = ("units.add", "units.remove", "units.unit", "units.idle")
    INPUTS = ("selected",)
    MESSAGES = ("add", "remove")

    units = shared(tr.List(tr.Dict()))
    selected = shared(Whole(0))
    most = shared(Whole(MOST))

    @tr.validate("selected")
    def _valid_selected(self, proposal: Any) -> int:
        return min(max(proposal["value"], 0), max(0, len(self.units) - 1))

    def on_add(self, callback: Callable[[], Any], remove: bool = False) -> None:
        """Call ``callback()`` when another unit is wanted."""
        self._register("add", callback, remove)

    def on_remove(self, callback: Callable[[], Any], remove: bool = False) -> None:
        """Call ``callback()`` when the selected unit is to go."""
        self._register("remove", callback, remove)

    def _on_add(self, _: Any) -> None:
        if len(self.units) < self.most:
            self._fire("add")

    def _on_remove(self, _: Any) -> None:
        if len(self.units) > 1:
            self._fire("remove")

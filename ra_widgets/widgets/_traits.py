"""Trait types for numbers that people type: whole numbers and decimals that JavaScript and JSON can carry."""

from __future__ import annotations

import math
from typing import Any

import traitlets as tr

_SAFE = 2**53 - 1
"""Beyond this the browser's numbers lose digits."""


class Whole(tr.TraitType):
    """A whole number; ``20.0`` and ``"20"`` are taken as 20. What is allowed beyond that, the request says."""

    info_text = "a whole number"
    default_value = 0

    def validate(self, obj: Any, value: Any) -> int:
        if isinstance(value, str):
            try:
                value = int(value.strip())
            except ValueError:
                self.error(obj, value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.error(obj, value)
        if value != int(value) or abs(value) > _SAFE:
            self.error(obj, value)
        return int(value)


class Decimal(tr.TraitType):
    """A finite number."""

    info_text = "a number"
    default_value = 0.0

    def validate(self, obj: Any, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.error(obj, value)
        return float(value)

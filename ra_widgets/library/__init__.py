"""The library room: which models there are and what they are. Knows data only, never torch."""

from __future__ import annotations

from ra_widgets.library.identify import ModelInfo, available, identify, resolve

__all__ = ["ModelInfo", "available", "identify", "resolve"]

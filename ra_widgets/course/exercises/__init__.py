"""The exercises of the lessons, one module a lesson; importing this registers them all."""

from __future__ import annotations

from ra_widgets.course.exercises import e00, e01, e02, e03, e04, e05, e06, e07, e08, e09

__all__ = ["e00", "e01", "e02", "e03", "e04", "e05", "e06", "e07", "e08", "e09"]

"""The tabs that start from a picture, one small module a tab. Each is a :class:`PictureTask`."""

from __future__ import annotations

from ra_widgets.widgets.tasks._task import PictureTask, TaskState

__all__ = ["PictureTask", "TaskState"]

"""A series: many requests of one picture each, one after another, as one job."""

from __future__ import annotations

from ra_widgets.diffusion import tasks
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.requests import Series


def run(model: LoadedModel, request: Series, work: Work) -> None:
    """Make all pictures of a resolved series, in order.

    Raises:
        RAError: what a member raises; the pictures before it are kept.
    """
    for member in request.requests:
        work.check()
        tasks.run(model, member, work)

"""The batch panel: how many pictures."""

from __future__ import annotations

from ra_widgets.widgets._base import RequestPanel, shared
from ra_widgets.widgets._traits import Whole


class BatchPanel(RequestPanel):
    """How many pictures a request makes: ``batch_size`` at once, ``n_iter`` batches in a row.

    Example:
        >>> batch = BatchPanel(batch_size=4)
        >>> batch
        >>> kernel.generate("一个红苹果", **batch.values())
    """

    BUNDLE = "batch"
    TEXTS = ("batch_size", "n_iter", "batch.total")
    INPUTS = ("batch_size", "n_iter")

    batch_size = shared(Whole(1))
    n_iter = shared(Whole(1))

"""The seed panel: a number, the dice, the last seed."""

from __future__ import annotations

from ra_widgets.widgets._base import RequestPanel, shared
from ra_widgets.widgets._traits import Whole


class SeedPanel(RequestPanel):
    """The seed.

    Attributes:
        seed: 0..4294967295, or -1 for another one each time.
        last_seed: the seed of the last picture (for "reuse"), or None.

    Example:
        >>> seed = SeedPanel(seed=42)
        >>> seed
        >>> kernel.generate("一个红苹果", seed=seed.seed)
    """

    BUNDLE = "seed"
    TEXTS = ("seed", "seed.random", "seed.random.tip", "seed.reuse", "seed.reuse.tip")
    INPUTS = ("seed",)

    seed = shared(Whole(-1))
    last_seed = shared(Whole(None, allow_none=True))

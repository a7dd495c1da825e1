"""The experiments as functions that wait: plan, make, sheet. Arguments are those of the plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ra_widgets.experiments import plans, styles

if TYPE_CHECKING:
    from ra_widgets.experiments.contact import ContactSheet
    from ra_widgets.kernel import PipelineKernel


def variations(kernel: PipelineKernel, source: Any, *, keep: bool = True, **options: Any) -> ContactSheet:
    """Variations of a picture: a sheet of them, or a grid of variation seeds and strengths; see :func:`.plans.variations`.

    Example:
        >>> ra.experiments.variations(kernel, record, strengths=0.2)                        # 3 x 3, the original in the middle
        >>> ra.experiments.variations(kernel, record, strengths=[0.1, 0.3, 0.6], subseeds=[7, 8, 9])
    """
    return plans.variations(source, **options).run(kernel, keep=keep)


def seed_travel(
    kernel: PipelineKernel, source: Any, seeds: Sequence[int], *, keep: bool = True, **options: Any
) -> ContactSheet:
    """From the picture of one seed to that of the next; see :func:`.plans.seed_travel`.

    Example:
        >>> ra.experiments.seed_travel(kernel, "一只猫", [1, 2, 3], frames=24, loop=True).animate("cat.webp")
    """
    return plans.seed_travel(source, seeds, **options).run(kernel, keep=keep)


def prompt_travel(
    kernel: PipelineKernel, prompts: Sequence[Any], source: Any = None, *, keep: bool = True, **options: Any
) -> ContactSheet:
    """From one prompt to the next, with the same noise; see :func:`.plans.prompt_travel`.

    Example:
        >>> ra.experiments.prompt_travel(kernel, ["春天的花园", "冬天的花园"], frames=12, seed=7).animate("garden.gif")
    """
    return plans.prompt_travel(prompts, source, **options).run(kernel, keep=keep)


def style_mix(
    kernel: PipelineKernel, source: Any, styles_: Sequence[Any], *, keep: bool = True, **options: Any
) -> ContactSheet:
    """One picture in mixtures of styles; see :func:`.styles.style_mix`.

    Example:
        >>> ra.experiments.style_mix(kernel, "一座房子", ["水墨画", "油画", "像素画"], seed=7)      # a triangle
    """
    return styles.style_mix(source, styles_, **options).run(kernel, keep=keep)

"""Lesson 01: the parts of the model and the sizes of what flows between them."""

from __future__ import annotations

from typing import Any

from ra_widgets.course.checks import Hint, exercise
from ra_widgets.course.exercises._answers import number


@exercise("01.1")
def latent_shape(answer: Any) -> None:
    """The latent of a picture 768 wide and 512 high: 4 channels, 64 rows, 96 columns."""
    try:
        shape = tuple(int(number) for number in answer)
    except (TypeError, ValueError):
        raise Hint("course.01.1.three") from None
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 3:
        raise Hint("course.01.1.three")
    if shape == (4, 96, 64):
        raise Hint("course.01.1.order")
    if shape[0] != 4:
        raise Hint("course.01.1.channels", got=shape[0])
    if shape != (4, 64, 96):
        raise Hint("course.01.1.eighth")


@exercise("01.2")
def saving(answer: Any) -> None:
    """A 512 x 512 RGB picture has 48 times as many numbers as its latent."""
    value = number(answer)
    if abs(value - 64) < 1e-6:
        raise Hint("course.01.2.channels")
    if abs(value * 48 - 1) < 1e-6:
        raise Hint("course.01.2.inverse")
    if abs(value - 48) > 1e-6:
        raise Hint("course.01.2.count")


@exercise("01.3")
def unet_work(answer: Any) -> None:
    """20 steps with CFG: the UNet looks at 40 latents."""
    value = number(answer)
    if value == 20:
        raise Hint("course.01.3.twice")
    if value != 40:
        raise Hint("course.01.3.count")

"""Composition: ``a AND b :0.7`` makes several prompts that steer the picture together, each with its weight.

webui's rule (composable diffusion, Liu et al. 2022): split at the word AND; a number behind the last colon of a
part is its weight, 1 by default, negative allowed. It applies to positive prompts only. A quirk that is kept: the
weight is read off the end of any part, also of the only one and also when a bracket is still open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*")


@dataclass(slots=True)
class Part:
    """One of the composed prompts: its text, weight, and range in the whole prompt.

    ``weight_start`` is where the ``:weight`` begins, equal to ``end`` when there is none.
    """

    text: str
    weight: float
    start: int
    end: int
    weight_start: int


def parts(text: str) -> list[Part]:
    """Split at AND, keeping positions."""
    found: list[Part] = []
    begin = 0
    for match in _AND.finditer(text):
        found.append(_part(text, begin, match.start()))
        begin = match.end()
    found.append(_part(text, begin, len(text)))
    return found


def split_and(text: str) -> list[tuple[str, float]]:
    """``[(text, weight), ...]``; a prompt without AND is one part."""
    return [(part.text, part.weight) for part in parts(text)]


def _part(text: str, start: int, end: int) -> Part:
    whole = text[start:end]
    colon = whole.rfind(":")
    if colon >= 0:
        match = _WEIGHT.fullmatch(whole, colon + 1)
        if match:
            words = whole[:colon].rstrip()
            return Part(words, float(match.group(1)), start, end, start + colon)
    return Part(whole.rstrip(), 1.0, start, end, end)

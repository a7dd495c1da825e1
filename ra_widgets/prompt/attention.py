"""Attention: which words of a prompt weigh how much.

The dialect of AUTOMATIC1111's webui: ``(a)`` is 1.1 times as strong, ``[a]`` 1/1.1 times, ``(a:1.3)`` 1.3 times; nested
brackets multiply; a backslash makes a bracket a character; an unclosed bracket acts to the end of the text; full-width
brackets are ordinary characters. Round and square brackets are counted apart from each other, so ``(a [b) c]`` means
something: the ranges may cross.

The work is linear in the length of the text. Exactness: each piece is multiplied bracket by bracket in the order in
which the brackets close, so the floats are the webui's own to the last bit, as long as the whole text needs no more
than :data:`EXACT_OPERATIONS` multiplications (no prompt of a human does); beyond that, the brackets around each
piece are counted instead, which differs in the last digits only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

ROUND = 1.1
SQUARE = 1 / 1.1
EXACT_OPERATIONS = 500_000

# Alternatives in the order in which the dialect tries them. Runs of one bracket, and text with colons that are no
# weights, are one match for the sake of speed.
_WEIGHT = r":\s*[+-]?[.\d]+\s*\)"
_TOKEN = re.compile(rf"[^\\()\[\]:]+(?::(?!{_WEIGHT[1:]})[^\\()\[\]:]*)*|\(+|\[+|\)|]|{_WEIGHT}|:|\\[()\[\]\\]|\\")
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(slots=True)
class Piece:
    """A stretch of prompt of one weight.

    ``start`` and ``end`` are positions in the text that was parsed (``end`` exclusive); ``text`` lacks the brackets,
    weights and backslashes that the stretch may hold in the source.
    """

    text: str
    weight: float
    start: int
    end: int

    @property
    def is_break(self) -> bool:
        """Whether this is the keyword that starts a new chunk (inside brackets it is just a word: webui quirk)."""
        return self.text == "BREAK" and self.weight == -1


@dataclass(slots=True)
class Scan:
    """What one pass over the text finds.

    The raw pieces as three lists, and ``operations``, ``(first piece, behind the last, factor)``: what each bracket
    multiplies, in the order of closing.
    """

    texts: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    operations: list[tuple[int, int, float]] = field(default_factory=list)


def parse_attention(text: str) -> list[list]:
    """Split a prompt into ``[[text, weight], ...]``, as the webui's ``parse_prompt_attention`` does.

    Neighbours of equal weight are merged; an empty prompt is ``[["", 1.0]]``; ``["BREAK", -1]`` marks a chunk break.
    Unlike the webui, which raises ``ValueError``, ``(a:1..2)`` is read as ``(a:b)`` is: the text ``a:1..2`` at 1.1.
    """
    found = scan(text)
    weigh(found)
    texts = found.texts
    return [["".join(texts[first:last]), weight] for first, last, weight in _runs(found)] or [["", 1.0]]


def attention_pieces(text: str) -> list[Piece]:
    """The same as :func:`parse_attention`, with the place in ``text`` of each piece."""
    found = scan(text)
    weigh(found)
    return _merge(found)


def scan(text: str) -> Scan:
    """Tokenise ``text``; weights are not applied yet (see :func:`weigh`)."""
    found = Scan()
    texts, starts, ends, operations = found.texts, found.starts, found.ends, found.operations
    round_open: list[int] = []
    square_open: list[int] = []
    breaks = "BREAK" in text
    end = 0
    # The tokens cover the text without gaps, so that lengths add up to positions.
    for token in _TOKEN.findall(text):
        start, end = end, end + len(token)
        first = token[0]
        if first not in "()[]:\\":
            if breaks and "BREAK" in token:
                _append_with_breaks(found, token, start)
            else:
                texts.append(token)
                starts.append(start)
                ends.append(end)
        elif first == "(":
            round_open += [len(texts)] * len(token)
        elif first == "[":
            square_open += [len(texts)] * len(token)
        elif first == ")" and round_open:
            opened = round_open.pop()
            if opened < len(texts):
                operations.append((opened, len(texts), ROUND))
        elif first == "]" and square_open:
            opened = square_open.pop()
            if opened < len(texts):
                operations.append((opened, len(texts), SQUARE))
        elif first == ":" and len(token) > 1 and round_open:
            weight = _number(token[1:-1])
            if weight is None:
                texts.append(token[:-1])
                starts.append(start)
                ends.append(end - 1)
                weight = ROUND
            opened = round_open.pop()
            if opened < len(texts):
                operations.append((opened, len(texts), weight))
        else:
            texts.append(token[1:] if first == "\\" else token)
            starts.append(start)
            ends.append(end)
    size = len(texts)
    operations += [(opened, size, ROUND) for opened in round_open if opened < size]
    operations += [(opened, size, SQUARE) for opened in square_open if opened < size]
    found.weights += [1.0] * (size - len(found.weights))
    return found


def weigh(found: Scan) -> None:
    """Apply the brackets of a :class:`Scan` to its weights."""
    weights, operations = found.weights, found.operations
    if sum(end - start for start, end, _ in operations) > EXACT_OPERATIONS:
        _weigh_by_counting(weights, operations)
        return
    for start, end, by in operations:
        for index in range(start, end):
            weights[index] *= by


def _merge(found: Scan) -> list[Piece]:
    """Join neighbours of equal weight; never returns an empty list."""
    texts, starts, ends = found.texts, found.starts, found.ends
    return [
        Piece("".join(texts[first:last]), weight, starts[first], ends[last - 1]) for first, last, weight in _runs(found)
    ] or [Piece("", 1.0, 0, 0)]


def _runs(found: Scan) -> Iterator[tuple[int, int, float]]:
    """Neighbours of equal weight: first, behind the last, weight."""
    first = 0
    for weight, group in groupby(found.weights):
        last = first + len(list(group))
        yield first, last, weight
        first = last


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _append_with_breaks(found: Scan, token: str, offset: int) -> None:
    """Append a run of text, cut at the keyword BREAK, whose surrounding white space goes with it."""
    begin = 0
    found.weights += [1.0] * (len(found.texts) - len(found.weights))
    for match in _BREAK.finditer(token):
        part = token[begin : match.start()].rstrip()
        found.texts += [part.lstrip() if begin else part, "BREAK"]
        found.starts += [offset + begin, offset + match.start()]
        found.ends += [offset + match.start(), offset + match.end()]
        found.weights += [1.0, -1]
        begin = match.end()
    found.texts.append(token[begin:].lstrip() if begin else token)
    found.starts.append(offset + begin)
    found.ends.append(offset + len(token))


def _weigh_by_counting(weights: list[float], operations: list[tuple[int, int, float]]) -> None:
    """Weights of absurdly bracketed texts: sums of logarithms by difference arrays, linear instead of quadratic."""
    size = len(weights) + 1
    powers, zeros, negatives = [0] * size, [0] * size, [0] * size
    logs: list[float] = [0.0] * size
    for start, end, by in operations:
        if by in (ROUND, SQUARE):
            power = 1 if by == ROUND else -1
            powers[start] += power
            powers[end] -= power
        elif by == 0:
            zeros[start] += 1
            zeros[end] -= 1
        else:
            if by < 0:
                negatives[start] += 1
                negatives[end] -= 1
            log = math.log(min(abs(by), 1e308))
            logs[start] += log
            logs[end] -= log
    unit = math.log(ROUND)
    power = zero = negative = 0
    total = 0.0
    for index in range(size - 1):
        power += powers[index]
        zero += zeros[index]
        negative += negatives[index]
        total += logs[index]
        exponent = power * unit + total
        factor = 0.0 if zero else math.inf if exponent > 709 else math.exp(exponent)
        if factor != 1.0 or negative % 2:
            weights[index] *= -factor if negative % 2 else factor

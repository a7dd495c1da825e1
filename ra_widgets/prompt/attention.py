"""Attention: which words of a prompt weigh how much.

The dialect of AUTOMATIC1111's webui: ``(a)`` is 1.1 times as strong, ``[a]`` 1/1.1 times, ``(a:1.3)`` 1.3 times; nested
brackets multiply; a backslash makes a bracket a character; an unclosed bracket acts to the end of the text; full-width
brackets are ordinary characters. Round and square brackets are counted apart from each other, so ``(a [b) c]`` means
something: the ranges may cross.

The work is linear in the length of the text. Exactness: each piece is multiplied bracket by bracket in the order in
which the brackets close, so the floats are the webui's own to the last bit, as long as the whole text needs no more than
:data:`EXACT_OPERATIONS` multiplications (no prompt of a human does); beyond that, the brackets around each piece are
counted instead, which differs in the last digits only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from itertools import accumulate

ROUND = 1.1
SQUARE = 1 / 1.1
EXACT_OPERATIONS = 500_000

# Alternatives in the order in which the dialect tries them. Runs of one bracket are one match for the sake of speed.
_TOKEN = re.compile(r"\\[()\[\]\\]|\\|\(+|\[+|:\s*([+-]?[.\d]+)\s*\)|\)|]|[^\\()\[\]:]+|:")
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
    """What one pass over the text finds: raw pieces, and what each bracket multiplies, in the order of closing."""

    pieces: list[Piece] = field(default_factory=list)
    operations: list[tuple[int, int, float]] = field(default_factory=list)
    unclosed: list[tuple[int, str]] = field(default_factory=list)
    stray: list[tuple[int, str]] = field(default_factory=list)
    bad_numbers: list[tuple[int, int, str]] = field(default_factory=list)


def parse_attention(text: str) -> list[list]:
    """Split a prompt into ``[[text, weight], ...]``, as the webui's ``parse_prompt_attention`` does.

    Neighbours of equal weight are merged; an empty prompt is ``[["", 1.0]]``; ``["BREAK", -1]`` marks a chunk break.
    Unlike the webui, which raises ``ValueError``, ``(a:1..2)`` is read as ``(a:b)`` is: the text ``a:1..2`` at 1.1.
    """
    return [[piece.text, piece.weight] for piece in attention_pieces(text)]


def attention_pieces(text: str) -> list[Piece]:
    """The same as :func:`parse_attention`, with the place in ``text`` of each piece."""
    return merge(weigh(scan(text)))


def scan(text: str) -> Scan:
    """Tokenise ``text``; weights are not applied yet (see :func:`weigh`)."""
    found = Scan()
    pieces, operations = found.pieces, found.operations
    round_open: list[int] = []
    square_open: list[int] = []
    round_at: list[int] = []
    square_at: list[int] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        first = token[0]
        if first == "(":
            count, start = len(token), match.start()
            round_open += [len(pieces)] * count
            round_at += range(start, start + count)
        elif first == "[":
            count, start = len(token), match.start()
            square_open += [len(pieces)] * count
            square_at += range(start, start + count)
        elif first == ")" and round_open:
            _close(operations, round_open, round_at, len(pieces), ROUND)
        elif first == "]" and square_open:
            _close(operations, square_open, square_at, len(pieces), SQUARE)
        elif first == "\\":
            pieces.append(Piece(token[1:], 1.0, match.start(), match.end()))
        elif first == ":" and len(token) > 1:
            weight = _number(match.group(1))
            if weight is None:
                found.bad_numbers.append((match.start(1), match.end(1), match.group(1)))
            if weight is not None and round_open:
                _close(operations, round_open, round_at, len(pieces), weight)
            elif weight is None and round_open:
                pieces.append(Piece(token[:-1], 1.0, match.start(), match.end() - 1))
                _close(operations, round_open, round_at, len(pieces), ROUND)
            else:
                found.stray.append((match.end() - 1, ")"))
                pieces.append(Piece(token, 1.0, match.start(), match.end()))
        else:
            if first in ")]":
                found.stray.append((match.start(), first))
            _append_text(pieces, token, match.start())
    operations += [(start, len(pieces), ROUND) for start in round_open if start < len(pieces)]
    operations += [(start, len(pieces), SQUARE) for start in square_open if start < len(pieces)]
    found.unclosed = [(at, "(") for at in round_at] + [(at, "[") for at in square_at]
    return found


def weigh(found: Scan) -> list[Piece]:
    """Apply the brackets of a :class:`Scan` to its pieces (in place)."""
    pieces, operations = found.pieces, found.operations
    if sum(end - start for start, end, _ in operations) <= EXACT_OPERATIONS:
        for start, end, by in operations:
            for index in range(start, end):
                pieces[index].weight *= by
    else:
        _weigh_by_counting(pieces, operations)
    return pieces


def merge(pieces: list[Piece]) -> list[Piece]:
    """Join neighbours of equal weight; never returns an empty list."""
    merged: list[Piece] = []
    texts: list[str] = []
    for piece in pieces:
        if merged and merged[-1].weight == piece.weight:
            texts.append(piece.text)
            merged[-1].end = piece.end
        else:
            if merged:
                merged[-1].text = "".join(texts)
            merged.append(piece)
            texts = [piece.text]
    if not merged:
        return [Piece("", 1.0, 0, 0)]
    merged[-1].text = "".join(texts)
    return merged


def _close(operations: list[tuple[int, int, float]], opened: list[int], at: list[int], end: int, by: float) -> None:
    start = opened.pop()
    at.pop()
    if start < end:
        operations.append((start, end, by))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _append_text(pieces: list[Piece], token: str, offset: int) -> None:
    """Append a run of text, cut at the keyword BREAK, whose surrounding white space goes with it."""
    if "BREAK" not in token:
        pieces.append(Piece(token, 1.0, offset, offset + len(token)))
        return
    begin = 0
    for match in _BREAK.finditer(token):
        part = token[begin : match.start()].rstrip()
        part = part.lstrip() if begin else part
        pieces.append(Piece(part, 1.0, offset + begin, offset + match.start()))
        pieces.append(Piece("BREAK", -1, offset + match.start(), offset + match.end()))
        begin = match.end()
    part = token[begin:].lstrip() if begin else token
    pieces.append(Piece(part, 1.0, offset + begin, offset + len(token)))


def _weigh_by_counting(pieces: list[Piece], operations: list[tuple[int, int, float]]) -> None:
    """Weights of absurdly bracketed texts: sums of logarithms by difference arrays, linear instead of quadratic."""
    size = len(pieces) + 1
    rounds, squares, zeros, negatives = [0] * size, [0] * size, [0] * size, [0] * size
    logs: list[float] = [0.0] * size
    for start, end, by in operations:
        if by == ROUND:
            rounds[start] += 1
            rounds[end] -= 1
        elif by == SQUARE:
            squares[start] += 1
            squares[end] -= 1
        elif by == 0:
            zeros[start] += 1
            zeros[end] -= 1
        else:
            if by < 0:
                negatives[start] += 1
                negatives[end] -= 1
            size_of = math.log(min(abs(by), 1e308))
            logs[start] += size_of
            logs[end] -= size_of
    columns = zip(*(accumulate(column) for column in (rounds, squares, zeros, negatives)), accumulate(logs), strict=True)
    unit = math.log(ROUND)
    for piece, (up, down, zero, negative, log) in zip(pieces, columns, strict=False):
        exponent = (up - down) * unit + log
        size_now = 0.0 if zero else math.inf if exponent > 709 else math.exp(exponent)
        if exponent == 0 and not zero:
            size_now = 1.0
        if size_now != 1.0 or negative:
            piece.weight *= -size_now if negative % 2 else size_now

"""Keep track of where text came from when parts of it are cut out (networks, comments)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class SourceMap:
    """Positions of a shortened text, mapped to positions of the text it was cut from."""

    def __init__(self, starts: list[int], origins: list[int], length: int) -> None:
        self._starts = starts
        self._origins = origins
        self.length = length

    def original(self, position: int) -> int:
        """Where the character at ``position`` stood; the end of the shortened text maps to behind its last character."""
        if position >= self.length:
            return self.original(self.length - 1) + 1 if self.length else 0
        index = bisect_right(self._starts, position) - 1
        return self._origins[index] + position - self._starts[index]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """``[start, end)`` of the shortened text as a range of the original (which may contain cut parts)."""
        if end <= start:
            at = self.original(start)
            return at, at
        return self.original(start), self.original(end - 1) + 1


def cut(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, SourceMap]:
    """Remove sorted, disjoint ``[start, end)`` ranges from ``text``."""
    parts: list[str] = []
    starts: list[int] = [0]
    origins: list[int] = [0]
    length = position = 0
    for start, end in spans:
        parts.append(text[position:start])
        length += start - position
        position = end
        if starts[-1] == length:
            origins[-1] = end
        else:
            starts.append(length)
            origins.append(end)
    parts.append(text[position:])
    return "".join(parts), SourceMap(starts, origins, length + len(text) - position)

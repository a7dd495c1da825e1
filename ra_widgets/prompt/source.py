"""Keep track of where text came from when parts of it are cut out (networks, comments)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ra_widgets.prompt.networks import Network


class SourceMap:
    """Positions of a shortened text, mapped to positions of the text it was cut from."""

    def __init__(self, starts: list[int], origins: list[int], length: int) -> None:
        self._starts = starts
        self._origins = origins
        self.length = length

    def original(self, position: int) -> int:
        """Where the character at ``position`` stood; its end maps to behind its last character."""
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


@dataclass
class Cleaned:
    """A prompt without comments and networks, and the way back to the source."""

    text: str
    networks: list[Network]
    comments: list[tuple[int, int]]
    maps: list[SourceMap]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A range of :attr:`text` as a range of the source."""
        for source_map in self.maps:
            start, end = source_map.span(start, end)
        return start, end


def clean(text: str, comments: bool = True) -> Cleaned:
    """Take comments (unless told otherwise) and networks out of a prompt; positions stay traceable."""
    from ra_widgets.prompt.comments import comment_spans
    from ra_widgets.prompt.networks import Network, find_networks

    spans = comment_spans(text) if comments else []
    maps: list[SourceMap] = []
    shorter = text
    if spans:
        shorter, source_map = cut(text, spans)
        maps.append(source_map)
    networks = find_networks(shorter)
    if networks:
        bare, source_map = cut(shorter, ((network.start, network.end) for network in networks))
        if maps:
            networks = [
                Network(item.kind, item.args, item.named, *maps[0].span(item.start, item.end)) for item in networks
            ]
        maps.insert(0, source_map)
        shorter = bare
    return Cleaned(shorter, networks, spans, maps)

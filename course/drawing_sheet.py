"""What the drawings of the lessons are made of: a sheet of SVG with boxes, arrows and words in the colours of the house."""

from __future__ import annotations

import html
import math
from collections.abc import Callable

PAPER, SUNKEN, INK, MUTED, LINE = "#fffefb", "#f1eee6", "#23262b", "#71757c", "#d9d3c4"
VERMILION, JADE, AMBER, VIOLET = "#c2402d", "#2b7a6b", "#b7791f", "#5b5bd6"
TINTS = {VERMILION: "#f8e6e1", JADE: "#e2f0ec", AMBER: "#f7ecd6", VIOLET: "#e9e9fb", MUTED: SUNKEN}
FONT = "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Source Han Sans SC',system-ui,sans-serif"
MONO = "ui-monospace,'JetBrains Mono',Consolas,monospace"

Pick = Callable[[str, str], str]


class Sheet:
    """An SVG in the making; coordinates in pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height = width, height
        self.parts = [f"<title>{html.escape(title)}</title>"]

    def add(self, text: str) -> None:
        """Put raw SVG on the sheet."""
        self.parts.append(text)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 14,
        colour: str = INK,
        anchor: str = "middle",
        weight: int = 400,
        mono: bool = False,
    ) -> None:
        """A line of text; ``y`` is its middle."""
        self.add(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}" '
            f'dominant-baseline="central" font-family="{MONO if mono else FONT}">{html.escape(words)}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, head: str, lines: list[str], colour: str = MUTED) -> None:
        """A rounded box with a head in its colour and lines under it."""
        self.add(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="10" fill="{TINTS[colour]}" stroke="{colour}" '
            f'stroke-opacity=".55" stroke-width="1.3"/>'
        )
        total = 22 + 19 * len(lines)
        top = y + h / 2 - total / 2 + 11
        self.text(x + w / 2, top, head, size=15, weight=600, colour=colour if colour != MUTED else INK)
        for index, line in enumerate(lines):
            self.text(x + w / 2, top + 22 + 19 * index, line, size=12.5, colour=INK if colour != MUTED else MUTED)

    def arrow(self, x1: float, y1: float, x2: float, y2: float, colour: str = MUTED, width: float = 1.8) -> None:
        """A straight arrow."""
        angle = math.atan2(y2 - y1, x2 - x1)
        bx, by = x2 - 9 * math.cos(angle), y2 - 9 * math.sin(angle)
        self.add(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{bx:.1f}" y2="{by:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'
        )
        self.head(x2, y2, angle, colour)

    def head(self, x: float, y: float, angle: float, colour: str) -> None:
        """The point of an arrow."""
        points = []
        for turn, reach in ((0.0, 0.0), (2.72, 11.0), (-2.72, 11.0)):
            points.append(f"{x + reach * math.cos(angle + turn):.1f},{y + reach * math.sin(angle + turn):.1f}")
        self.add(f'<polygon points="{" ".join(points)}" fill="{colour}"/>')

    def svg(self) -> str:
        """The whole file."""
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img">\n<rect width="{self.width}" height="{self.height}" rx="14" fill="{PAPER}"/>\n'
            f"{body}\n</svg>\n"
        )

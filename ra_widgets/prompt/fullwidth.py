"""Full-width punctuation that looks like prompt syntax but is not: offer to convert it, never do it silently.

``（红色:1.2）`` is ordinary text to the grammar. :func:`preview` says what would change and what it would mean; the
caller shows that and applies all, some or none of it. Chinese words, full stops and quotation marks are never
touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ra_widgets.prompt.attention import parse_attention

_BRACKETS = dict(zip("（）［］【】｛｝＜＞", "()[][]{}<>", strict=True))
_INSIDE = {"：": ":", "｜": "|"}
_COMMAS = {"，": ", ", "、": ", "}
_DIGITS = {chr(0xFF10 + digit): str(digit) for digit in range(10)} | {"．": ".", "－": "-", "＋": "+"}
_ANY = re.compile("[" + "".join([*_BRACKETS, *_INSIDE, *_COMMAS]) + "]")
_OPEN = set("([{<") | {"（", "［", "【", "｛", "＜"}
_CLOSE = set(")]}>") | {"）", "］", "】", "｝", "＞"}


@dataclass(frozen=True)
class Change:
    """One replacement: ``text[start:end]`` (``old``) becomes ``new``. ``kind``: bracket, separator, comma or number."""

    start: int
    end: int
    old: str
    new: str
    kind: str


@dataclass(frozen=True)
class Preview:
    """What a conversion would do. Nothing is changed until :meth:`apply` is called."""

    original: str
    changes: list[Change] = field(default_factory=list)

    @property
    def converted(self) -> str:
        """The text with every change."""
        return self.apply()

    def apply(self, chosen: Iterable[int] | None = None) -> str:
        """The text with the chosen changes (indices into ``changes``; all by default)."""
        wanted = set(range(len(self.changes))) if chosen is None else set(chosen)
        parts: list[str] = []
        position = 0
        for index, change in enumerate(self.changes):
            if index in wanted:
                parts += [self.original[position : change.start], change.new]
                position = change.end
        parts.append(self.original[position:])
        return "".join(parts)

    @property
    def before(self) -> list[list]:
        """Words and weights as they are now."""
        return parse_attention(self.original)

    @property
    def after(self) -> list[list]:
        """Words and weights after the conversion."""
        return parse_attention(self.converted)

    def __bool__(self) -> bool:
        return bool(self.changes)


def preview(text: str) -> Preview:
    """List the full-width characters of ``text`` that would be syntax if they were half-width.

    Colons and bars count only inside brackets, digits only as the number behind such a colon; elsewhere they are
    ordinary Chinese writing and stay.
    """
    changes: list[Change] = []
    if not _ANY.search(text):
        return Preview(text)
    depth = 0
    number_from = -1
    for at, char in enumerate(text):
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            if number_from >= 0:
                changes += _number(text, number_from, at)
            depth = max(0, depth - 1)
        number_from = at + 1 if char in ":：" and depth else number_from if char not in _OPEN | _CLOSE else -1
        if char in _BRACKETS:
            changes.append(Change(at, at + 1, char, _BRACKETS[char], "bracket"))
        elif char in _INSIDE and depth:
            changes.append(Change(at, at + 1, char, _INSIDE[char], "separator"))
        elif char in _COMMAS:
            follow = text[at + 1 : at + 2]
            new = _COMMAS[char]
            changes.append(Change(at, at + 1, char, new.strip() if not follow or follow.isspace() else new, "comma"))
    return Preview(text, sorted(changes, key=lambda change: change.start))


def _number(text: str, start: int, end: int) -> list[Change]:
    """Full-width digits of ``text[start:end]`` when that is nothing but a number."""
    words = text[start:end]
    half = "".join(_DIGITS.get(char, char) for char in words).strip()
    if not half or half.strip("+-.0123456789"):
        return []
    return [
        Change(at, at + 1, char, _DIGITS[char], "number") for at, char in enumerate(words, start) if char in _DIGITS
    ]

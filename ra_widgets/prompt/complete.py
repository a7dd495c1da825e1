"""Completion: what could come next while someone types a prompt.

Candidates come from tag lists (the field's ``name,type,count,"aliases"`` files), styles, networks, wildcards and
our own Chinese and English prompt words. Matching looks at the words before the cursor; a beginning beats a middle,
and common tags beat rare ones.
"""

from __future__ import annotations

import csv
import io
import os
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ra_widgets.errors import RAError
from ra_widgets.prompt.lexicon import prompt_terms
from ra_widgets.prompt.styles import Style

# A word being typed ends at a separator or bracket; spaces may be inside ("long ha|").
_WORD = re.compile(r"[^,，、。;；:：|｜()（）\[\]{}<>\n]*\Z")
_NETWORK = re.compile(r"<(\w*):?([^<>:\n]*)\Z")
_WILDCARD = re.compile(r"__([^\s_][^\n]*?)?\Z")
_SCAN_LIMIT = 20_000


@dataclass(frozen=True)
class Tag:
    """One row of a tag list."""

    name: str
    type: int = 0
    count: int = 0
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One suggestion: put ``insert`` in place of ``text[start:end]``.

    ``kind``: tag, term, style, network or wildcard; ``detail`` is the alias that matched, or the meaning.
    """

    label: str
    insert: str
    kind: str
    start: int
    end: int
    count: int = 0
    detail: str = ""


@dataclass
class _Index:
    """Candidates sorted by key, so that beginnings are found by bisection."""

    keys: list[str] = field(default_factory=list)
    rows: list[tuple[str, str, str, int, str]] = field(default_factory=list)  # label, insert, kind, count, detail


class Completer:
    """Suggests continuations.

    Args:
        tags: rows of tag lists (:func:`load_tags`).
        styles: styles; choosing one inserts its prompt.
        networks: ``{kind: [name, ...]}``, for example ``{"lora": ["ink"]}``.
        wildcards: names of wildcard files.
        terms: also offer the embedded Chinese and English prompt words.
    """

    def __init__(
        self,
        tags: Iterable[Tag] = (),
        styles: Iterable[Style] = (),
        networks: dict[str, list[str]] | None = None,
        wildcards: Iterable[str] = (),
        terms: bool = True,
    ) -> None:
        rows: list[tuple[str, tuple[str, str, str, int, str]]] = []
        for tag in tags:
            label = tag.name.replace("_", " ") if len(tag.name) > 3 else tag.name
            insert = re.sub(r"([()\[\]])", r"\\\1", label)
            rows.append((_key(tag.name), (label, insert, "tag", tag.count, "")))
            rows += [(_key(alias), (label, insert, "tag", tag.count, alias)) for alias in tag.aliases]
        for style in styles:
            insert = style.prompt.replace("{prompt}", "")
            rows.append((_key(style.name), (style.name, insert, "style", 0, style.prompt)))
        if terms:
            for zh, english, kind in prompt_terms():
                if english and kind != "grammar":
                    rows.append((_key(zh), (zh, zh, "term", 0, english)))
                    rows.append((_key(english), (english, english, "term", 0, zh)))
        rows.sort(key=lambda row: (row[0], -row[1][3], row[1][0]))
        self._index = _Index([key for key, _ in rows], [row for _, row in rows])
        self._networks = {kind: sorted(names) for kind, names in (networks or {}).items()}
        self._wildcards = sorted(wildcards)

    def complete(self, text: str, cursor: int | None = None, limit: int = 20) -> list[Candidate]:
        """Suggestions at ``cursor`` (default: the end), best first, at most ``limit``."""
        cursor = len(text) if cursor is None else max(0, min(cursor, len(text)))
        before = text[max(0, cursor - 200) : cursor]
        network = _NETWORK.search(before)
        if network:
            return self._complete_network(network, cursor, limit)
        wildcard = _WILDCARD.search(before)
        if wildcard and self._wildcards:
            start = cursor - len(wildcard.group())
            typed = (wildcard.group(1) or "").casefold()
            names = [name for name in self._wildcards if typed in name.casefold()]
            names.sort(key=lambda name: (not name.casefold().startswith(typed), name))
            return [Candidate(name, f"__{name}__", "wildcard", start, cursor) for name in names[:limit]]
        match = _WORD.search(before)
        typed = match.group().lstrip() if match else ""
        if not typed:
            return []
        return self._complete_word(typed, cursor, limit)

    def _complete_network(self, match: re.Match[str], cursor: int, limit: int) -> list[Candidate]:
        start = cursor - len(match.group())
        kind, typed = match.group(1), match.group(2).casefold()
        found = []
        for known, names in sorted(self._networks.items()):
            if (":" in match.group() and known != kind) or not known.startswith(kind):
                continue
            for name in names:
                if typed in name.casefold():
                    rank = not name.casefold().startswith(typed)
                    found.append((rank, Candidate(name, f"<{known}:{name}:1>", "network", start, cursor, 0, known)))
        return [candidate for _, candidate in sorted(found, key=lambda item: (item[0], item[1].label))[:limit]]

    def _complete_word(self, typed: str, cursor: int, limit: int) -> list[Candidate]:
        """Match the whole phrase first, then ever shorter endings of it, so that ``a red app`` finds "apple"."""
        found: dict[str, Candidate] = {}
        for words in _endings(typed):
            start = cursor - len(words)
            for label, insert, kind, count, detail in self._matches(_key(words)):
                found.setdefault(insert, Candidate(label, insert, kind, start, cursor, count, detail))
                if len(found) >= limit:
                    return list(found.values())
        return list(found.values())

    def _matches(self, key: str) -> list[tuple[str, str, str, int, str]]:
        keys, rows = self._index.keys, self._index.rows
        first = bisect_left(keys, key)
        last = bisect_left(keys, key + "\U0010ffff")
        starts = [rows[index] for index in range(first, min(last, first + _SCAN_LIMIT))]
        starts.sort(key=lambda row: (-row[3], len(row[0]), row[0]))
        if len(starts) >= 20 or len(key) < 2:
            return starts
        inside = [rows[index] for index, other in enumerate(keys) if key in other and not other.startswith(key)]
        inside.sort(key=lambda row: (-row[3], len(row[0]), row[0]))
        return starts + inside


def load_tags(path: str | os.PathLike[str]) -> list[Tag]:
    """Read a tag list: rows of ``name,type,count,"alias,alias"``, UTF-8, with or without a header.

    Raises :class:`RAError` when the file is not such a table.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        tags: list[Tag] = []
        for row in csv.reader(io.StringIO(text, newline="")):
            if not row or not row[0].strip() or (not tags and row[0] == "name"):
                continue
            name, kind, count, aliases = [*row, "", "", ""][:4]
            names = tuple(alias.strip() for alias in aliases.split(",") if alias.strip())
            tags.append(Tag(name.strip(), _integer(kind), _integer(count), names))
        return tags
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RAError("error.prompt.tags_file", file=Path(path).name, detail=str(error)[:200]) from error


def _integer(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _key(text: str) -> str:
    return text.casefold().replace("_", " ").strip()


def _endings(typed: str) -> list[str]:
    """``typed``, and what is left of it behind each space; for Chinese also behind each character, at most 12."""
    found = [typed]
    for index, char in enumerate(typed):
        wide = "\u3400" <= char <= "\u9fff"
        if (char == " " or wide) and typed[index + 1 :].strip():
            found.append(typed[index + 1 :].lstrip())
    return list(dict.fromkeys(found))[:1] + list(dict.fromkeys(found))[1:][-11:]

"""Chinese prompts for models that only read English: word by word, offline, from an embedded dictionary.

Only Chinese words are translated; brackets, weights, networks, edits and English stay where they are, so that the
result is a prompt of the same structure. It is a glossary with a little grammar (``穿着汉服的女孩`` becomes "girl
wearing hanfu", ``在草地上`` "on grassland"), not a translator: the original, the words found and the words not
found all come back, to be shown and to be written into the metadata.

Words come from our own list of prompt terms first, then the names of emoji, then CC-CEDICT (``data/README.md`` has the
licences). Words are found by the cheapest cover of the text, where long and well-known words are cheap.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

from ra_widgets.prompt.networks import find_networks

_RUN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_PUNCTUATION = str.maketrans(
    {"，": ", ", "。": ". ", "、": ", ", "；": "; ", "！": ", ", "？": ", ", "“": '"', "”": '"', "《": '"', "》": '"'}
)
_COST = {"term": 1.0, "user": 0.9, "emoji": 1.3, "dictionary": 1.5}
_COST_SINGLE = 2.2
_COST_UNKNOWN = 5.0
_LOCATIVES = frozenset(
    [
        "里",
        "里面",
        "中",
        "之中",
        "上",
        "上面",
        "之上",
        "下",
        "下面",
        "之下",
        "旁边",
        "旁",
        "前",
        "前面",
        "前方",
        "后",
        "后面",
        "后方",
        "身后",
        "之间",
        "中间",
        "周围",
        "四周",
    ]
)


@dataclass(frozen=True)
class Word:
    """One Chinese word of the prompt: its range, its English ("" when dropped or unknown) and where that is from.

    ``source``: "term" (our list), "user", "emoji", "dictionary" or "unknown".
    """

    zh: str
    en: str
    start: int
    end: int
    source: str
    kind: str = ""


@dataclass(frozen=True)
class Translation:
    """A prompt and its English, with how each word was read."""

    original: str
    text: str
    words: list[Word] = field(default_factory=list)

    @property
    def unknown(self) -> list[str]:
        """Words that no list knows, each once; they are left out of :attr:`text`."""
        return list(dict.fromkeys(word.zh for word in self.words if word.source == "unknown"))

    @property
    def changed(self) -> bool:
        """Whether there was any Chinese."""
        return bool(self.words)


@cache
def _terms() -> dict[str, tuple[str, str]]:
    """``{zh: (en, kind)}`` of our own list."""
    text = files("ra_widgets.prompt.data").joinpath("terms.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {zh: (english, kind) for zh, english, kind in rows}


def prompt_terms() -> list[tuple[str, str, str]]:
    """Our own list of prompt words, ``[(zh, en, kind), ...]``."""
    return [(zh, english, kind) for zh, (english, kind) in _terms().items()]


@cache
def _dictionary() -> tuple[dict[str, tuple[str, str]], dict[int, str]]:
    """``({zh: (en, source)}, traditional to simplified)``; about 100,000 words, read at first use."""
    packed = files("ra_widgets.prompt.data").joinpath("dictionary.tsv.gz").read_bytes()
    first, *lines = gzip.decompress(packed).decode("utf-8").split("\n")
    pairs = first.partition("\t")[2]
    words = {}
    for line in lines:
        zh, english, source = line.split("\t")
        words[zh] = (english, "emoji" if source == "e" else "dictionary")
    return words, {ord(old): new for old, new in zip(pairs[::2], pairs[1::2], strict=True)}


def lookup(word: str, extra: Mapping[str, str] | None = None) -> tuple[str, str, str] | None:
    """``(en, source, kind)`` of one simplified Chinese word, None when unknown."""
    if extra and word in extra:
        return extra[word], "user", ""
    own = _terms().get(word)
    if own:
        return own[0], "term", own[1]
    found = _dictionary()[0].get(word)
    return (*found, "") if found else None


def segment(text: str, extra: Mapping[str, str] | None = None, offset: int = 0) -> list[Word]:
    """Cut a run of Chinese characters into words, by the cheapest cover (ties: the longer first word)."""
    simplified = text.translate(_dictionary()[1])
    size = len(simplified)
    longest = max(6, max(map(len, extra), default=0) if extra else 0)
    best: list[tuple[float, int, tuple[str, str, str] | None]] = [(0.0, 0, None)] * (size + 1)
    for start in range(size - 1, -1, -1):
        choice: tuple[float, int, tuple[str, str, str] | None] = (
            best[start + 1][0] + _COST_UNKNOWN, start + 1, None
        )  # fmt: skip
        for end in range(start + 1, min(size, start + longest) + 1):
            found = lookup(simplified[start:end], extra)
            if found is None:
                continue
            cost = _COST[found[1]]
            if end == start + 1 and found[1] == "dictionary":
                cost = _COST_SINGLE
            if best[end][0] + cost <= choice[0]:
                choice = (best[end][0] + cost, end, found)
        best[start] = choice
    words: list[Word] = []
    at = 0
    while at < size:
        _, end, found = best[at]
        if found is None and words and words[-1].source == "unknown" and words[-1].end == offset + at:
            last = words.pop()
            words.append(Word(last.zh + text[at:end], "", last.start, offset + end, "unknown"))
        else:
            english, source, kind = found or ("", "unknown", "")
            words.append(Word(text[at:end], english, offset + at, offset + end, source, kind))
        at = end
    return words


def has_chinese(text: str) -> bool:
    """Whether there is anything to translate."""
    return _RUN.search(text) is not None


def translate(
    text: str, extra: Mapping[str, str] | None = None, engine: Callable[[str], str] | None = None
) -> Translation:
    """Translate the Chinese words of a prompt into English.

    Args:
        text: the prompt, with any syntax. Nothing inside ``<name:args>`` is touched.
        extra: the user's own words, ``{zh: en}``; they win over all lists.
        engine: a better translator of plain Chinese phrases (a local MarianMT or language model, say). The structure of
            the prompt is still kept by this function; ``words`` still says what the glossary makes of it, which is taken
            where the engine has no answer.
    """
    networks = [(network.start, network.end) for network in find_networks(text)]
    out: list[str] = []
    words: list[Word] = []
    position = 0
    for start, end in [*networks, (len(text), len(text))]:
        for match in _RUN.finditer(text, position, start):
            _between(out, text[position : match.start()])
            found = segment(match.group(), extra, match.start())
            words += found
            _append(out, (_literal(engine(match.group())) if engine else "") or _arrange(found))
            position = match.end()
        _between(out, text[position:start])
        out.append(text[start:end])
        position = end
    joined = "".join(out) if words else text
    return Translation(text, _tidy(joined) if words else text, words)


def _literal(english: str) -> str:
    """What an engine answered, on one line and without anything that the prompt grammar would read."""
    return " ".join(re.sub(r"[()\[\]{}|<>\\#:]", " ", english).split())


def _between(out: list[str], text: str) -> None:
    """Text that is not Chinese: full-width punctuation becomes plain, all else stays."""
    if text:
        text = text.translate(_PUNCTUATION)
        if out and out[-1][-1:].isalnum() and text[0].isalnum():
            out.append(" ")
        out.append(text)


def _append(out: list[str], english: str) -> None:
    if not english:
        return
    before = out[-1][-1:] if out else ""
    if before.isalnum() or before in (")", "]", "}", ">"):
        out.append(" ")
    out.append(english)


def _tidy(text: str) -> str:
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r" +([,.;)\]])", r"\1", text)
    text = re.sub(r"(?:, ?){2,}", ", ", text)
    text = re.sub(r"\b([Aa]) (?=[aeioAEIO]\w)", r"\1n ", text)
    return text.strip()


def _arrange(words: list[Word]) -> str:
    """Put the English words of one clause in English order."""
    items = _relative(_places(_progressive(words)))
    return " ".join(word.en for word in items if word.en)


def _progressive(words: list[Word]) -> list[Word]:
    """``在吃`` is a tense, not a place: drop 在 before a verb; 在 before a place without 上, 里 ... is "in"."""
    items: list[Word] = []
    for index, word in enumerate(words):
        follow = words[index + 1] if index + 1 < len(words) else None
        if word.zh == "在" and follow is not None and follow.kind == "action":
            continue
        if word.zh == "在" and follow is not None and follow.kind == "places":
            word = replace(word, en="in")
        items.append(word)
    return items


def _places(words: list[Word]) -> list[Word]:
    """``在 X 上`` becomes "on X"; ``X 上 的 Y`` becomes "Y on X"."""
    items = list(words)
    index = 0
    while index < len(items):
        if items[index].zh in _LOCATIVES and items[index].kind == "grammar" and index:
            opening = next((i for i in range(index - 1, -1, -1) if items[i].zh == "在"), None)
            place = items[index]
            if opening is not None:
                items[index : index + 1] = []
                items[opening] = place
            elif index + 1 < len(items) and items[index + 1].zh == "的":
                before, rest = items[:index], items[index + 2 :]
                stop = next((i for i, word in enumerate(rest) if _starts_phrase(word)), len(rest))
                items = [*rest[:stop], place, *before, *rest[stop:]]
                index = stop + 1 + len(before)
                continue
            else:
                start = index - 1
                while start > 0 and items[start - 1].kind in ("colour", "adjectives"):
                    start -= 1
                items.insert(start, items.pop(index))
        index += 1
    return items


def _starts_phrase(word: Word) -> bool:
    return word.kind == "action" or word.zh in ("在", "和", "与") or word.zh in _LOCATIVES


def _relative(items: list[Word]) -> list[Word]:
    """``一个 穿着 X 的 Y`` becomes "a Y wearing X"."""
    action = next((i for i, word in enumerate(items) if word.kind == "action" and word.en.endswith("ing")), None)
    if action is None or action > 1 or (action == 1 and items[0].kind != "grammar" and items[0].kind != "people"):
        return items
    mark = next((i for i in range(len(items) - 1, action, -1) if items[i].zh == "的"), None)
    if mark is None or mark == len(items) - 1 or any(_starts_phrase(word) for word in items[action + 1 : mark]):
        return items
    stop = next((i for i in range(mark + 1, len(items)) if _starts_phrase(items[i])), len(items))
    return [*items[:action], *items[mark + 1 : stop], *items[action:mark], *items[stop:]]

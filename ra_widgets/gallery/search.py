"""Finding pictures by words, Chinese words of one or two characters included.

SQLite's FTS5 tokenizers know no Chinese: ``unicode61`` takes a whole sentence for one word, ``trigram`` finds nothing
shorter than three characters, and most Chinese words have two. So the text is cut here, into two columns: ``words``
holds words of alphabetic scripts and single characters of the others, ``pairs`` holds every two neighbouring
characters. A Chinese term of n characters is a phrase of n-1 pairs, which makes it an exact substring search.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Han (all planes), kana, bopomofo and Hangul: scripts that are searched by character, not by word
_CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u318f\u31a0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUNS = re.compile(rf"(?:(?=\w)[{_CJK}])+|(?:(?![{_CJK}])\w)+")
_IS_CJK = re.compile(f"[{_CJK}]")
_BREAK = "0"  # stands between runs of characters, so that a phrase never reaches from one run into the next
MAX_QUERY = 500
MAX_TEXT = 40_000
_PLAIN = {  # Latin letters lose their accents: "cafe" finds "Café"
    code: unicodedata.normalize("NFD", chr(code))[0] for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
}

TABLE = """CREATE VIRTUAL TABLE {name} USING fts5(words, pairs, content='', tokenize='ascii')"""
"""The index table. The ``ascii`` tokenizer takes every character above 127 for a letter, whatever SQLite's Unicode
tables know, and so leaves the cutting to :func:`tokens`."""


def normal(text: str) -> str:
    """Text as it is compared: full-width letters become ordinary ones, case and Latin accents are dropped."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)


def runs(text: str) -> list[tuple[bool, str]]:
    """Cut text into ``(is_cjk, run)`` pieces: words, and uninterrupted stretches of characters."""
    return [(bool(_IS_CJK.match(match.group())), match.group()) for match in _RUNS.finditer(normal(text))]


def tokens(text: str) -> tuple[str, str]:
    """What the index stores for a text: the ``words`` column and the ``pairs`` column."""
    words: list[str] = []
    pairs: list[str] = []
    for is_cjk, run in runs(text[:MAX_TEXT]):
        if not is_cjk:
            words.append(run)
            continue
        words.extend(run)
        if len(run) > 1:
            pairs.extend(run[i : i + 2] for i in range(len(run) - 1))
            pairs.append(_BREAK)
    return " ".join(words), " ".join(pairs)


@dataclass(frozen=True)
class Query:
    """What to ask the index.

    Attributes:
        match: FTS5 expression, or "" when the text holds no word.
        like: text to look for as it is (lower-cased) when there is no word in it, such as an emoji; else "".
    """

    match: str = ""
    like: str = ""

    @property
    def empty(self) -> bool:
        """True when everything matches."""
        return not self.match and not self.like


def query(text: str) -> Query:
    """Turn what a user typed into a query: all terms must be found; words also match longer words that
    begin with them, numbers only themselves.

    Nothing in the text is syntax: quotes, stars, brackets, AND, NEAR and minus signs are ordinary text.
    """
    text = text[:MAX_QUERY].replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()
    terms: dict[str, None] = {}
    for is_cjk, run in runs(text):
        if run.isdigit():  # a seed or a number of steps, not the beginning of one
            terms.setdefault(f'words : "{run}"')
        elif not is_cjk:
            terms.setdefault(f'words : "{run}" *')
        elif len(run) == 1:
            terms.setdefault(f'words : "{run}"')
        else:
            pairs = " ".join(run[i : i + 2] for i in range(len(run) - 1))
            terms.setdefault(f'pairs : "{pairs}"')
    if terms:
        return Query(match=" AND ".join(terms))
    return Query(like=text.lower())

"""Two languages, one door: ``t("key", name=value)``.

Texts live in ``zh_CN.json`` (the default language) and ``en.json``, flat ``{"key": "text with {name}"}``. A key that one
of them lacks fails the tests; at run time it falls back to the other language, then to the key itself, so that a missing
text can never break a page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

LANGUAGES = ("zh_CN", "en")
DEFAULT_LANGUAGE = "zh_CN"

_current: list[str] = []
_listeners: list[Callable[[str], None]] = []


def normalise(language: str | None) -> str:
    """Map any spelling ("zh", "zh-CN", "cn", "en_US", None) to one of :data:`LANGUAGES`."""
    text = (language or "").replace("-", "_").lower()
    if text.startswith("en"):
        return "en"
    return DEFAULT_LANGUAGE


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of one language, ``{key: text}``."""
    return json.loads((Path(__file__).parent / f"{normalise(language)}.json").read_text("utf-8"))


def get_language() -> str:
    """The language in use: the last :func:`set_language`, else ``RA_LANG``, else Chinese."""
    return _current[-1] if _current else normalise(os.environ.get("RA_LANG"))


def set_language(language: str | None) -> str:
    """Use ``language`` from now on in this process; returns the normalised name."""
    name = normalise(language)
    _current[:] = [name]
    for listener in list(_listeners):
        listener(name)
    return name


def on_language(listener: Callable[[str], None]) -> Callable[[], None]:
    """Call ``listener(language)`` at each change; returns a function that stops it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener) if listener in _listeners else None


class _Missing(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def t(key: str, lang: str | None = None, /, **values: object) -> str:
    """The text of ``key`` in ``lang`` (default: the current language), with ``{name}`` replaced from ``values``."""
    language = normalise(lang) if lang else get_language()
    text = catalogue(language).get(key)
    if text is None:
        other = "en" if language != "en" else DEFAULT_LANGUAGE
        text = catalogue(other).get(key, key)
    return text.format_map(_Missing(values)) if values else text

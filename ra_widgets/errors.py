"""What can go wrong, said in the user's language, with what to do about it.

Every error that a user can meet is an :class:`RAError`: it carries a catalogue key and the values to fill in, so that a
page shows it in the language of the page while ``str(error)`` (a notebook, a log) says it in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ra_widgets.i18n import LANGUAGES, catalogue, get_language, t


@dataclass(frozen=True)
class Notice:
    """Something that a user probably did not mean, though the work goes on.

    Attributes:
        key: key of the sentence in the language catalogues. values: what its placeholders stand for, plain data.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        """The sentence in one language (default: the current one)."""
        return t(self.key, lang or get_language(), **self.values)

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """Plain data; :meth:`of` reads it back."""
        return {"key": self.key, "values": dict(self.values)}

    @classmethod
    def of(cls, data: Any) -> Notice | None:
        """From plain data, which may come from a picture's file; None if it is none of ours."""
        if not isinstance(data, Mapping) or not isinstance(data.get("values", {}), Mapping):
            return None
        key = data.get("key")
        if not isinstance(key, str) or ".warn." not in key or key not in catalogue(get_language()):
            return None
        return cls(key, dict(data.get("values", {})))


class RAError(Exception):
    """Base of all errors meant for users.

    Args:
        key: key of the sentence in the language catalogues.
        **values: what the sentence's ``{name}`` placeholders stand for.
    """

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(key)

    def text(self, lang: str | None = None) -> str:
        """The sentence in one language (default: the current one)."""
        return t(self.key, lang or get_language(), **self.values)

    def __str__(self) -> str:
        first = get_language()
        rest = [language for language in LANGUAGES if language != first]
        return " | ".join(dict.fromkeys(self.text(language) for language in [first, *rest]))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.key, self.__dict__)


def _rebuild(kind: type[RAError], key: str, state: dict[str, object]) -> RAError:
    error = kind.__new__(kind, key)
    error.__dict__.update(state)
    return error


class InvalidRequest(RAError, ValueError):
    """A request that cannot be carried out; ``field`` names the first offending field.

    Several problems are reported together in ``problems``: ``[(field, key, values), ...]``.
    """

    def __init__(self, key: str, field: str = "", problems: list[RAError] | None = None, **values: object) -> None:
        super().__init__(key, field=field, **values)
        self.field = field
        self.problems: list[RAError] = problems or []

    def text(self, lang: str | None = None) -> str:
        if self.problems:
            return "; ".join(problem.text(lang) for problem in self.problems)
        return super().text(lang)


class ModelError(RAError):
    """A model that is missing, damaged, of an unknown kind, or not loadable; the last model stays in use."""


class GalleryError(RAError):
    """A picture that cannot be saved or read (disk full, no permission, not a picture, unknown id)."""


class OutOfMemory(RAError):
    """The device has not enough memory for this request; the text says what to make smaller."""


class EngineError(RAError):
    """The engine failed in a way that nobody foresaw; the original exception is ``__cause__``."""


class JobCancelled(RAError):
    """The job was cancelled before it finished. ``partial`` holds the pictures that were finished by then."""

    def __init__(self, key: str = "error.cancelled", partial: object = None, **values: object) -> None:
        super().__init__(key, **values)
        self.partial = partial


class JobTimeout(RAError, TimeoutError):
    """``Job.result(timeout)`` ran out of time; the job goes on."""


def describe(error: BaseException, lang: str | None = None) -> str:
    """One plain sentence for any exception, in one language; foreign exceptions keep their type and message."""
    if isinstance(error, RAError):
        return error.text(lang)
    detail = " ".join(str(error).split())[:300] or type(error).__name__
    return t("error.unexpected", lang, kind=type(error).__name__, detail=detail)

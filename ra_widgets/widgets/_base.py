"""What all widgets share: language, skin, the door to the browser, and errors that appear in the page.

A callback that fails inside a widget is silent in a notebook and in a dashboard alike: nothing on the page, nothing in
the log. So every callback here is guarded, and what went wrong stands in the page, in its language.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import anywidget
import traitlets as tr

from ra_widgets.errors import RAError, describe
from ra_widgets.i18n import catalogue, get_language, normalise, t

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
THEMES = Path(__file__).parent.parent / "themes"
STYLESHEETS = ("tokens.css", "controls.css", "studio.css", "pictures.css", "canvas.css", "ipywidgets.css")
SKINS = ("light", "dark")
"""宣纸 and 夜墨. A skin changes the tokens of ``themes/tokens.css`` and nothing else."""

F = TypeVar("F", bound=Callable[..., Any])


@cache
def bundle(name: str) -> str:
    """A built module of ``widgets/static`` (from ``frontend/src``), as text."""
    return (STATIC / f"{name}.js").read_text("utf-8")


@cache
def stylesheet() -> str:
    """The style of all widgets: the tokens first."""
    return "\n".join((THEMES / name).read_text("utf-8") for name in STYLESHEETS)


def shared(trait: tr.TraitType) -> Any:
    """A trait that browser and Python share. Values from the browser are not sent back to it."""
    return trait.tag(sync=True, echo_update=False)


def guarded(method: F) -> F:
    """A method of a widget whose exceptions are shown in the page instead of vanishing."""

    @functools.wraps(method)
    def call(self: RAWidget, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.show_error(error)
            return None

    return call  # type: ignore[return-value]


def sentence_of(error: BaseException, lang: str) -> str:
    """What the page says of an error: its sentence, with the fields called what the page calls them."""
    if not isinstance(error, RAError) or not error.values.get("field"):
        return describe(error, lang)
    sentences = []
    for problem in getattr(error, "problems", None) or [error]:
        field = str(problem.values.get("field", ""))
        known = f"studio.{field}" in catalogue(lang)
        values = {**problem.values, "field": t(f"studio.{field}", lang)} if known else problem.values
        sentences.append(t(problem.key, lang, **values))
    between, end = ("; ", ".") if lang == "en" else ("；", "。")
    return between.join(sentence.rstrip("。.") for sentence in sentences) + end


class RAWidget(anywidget.AnyWidget):
    """Base of all widgets.

    Attributes:
        lang: ``zh_CN`` or ``en``; skin: ``light`` (宣纸) or ``dark`` (夜墨).
        disabled: shown, but cannot be used.

    Subclasses name their bundle, the texts they show, what the browser may set, and the messages it may send.
    """

    BUNDLE: ClassVar[str] = ""
    TEXTS: ClassVar[tuple[str, ...]] = ()
    INPUTS: ClassVar[tuple[str, ...]] = ()
    MESSAGES: ClassVar[tuple[str, ...]] = ()

    _esm = tr.Unicode().tag(sync=True)
    _css = tr.Unicode().tag(sync=True)
    lang = shared(tr.Unicode())
    skin = shared(tr.Enum(SKINS, "light"))
    disabled = shared(tr.Bool(False))
    texts = shared(tr.Dict())
    _error = shared(tr.Unicode(""))

    def __init__(self, **kwargs: Any) -> None:
        unknown = sorted(set(kwargs) - set(self.trait_names()))
        if unknown:
            known = sorted(name for name in self.class_own_traits() if not name.startswith("_"))
            known += ["lang", "skin", "disabled"]
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
        self._failure: BaseException | None = None
        self._sink: Callable[[BaseException], None] | None = None
        self._callbacks: dict[str, list[Callable[..., Any]]] = {}
        kwargs["lang"] = normalise(kwargs["lang"]) if kwargs.get("lang") else get_language()
        super().__init__(**kwargs)
        self.texts = self._make_texts()
        self.on_msg(self._receive)
        self.observe(self._language_changed, "lang")

    @tr.default("_esm")
    def _default_esm(self) -> str:
        return bundle(self.BUNDLE)

    @tr.default("_css")
    def _default_css(self) -> str:
        return stylesheet()

    @tr.validate("lang")
    def _valid_lang(self, proposal: Any) -> str:
        return normalise(proposal["value"])

    # -- language --------------------------------------------------------------------------------------------------
    def word(self, key: str, **values: object) -> str:
        """A text of the studio in this widget's language."""
        return t(f"studio.{key}", self.lang, **values)

    def _make_texts(self) -> dict[str, str]:
        return {key: t(f"studio.{key}", self.lang) for key in (*self.TEXTS, "error.hint", "error.close")}

    @guarded
    def _language_changed(self, _: Any) -> None:
        self.texts = self._make_texts()
        if self._failure is not None and self._error:
            self._error = sentence_of(self._failure, self.lang)
        self.language_changed()

    def language_changed(self) -> None:
        """For subclasses: texts that Python makes must be made again."""

    # -- errors ----------------------------------------------------------------------------------------------------
    def show_error(self, error: BaseException) -> None:
        """Say in the page, in its language, what went wrong; inside a studio, the studio says it."""
        if not isinstance(error, RAError):
            log.warning("%s: %s", type(self).__name__, error, exc_info=error)
        if self._sink is not None:
            self._sink(error)
            return
        self._failure = error
        self._error = sentence_of(error, self.lang)

    def clear_error(self) -> None:
        """Take the error away."""
        self._failure = None
        self._error = ""

    # -- from the browser ------------------------------------------------------------------------------------------
    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Values from the browser: only those of ``INPUTS`` are taken, and each must be valid."""
        for name, value in sync_data.items():
            if name == "_error":
                if value == "":
                    self.clear_error()
                continue
            if name not in self.INPUTS:
                continue
            try:
                super().set_state({name: value})
            except tr.TraitError:
                got = repr(value)
                got = got[:40] + "…" * (len(got) > 40)
                self.show_error(RAError("studio.error.value", field=name, got=got))
                self.send_state(name)  # the page shows again what is really set
            except Exception as error:
                self.show_error(error)
                self.send_state(name)

    def _receive(self, _: Any, content: Any, buffers: Any) -> None:
        try:
            kind = content["type"]
            if kind == "set":
                values = content["values"]
                if not isinstance(values, dict):
                    raise TypeError(values)
                self.set_state(values)
                return
            if kind not in self.MESSAGES:
                raise KeyError(kind)
        except (KeyError, TypeError):
            self.show_error(RAError("studio.error.message"))
            return
        try:
            # bytes of the message come with its fields; a field of that name from the page is never taken
            getattr(self, f"_on_{kind}")({**content, "buffers": list(buffers or ())})
        except Exception as error:
            self.show_error(error)

    # -- callbacks of users ----------------------------------------------------------------------------------------
    def _register(self, name: str, callback: Callable[..., Any], remove: bool) -> None:
        callbacks = self._callbacks.setdefault(name, [])
        if remove:
            if callback in callbacks:
                callbacks.remove(callback)
        else:
            callbacks.append(callback)

    def _fire(self, name: str, *args: Any) -> None:
        for callback in list(self._callbacks.get(name, ())):
            try:
                callback(*args)
            except Exception as error:
                self.show_error(error)


def text_of(content: Any, name: str, limit: int = 1000) -> str:
    """A text field of a message from the browser, cut to ``limit`` characters; "" for anything else."""
    value = content.get(name)
    return value[:limit] if isinstance(value, str) else ""


class RequestPanel(RAWidget):
    """A widget whose inputs are fields of a request.

    ``values()`` gives the fields as they stand; ``fill(**fields)`` sets those that it has and passes over the others.
    """

    def values(self) -> dict[str, Any]:
        """The fields of a request that this panel edits."""
        return {name: getattr(self, name) for name in self.INPUTS}

    def fill(self, **fields: Any) -> None:
        """Set the fields that this panel has."""
        for name in self.INPUTS:
            if name in fields:
                setattr(self, name, fields[name])

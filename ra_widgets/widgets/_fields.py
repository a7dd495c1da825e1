"""Panels that are only fields of a request, as data: no JavaScript of one's own is needed for another slider.

The browser's half is ``frontend/src/fields.js``. The word above a field is ``studio.<name>`` in the catalogues, the
words of a choice are ``studio.<name>.<value>`` (blanks and brackets left out), or the value itself where there is none.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.i18n import catalogue
from ra_widgets.widgets._base import RequestPanel, shared
from ra_widgets.widgets._traits import Decimal, Whole


def slug(value: str) -> str:
    """How a value of a choice is called in a key of the catalogues: ``"Just resize"`` -> ``"just_resize"``."""
    return re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")


def slider(name: str, low: float, high: float, step: float = 1, **options: Any) -> dict[str, Any]:
    """A number with a slider. ``soft``: where the slider ends (the number goes on to ``high``); ``hints``:
    ``[[below, key], ...]`` sentences for parts of the range; ``nullable``: may be empty."""
    return {"kind": "slider", "name": name, "min": low, "max": high, "step": step, **options}


def number(name: str, low: float, high: float, step: float = 1, **options: Any) -> dict[str, Any]:
    """A number that is typed."""
    return {"kind": "number", "name": name, "min": low, "max": high, "step": step, **options}


def choice(name: str, values: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    """One of a few values, as a list (``kind="select"``) or side by side (``kind="segments"``)."""
    return {"kind": "select", "name": name, "values": list(values), **options}


def switch(name: str, **options: Any) -> dict[str, Any]:
    """On or off."""
    return {"kind": "switch", "name": name, **options}


class FieldsPanel(RequestPanel):
    """A panel made of :func:`slider`, :func:`number`, :func:`choice` and :func:`switch`.

    Subclasses list them in ``FIELDS``; each has a trait of its name. Options of all: ``wide`` (a line of its own),
    ``more`` (below "more"), ``when`` (``[name, value]``: only shown while that field has that value), ``tip`` (key).
    A choice without values takes those of the trait ``<name>_values``. ``note`` is a sentence above the fields, ``unused``
    names those that mean nothing just now.
    """

    BUNDLE = "fields"
    FIELDS: ClassVar[tuple[dict[str, Any], ...]] = ()

    fields = shared(tr.List(tr.Dict()))
    note = shared(tr.Unicode(""))
    unused = shared(tr.List(tr.Unicode()))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.FIELDS and "INPUTS" not in cls.__dict__:
            cls.INPUTS = tuple(field["name"] for field in cls.FIELDS)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields = [dict(field) for field in self.FIELDS]

    def _make_texts(self) -> dict[str, str]:
        known = catalogue(self.lang)
        texts = super()._make_texts()
        for field in self.FIELDS:
            name = field["name"]
            keys = [name, f"{name}.tip", *(key for _, key in field.get("hints", ()))]
            texts.update({key: self.word(key) for key in keys if f"studio.{key}" in known})
            for value in self._values(field):
                if f"studio.{name}.{slug(value)}" in known:
                    texts[f"{name}:{value}"] = self.word(f"{name}.{slug(value)}")
        texts["fields.more"] = self.word("fields.more")
        return texts

    def _values(self, field: dict[str, Any]) -> list[str]:
        return list(field.get("values") or getattr(self, f"{field['name']}_values", ()))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Values from the browser; of a choice, only those that it offers."""
        good = dict(sync_data)
        for field in self.FIELDS:
            name, kind = field["name"], field["kind"]
            if name in good and kind in ("select", "segments") and good[name] not in self._values(field):
                self.show_error(RAError("studio.error.value", field=self.word(name), got=repr(good.pop(name))[:40]))
                self.send_state(name)
        super().set_state(good)


__all__ = ["Decimal", "FieldsPanel", "Whole", "choice", "number", "slider", "slug", "switch"]

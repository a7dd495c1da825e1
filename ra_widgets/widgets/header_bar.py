"""The head of the studio: name, tabs, model, queue, language, skin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as tr

from ra_widgets.library.identify import ModelInfo
from ra_widgets.widgets._base import RAWidget, shared, text_of
from ra_widgets.widgets._traits import Whole


class HeaderBar(RAWidget):
    """What stands at the top of the studio.

    Attributes:
        tabs: ``[{"id": ..., "title": ...}]``; tab: id of the one that is open.
        model: name of the model in use; device: e.g. ``"CPU bf16"``; state: idle, loading, working, closed.
        models: ``[{"name": ..., "detail": ...}]`` that can be chosen.
        queue: number of jobs that run or wait.
        lang, skin: the switches change them.
    """

    BUNDLE = "header"
    TEXTS = (
        "name", "model", "models.none", "queue", "language.tip", "skin.tip", "skin.light", "skin.dark",
        "state.idle", "state.loading", "state.working", "state.closed",
    )  # fmt: skip
    INPUTS = ("tab", "lang", "skin")
    MESSAGES = ("models", "load")

    tabs = shared(tr.List(tr.Dict()))
    tab = shared(tr.Unicode(""))
    model = shared(tr.Unicode(""))
    device = shared(tr.Unicode(""))
    state = shared(tr.Enum(("idle", "loading", "working", "closed"), "idle"))
    models = shared(tr.List(tr.Dict()))
    queue = shared(Whole(0))

    @tr.validate("tab")
    def _valid_tab(self, proposal: Any) -> str:
        if self.tabs and proposal["value"] not in [tab["id"] for tab in self.tabs]:
            raise tr.TraitError("no such tab")
        return proposal["value"]

    def show_models(self, models: list[ModelInfo]) -> None:
        """List these models for choosing."""
        self.models = [{"name": info.name, "detail": _detail(info)} for info in models]

    def on_models(self, callback: Callable[[HeaderBar], Any], remove: bool = False) -> None:
        """Call ``callback(header)`` when the list of models is opened."""
        self._register("models", callback, remove)

    def on_load(self, callback: Callable[[str], Any], remove: bool = False) -> None:
        """Call ``callback(name)`` when a model is chosen."""
        self._register("load", callback, remove)

    def _on_models(self, _: Any) -> None:
        self._fire("models", self)

    def _on_load(self, content: Any) -> None:
        name = text_of(content, "name", 300)
        # a name from the list, never a path from the page
        if name in [model["name"] for model in self.models]:
            self._fire("load", name)


def _detail(info: ModelInfo) -> str:
    size = info.size_bytes / 2**20
    weight = f"{size:.0f} MB" if size < 1000 else f"{size / 1024:.1f} GB"
    width, height = info.default_size
    return f"{info.family} · {width}×{height} · {weight}"

"""The studio's tabs: what stands in them, and how pictures and settings go from one to another (and back)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets as tr

from ra_widgets.errors import Notice, RAError
from ra_widgets.i18n import t
from ra_widgets.requests import Request
from ra_widgets.results import Record
from ra_widgets.widgets import tabs as _tabs
from ra_widgets.widgets._base import RAWidget, RequestPanel, guarded, shared, text_of
from ra_widgets.widgets.info_bar import FIELDS
from ra_widgets.widgets.tasks import PictureTask, TaskState

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel
    from ra_widgets.widgets.gallery_view import GalleryView
    from ra_widgets.widgets.header_bar import HeaderBar
    from ra_widgets.widgets.info_bar import InfoBar
    from ra_widgets.widgets.stage import Stage

REMEMBERED = 10
"""Sendings that can be undone."""


@dataclass(frozen=True)
class Before:
    """How the studio stood before something was sent."""

    tab: str
    shows: str
    shared: tuple[dict[str, Any], ...]
    task: str
    state: TaskState | None
    carried: dict[str, Any]


class Rooms(RAWidget):
    """The half of the studio that knows its tabs.

    Attributes:
        tab: id of the open tab. shows: ``"input"``: the canvas of the tab is seen; ``"result"``: the stage.
        notice: a sentence at the foot of the page, ``{"text", "undo", "number"}``.
    """

    panels = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    pages = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    canvases = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    tabs = shared(tr.List(tr.Unicode()))
    tab = shared(tr.Unicode(""))
    shows = shared(tr.Enum(("input", "result"), "result"))
    hidden = shared(tr.Dict())
    notice = shared(tr.Dict())

    kernel: PipelineKernel
    header: HeaderBar
    stage: Stage
    info: InfoBar
    view: GalleryView
    _panels: tuple[RequestPanel, ...]
    _tabs: dict[str, _tabs.Tab]

    def _furnish(self, only: Any) -> None:
        """Choose the tabs: all, or those of these ids."""
        known = {tab.id: tab for tab in _tabs.TABS}
        if only is not None:
            missing = [name for name in only if name not in known]
            if missing or not only:
                raise RAError("studio.error.no_tab", name=", ".join(map(str, missing)), known=", ".join(known))
            known = {name: known[name] for name in only}
        self._tabs = known
        self._tasks: dict[str, PictureTask] = {}
        self._past: list[Before] = []
        self._notices = 0
        self._carried: dict[str, Any] = {}
        self._told = ("", "")
        self._warned: list[Notice] = []
        self.hidden = {tab.id: list(tab.hides) for tab in known.values()}

    # -- tabs ------------------------------------------------------------------------------------------------------
    def task(self, name: str) -> PictureTask | None:
        """The task behind a tab (made when it is first needed), None for tabs without one."""
        tab = self._tabs.get(name)
        if tab is None or tab.task is None:
            return None
        if name not in self._tasks:
            made = tab.task(self)  # type: ignore[arg-type]
            self._tasks[name] = made
            for part in made.parts:
                part._sink = self.show_error
            self.panels = {**self.panels, name: list(made.left)}
            self.canvases = {**self.canvases, name: made.canvas}
        return self._tasks[name]

    def _title_tabs(self) -> None:
        self.header.tabs = [{"id": tab.id, "title": t(tab.title, self.lang)} for tab in self._tabs.values()]
        targets = [{"id": tab.id, "title": t(tab.title, self.lang)} for tab in self._tabs.values() if tab.page is None]
        self.info.targets = self.view.targets = targets

    @guarded
    def _open_tab(self, _: Any) -> None:
        self.header.tab = self.tab
        tab = self._tabs[self.tab]
        if tab.id in self._tasks:
            self._tasks[tab.id].opened()
        task = self.task(tab.id)
        if task is not None and task.source.image is None:
            self.shows = "input"
        if tab.panels and tab.id not in self.panels:
            self.panels = {**self.panels, tab.id: [make(self) for make in tab.panels]}  # type: ignore[arg-type]
        if tab.page is not None and tab.id not in self.pages:
            self.pages = {**self.pages, tab.id: tab.page(self)}  # type: ignore[arg-type]

    def _room_parts(self) -> list[RAWidget]:
        return [part for task in self._tasks.values() for part in task.parts]

    # -- settings and pictures from tab to tab ---------------------------------------------------------------------
    def find_record(self, record_id: str) -> Record:
        """A picture by its id: one on the stage, or one of the gallery.

        Raises:
            GalleryError: there is none.
        """
        shown = next((record for record in self.stage.records if record.id == record_id), None)
        return shown if shown is not None else self.view._record(record_id)

    @guarded
    def send_to(self, record: Record, target: str) -> None:
        """Open a tab with a picture and the settings that made it; 撤销 brings everything back."""
        tab = self._tabs.get(target)
        if tab is None:
            raise RAError("studio.error.message")
        task = self.task(target)
        self._remember(target)
        self._fill_shared(record)
        if task is not None:
            task.accept(record)
            self.shows = "input"
        self.tab = target
        self._tell("notice.sent", target)

    @guarded
    def reuse(self, record: Record, fields: tuple[str, ...] = ()) -> None:
        """Fill the controls with the settings of a picture (all of them, or only ``fields``), the seed too.

        All settings of a picture that was made from another one open its tab, with that picture.
        """
        request = record.to_request()
        kind = "control" if getattr(request, "control", ()) else str(getattr(request, "kind", ""))
        kind = _tabs.ALSO.get(kind, kind)
        whole = not fields and kind in self._tabs
        task = self.task(kind) if whole else None
        if task is not None:
            self._remember(kind)
        self._fill_shared(record, fields)
        if task is not None:
            task.recall(request)
            self._fill_shared(record, fields)  # the size may have followed the picture
            self.tab, self.shows = kind, "input"
            self._tell("notice.reused", kind)
        elif whole and self.tab != kind and self._tabs[self.tab].page is None:
            self.tab = kind

    def _fill_shared(self, record: Record, fields: tuple[str, ...] = ()) -> None:
        request: Request = record.to_request()
        settings = {name: getattr(request, name) for name in FIELDS if hasattr(request, name)}
        if "seed" in settings:  # not of an enlarged picture: what made it is not how it was enlarged
            settings.update(seed=record.seed, width=record.width, height=record.height)
        if not fields:
            self._carry(request)
            settings["tiled_diffusion"] = getattr(request, "tiled_diffusion", None)
        if fields:
            settings = {name: settings[name] for name in fields if name in settings}
        else:
            settings.update(batch_size=1, n_iter=1)
        for panel in self._panels:
            panel.fill(**settings)

    def _carry(self, request: Request) -> None:
        """Keep what a picture was made with and no control shows, for as long as what it belongs to stays as it is."""
        self._carried = {}
        chain, blend = getattr(request, "further_variations", ()), getattr(request, "prompt_blend", ())
        if chain:
            place = {name: getattr(request, name) for name in ("seed", "subseed", "subseed_strength")}
            self._carried["chain"] = (place, {"further_variations": chain})
        if blend:
            prompt = {"prompt": getattr(request, "prompt", "")}
            self._carried["blend"] = (prompt, {"prompt_blend": blend, "blend_mode": request.blend_mode})  # type: ignore[attr-defined]

    def _with_carried(self, fields: dict[str, Any]) -> dict[str, Any]:
        for place, more in self._carried.values():
            if all(fields.get(name) == value for name, value in place.items()):
                fields = {**fields, **more}
        return fields

    # -- undo ------------------------------------------------------------------------------------------------------
    def _remember(self, target: str) -> None:
        task = self._tasks.get(target)
        state = task.state() if task is not None else None
        shared_values = tuple(panel.values() for panel in self._panels)
        self._past.append(Before(self.tab, self.shows, shared_values, target, state, self._carried))
        del self._past[:-REMEMBERED]

    @guarded
    def undo_send(self) -> None:
        """Take the last sending back: tab, settings and picture are as they were."""
        if not self._past:
            return
        before = self._past.pop()
        task = self._tasks.get(before.task)
        if task is not None and before.state is not None:
            task.restore(before.state)
        self.tab, self.shows = before.tab, before.shows
        self._carried = before.carried
        for panel, values in zip(self._panels, before.shared, strict=True):
            panel.fill(**values)
        self._tell("notice.undone")

    def _tell(self, key: str, tab: str = "") -> None:
        self._notices += 1
        self._told = (key, tab)
        self._warned = []
        self.notice = {"text": self._notice_text(), "undo": bool(self._past), "number": self._notices}

    def _warn(self, notice: Notice) -> None:
        """Tell what a job found doubtful, beside what it told before."""
        self._notices += 1
        self._warned = [*(known for known in self._warned if known != notice), notice][-3:]
        self.notice = {"text": self._notice_text(), "undo": False, "number": self._notices}

    def _notice_text(self) -> str:
        if self._warned:
            return "\n".join(f"! {notice.text(self.lang)}" for notice in self._warned)
        key, tab = self._told
        return self.word(key, tab=t(self._tabs[tab].title, self.lang) if tab else "") if key else ""

    def _on_undo(self, _: Any) -> None:
        self.undo_send()

    def _on_send(self, content: Any) -> None:
        self.send_to(self.find_record(text_of(content, "id", 64)), text_of(content, "target", 64))

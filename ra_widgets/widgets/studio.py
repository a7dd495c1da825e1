"""The studio: all widgets on one sheet, around one kernel."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.events import Event, Failed, ImageDone, Loading, Progress, Queued, Started
from ra_widgets.jobs import Job
from ra_widgets.library.identify import ModelInfo
from ra_widgets.requests import Request
from ra_widgets.results import Record
from ra_widgets.widgets import tabs as _tabs
from ra_widgets.widgets._base import SKINS, RAWidget, guarded, shared
from ra_widgets.widgets._pump import EventPump, StageFollower
from ra_widgets.widgets._tokens import TokenCounter
from ra_widgets.widgets.advanced_panel import AdvancedPanel
from ra_widgets.widgets.batch_panel import BatchPanel
from ra_widgets.widgets.gallery_view import GalleryView
from ra_widgets.widgets.generate_bar import GenerateBar
from ra_widgets.widgets.header_bar import HeaderBar
from ra_widgets.widgets.info_bar import FIELDS, InfoBar
from ra_widgets.widgets.prompt_editor import PromptEditor
from ra_widgets.widgets.sampler_panel import SamplerPanel
from ra_widgets.widgets.seed_panel import SeedPanel
from ra_widgets.widgets.size_panel import SizePanel
from ra_widgets.widgets.stage import Stage

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel

EXAMPLES = 6
"""Example sentences in the catalogues (``studio.example.1`` ...): what the embedded model draws well."""


class Studio(RAWidget):
    """The workbench as one widget. Everything goes through ``kernel.submit``; nothing here waits.

    It also shows what others ask of the same kernel: a picture made in a notebook cell appears on the stage and in the
    gallery.

    Args:
        kernel: the :class:`PipelineKernel`; None: a new one with the embedded model.
        lang: ``zh_CN`` or ``en``. skin: ``light`` or ``dark``.

    Attributes:
        header, editor, sampler, size, seed, batch, advanced, bar, stage, info, view: the widgets it is made of.
        tab: id of the open tab.
    """

    BUNDLE = "studio"
    TEXTS = ("more",)
    MESSAGES = ("generate",)

    slots = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    panels = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    pages = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    tabs = shared(tr.List(tr.Unicode()))
    tab = shared(tr.Unicode(""))

    def __init__(self, kernel: PipelineKernel | None = None, **kwargs: Any) -> None:
        if kernel is None:
            from ra_widgets.kernel import PipelineKernel

            kernel = PipelineKernel()
        self.kernel = kernel
        self._tabs = {tab.id: tab for tab in _tabs.TABS}
        self._mine: dict[str, Job] = {}
        self._started: set[str] = set()
        self._submitting = threading.Lock()
        super().__init__(**kwargs)
        self._make_parts()
        self._connect()
        self._model: ModelInfo | None = None
        self._follow_model()
        self._refresh_device()
        self._listen()

    # -- putting it together ---------------------------------------------------------------------------------------
    def _make_parts(self) -> None:
        # one stylesheet for all: the studio's own
        look = {"lang": self.lang, "skin": self.skin, "_css": ""}
        self.header = HeaderBar(**look)
        self.editor = PromptEditor(**look)
        self.sampler = SamplerPanel(**look)
        self.size = SizePanel(**look)
        self.seed = SeedPanel(**look)
        self.batch = BatchPanel(**look)
        self.advanced = AdvancedPanel(**look)
        self.bar = GenerateBar(**look)
        self.stage = Stage(**look)
        self.info = InfoBar(**look)
        self.view = GalleryView(self.kernel.gallery, **look)
        self._panels = (self.editor, self.sampler, self.size, self.seed, self.batch, self.advanced)
        self._parts = (self.header, *self._panels, self.bar, self.stage, self.info, self.view)
        for part in self._parts:
            part._sink = self.show_error
        self._title_tabs()
        self.tabs = list(self._tabs)
        self.tab = self.header.tab = self.tabs[0]
        self.slots = {
            "header": self.header, "prompt": self.editor, "sampler": self.sampler, "size": self.size, "seed": self.seed,
            "batch": self.batch, "advanced": self.advanced, "generate": self.bar, "stage": self.stage,
            "info": self.info, "gallery": self.view,
        }  # fmt: skip

    def _connect(self) -> None:
        self._follower = StageFollower(self.stage)
        self._pump = EventPump(self._handle, self._follower.previews, self.show_error)
        self.header.observe(lambda change: self.set_trait("lang", change["new"]), "lang")
        self.header.observe(lambda change: self.set_trait("skin", change["new"]), "skin")
        self.header.observe(lambda change: self.set_trait("tab", change["new"]), "tab")
        self.header.on_models(lambda header: header.show_models(self.kernel.models))
        self.header.on_load(self.load)
        self.observe(self._apply_skin, "skin")
        self.observe(self._open_tab, "tab")
        self.editor.on_submit(lambda _: self.generate())
        self.bar.on_generate(lambda _: self.generate())
        self.bar.on_stop(lambda _: self.stop())
        self.bar.on_code(lambda _: self.to_code())
        self.stage.on_example(lambda _, sentence: self._run_example(sentence))
        self.stage.on_select(lambda _: self._picture_selected())
        self.info.on_reuse(self.reuse)
        self.view.on_open(self.show_record)
        self.view.on_reuse(self.reuse)

    def _listen(self) -> None:
        self._stop_listening = self.kernel.add_listener(self._pump.put)
        # jobs that were there before: the model that is being loaded, most of all
        running = self.kernel.running
        for job in ([running] if running else []) + self.kernel.queue:
            job.add_listener(self._pump.put)
        self._refresh_queue()

    # -- what the user does ----------------------------------------------------------------------------------------
    def values(self) -> dict[str, Any]:
        """The fields of a request that all tabs share, as they stand in the controls."""
        fields: dict[str, Any] = {}
        for panel in self._panels:
            fields.update(panel.values())
        return fields

    def request(self) -> Request:
        """The request that 生成 would submit now.

        Raises:
            InvalidRequest: the controls hold something that cannot be made.
        """
        maker = self._tabs[self.tab].request
        if maker is None:
            raise RAError("studio.error.message")
        return maker(self)

    @guarded
    def generate(self) -> Job | None:
        """Submit what the controls say; returns the job, or None after showing in the page why not."""
        self.clear_error()
        request = self.request()
        with self._submitting:
            job = self.kernel.submit(request)
            self._mine[job.id] = job
        self.send({"type": "started"})
        return job

    @guarded
    def stop(self) -> None:
        """Cancel what is being made, or else what is next; a model that is being loaded is loaded on."""
        running = self.kernel.running
        # ours are named too: a job between queue and worker is in neither of the kernel's lists
        jobs = [*([running] if running else []), *self.kernel.queue, *list(self._mine.values())]
        jobs = [job for job in jobs if isinstance(job.request, Request) and not job.done and not job.cancelled]
        if jobs:
            job = running if running in jobs else min(jobs, key=lambda job: job.created)
            self._follower.stopping.add(job.id)
            job.cancel()

    @guarded
    def to_code(self) -> None:
        """Show the line of Python that does what 生成 would do."""
        self.bar.code = self.request().to_code()

    @guarded
    def reuse(self, record: Record, fields: tuple[str, ...] = ()) -> None:
        """Fill the controls with the settings of a picture (all of them, or only ``fields``), the seed too."""
        request = record.to_request()
        settings = {name: getattr(request, name) for name in FIELDS if hasattr(request, name)}
        settings.update(seed=record.seed, width=record.width, height=record.height)
        if fields:
            settings = {name: settings[name] for name in fields if name in settings}
        else:
            settings.update(batch_size=1, n_iter=1)
        for panel in self._panels:
            panel.fill(**settings)

    @guarded
    def show_record(self, record: Record) -> None:
        """Put a picture of the gallery on the stage, with its parameters."""
        self._follower.look_away()
        self.stage.show([record])

    @guarded
    def load(self, name: str) -> None:
        """Change the model; the stage shows how the loading goes."""
        self.clear_error()
        self.kernel.load(name)
        self._follow_model()

    def _run_example(self, sentence: str) -> None:
        self.editor.prompt = sentence
        self.generate()

    def _picture_selected(self) -> None:
        record = self.stage.record
        self.info.show(record)
        if record is not None:
            self.seed.last_seed = record.seed
            if self.kernel.gallery is not None:
                self.view.selected = record.id

    def _on_generate(self, _: Any) -> None:
        self.generate()

    # -- what the kernel does (in the pump's thread) ---------------------------------------------------------------
    def _handle(self, event: Event) -> None:
        self._follower.handle(event)
        if isinstance(event, ImageDone):
            if self.kernel.gallery is not None:
                self.view.added([event.record])
                self.view.selected = event.record.id
            return
        if isinstance(event, Started):
            self._started.add(event.job_id)
        if isinstance(event, Queued | Started) or event.final:
            self._refresh_queue()
        if isinstance(event, Loading):
            self.header.state = "loading"
        elif isinstance(event, Progress) and self.header.state != "working":
            self.header.state = "working"
        if isinstance(event, Started) or event.final or (isinstance(event, Loading) and event.stage == "ready"):
            self._refresh_device()
            self._follow_model()
        if event.final:
            with self._submitting:
                own = self._mine.pop(event.job_id, None) is not None
            foreign = not own and event.job_id in self._started
            self._started.discard(event.job_id)
            # what a notebook cell asked for fails in that cell; a model that cannot be loaded concerns everybody
            if isinstance(event, Failed) and not foreign:
                self.show_error(event.error)

    def _refresh_queue(self) -> None:
        running = self.kernel.running
        jobs = ([running] if running else []) + self.kernel.queue
        count = len({job.id for job in jobs if isinstance(job.request, Request) and not job.done})
        self.header.queue = count
        self.bar.busy = count > 0
        if not count and self.header.state == "working":
            self.header.state = "idle"

    def _refresh_device(self) -> None:
        status = self.kernel.status()
        device, precision = str(status.get("device") or ""), str(status.get("precision") or "")
        self.header.device = " ".join(word for word in (device.upper(), precision) if word and word.lower() != "auto")
        state = status.get("state", "idle")
        if state in ("idle", "loading", "closed") and not (state == "loading" and self.bar.busy):
            self.header.state = state

    def _follow_model(self) -> None:
        """Take over the defaults of the kernel's model, where the user has not changed them."""
        info = self.kernel.model
        old, self._model = self._model, info
        if old is not None and (old.name, old.path) == (info.name, info.path):
            return
        self.header.model = info.name
        width, height = info.default_size
        if old is None or (self.size.width, self.size.height) == tuple(old.default_size):
            self.size.width, self.size.height = width, height
        if old is None or self.sampler.cfg_scale == old.default_cfg:
            self.sampler.cfg_scale = info.default_cfg
        if old is None or self.sampler.steps == old.default_steps:
            self.sampler.steps = info.default_steps
        self.size.base_size = [width, height]
        self.editor.set_counter(TokenCounter(info))
        self._offer_examples()

    def _offer_examples(self) -> None:
        from ra_widgets.paths import EMBEDDED

        known = self._model is not None and self._model.name == EMBEDDED
        sentences = [self.word(f"example.{number}") for number in range(1, EXAMPLES + 1)] if known else []
        self.stage.examples = sentences
        self.editor.examples = sentences[:3]

    # -- language, skin, tabs ------------------------------------------------------------------------------
    def _title_tabs(self) -> None:
        from ra_widgets.i18n import t

        self.header.tabs = [{"id": tab.id, "title": t(tab.title, self.lang)} for tab in self._tabs.values()]

    def language_changed(self) -> None:
        for part in self._parts:
            part.lang = self.lang
        self._title_tabs()
        self._offer_examples()

    @guarded
    def _apply_skin(self, _: Any) -> None:
        for part in self._parts:
            part.skin = self.skin

    @guarded
    def _open_tab(self, _: Any) -> None:
        self.header.tab = self.tab
        tab = self._tabs[self.tab]
        if tab.panels and tab.id not in self.panels:
            self.panels = {**self.panels, tab.id: [make(self) for make in tab.panels]}
        if tab.page is not None and tab.id not in self.pages:
            self.pages = {**self.pages, tab.id: tab.page(self)}

    def close(self) -> None:
        """Stop watching the kernel and close the widgets; the kernel goes on."""
        self._stop_listening()
        self._pump.close()
        for part in self._parts:
            part.close()
        super().close()


def studio(kernel: PipelineKernel | None = None, *, lang: str | None = None, skin: str | None = None) -> Studio:
    """The whole workbench as one widget.

    Args:
        kernel: what makes the pictures; None: a new kernel with the embedded model.
        lang: ``zh`` or ``en``; None: the current language. skin: ``light`` (宣纸) or ``dark`` (夜墨);
            None: ``RA_SKIN``, else light.

    Example:
        >>> import ra_widgets as ra
        >>> ra.studio()
    """
    # `ra studio --skin` and a page's ?skin= arrive in the environment
    wanted = skin or os.environ.get("RA_SKIN")
    options: dict[str, Any] = {"skin": wanted if wanted in SKINS else "light"}
    return Studio(kernel, lang=lang, **options)

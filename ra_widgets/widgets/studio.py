"""The studio: all widgets on one sheet, around one kernel."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets as tr

from ra_widgets.errors import RAError
from ra_widgets.jobs import Job
from ra_widgets.library.identify import ModelInfo
from ra_widgets.requests import Request
from ra_widgets.results import Record
from ra_widgets.widgets._base import SKINS, guarded
from ra_widgets.widgets._pump import EventPump, StageFollower
from ra_widgets.widgets._rooms import Rooms
from ra_widgets.widgets._watch import KernelWatch
from ra_widgets.widgets.advanced_panel import AdvancedPanel
from ra_widgets.widgets.batch_panel import BatchPanel
from ra_widgets.widgets.gallery_view import GalleryView
from ra_widgets.widgets.generate_bar import GenerateBar
from ra_widgets.widgets.header_bar import HeaderBar
from ra_widgets.widgets.info_bar import InfoBar
from ra_widgets.widgets.prompt_editor import PromptEditor
from ra_widgets.widgets.sampler_panel import SamplerPanel
from ra_widgets.widgets.seed_panel import SeedPanel
from ra_widgets.widgets.size_panel import SizePanel
from ra_widgets.widgets.stage import Stage

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel


class Studio(KernelWatch, Rooms):
    """The workbench as one widget. Everything goes through ``kernel.submit``; nothing here waits.

    It also shows what others ask of the same kernel: a picture made in a notebook cell appears on the stage and in the
    gallery.

    Args:
        kernel: the :class:`PipelineKernel`; None: a new one with the embedded model.
        only: ids of the tabs to show, in this order; None: all of them.
        lang: ``zh_CN`` or ``en``. skin: ``light`` or ``dark``.

    Attributes:
        header, editor, sampler, size, seed, batch, advanced, bar, stage, info, view: the widgets it is made of.
        tab: id of the open tab; shows: ``"input"`` (the tab's canvas) or ``"result"`` (the stage).
    """

    BUNDLE = "studio"
    TEXTS = ("more", "shows.input", "shows.result", "shows", "notice.undo", "notice.close")
    INPUTS = ("shows",)
    MESSAGES = ("generate", "undo", "send")

    slots = tr.Dict().tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(
        self, kernel: PipelineKernel | None = None, *, only: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        if kernel is None:
            from ra_widgets.kernel import PipelineKernel

            kernel = PipelineKernel()
        self.kernel = kernel
        self._mine: dict[str, Job] = {}
        self._started: set[str] = set()
        self._submitting = threading.Lock()
        super().__init__(**kwargs)
        self._furnish(only)
        self._make_parts()
        self._connect()
        self._model: ModelInfo | None = None
        self._follow_model()
        self._refresh_device()
        self.tab = self.tabs[0]
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
        self.info.on_send(self.send_to)
        self.info.on_vary(self.vary)
        self.view.on_send(self.send_to)
        self.view.on_open(self.show_record)
        self.view.on_reuse(self.reuse)

    # -- what the user does ----------------------------------------------------------------------------------------
    def values(self) -> dict[str, Any]:
        """The fields of a request that all tabs share, as they stand in the controls."""
        fields: dict[str, Any] = {}
        for panel in self._panels:
            fields.update(panel.values())
        return self._with_carried(fields)

    def request(self) -> Request:
        """The request that 生成 would submit now.

        Raises:
            InvalidRequest: the controls hold something that cannot be made.
        """
        maker, task = self._tabs[self.tab].request, self.task(self.tab)
        if maker is not None:
            return maker(self)
        if task is None:
            raise RAError("studio.error.message")
        return task.request()

    @guarded
    def generate(self) -> Job | None:
        """Submit what the controls say; returns the job, or None after showing in the page why not."""
        self.clear_error()
        return self._submit(self.request())

    @guarded
    def vary(self, record: Record) -> Job | None:
        """Show a picture among eight variations of it; the one that is chosen can be varied again."""
        from ra_widgets.experiments import plans
        from ra_widgets.widgets.variation_grid import COUNT, STRENGTH

        self.clear_error()
        return self._submit(plans.variations(record, strengths=STRENGTH, subseeds=COUNT).request)

    def _submit(self, request: Request) -> Job:
        with self._submitting:
            job = self.kernel.submit(request)
            self._mine[job.id] = job
        self.shows = "result"
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
    def show_record(self, record: Record) -> None:
        """Put a picture of the gallery on the stage, with its parameters."""
        self._follower.look_away()
        self.stage.show([record])
        self.shows = "result"

    @guarded
    def load(self, name: str) -> None:
        """Change the model; the stage shows how the loading goes."""
        self.clear_error()
        self.kernel.load(name)
        self._follow_model()

    def _run_example(self, sentence: str) -> None:
        self.editor.prompt = sentence
        self.tab = "txt2img"
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

    # -- language, skin, tabs ------------------------------------------------------------------------------
    def language_changed(self) -> None:
        for part in (*self._parts, *self._room_parts()):
            part.lang = self.lang
        for task in self._tasks.values():
            task.language_changed()
        self._title_tabs()
        if self.notice:
            self.notice = {**self.notice, "text": self._notice_text()}
        self._offer_examples()

    @guarded
    def _apply_skin(self, _: Any) -> None:
        for part in (*self._parts, *self._room_parts()):
            part.skin = self.skin

    def close(self) -> None:
        """Stop watching the kernel and close the widgets; the kernel goes on."""
        self._stop_listening()
        self._pump.close()
        for part in (*self._parts, *self._room_parts()):
            part.close()
        super().close()


def studio(
    kernel: PipelineKernel | None = None,
    *,
    tabs: Sequence[str] | None = None,
    lang: str | None = None,
    skin: str | None = None,
) -> Studio:
    """The whole workbench as one widget.

    Args:
        kernel: what makes the pictures; None: a new kernel with the embedded model.
        tabs: ids of the tabs to show, e.g. ``["inpaint"]`` for a page that does one thing; None: all.
        lang: ``zh`` or ``en``; None: the current language. skin: ``light`` (宣纸) or ``dark`` (夜墨);
            None: ``RA_SKIN``, else light.

    Example:
        >>> import ra_widgets as ra
        >>> ra.studio()
    """
    # `ra studio --skin` and a page's ?skin= arrive in the environment
    wanted = skin or os.environ.get("RA_SKIN")
    options: dict[str, Any] = {"skin": wanted if wanted in SKINS else "light"}
    return Studio(kernel, only=tabs, lang=lang, **options)

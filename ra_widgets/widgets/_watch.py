"""The studio's ear at the kernel: what jobs do appears on the stage, in the gallery and in the head."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ra_widgets.errors import Notice
from ra_widgets.events import Event, Failed, ImageDone, Loading, Progress, Queued, Started, Warned
from ra_widgets.jobs import Job
from ra_widgets.library.identify import ModelInfo
from ra_widgets.requests import Request
from ra_widgets.widgets._base import RAWidget
from ra_widgets.widgets._tokens import TokenCounter

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel
    from ra_widgets.widgets._pump import EventPump, StageFollower
    from ra_widgets.widgets.gallery_view import GalleryView
    from ra_widgets.widgets.generate_bar import GenerateBar
    from ra_widgets.widgets.header_bar import HeaderBar
    from ra_widgets.widgets.prompt_editor import PromptEditor
    from ra_widgets.widgets.sampler_panel import SamplerPanel
    from ra_widgets.widgets.size_panel import SizePanel
    from ra_widgets.widgets.stage import Stage
    from ra_widgets.widgets.tasks import PictureTask

EXAMPLES = 6
"""Example sentences in the catalogues (``studio.example.1`` ...): what the embedded model draws well."""


class KernelWatch(RAWidget):
    """The half of the studio that follows its kernel. Events arrive in the pump's thread, one after the other."""

    kernel: PipelineKernel
    header: HeaderBar
    editor: PromptEditor
    sampler: SamplerPanel
    size: SizePanel
    bar: GenerateBar
    stage: Stage
    view: GalleryView
    _pump: EventPump
    _follower: StageFollower
    _model: ModelInfo | None
    _mine: dict[str, Job]
    _started: set[str]
    _submitting: threading.Lock
    _tasks: dict[str, PictureTask]
    _warned: list[Notice]
    _warn: Callable[[Notice], None]

    def _listen(self) -> None:
        self._stop_listening = self.kernel.add_listener(self._pump.put)
        # jobs that were there before: the model that is being loaded, most of all
        running = self.kernel.running
        for job in ([running] if running else []) + self.kernel.queue:
            job.add_listener(self._pump.put)
        self._refresh_queue()

    def _handle(self, event: Event) -> None:
        self._follower.handle(event)
        if isinstance(event, ImageDone):
            if self.kernel.gallery is not None:
                self.view.added([event.record])
                self.view.selected = event.record.id
            return
        if isinstance(event, Started):
            self._started.add(event.job_id)
            self._warned = []
        if isinstance(event, Warned):
            self._warn(event.notice)
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
        for task in list(self._tasks.values()):
            task.model_changed()

    def _offer_examples(self) -> None:
        from ra_widgets.paths import EMBEDDED

        known = self._model is not None and self._model.name == EMBEDDED
        sentences = [self.word(f"example.{number}") for number in range(1, EXAMPLES + 1)] if known else []
        self.stage.examples = sentences if "txt2img" in self.tabs else []
        self.editor.examples = sentences[:3]

"""The shared object of the workbench: every widget, cell, command and route goes through one PipelineKernel.

widgets / notebook cell / REST / CLI / plugin
      │  Request  (frozen data: what to make)
      ▼
PipelineKernel.submit ──► JobQueue ──► Engine (local thread │ remote server │ cluster)
      ▲                                   │  events: started, progress, preview, done, failed, cancelled
      │                                   ▼
 observers (widgets, SSE, CLI bar) ◄── Result ──► Gallery (files + SQLite: the picture and what made it)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets import progress
from ra_widgets._version import __version__
from ra_widgets.engines import Engine
from ra_widgets.engines.local import LocalEngine
from ra_widgets.errors import GalleryError, InvalidRequest
from ra_widgets.gallery import Gallery, carriers, control_settings, infotext
from ra_widgets.gallery.ids import new_id
from ra_widgets.jobs import Job, Listener
from ra_widgets.library import upscalers
from ra_widgets.library.control import ControlInfo, controls
from ra_widgets.library.identify import ModelInfo, available, resolve
from ra_widgets.pictures import Picture
from ra_widgets.requests import Request, SDUpscale, Series, TextToImage, Upscale
from ra_widgets.results import Record, Result

if TYPE_CHECKING:
    from types import TracebackType

    from PIL.Image import Image

    from ra_widgets.diffusion.control.modules import Module
    from ra_widgets.experiments.folder import Outcome, Outcomes
    from ra_widgets.experiments.reports import Report


class PipelineKernel:
    """Makes pictures from requests, remembers them, tells everybody how it goes. Thread-safe.

    Returns at once: the model is loaded in the background, where all work happens too.

    Args:
        model: name (see :attr:`models`) or path of a diffusers folder or ``.safetensors`` checkpoint; None:
            the one that ``RA_MODEL`` names, else the embedded model.
        gallery: a :class:`Gallery`, its folder, None for the default one, or False to save nothing.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``auto``, ``fp32``, ``fp16``, ``bf16``.
        previews: send live previews while pictures are made.
        preload: begin to load the model now rather than at the first request.

    Raises:
        ModelError: there is no such model, or it is not one, in a sentence.

    Example:
        >>> kernel = PipelineKernel()
        >>> kernel.generate("一个红苹果", seed=42).images[0]
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        gallery: Gallery | str | Path | bool | None = None,
        device: str = "auto",
        precision: str = "auto",
        previews: bool = True,
        preload: bool = True,
    ) -> None:
        info = resolve(model if model is not None else os.environ.get("RA_MODEL") or None)
        self.gallery: Gallery | None = None
        if isinstance(gallery, Gallery):
            self.gallery = gallery
        elif gallery is not False:
            self.gallery = Gallery(None if gallery is None or gallery is True else gallery)
        self.history: list[Record] = []
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._engine: Engine = LocalEngine(info, self._save, device=device, precision=precision, previews=previews)
        if preload:
            self._load(info)

    # -- making pictures -------------------------------------------------------------------------------------------
    def generate(self, request: Request | str, /, **fields: Any) -> Result:
        """Make pictures and wait for them, with a progress bar if it takes long. Ctrl-C or ■ cancels.

        Args:
            request: a request, or a prompt for a :class:`TextToImage`.
            **fields: fields of the request, or changes to it.

        Raises:
            InvalidRequest: before any work starts. RAError: the job failed. JobCancelled: it was cancelled.
        """
        job = self.submit(request, **fields)
        progress.watch(job)
        result: Result = job.result()
        return result

    def submit(self, request: Request | str, /, *, keep: bool = True, **fields: Any) -> Job:
        """Queue a request and return its :class:`Job` at once; ``keep`` False: its pictures stay out of the gallery.

        Raises:
            InvalidRequest: wrong fields. ModelError: ``model`` names none. RAError: the kernel is closed.
        """
        if isinstance(request, str):
            request = TextToImage(prompt=request, **fields)
        elif isinstance(request, Request):
            request = request.replace(**fields) if fields else request
        else:
            raise InvalidRequest("error.kernel_request", field="request", got=type(request).__name__)
        if getattr(request, "model", None):
            resolve(request.model)  # type: ignore[attr-defined]
        for one in request.requests if isinstance(request, Series) else (request,):
            if isinstance(one, Upscale):
                for name in filter(None, (one.upscaler, one.upscaler_2)):
                    upscalers.resolve(name)
            elif isinstance(one, SDUpscale):
                if one.upscaler:
                    upscalers.resolve(one.upscaler)
            elif isinstance(one, TextToImage) and one.enable_hr:
                upscalers.resolve(one.hr_upscaler, latent=True)
        job = self._job(request, keep)
        self._engine.submit(job)
        return job

    def each(
        self,
        sources: Any,
        kind: type[Request] | Callable[[Path], Request],
        *,
        output: str | Path | None = None,
        again: bool = False,
        progress: Callable[[int, int, Outcome], None] | None = None,
        **fields: Any,
    ) -> Outcomes:
        """The same task for every picture of a folder; one that fails stops nothing.

        Args:
            sources: a folder, a file, or several. kind: the kind of request (with ``**fields``), or a function that makes the
                request of a file.
            output, again, progress: see :func:`ra_widgets.experiments.folder.each`.

        Example:
            >>> kernel.each("photos", ra.ImageToImage, output="painted", prompt="水墨画", denoising_strength=0.5)
        """
        from ra_widgets.experiments import folder

        if isinstance(kind, type):
            request_kind = kind

            def make(path: Path) -> Request:
                return request_kind(image=path, **fields)

            return folder.each(self, sources, make, output=output, again=again, progress=progress)
        return folder.each(self, sources, kind, output=output, again=again, progress=progress)

    def verify(self, picture: Any) -> Report:
        """Make a picture again from its own metadata and compare: ``.same``, ``.max_difference``, ``.reasons``.

        Args:
            picture: path, bytes, PIL image or :class:`Record`.

        Raises:
            GalleryError: not a picture, or damaged.
        """
        from ra_widgets.experiments.verify import verify

        return verify(self, picture)

    def cancel(self, job: Job | None = None) -> bool:
        """Cancel a job; without one, the job that is running (or else the next in the queue). False if there was none."""
        if job is None:
            waiting = self.queue
            job = self.running or (waiting[0] if waiting else None)
        return job.cancel() if job is not None else False

    # -- models ----------------------------------------------------------------------------------------------------
    def load(self, model: str | Path | None) -> Job:
        """Change the model; the returned job's result is its :class:`ModelInfo`. If it fails, the last model stays in use.

        Raises:
            ModelError: at once, if there is no such model or it is plainly not one.
        """
        return self._load(resolve(model))

    def _load(self, info: ModelInfo) -> Job:
        job = self._job(info)
        self._engine.load(job, info)
        return job

    @property
    def model(self) -> ModelInfo:
        """The model in use (or about to be loaded)."""
        return self._engine.model

    @property
    def models(self) -> list[ModelInfo]:
        """Models that can be loaded by name."""
        return available()

    @property
    def upscalers(self) -> list[str]:
        """Names of the upscalers for :class:`~ra_widgets.requests.Upscale`; hires fix knows the latent ones besides."""
        return upscalers.names()

    # -- control ---------------------------------------------------------------------------------------------------
    @property
    def controls(self) -> list[ControlInfo]:
        """Control models in the library: ControlNets, T2I-Adapters, IP-Adapters, depth estimators; ``info.fits(kernel.model)``."""
        return controls()

    @property
    def preprocessors(self) -> list[Module]:
        """What makes control maps: name and the meaning of the thresholds of each."""
        from ra_widgets.diffusion.control.modules import MODULES

        return list(MODULES.values())

    def control_map(
        self,
        image: Any,
        module: str = "canny",
        *,
        width: int | None = None,
        height: int | None = None,
        resize_mode: str = "Crop and resize",
        processor_res: int | None = None,
        threshold_a: float | None = None,
        threshold_b: float | None = None,
    ) -> Image:
        """The map that a control unit would be given for a picture, as a PIL image. Works in the calling thread.

        Args:
            image: anything that :class:`~ra_widgets.pictures.Picture` takes. module: name of a preprocessor.
            width, height: size of the generation; None: the picture's own. The others: as in ``ControlUnit``.

        Raises:
            InvalidRequest: no picture, no such module. ModelError: it needs a depth model that is not there.
        """
        from ra_widgets.diffusion.control.maps import Recipe, preview

        picture = Picture(image)
        recipe = Recipe(
            module,
            width or picture.width,
            height or picture.height,
            resize_mode,
            processor_res,
            threshold_a,
            threshold_b,
        )
        return preview(picture, recipe)

    # -- watching --------------------------------------------------------------------------------------------------
    @property
    def running(self) -> Job | None:
        """The job that is being worked on."""
        return self._engine.running

    @property
    def queue(self) -> list[Job]:
        """Jobs that wait, in order."""
        return self._engine.waiting()

    def status(self) -> dict[str, Any]:
        """``device``, ``device_name``, ``precision``, ``model``, ``state`` (idle, loading, working, closed), ``queue``."""
        return self._engine.status()

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(event)`` for every event of every later job, in the worker thread. Returns a function that stops it."""
        with self._lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return remove

    def _job(self, request: Any, keep: bool = True) -> Job:
        job = Job(request, keep=keep)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            job.add_listener(listener)
        return job

    # -- keeping pictures ------------------------------------------------------------------------------------------
    def _save(
        self, image: Any, request: Request, model: ModelInfo, seconds: float, facts: dict[str, Any], keep: bool = True
    ) -> Record:
        facts = {"ra_version": __version__, "model_path": model.path.name, **facts}
        extra = facts.pop("infotext", {}) | control_settings.written(request, facts.get("control"))
        name, digest = model.name, model.hash
        if isinstance(request, Upscale):
            # no model made it; what made the picture that it was made from is kept
            name = digest = ""
            text = infotext.postprocessed(self._source_text(request), extra, (image.width, image.height))
        else:
            text = infotext.format(request, model=name, model_hash=digest, extra=extra)
        if self.gallery is not None and keep:
            record = self.gallery.save(
                image,
                request=request,
                infotext=text,
                model=name,
                model_hash=digest,
                seconds=seconds,
                info=facts,
            )
        else:
            record = Record(
                id=new_id(),
                path=None,
                request=request,
                seed=int(getattr(request, "seed", -1)),
                width=image.width,
                height=image.height,
                infotext=text,
                model=name,
                model_hash=digest,
                seconds=seconds,
                created=datetime.now(UTC).astimezone(),
                info=facts,
                _image=image,
            )
        if keep:
            self.history.append(record)
        return record

    @staticmethod
    def _source_text(request: Upscale) -> str:
        """The infotext of the file that a picture came from, "" if there is none."""
        path = request.image.origin
        if path is None:
            return ""
        try:
            return str(carriers.read(path).get("parameters", ""))
        except (GalleryError, OSError):
            return ""

    # -- life ------------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Cancel all jobs and let the model go. The gallery stays readable."""
        self._engine.close()

    def __enter__(self) -> PipelineKernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        status = self.status()
        return f"PipelineKernel({self.model.name!r}, {status['device']}, {status['precision']}, {status['state']})"

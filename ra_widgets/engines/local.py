"""The engine of a notebook: one worker thread owns the device, the model and all work on them.

A thread, never a cell or a callback: it is the only way in which the stop button, the sliders and other cells stay alive in
JupyterLab and in Voilà alike. torch is imported in the worker, so that making a kernel takes no time.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ra_widgets.errors import EngineError, JobCancelled, ModelError, RAError
from ra_widgets.events import Cancelled, Done, Failed, Loading, Started
from ra_widgets.jobs import Job, JobQueue
from ra_widgets.library import upscalers
from ra_widgets.library.identify import ModelInfo, resolve
from ra_widgets.requests import Request, SDUpscale, Upscale
from ra_widgets.results import Record, Result

if TYPE_CHECKING:
    from ra_widgets.diffusion.pipeline import LoadedModel

log = logging.getLogger(__name__)

MODEL_FREE = ("upscale",)
"""Kinds of requests that no model is needed for."""

Save = Callable[[Any, Request, "ModelInfo", float, dict[str, Any], bool], Record]
"""``save(image, request of this picture, model, seconds, facts, keep) -> Record``; ``keep`` False: not into the gallery."""


class LoadModel:
    """The "request" of a job that only loads a model."""

    kind = "load"

    def __init__(self, info: ModelInfo) -> None:
        self.info = info

    def __repr__(self) -> str:
        return f"LoadModel({self.info.name})"


class LocalEngine:
    """Runs jobs one after another in one thread of this process.

    Args:
        model: the model to use first. save: puts a finished picture into the gallery.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``. precision: ``auto``, ``fp32``, ``fp16``, ``bf16``.
        previews: send live previews.
    """

    def __init__(
        self, model: ModelInfo, save: Save, *, device: str = "auto", precision: str = "auto", previews: bool = True
    ) -> None:
        self.model = model
        self.previews = previews
        self._save = save
        self._device_wanted, self._precision_wanted = device, precision
        self._queue = JobQueue()
        self._running: Job | None = None
        self._state = "idle"
        self._loaded: LoadedModel | None = None
        self._second: LoadedModel | None = None
        self._device_only: LoadedModel | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        # an interpreter that ends while torch works in a daemon thread can crash: stop the work first
        reference = weakref.ref(self)
        self._at_exit = lambda: (engine := reference()) is not None and engine.close(timeout=5.0)
        atexit.register(self._at_exit)

    # -- what the kernel calls -------------------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._put(job)

    def load(self, job: Job, info: ModelInfo) -> None:
        """Queue the loading of a model; the job's result is the :class:`ModelInfo`."""
        job.request = LoadModel(info)
        self._put(job)

    @property
    def running(self) -> Job | None:
        """The job that is being worked on."""
        return self._running

    def waiting(self) -> list[Job]:
        """Jobs in the queue, in order."""
        return self._queue.waiting()

    def status(self) -> dict[str, Any]:
        """``device``, ``device_name``, ``precision``, ``model``, ``state`` (idle, loading, working, closed), ``queue``."""
        loaded = self._loaded
        if loaded is None:
            device, name, precision = self._device_wanted, "", self._precision_wanted
        else:
            from ra_widgets.diffusion.memory import device_name

            device, name, precision = str(loaded.device), device_name(loaded.device), loaded.precision
        return {
            "device": device,
            "device_name": name,
            "precision": precision,
            "model": self.model.name,
            "state": self._state,
            "queue": len(self.waiting()),
        }

    def close(self, timeout: float = 10.0) -> None:
        """Cancel all jobs, end the worker, let the model go."""
        self._queue.close()
        running = self._running
        if running is not None:
            running.cancel()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        self._state = "closed"
        atexit.unregister(self._at_exit)

    # -- the worker ------------------------------------------------------------------------------------------------
    def _put(self, job: Job) -> None:
        with self._starting:
            try:
                self._queue.put(job, running=int(self._running is not None))
            except RuntimeError:
                raise RAError("error.closed") from None
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="ra-engine", daemon=True)
                self._thread.start()

    def _loop(self) -> None:
        while (job := self._queue.get()) is not None:
            self._running = job
            try:
                job.emit(self._carry_out(job))
            except BaseException as error:
                # whatever happens, the job must end and the worker must live
                log.exception("job %s failed", job.id)
                job.emit(Failed(job_id=job.id, error=_as_engine_error(error)))
            finally:
                self._running = None
                if self._state != "closed":
                    self._state = "idle"
                del job
        self._loaded = self._second = self._device_only = None

    def _carry_out(self, job: Job) -> Done | Failed | Cancelled:
        records: list[Record] = []
        began = time.monotonic()
        request = job.request
        try:
            if isinstance(request, LoadModel):
                self._need(request.info, job)
                return Done(job_id=job.id, result=request.info)  # type: ignore[arg-type]
            if request.kind in MODEL_FREE:
                model = self._bare()
            else:
                wanted = resolve(request.model) if getattr(request, "model", None) else self.model
                model = self._need(wanted, job)
            request = self._tiles(_settle(request, model.info), model)
            job.emit(Started(job_id=job.id, request=request))
            self._state = "working"
            self._work(model, request, job, records)
            return Done(job_id=job.id, result=Result(request, tuple(records), time.monotonic() - began, job.id))
        except JobCancelled:
            partial = Result(request, tuple(records), time.monotonic() - began, job.id) if records else None
            return Cancelled(job_id=job.id, partial=partial)
        except RAError as error:
            return Failed(job_id=job.id, error=error)
        except Exception as error:
            log.exception("job %s failed", job.id)
            return Failed(job_id=job.id, error=_as_engine_error(error))

    def _need(self, info: ModelInfo, job: Job) -> LoadedModel:
        """The loaded model for ``info``; the one that was in use goes only when the new one is there."""
        loaded = self._loaded
        if loaded is not None and loaded.info.path == info.path:
            return loaded
        from ra_widgets.diffusion import memory, pipeline

        self._state = "loading"

        def stage(name: str, fraction: float) -> None:
            job.emit(Loading(job_id=job.id, model=info.name, stage=name, fraction=fraction))
            if job.cancelled:
                raise JobCancelled()

        device = memory.choose_device(self._device_wanted)
        try:
            fresh = pipeline.load(info, device, self._precision_wanted, stage)
        except ModelError:
            # keep what works: the next request without a model of its own runs on the last good one
            if loaded is not None:
                self.model = loaded.info
            raise
        self._loaded, self.model = fresh, info
        del loaded
        memory.empty_cache(device)
        return fresh

    @staticmethod
    def _tiles(request: Any, model: LoadedModel) -> Any:
        """The request, with tiles where memory asks for them."""
        from ra_widgets.diffusion import tiled_diffusion

        return tiled_diffusion.settled(model, request)

    def _bare(self) -> LoadedModel:
        """For work that no model is needed for: the model if it is loaded, else only a device."""
        if self._loaded is not None:
            return self._loaded
        if self._device_only is None:
            import torch

            from ra_widgets.diffusion import memory, pipeline

            device = memory.choose_device(self._device_wanted)
            self._device_only = pipeline.LoadedModel(self.model, None, device, torch.float32)
        return self._device_only

    def _beside(self, name: str) -> LoadedModel:
        """A further model beside the one in use (the refiner); the last one asked for is kept."""
        info = resolve(name)
        if self._loaded is not None and self._loaded.info.path == info.path:
            return self._loaded
        if self._second is None or self._second.info.path != info.path:
            from ra_widgets.diffusion import memory, pipeline

            self._second = None
            self._second = pipeline.load(info, memory.choose_device(self._device_wanted), self._precision_wanted)
        return self._second

    def _work(self, model: LoadedModel, request: Any, job: Job, records: list[Record]) -> None:
        import torch

        from ra_widgets.diffusion import memory, tasks
        from ra_widgets.diffusion.tasks.work import Work

        pixels = request.pixels * getattr(request, "batch_size", 1)
        torch.set_num_threads(memory.choose_threads(model.device, model.info.size_bytes, pixels))

        def finish(image: Any, index: int, seconds: float, facts: dict[str, Any]) -> Record:
            facts = {
                "job": job.id,
                "index": index,
                "device": str(model.device),
                "precision": model.precision,
                **facts,
            }
            alone = facts.pop("request", None) or request.single(index)
            record = self._save(image, alone, model.info, seconds, facts, job.keep)
            records.append(record)
            return record

        shown = self.previews and model.own_engine and request.kind not in MODEL_FREE
        jpeg = tasks.previewer(model).jpeg if shown else None
        work = Work(job, request.images, finish, jpeg, self._beside)
        with torch.inference_mode():
            tasks.run(model, request, work)


def _settle(request: Any, info: ModelInfo) -> Any:
    """Fill in the model's defaults and the random seed."""
    width, height = info.default_size
    if isinstance(request, Upscale | SDUpscale) and request.upscaler is None:
        request = request.replace(upscaler=upscalers.default(info.name))
    return request.resolved(width=width, height=height, cfg_scale=info.default_cfg)


def _as_engine_error(error: BaseException) -> BaseException:
    if isinstance(error, RAError):
        return error
    detail = " ".join(str(error).split())[:300] or type(error).__name__
    wrapped = EngineError("error.unexpected", kind=type(error).__name__, detail=detail)
    wrapped.__cause__ = error
    return wrapped

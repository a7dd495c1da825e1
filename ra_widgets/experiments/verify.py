"""Prove a picture: read its metadata, make it again, compare, and say why it differs where it does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets._version import __version__
from ra_widgets.errors import EngineError, GalleryError, InvalidRequest, ModelError, RAError
from ra_widgets.experiments.metrics import difference
from ra_widgets.experiments.reports import Reason, Report, Table
from ra_widgets.gallery import carriers, files, foreign, settings
from ra_widgets.library.identify import ModelInfo, available
from ra_widgets.requests import Request, from_dict
from ra_widgets.results import Record
from ra_widgets.samplers import SAMPLERS_INFO

if TYPE_CHECKING:
    from PIL.Image import Image

    from ra_widgets.kernel import PipelineKernel

BATCH_TOLERANCE = 2
"""A member of a batch may differ from its single by rounding: at most this many of 255."""
SCRIPT = "Script"
DOWNCAST = "Downcast alphas_cumprod"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif")


def verify(kernel: PipelineKernel, picture: Any, *, timeout: float | None = None) -> Report:
    """Make a picture again from its metadata and compare.

    Args:
        kernel: makes it, with the model that the metadata name (by hash, else by name); the gallery is not touched.
        picture: path, bytes, PIL image with its ``info``, or :class:`Record`.
        timeout: seconds to wait for the picture.

    Raises:
        GalleryError: not a picture, or damaged. JobTimeout, JobCancelled.
    """
    import time

    began = time.perf_counter()
    report, data = _open(picture)
    if report.request is None:
        return report
    model = _model(report, data, kernel.model)
    if model is None:
        return report
    lost = [name for name, input_ in report.request.pictures().items() if not input_.available]
    if lost:
        report.reasons.append(Reason("input_missing", fatal=True, values={"names": ", ".join(lost)}))
        return report
    request = report.request
    if "model" in type(request).model_fields:
        request, report.request = request.replace(model=str(model.path)), request.replace(model=model.name)
    try:
        result = kernel.submit(request, keep=False).result(timeout)
    except (InvalidRequest, ModelError, EngineError) as error:
        report.reasons.append(Reason("refused", fatal=True, values={"sentence": error}))
        return report
    report.made = result.images[0]
    report.seconds = time.perf_counter() - began
    assert report.original is not None
    if report.made.size != report.original.size:
        sizes = {"was": _size(report.original), "now": _size(report.made)}
        report.reasons.append(Reason("size", values=sizes))
        return report
    report.difference = difference(report.original, report.made)
    _explain(report, data, result.records[0])
    return report


def read(picture: Any) -> Request:
    """The request in a picture's metadata, with the model that they name where it is at hand.

    Raises:
        GalleryError: not a picture, damaged, or without metadata that are understood.
    """
    report, _ = _open(picture)
    if report.request is None:
        raise GalleryError("experiments.no_metadata", name=report.name)
    return report.request


def _size(image: Image) -> str:
    return f"{image.width}×{image.height}"


def _open(picture: Any) -> tuple[Report, dict[str, Any]]:
    """Read picture and metadata; ``data`` are webui's keys and, under ``ra``, our own JSON."""
    from PIL import Image as image_module

    if isinstance(picture, Record):
        if picture.path is None:
            report = Report(picture.id, "ra", picture.request, picture.image.convert("RGB"))
            info = {"info": dict(picture.info), "model": picture.model, "model_hash": picture.model_hash}
            return report, {"ra": info, "Model": picture.model, "Model hash": picture.model_hash}
        picture = picture.path
    if isinstance(picture, image_module.Image):
        name, image = getattr(picture, "filename", "") or "image", picture
    elif isinstance(picture, bytes):
        name, image = "image", files.open_picture(picture, name="image")
    else:
        path = Path(os.fspath(picture))
        name, image = path.name, files.open_picture(path)
    texts = carriers.read(picture)
    found = foreign.understand(texts, size=image.size)
    report = Report(Path(name).name, found.source, original=image.convert("RGB"))
    data: dict[str, Any] = dict(found.data)
    ours = _ours(texts)
    if ours is not None:
        try:
            report.request, data["ra"] = from_dict(ours["request"]), ours
            report.source = "ra"
        except InvalidRequest as error:
            report.reasons.append(Reason("unreadable", values={"detail": error.text()}))
    if report.request is None and found.source:
        known = {key: value for key, value in found.data.items() if key != SCRIPT}  # which has a reason of its own
        report.request, notes = replace(found, data=known).convert(keep_model=False)
        report.reasons += [Reason("not_carried", values={"sentence": note}) for note in notes]
    if report.request is None:
        report.reasons.append(Reason("no_metadata", fatal=True))
    return report, data


def _ours(texts: dict[str, str]) -> dict[str, Any] | None:
    try:
        data = json.loads(texts.get("ra", ""))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("request"), dict) else None


def _model(report: Report, data: dict[str, Any], loaded: ModelInfo) -> ModelInfo | None:
    """The model by its hash, else by its name, else None with the reason."""
    ours = data.get("ra", {})
    name = str(ours.get("model") or data.get("Model") or "")
    wanted = str(ours.get("model_hash") or data.get("Model hash") or "").lower()
    models = [loaded, *available()]  # a kernel may have been made with a path outside the model folders
    if wanted:
        for info in models:
            if info.hash and (info.hash.startswith(wanted) or wanted.startswith(info.hash)):
                return info
    for info in models:
        if name and info.name.lower() == name.lower():
            if wanted:
                report.reasons.append(Reason("model_changed", values={"name": name, "was": wanted, "now": info.hash}))
            return info
    if not name and not wanted:
        report.reasons.append(Reason("model_unnamed"))
        return models[0] if models else None
    report.reasons.append(Reason("model_missing", fatal=True, values={"name": name or "?", "hash": wanted or "?"}))
    return None


def _explain(report: Report, data: dict[str, Any], made: Record) -> None:
    """Everything known that may make a difference."""
    ours = data.get("ra", {})
    info = ours.get("info", {}) if isinstance(ours.get("info"), dict) else {}
    reasons = report.reasons
    if int(info.get("batch") or 1) > 1:
        report.tolerance = BATCH_TOLERANCE
        if report.max_difference:
            reasons.append(Reason("batch", values={"count": info["batch"]}))
    if report.same:
        return
    if ours:
        for key in ("device", "precision"):
            before, now = info.get(key), made.info.get(key)
            if before and before != now:
                reasons.append(Reason(key, values={"was": before, "now": now}))
        version = info.get("ra_version")
        if version and version != __version__:
            reasons.append(Reason("version", values={"was": version, "now": __version__}))
    else:
        if str(data.get("RNG", "GPU")) == "GPU":
            reasons.append(Reason("rng_gpu"))
        reasons.append(Reason("other_program", values={"source": report.source, "version": data.get("Version", "?")}))
        if report.request is not None and report.request.kind == "txt2img" and "Init image hash" in data:  # type: ignore[attr-defined]
            reasons.append(Reason("input_missing", values={"names": "image"}))
        if data.get(SCRIPT):
            reasons.append(Reason("script", values={"name": settings.short(data[SCRIPT])}))
        sampler = SAMPLERS_INFO.get(getattr(report.request, "sampler", ""))
        if str(data.get(DOWNCAST, "")).lower() == "true" and sampler is not None and sampler.timestep_based:
            # between whole timesteps the old half-precision table is followed closely, not to the bit
            reasons.append(Reason("old_rules", values={"names": DOWNCAST, "version": data.get("Version", "?")}))
        if "VAE hash" in data or "VAE" in data:
            reasons.append(Reason("vae", values={"name": data.get("VAE") or data.get("VAE hash")}))
    was, now = (str(facts.get("translator") or "") for facts in (info, made.info))
    if ours and was != now:
        reasons.append(Reason("translator", values={"was": was or "-", "now": now or "-"}))
    from ra_widgets.prompt import split_networks

    prompt = str(getattr(report.request, "prompt", ""))
    networks = sorted({network.args[0] for network in split_networks(prompt)[1] if network.args})
    if networks:
        reasons.append(Reason("networks", values={"names": ", ".join(networks)}))
    reasons += _embeddings(str(data.get("TI hashes") or ""))
    if report.name.lower().endswith((".jpg", ".jpeg", ".webp", ".avif")):
        reasons.append(Reason("lossy"))
    if not reasons:
        reasons.append(Reason("unknown"))


def _embeddings(listed: str) -> list[Reason]:
    """Embeddings that the picture was made with ("name: hash, name: hash") and that are gone or others now."""
    from ra_widgets.library import embeddings

    # names as the webui writes them, without the signs that would break its list
    present = {e.name.replace(":", "").replace(",", "").lower(): e for e in embeddings.available()}
    reasons = []
    for name, _, was in (part.strip().rpartition(":") for part in listed.split(",")):
        here = present.get(name.strip().lower())
        if name and here is None:
            reasons.append(Reason("embedding_missing", values={"name": name}))
        elif here is not None and here.hash != was.strip().lower():
            reasons.append(Reason("embedding_changed", values={"name": name, "was": was.strip(), "now": here.hash}))
    return reasons


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder and its subfolders, sorted by name."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def verify_all(
    kernel: PipelineKernel, pictures: Sequence[Any], progress: Callable[[int, int, Report], None] | None = None
) -> Table:
    """Verify many pictures; a damaged one becomes a row that says so.

    Args:
        progress: called after each with (done, all, report).
    """
    table = Table()
    for index, picture in enumerate(pictures):
        try:
            report = verify(kernel, picture)
        except (GalleryError, RAError) as error:
            name = Path(str(getattr(picture, "path", picture))).name
            report = Report(name, reasons=[Reason("refused", fatal=True, values={"sentence": error})])
        table.append(report)
        if progress:
            progress(index + 1, len(pictures), report)
    return table

"""One picture's line in the index, and how it is read from a file, written into one, and shown as a record."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ra_widgets.errors import GalleryError, InvalidRequest
from ra_widgets.gallery import carriers, foreign, ids
from ra_widgets.gallery.png import read_png
from ra_widgets.requests import MAX_SEED, Request, TextToImage, from_dict
from ra_widgets.results import Record

KEY = "ra"
"""Our key in PNG text chunks; the webui's is ``parameters``."""
SCHEMA = 1
MAX_FIELD = 200


@dataclass(frozen=True)
class Entry:
    """A row of the index, see :mod:`~ra_widgets.gallery.migrations`. ``request`` and ``info`` are JSON texts."""

    id: str
    path: str
    created: str
    kind: str
    prompt: str
    negative: str
    model: str
    model_hash: str
    seed: int
    width: int
    height: int
    seconds: float
    infotext: str
    request: str
    info: str
    size: int

    @property
    def document(self) -> str:
        """The text that searches look through."""
        extra = (self.prompt, self.negative, self.model, self.model_hash)
        return "\n".join([self.infotext, *(part for part in extra if part and part not in self.infotext)])

    def record(self, root: Path, image: Any = None) -> Record:
        """The record for users. Never fails: a request of an unknown kind is shown by its prompts."""
        info = _object(self.info)
        try:
            request: Request = from_dict(_object(self.request))
        except InvalidRequest:
            request = TextToImage(prompt=self.prompt[:10_000], negative_prompt=self.negative[:10_000], seed=self.seed)
            info["request_unreadable"] = True
        try:
            created = datetime.fromisoformat(self.created)
        except ValueError:
            created = datetime.fromtimestamp(ids.milliseconds_of(self.id) / 1000, UTC)
        return Record(
            id=self.id, path=root / self.path, request=request, seed=self.seed, width=self.width, height=self.height,
            infotext=self.infotext, model=self.model, model_hash=self.model_hash, seconds=self.seconds, created=created,
            info=MappingProxyType(info), _image=image,
        )  # fmt: skip


COLUMNS = tuple(field.name for field in fields(Entry))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def to_json(value: Any) -> str:
    """Compact JSON; what JSON does not know becomes its text, NaN and infinities become null."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    item = getattr(value, "item", None)  # numpy scalars
    return item() if callable(item) and getattr(value, "shape", None) == () else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def clean(text: str) -> str:
    """Text that PNG, JSON and SQLite can all hold: no NUL, no lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def pack(entry: Entry) -> str:
    """The JSON for our key in the picture: everything that the index knows and the infotext does not."""
    return (
        f'{{"schema":{SCHEMA},"id":"{entry.id}","created":"{entry.created}","seed":{entry.seed},'
        f'"model":{json.dumps(entry.model, ensure_ascii=False)},"model_hash":{json.dumps(entry.model_hash)},'
        f'"seconds":{entry.seconds!r},"request":{entry.request},"info":{entry.info}}}'
    )


def read_entry(path: Path, relative: str) -> Entry:
    """Make the index line of a PNG file from the file alone.

    Ours is taken from our key; other programs' metadata are understood as far as :mod:`~ra_widgets.gallery.foreign`
    goes; a picture without any has an empty prompt. The id is the file's name if that is one, else it is made from the
    name and the time of change, always the same.

    Raises:
        GalleryError: the file is no whole PNG.
    """
    png = read_png(path)
    try:
        status = os.stat(path)
    except OSError as error:
        raise GalleryError("gallery.gone", name=path.name) from error
    milliseconds = status.st_mtime_ns // 1_000_000
    stem = path.stem
    record_id = stem if ids.is_id(stem) else ids.stable_id(relative, milliseconds)
    ours = _object(png.texts.get(KEY, ""))
    infotext = clean(png.texts.get(carriers.PARAMETERS, ""))
    request: Request | None = None
    seed, model, model_hash = -1, "", ""
    info: dict[str, Any] = {}
    if ours.get("schema") == SCHEMA and isinstance(ours.get("request"), dict):
        try:
            request = from_dict(ours["request"])
        except (InvalidRequest, TypeError):
            request = None
        info = ours["info"] if isinstance(ours.get("info"), dict) else {}
        seed = _whole(ours.get("seed"))
        model, model_hash = _text(ours.get("model")), _text(ours.get("model_hash"))
    if request is None:
        found = foreign.understand(png.texts, exif=png.exif, size=(png.width, png.height))
        request, notes = found.convert()
        infotext = infotext or found.infotext
        seed = seed if seed >= 0 else request.seed
        model, model_hash = model or _text(found.data.get("Model")), model_hash or _text(found.data.get("Model hash"))
        if found.source:
            info = info | {"source": found.source, "notes": notes}
    seconds = ours.get("seconds")
    return Entry(
        id=record_id,
        path=relative,
        created=_moment(ours.get("created"), milliseconds),
        kind=_text(getattr(request, "kind", "")),
        prompt=clean(str(getattr(request, "prompt", ""))),
        negative=clean(str(getattr(request, "negative_prompt", ""))),
        model=clean(model),
        model_hash=clean(model_hash),
        seed=seed,
        width=png.width,
        height=png.height,
        seconds=float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 else 0.0,
        infotext=infotext,
        request=to_json(request.model_dump(mode="json")),
        info=to_json(info),
        size=status.st_size,
    )


def _text(value: object) -> str:
    return value[:MAX_FIELD] if isinstance(value, str) else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and -1 <= value <= MAX_SEED else -1


def _moment(value: object, milliseconds: int) -> str:
    if isinstance(value, str) and len(value) < 40:
        try:
            return datetime.fromisoformat(value).isoformat(timespec="milliseconds")
        except ValueError:
            pass
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")

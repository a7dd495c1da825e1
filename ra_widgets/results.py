"""What comes back: records (one finished picture and what made it) and results (the records of one job)."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ra_widgets.errors import Notice
from ra_widgets.i18n import t
from ra_widgets.requests import Request

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Record:
    """One finished picture.

    Attributes:
        id: sortable unique id, 26 characters of ``[0-9A-Z]``.
        path: the PNG file, or None if it was never saved.
        request: the request that makes exactly this picture alone (seed settled, batch 1).
        seed, width, height: of this picture.
        infotext: the webui ``parameters`` text.
        model: model name; model_hash: 10 hex digits of its sha256.
        seconds: time the picture took (its share of a batch).
        created: when it was finished, with time zone.
        info: everything else that is known (versions, device, precision, job id, batch index ...), plain JSON data.
    """

    id: str
    path: Path | None
    request: Request
    seed: int
    width: int
    height: int
    infotext: str
    model: str
    model_hash: str
    seconds: float
    created: datetime
    info: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    _image: Image | None = field(default=None, repr=False)

    @property
    def image(self) -> Image:
        """The picture as PIL image (read from the file when it is not in memory)."""
        if self._image is not None:
            return self._image
        from PIL import Image as image_module

        if self.path is None:
            raise FileNotFoundError(self.id)
        with image_module.open(self.path, formats=("PNG", "JPEG", "WEBP")) as file:
            file.load()
            return file.copy()

    @property
    def prompt(self) -> str:
        """The prompt as typed."""
        return str(getattr(self.request, "prompt", ""))

    @property
    def warnings(self) -> list[Notice]:
        """What in the request was probably not meant; ``.text(lang)`` is the sentence."""
        listed = self.info.get("warnings")
        found = [Notice.of(item) for item in listed] if isinstance(listed, list | tuple) else []
        return [notice for notice in found if notice is not None]

    def to_request(self) -> Request:
        """The request that makes this picture again: same seed, same settings, one picture."""
        return self.request

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return _bundle([self], self.seconds)

    def __repr__(self) -> str:
        return f"Record({self.id}, {self.width}x{self.height}, seed={self.seed}, path={str(self.path) if self.path else None!r})"


@dataclass(frozen=True, eq=False)
class Result:
    """What a job made. Shows itself in a notebook: one picture, or a grid of several, with seeds and time.

    Attributes:
        request: the resolved request of the whole job.
        records: one :class:`Record` a picture, in order.
        seconds: wall time of the job's work.
        job_id: id of the job.
    """

    request: Request
    records: tuple[Record, ...]
    seconds: float
    job_id: str = ""

    @property
    def images(self) -> list[Image]:
        """The pictures, PIL RGB images."""
        return [record.image for record in self.records]

    @property
    def image(self) -> Image:
        """The first picture."""
        return self.records[0].image

    @property
    def warnings(self) -> list[Notice]:
        """What in the request was probably not meant, each once; ``.text(lang)`` is the sentence."""
        return list({notice.text(): notice for record in self.records for notice in record.warnings}.values())

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, index: int) -> Record:
        return self.records[index]

    def grid(self, columns: int | None = None, gap: int = 4) -> Image:
        """All pictures on one sheet, white gaps of ``gap`` pixels, row by row."""
        return make_grid(self.images, columns, gap)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return _bundle(list(self.records), self.seconds)

    def __repr__(self) -> str:
        seeds = ", ".join(str(record.seed) for record in self.records[:4])
        more = ", ..." if len(self.records) > 4 else ""
        return f"Result({len(self.records)} pictures, seeds [{seeds}{more}], {self.seconds:.2f} s)"


def make_grid(images: list[Image], columns: int | None = None, gap: int = 4) -> Image:
    """Put pictures on one white sheet, ``columns`` a row (default: near-square); cells as large as the largest picture."""
    from PIL import Image as image_module

    if not images:
        return image_module.new("RGB", (1, 1), "white")
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width, height = max(i.width for i in images), max(i.height for i in images)
    sheet = image_module.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * (width + gap), index // columns * (height + gap)))
    return sheet


def _bundle(records: list[Record], seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """PNG for front ends that show only pictures, HTML with seeds and time for the others."""
    if not records:
        return {"text/plain": t("result.empty")}, {}
    images = [record.image for record in records]
    sheet = images[0] if len(images) == 1 else make_grid(images)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=1)
    named = len({record.prompt for record in records}) > 1
    cells = "".join(_figure(record, image, named) for record, image in zip(records, images, strict=True))
    caption = html.escape(t("result.caption", count=len(records), seconds=f"{seconds:.2f}"))
    said = dict.fromkeys(notice.text() for record in records for notice in record.warnings)
    told = "".join(f'<div style="flex-basis:100%;color:#b26a00">! {html.escape(text)}</div>' for text in said)
    markup = (
        '<div class="ra-result" style="display:flex;flex-wrap:wrap;gap:10px;font:13px/1.5 system-ui,sans-serif">'
        f'{cells}<div style="flex-basis:100%;opacity:.7">{caption}</div>{told}</div>'
    )
    plain = "\n".join([f"{record.prompt}  [seed {record.seed}]" for record in records] + [f"! {text}" for text in said])
    return {"text/html": markup, "image/png": buffer.getvalue(), "text/plain": plain}, {}


def _figure(record: Record, image: Image, named: bool = False) -> str:
    import base64

    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    # small pictures are shown larger, so that a 128-pixel picture can be seen on today's screens
    width = max(image.width, min(256, image.width * 2))
    prompt = html.escape(record.prompt, quote=True)
    seed = html.escape(t("result.seed", seed=record.seed))
    words = (
        f'<div style="max-width:{width}px;overflow-wrap:anywhere">{html.escape(record.prompt[:200])}</div>'
        if named
        else ""
    )
    return (
        f'<figure style="margin:0"><img alt="{prompt}" title="{prompt}" width="{width}" '
        f'style="border-radius:8px;display:block" src="data:image/png;base64,{data}">'
        f'<figcaption style="font-family:ui-monospace,monospace;opacity:.75">{seed}</figcaption>{words}</figure>'
    )

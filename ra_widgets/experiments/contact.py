"""The labelled contact sheet of an experiment, and its frames as a moving picture."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.errors import GalleryError
from ra_widgets.experiments.plans import Plan
from ra_widgets.plotting import FONT_FILE, palette
from ra_widgets.results import Record

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

SHEET_PIXELS = 32 * 2**20
"""Pixels of a sheet, at most: the pictures on it are made smaller."""
SHEETS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
ANIMATED = {".webp": "WEBP", ".gif": "GIF", ".png": "PNG"}


class ContactSheet:
    """What an experiment made.

    Attributes:
        plan: what was asked for. records: one a cell, None for those that were not made (cancelled).
    """

    def __init__(self, plan: Plan, records: Sequence[Record | None]) -> None:
        self.plan = plan
        self.records = tuple(records)

    @property
    def images(self) -> list[Image]:
        """The pictures that were made, in the order of the cells."""
        return [record.image for record in self.records if record is not None]

    @property
    def complete(self) -> bool:
        """Whether every cell has its picture."""
        return all(record is not None for record in self.records)

    def at(self, row: int, column: int) -> Record | None:
        """The picture in a cell. Raises IndexError: there is no such cell."""
        for cell, record in zip(self.plan.cells, self.records, strict=True):
            if (cell.row, cell.column) == (row, column):
                return record
        raise IndexError((row, column))

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record | None]:
        return iter(self.records)

    def sheet(self, *, lang: str | None = None, dark: bool = False) -> Image:
        """All pictures on one labelled sheet, PIL RGB.

        Args:
            lang: language of the labels. dark: on the dark ground.
        """
        return _draw(self, lang, palette(dark))

    def save(self, path: str | os.PathLike[str], *, lang: str | None = None, dark: bool = False) -> Path:
        """Write :meth:`sheet` to a ``.png``, ``.jpg`` or ``.webp``, whole or not at all.

        Raises:
            GalleryError: another suffix, or the file cannot be written.
        """
        target = Path(path)
        kind = SHEETS.get(target.suffix.lower())
        if kind is None:
            raise GalleryError("experiments.suffix", name=target.name, known=" ".join(SHEETS))
        buffer = io.BytesIO()
        self.sheet(lang=lang, dark=dark).save(buffer, kind, **({} if kind == "PNG" else {"quality": 92}))
        _write(target, buffer.getvalue())
        return target

    def animate(self, path: str | os.PathLike[str], *, fps: float = 8.0, bounce: bool = False, repeat: int = 0) -> Path:
        """Write the pictures as a moving one: ``.webp``, ``.gif`` or ``.png`` (APNG). The file is there whole or not at all.

        Args:
            fps: pictures a second, 0.1..50. bounce: back again from the end to the beginning. repeat: how often; 0: for ever.

        Raises:
            GalleryError: another suffix, nothing to show, or the file cannot be written.
        """
        target = Path(path)
        kind = ANIMATED.get(target.suffix.lower())
        if kind is None:
            raise GalleryError("experiments.suffix", name=target.name, known=" ".join(ANIMATED))
        frames = self.images
        if not frames:
            raise GalleryError("result.empty")
        if bounce:
            frames += frames[-2:0:-1]
        _write(target, _animated(frames, kind, round(1000 / min(max(fps, 0.1), 50.0)), repeat))
        return target

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        buffer = io.BytesIO()
        self.sheet().save(buffer, "PNG", compress_level=1)
        return {"image/png": buffer.getvalue(), "text/plain": repr(self)}, {}

    def __repr__(self) -> str:
        made = sum(record is not None for record in self.records)
        return f"ContactSheet({self.plan.kind}, {made}/{len(self.records)} pictures)"


def _animated(frames: list[Image], kind: str, milliseconds: int, repeat: int) -> bytes:
    options: dict[str, Any] = {"WEBP": {"quality": 90, "method": 4}, "GIF": {"disposal": 1}}.get(kind, {})
    first, *rest = [frame.convert("RGB") for frame in frames]
    # GIF counts what comes after the first showing, the others all of them
    loop = repeat - 1 if kind == "GIF" and repeat else repeat
    if kind != "GIF" or loop or not repeat:
        options["loop"] = loop
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=rest, duration=milliseconds, **options)
    return buffer.getvalue()


def _write(target: Path, data: bytes) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".ra-", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            if os.name == "posix":
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(name, 0o666 & ~mask)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise GalleryError("experiments.not_written", path=str(target), detail=detail) from error


# -------------------------------------------------------------------------------------------------------------- drawing
@cache
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(FONT_FILE), size)


def _draw(made: ContactSheet, lang: str | None, colours: dict[str, str]) -> Image:
    from PIL import Image as image_module
    from PIL import ImageDraw

    plan = made.plan
    rows = max(cell.row for cell in plan.cells) + 1
    columns = max(cell.column for cell in plan.cells) + 1
    sizes = [(record.width, record.height) for record in made.records if record is not None] or [(128, 128)]
    wide, high = max(w for w, _ in sizes), max(h for _, h in sizes)
    scale = min(1.0, (SHEET_PIXELS / (rows * columns * wide * high)) ** 0.5)
    wide, high = max(int(wide * scale), 96), max(int(high * scale), 16)
    text = max(12, min(22, wide // 12))
    gap, line = max(8, text // 2), round(text * 1.6)
    grid = bool(plan.rows and plan.columns)
    left = gap + (_widest([label.text(lang) for label in plan.rows], text, wide) + gap if grid else 0)
    below = 0 if grid else line
    head = gap + line + (line if grid else 0)
    notes = [label.text(lang) for label in plan.notes]
    size = (left + columns * (wide + gap), head + rows * (high + below + gap) + len(notes) * line)
    sheet = image_module.new("RGB", size, colours["paper"])
    pen = ImageDraw.Draw(sheet)
    _words(pen, (gap, gap), plan.title.text(lang), text, colours["ink"], size[0] - 2 * gap)
    for index, label in enumerate(plan.columns if grid else ()):
        _words(pen, (left + index * (wide + gap), gap + line), label.text(lang), text, colours["muted"], wide)
    for index, label in enumerate(plan.rows if grid else ()):
        middle = head + index * (high + gap) + (high - line) // 2
        _words(pen, (gap, middle), label.text(lang), text, colours["muted"], left - 2 * gap)
    # a triangle stands on its base: its rows are centred
    counts = [sum(cell.row == row for cell in plan.cells) for row in range(rows)]
    triangle = not plan.frames and counts == list(range(1, rows + 1)) and rows > 2
    for cell, record in zip(plan.cells, made.records, strict=True):
        shift = (columns - counts[cell.row]) * (wide + gap) // 2 if triangle else 0
        x, y = left + shift + cell.column * (wide + gap), head + cell.row * (high + below + gap)
        if record is None:
            pen.rectangle((x, y, x + wide - 1, y + high - 1), outline=colours["line"])
        else:
            image = record.image.convert("RGB")
            if image.width > wide or image.height > high:
                image.thumbnail((wide, high))
            sheet.paste(image, (x + (wide - image.width) // 2, y + (high - image.height) // 2))
        if below:
            _words(pen, (x, y + high + 2), cell.label.text(lang), text, colours["muted"], wide)
    for index, note in enumerate(notes):
        _words(pen, (gap, size[1] - (len(notes) - index) * line), note, text, colours["muted"], size[0] - 2 * gap)
    return sheet


def _widest(texts: list[str], size: int, most: int) -> int:
    return min(max((int(_font(size).getlength(text)) + 1 for text in texts), default=0), most)


def _words(pen: Any, place: tuple[int, int], text: str, size: int, colour: str, room: int) -> None:
    """One line; what does not fit is written a little smaller, then cut with an ellipsis."""
    text = " ".join(text.split())[:400]
    font = _font(size)
    while font.getlength(text) > room and size > 10:
        size -= 1
        font = _font(size)
    if font.getlength(text) > room:
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if font.getlength(text[:middle] + "…") <= room else (low, middle - 1)
        text = text[:low] + "…"
    pen.text(place, text, fill=colour, font=font)

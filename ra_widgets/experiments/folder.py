"""The same task for every picture of a folder: one failure stops nothing, what is done is kept, a second run goes on."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets import progress as bars
from ra_widgets.errors import GalleryError, JobCancelled, RAError
from ra_widgets.gallery import carriers, files
from ra_widgets.i18n import t
from ra_widgets.requests import Request
from ra_widgets.results import Record, make_grid

if TYPE_CHECKING:
    from PIL.Image import Image

    from ra_widgets.kernel import PipelineKernel

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".avif")

Make = Callable[[Path], Request]


@dataclass(frozen=True)
class Outcome:
    """What became of one picture: ``records`` and the files ``saved``, or the ``error``; all empty if it was skipped."""

    source: Path
    records: tuple[Record, ...] = ()
    saved: tuple[Path, ...] = ()
    error: RAError | None = None

    @property
    def skipped(self) -> bool:
        """Whether its result was there already."""
        return not self.records and self.error is None


class Outcomes(list[Outcome]):
    """Outcomes of a folder, in the order of the files; ``cancelled`` if it was stopped on the way."""

    cancelled = False

    @property
    def records(self) -> list[Record]:
        """All pictures made."""
        return [record for outcome in self for record in outcome.records]

    @property
    def errors(self) -> dict[str, RAError]:
        """What went wrong, by file name."""
        return {outcome.source.name: outcome.error for outcome in self if outcome.error is not None}

    def grid(self) -> Image:
        """All pictures on one sheet."""
        return make_grid([record.image for record in self.records])

    def text(self, lang: str | None = None) -> str:
        """How many were made, skipped, and failed, in one sentence."""
        skipped = sum(outcome.skipped for outcome in self)
        return t("folder.summary", lang, made=len(self.records), skipped=skipped, failed=len(self.errors))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<li><b>{html.escape(name)}</b> {html.escape(e.text())}</li>" for name, e in self.errors.items()
        )
        return f'<div class="ra-folder">{html.escape(self.text())}<ul>{rows}</ul></div>'


def pictures_in(sources: str | Path | Iterable[str | Path]) -> list[Path]:
    """Picture files: those named, and those in the folders named, without their subfolders.

    Raises:
        GalleryError: a name leads nowhere, or nothing was found.
    """
    names = [sources] if isinstance(sources, (str, Path)) else list(sources)
    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if not path.exists():
            raise GalleryError("cli.verify.missing", path=str(name))
        if path.is_dir():
            found += [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file()]
        else:
            found.append(path)
    if not found:
        raise GalleryError("cli.verify.nothing", path=", ".join(map(str, names)))
    return found


def places(source: Path, output: Path, images: int) -> list[Path]:
    """Where the results of a picture go: a file of the same name in the folder ``output``, numbered if there are several."""
    name = source.name if source.suffix.lower() in WRITTEN else f"{source.stem}.png"
    return numbered(output / name, images)


def numbered(path: Path, images: int) -> list[Path]:
    """``out.png``, or ``out-1.png``, ``out-2.png`` ..."""
    return [path] if images == 1 else [path.with_stem(f"{path.stem}-{k + 1}") for k in range(images)]


def each(
    kernel: PipelineKernel,
    sources: str | Path | Iterable[str | Path],
    make: Make,
    *,
    output: str | Path | None = None,
    again: bool = False,
    progress: Callable[[int, int, Outcome], None] | None = None,
) -> Outcomes:
    """Make a request of every picture and carry it out.

    Args:
        sources: a folder, a file, or several. make: the request for a file.
        output: folder for copies of the results (made if it is not there); the gallery has them anyway.
        again: also make what ``output`` holds already; else that is skipped, so that a second run goes on where the first
            stopped.
        progress: called after each with (done, all, outcome).

    Returns:
        an outcome for each picture; a picture that cannot be read, or fails, is one with ``error``. Cancelling the job that
        runs (:meth:`PipelineKernel.cancel`) ends it with what is there.

    Raises:
        GalleryError: a name leads nowhere, or ``output`` cannot be made.
    """
    paths = pictures_in(sources)
    folder = None if output is None else Path(output).expanduser()
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.explain(error, folder / "x") from error
    outcomes = Outcomes()
    for path in paths:
        try:
            outcome = _one(kernel, path, make, folder, again)
        except JobCancelled as stopped:
            outcomes.append(Outcome(path, tuple(getattr(stopped.partial, "records", ())), error=stopped))
            outcomes.cancelled = True
            break
        except RAError as error:
            outcome = Outcome(path, error=error)
        outcomes.append(outcome)
        if progress:
            progress(len(outcomes), len(paths), outcome)
    return outcomes


def _one(kernel: PipelineKernel, path: Path, make: Make, folder: Path | None, again: bool) -> Outcome:
    request = make(path)
    targets = [] if folder is None else places(path, folder, request.images)
    if targets and not again and all(target.is_file() for target in targets):
        return Outcome(path)
    job = kernel.submit(request)
    bars.watch(job)
    records = job.result().records
    for record, target in zip(records, targets, strict=bool(targets)):
        texts: dict[str, Any] = (
            carriers.read(record.path) if record.path is not None else {"parameters": record.infotext}
        )
        carriers.save(record.image, target, texts)
    return Outcome(path, tuple(records), tuple(targets))

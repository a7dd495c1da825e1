"""What ``ra variations`` and ``ra travel`` have in common: the settings, the one job, the files out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _shell as shell
from ra_widgets.commands._progress import follow, stop
from ra_widgets.errors import GalleryError, JobCancelled
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.experiments.contact import ContactSheet
    from ra_widgets.experiments.plans import Plan

SHEETS = (".png", ".jpg", ".jpeg", ".webp")
MOVING = (".webp", ".gif", ".png")


def arguments(parser: shell.Parser) -> None:
    """The settings that both share."""
    parser.option("-n", "--negative", metavar="TEXT", key="cli.generate.negative")
    parser.option("--steps", metavar="N", key="cli.generate.steps")
    parser.option("--cfg", metavar="X", key="cli.generate.cfg")
    parser.option("--seed", metavar="N", key="cli.generate.seed")
    parser.option("--size", metavar="WxH", key="cli.generate.size")
    parser.option("--sampler", metavar="NAME", key="cli.generate.sampler")
    parser.option("--scheduler", metavar="NAME", key="cli.generate.scheduler")
    parser.option("--model", metavar="NAME", key="cli.generate.model")
    parser.option("--device", metavar="NAME", default="auto", key="cli.generate.device")
    parser.option("--precision", metavar="NAME", default="auto", key="cli.generate.precision")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("-f", "--force", key="cli.generate.force")
    parser.option("-q", "--quiet", key="cli.generate.quiet")
    parser.option("--json", key="cli.json")


def fields_from(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the request that the options describe; what was not given stays as it is."""
    negative = {} if args.negative is None else {"negative_prompt": args.negative}
    return negative | shell.painting_fields(args)


def source(word: str) -> Any:
    """What a word stands for: the request in the metadata of a picture file, else a prompt.

    Raises:
        GalleryError: a picture without metadata that are understood.
    """
    path = Path(word).expanduser()
    try:
        found = path.suffix.lower() in (*SHEETS, ".avif") and path.is_file()
    except OSError:  # a long prompt is no name of a file
        found = False
    if not found:
        return word
    from ra_widgets.experiments.verify import read

    return read(path)


def numbers(text: str | None, option: str, kind: Any) -> list[Any] | None:
    """Numbers with commas between, of either width."""
    if text is None:
        return None
    return [kind(part, option) for part in text.replace("，", ",").split(",") if part.strip()]


def target(name: str | None, allowed: tuple[str, ...], force: bool) -> Path | None:
    """A file to write to. Wrong ones are found out before anything is made.

    Raises:
        UsageError: another suffix. GalleryError: no such folder, or there is a file already.
    """
    if name is None:
        return None
    path = Path(name).expanduser()
    if path.suffix.lower() not in allowed:
        raise shell.UsageError("cli.generate.bad_suffix", got=path.name, known=" ".join(allowed))
    if not path.parent.is_dir():
        raise GalleryError("cli.generate.no_folder", folder=str(path.parent))
    if path.exists() and not force:
        raise GalleryError("cli.generate.exists", path=str(path), count=1)
    return path


def run(args: argparse.Namespace, plan: Plan, sheet: Path | None, moving: Path | None, **animation: Any) -> int:
    """Make the pictures, then the files."""
    from ra_widgets.gallery import Gallery
    from ra_widgets.kernel import PipelineKernel

    gallery = Gallery(Path(args.gallery).expanduser()) if args.gallery else Gallery()
    console = shell.err()
    for note in () if args.quiet else plan.notes:
        console.print(note.text(), style="yellow")
    with PipelineKernel(
        args.model, gallery=gallery, device=args.device, precision=args.precision, previews=False, preload=False
    ) as kernel:
        job = plan.submit(kernel)
        try:
            follow(job, console, quiet=args.quiet)
            made = plan.sheet(job.result())
        except (KeyboardInterrupt, JobCancelled):
            console.print(t("cli.generate.cancelled", count=len(stop(job))), style="yellow")
            return shell.EXIT_INTERRUPTED
        files = _write(made, sheet, moving, animation)
    if args.json:
        rows = [
            {"row": cell.row, "column": cell.column, "label": cell.label.text(), "path": str(record.path),
             "id": record.id, "seed": record.seed, "infotext": record.infotext}
            for cell, record in zip(plan.cells, made.records, strict=True) if record is not None
        ]  # fmt: skip
        report = {"files": [str(path) for path in files], "pictures": rows}
        shell.out().print_json(json.dumps(report, ensure_ascii=False), ensure_ascii=False)
        return shell.EXIT_OK
    for path in files or [record.path for record in dict.fromkeys(made.records) if record is not None]:
        shell.out().print(str(path), markup=False)
    return shell.EXIT_OK


def _write(made: ContactSheet, sheet: Path | None, moving: Path | None, animation: dict[str, Any]) -> list[Path]:
    files = []
    if moving is not None:
        files.append(made.animate(moving, **animation))
    if sheet is not None:
        files.append(made.save(sheet))
    return files

"""What the commands that start from pictures have in common: options, files in and out, one picture after another."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _shell as shell
from ra_widgets.commands._progress import follow
from ra_widgets.errors import GalleryError, InvalidRequest, JobCancelled, RAError
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.requests import Generation
    from ra_widgets.results import Record

MakeOne = Callable[[Path, dict[str, Any]], "Generation"]


def arguments(parser: shell.Parser, *, size: bool = True) -> None:
    """The options that all of them have."""
    action = parser.add_argument("paths", nargs="*", metavar=t("cli.verify.paths_word"), help=t("cli.verify.paths"))
    parser.positionals.append(action)
    parser.option("-p", "--prompt", metavar="TEXT", key="cli.pictures.prompt")
    parser.option("-n", "--negative", metavar="TEXT", default="", key="cli.generate.negative")
    parser.option("-o", "--output", metavar="FILE|DIR", key="cli.pictures.output")
    parser.option("--strength", metavar="X", key="cli.pictures.strength")
    parser.option("--steps", metavar="N", key="cli.generate.steps")
    parser.option("--cfg", metavar="X", key="cli.generate.cfg")
    parser.option("--seed", metavar="N", key="cli.generate.seed")
    if size:
        parser.option("--size", metavar="WxH", key="cli.pictures.size")
    parser.option("--sampler", metavar="NAME", key="cli.generate.sampler")
    parser.option("--scheduler", metavar="NAME", key="cli.generate.scheduler")
    parser.option("--count", metavar="N", key="cli.generate.count")
    parser.option("--model", metavar="NAME", key="cli.generate.model")
    parser.option("--device", metavar="NAME", default="auto", key="cli.generate.device")
    parser.option("--precision", metavar="NAME", default="auto", key="cli.generate.precision")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("--skip", key="cli.pictures.skip")
    parser.option("-f", "--force", key="cli.generate.force")
    parser.option("-q", "--quiet", key="cli.generate.quiet")
    parser.option("--json", key="cli.json")


def fields_from(args: argparse.Namespace) -> dict[str, Any]:
    """Fields that the common options describe; what was not given keeps the request's own default."""
    prompt = sys.stdin.read().strip() if args.prompt == "-" else args.prompt
    width, height = shell.size(getattr(args, "size", None)) or (None, None)
    return given(
        prompt=prompt or "",
        negative_prompt=args.negative,
        denoising_strength=shell.real(args.strength, "--strength"),
        steps=shell.whole(args.steps, "--steps"),
        cfg_scale=shell.real(args.cfg, "--cfg"),
        seed=shell.whole(args.seed, "--seed"),
        width=width,
        height=height,
        sampler=args.sampler,
        scheduler=args.scheduler,
        n_iter=shell.whole(args.count, "--count"),
    )


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def targets(output: str | None, source: Path, images: int, *, one: bool) -> list[Path]:
    """Where the results of a picture will go: the file of ``-o`` for a single picture, else files in the folder of ``-o``.

    Raises:
        UsageError: a suffix that is no picture format. GalleryError: the folder does not exist.
    """
    from ra_widgets.experiments.folder import WRITTEN, places

    if output is None:
        return []
    path = Path(output).expanduser()
    if not one or path.is_dir():
        if path.exists() and not path.is_dir():
            raise GalleryError("cli.upscale.no_dir", path=str(path))
        return places(source, path, images)
    if path.suffix.lower() not in WRITTEN:
        raise shell.UsageError("cli.generate.bad_suffix", got=path.name, known=" ".join(WRITTEN))
    if not path.parent.is_dir():
        raise GalleryError("cli.generate.no_folder", folder=str(path.parent))
    return [path] if images == 1 else [path.with_stem(f"{path.stem}-{k + 1}") for k in range(images)]


def run(args: argparse.Namespace, fields: dict[str, Any], make: MakeOne) -> int:
    """Make a request of every picture (``make(path, fields)``) and carry it out.

    A picture that cannot be read, or fails, is named and left out; then the exit code is 1. Options that are wrong for every
    picture end it at once.
    """
    from ra_widgets.cli import complain
    from ra_widgets.experiments.folder import pictures_in

    if not args.paths:
        raise shell.UsageError("cli.pictures.none", command=args.command_name)
    sources = pictures_in(args.paths)
    one = len(sources) == 1 and not Path(args.paths[0]).expanduser().is_dir()
    console = shell.err()
    made: list[tuple[Path, Path | None, Record]] = []
    failed = 0
    with _kernel(args) as kernel:
        for number, source in enumerate(sources, 1):
            if not one and not args.quiet:
                console.print(f"{number}/{len(sources)}  {source.name}", markup=False)
            try:
                request = make(source, fields)
                places = targets(args.output, source, request.images, one=one)
                taken = [place for place in places if place.exists() or place.is_symlink()]
                if taken and args.skip and len(taken) == len(places):
                    continue
                if taken and not args.force:
                    raise GalleryError("cli.generate.exists", path=str(taken[0]), count=len(taken))
                made += [(source, *row) for row in _one(kernel.submit(request), places, console, args)]
            except (KeyboardInterrupt, JobCancelled):
                kernel.cancel()
                console.print(t("cli.generate.cancelled", count=len(made)), style="yellow")
                return shell.EXIT_INTERRUPTED
            except RAError as error:
                about_picture = isinstance(error, InvalidRequest) and "image" in error.field
                if one or not (about_picture or not isinstance(error, (InvalidRequest, shell.UsageError))):
                    raise
                complain(console, f"{source.name}: {error.text()}")
                failed += 1
    if args.json:
        rows = [_facts(*row) for row in made]
        shell.out().print_json(json.dumps(rows, ensure_ascii=False), ensure_ascii=False)
    return shell.EXIT_FAILED if failed else shell.EXIT_OK


def _kernel(args: argparse.Namespace) -> Any:
    from ra_widgets.gallery import Gallery
    from ra_widgets.kernel import PipelineKernel

    gallery = Gallery(Path(args.gallery).expanduser()) if args.gallery else Gallery()
    return PipelineKernel(
        args.model, gallery=gallery, device=args.device, precision=args.precision, previews=False, preload=False
    )


def _one(job: Any, places: list[Path], console: Any, args: argparse.Namespace) -> list[tuple[Path | None, Record]]:
    from ra_widgets.commands._export import export

    follow(job, console, quiet=args.quiet)
    rows: list[tuple[Path | None, Record]] = []
    for index, record in enumerate(job.result().records):
        where = record.path
        if places:
            places[index].parent.mkdir(parents=True, exist_ok=True)
            where = export(record, places[index], force=args.force)
        rows.append((where, record))
        if not args.json:
            shell.out().print(t("cli.generate.saved", path=str(where), seed=record.seed), markup=False)
    return rows


def _facts(source: Path, place: Path | None, record: Record) -> dict[str, Any]:
    return {
        "source": str(source),
        "path": str(place),
        "gallery_path": str(record.path),
        "id": record.id,
        "seed": record.seed,
        "width": record.width,
        "height": record.height,
        "infotext": record.infotext,
    }

"""``ra upscale PICTURE|FOLDER ... -o OUT``: pictures made larger from the terminal."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _shell as shell
from ra_widgets.commands._progress import follow
from ra_widgets.errors import GalleryError, InvalidRequest, JobCancelled
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.results import Record

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff")
WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".avif")


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra upscale``."""
    action = parser.add_argument("paths", nargs="*", metavar=t("cli.verify.paths_word"), help=t("cli.verify.paths"))
    parser.positionals.append(action)
    parser.option("-o", "--output", metavar="FILE|DIR")
    parser.option("-s", "--scale", metavar="X")
    parser.option("--size", metavar="WxH")
    parser.option("--no-crop")
    parser.option("-u", "--upscaler", metavar="NAME")
    parser.option("--second", metavar="NAME")
    parser.option("--visibility", metavar="X")
    parser.option("--tile", metavar="N")
    parser.option("--list")
    parser.option("--device", metavar="NAME", default="auto", key="cli.generate.device")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("-f", "--force", key="cli.generate.force")
    parser.option("-q", "--quiet", key="cli.generate.quiet")
    parser.option("--json", key="cli.json")


def pictures(names: list[str]) -> list[Path]:
    """The files named, and the pictures in the folders named, without their subfolders.

    Raises:
        UsageError: no name at all. GalleryError: a name leads nowhere, or nothing was found.
    """
    if not names:
        raise shell.UsageError("cli.upscale.no_picture")
    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if not path.exists():
            raise GalleryError("cli.verify.missing", path=name)
        inside = sorted(path.iterdir()) if path.is_dir() else []
        found += [p for p in inside if p.suffix.lower() in SUFFIXES and p.is_file()] if path.is_dir() else [path]
    if not found:
        raise GalleryError("cli.verify.nothing", path=", ".join(names))
    return found


def fields_from(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the request that the options describe; what was not given keeps the request's own default."""
    width, height = shell.size(args.size) or (None, None)
    given: dict[str, Any] = {
        "scale": shell.real(args.scale, "--scale"),
        "width": width,
        "height": height,
        "crop": False if args.no_crop else None,
        "upscaler": args.upscaler,
        "upscaler_2": args.second,
        "upscaler_2_visibility": shell.real(args.visibility, "--visibility"),
        "tile_size": shell.whole(args.tile, "--tile"),
    }
    if args.second and args.visibility is None:
        given["upscaler_2_visibility"] = 0.5
    return {name: value for name, value in given.items() if value is not None}


def targets(output: str | None, sources: list[Path], *, folder: bool, force: bool) -> list[Path | None]:
    """Where each picture will go: a file for one picture, else files of the same names in a folder, which is made.

    Raises:
        UsageError: a suffix that is no picture format. GalleryError: the folder does not exist, or a file is there
            already. Found out before anything is made.
    """
    if output is None:
        return [None] * len(sources)
    path = Path(output).expanduser()
    if len(sources) == 1 and not folder and not path.is_dir():
        if path.suffix.lower() not in WRITTEN:
            raise shell.UsageError("cli.generate.bad_suffix", got=path.name, known=" ".join(WRITTEN))
        if not path.parent.is_dir():
            raise GalleryError("cli.generate.no_folder", folder=str(path.parent))
        paths = [path]
    else:
        if path.exists() and not path.is_dir():
            raise GalleryError("cli.upscale.no_dir", path=str(path))
        names = [source.name if source.suffix.lower() in WRITTEN else f"{source.stem}.png" for source in sources]
        paths = [path / name for name in names]
        doubles = [name for name in names if names.count(name) > 1]
        if doubles:
            raise GalleryError("cli.upscale.double", name=doubles[0])
    taken = [p for p in paths if p.exists()]
    if taken and not force:
        raise GalleryError("cli.generate.exists", path=str(taken[0]), count=len(taken))
    for target in paths:
        target.parent.mkdir(parents=True, exist_ok=True)
    return list(paths)


def run(args: argparse.Namespace) -> int:
    """Enlarge them one after another. A picture that cannot be read is named and left out; then the exit code is 1."""
    from ra_widgets.library import upscalers

    if args.list:
        for name in upscalers.names():
            shell.out().print(name, markup=False)
        return shell.EXIT_OK
    fields = fields_from(args)
    sources = pictures(args.paths)
    folder = any(Path(name).expanduser().is_dir() for name in args.paths)
    places = targets(args.output, sources, folder=folder, force=args.force)
    for name in filter(None, (args.upscaler, args.second)):
        upscalers.resolve(name)

    from ra_widgets.cli import complain
    from ra_widgets.commands._export import export
    from ra_widgets.gallery import Gallery
    from ra_widgets.kernel import PipelineKernel
    from ra_widgets.requests import Upscale

    gallery = Gallery(Path(args.gallery).expanduser()) if args.gallery else Gallery()
    console = shell.err()
    made: list[tuple[Path, Path, Record]] = []
    failed = 0
    with PipelineKernel(gallery=gallery, device=args.device, previews=False, preload=False) as kernel:
        for number, (source, place) in enumerate(zip(sources, places, strict=True), 1):
            if len(sources) > 1 and not args.quiet:
                console.print(f"{number}/{len(sources)}  {source.name}", markup=False)
            try:
                request = Upscale(image=source, **fields)
            except InvalidRequest as error:
                if len(sources) == 1 or "image" not in error.field:
                    raise
                complain(console, error.text())
                failed += 1
                continue
            job = kernel.submit(request)
            try:
                follow(job, console, quiet=args.quiet, working="cli.upscale.working", steps=False)
                record = job.result().records[0]
            except (KeyboardInterrupt, JobCancelled):
                job.cancel()
                console.print(t("cli.generate.cancelled", count=len(made)), style="yellow")
                return shell.EXIT_INTERRUPTED
            where = export(record, place, force=args.force) if place is not None else record.path
            assert where is not None
            made.append((source, where, record))
            if not args.json:
                text = t("cli.upscale.saved", path=str(where), width=record.width, height=record.height)
                shell.out().print(text, markup=False)
    if args.json:
        rows = [_facts(*row) for row in made]
        shell.out().print_json(json.dumps(rows, ensure_ascii=False), ensure_ascii=False)
    return shell.EXIT_FAILED if failed else shell.EXIT_OK


def _facts(source: Path, place: Path, record: Record) -> dict[str, Any]:
    return {
        "source": str(source),
        "path": str(place),
        "gallery_path": str(record.path),
        "id": record.id,
        "width": record.width,
        "height": record.height,
        "seconds": round(record.seconds, 3),
        "upscaler": getattr(record.request, "upscaler", None),
        "infotext": record.infotext,
    }

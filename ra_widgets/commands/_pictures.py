"""What the commands that start from pictures have in common: options, files in and out, one picture after another."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ra_widgets.commands import _shell as shell
from ra_widgets.commands._progress import Among, follow, stop
from ra_widgets.errors import GalleryError, JobCancelled, ModelError, RAError
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel
    from ra_widgets.requests import Request
    from ra_widgets.results import Record

MakeOne = Callable[[Any], "Request"]
"""``make(picture) -> request``; the picture is a path, or a small blank image on which the options are tried."""


def arguments(parser: shell.Parser, *, size: bool = True) -> None:
    """The options that all commands have that paint with a prompt."""
    action = parser.add_argument("paths", nargs="*", metavar=t("cli.verify.paths_word"), help=t("cli.verify.paths"))
    parser.positionals.append(action)
    parser.option("-p", "--prompt", metavar="TEXT", key="cli.pictures.prompt")
    parser.option("-o", "--output", metavar="FILE|DIR", key="cli.pictures.output")
    parser.option("-n", "--negative", metavar="TEXT", default="", key="cli.generate.negative")
    parser.option("--strength", metavar="X", key="cli.pictures.strength")
    parser.option("--steps", metavar="N", key="cli.generate.steps")
    parser.option("--cfg", metavar="X", key="cli.generate.cfg")
    parser.option("--seed", metavar="N", key="cli.generate.seed")
    if size:
        parser.option("--size", metavar="WxH", key="cli.pictures.size")
    parser.option("--sampler", metavar="NAME", key="cli.generate.sampler")
    parser.option("--scheduler", metavar="NAME", key="cli.generate.scheduler")
    parser.option("--count", metavar="N", key="cli.pictures.count")
    parser.option("--tiled", key="cli.pictures.tiled")


def final_arguments(parser: shell.Parser) -> None:
    """The options that stand last in the help: model, device, files."""
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
    return shell.painting_fields(args) | given(
        prompt=prompt or "",
        negative_prompt=args.negative,
        denoising_strength=shell.real(args.strength, "--strength"),
        n_iter=shell.whole(args.count, "--count"),
        tiled_diffusion=args.tiled or None,
    )


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def number_or_name(value: str | None) -> int | str | None:
    """A choice as the request wants it: one of the webui's numbers, or a name."""
    return int(value) if value is not None and value.isascii() and value.isdigit() else value


def blank() -> Image.Image:
    """A small transparent picture, to try options on."""
    return Image.new("RGBA", (64, 64))


def targets(
    output: str | None, sources: list[Path], *, images: int, folder: bool, force: bool, skip: bool = False
) -> list[list[Path]]:
    """Where the results of each picture will go: a file for one picture, else files of the same names in a folder.

    Several results of one picture are numbered. An empty list for a picture: into the gallery alone.

    Raises:
        UsageError: a suffix that is no picture format. GalleryError: the folder does not exist, two would have the same name,
            an original would be overwritten, or a file is there already (and neither ``force`` nor ``skip`` is set). Found out before anything is made.
    """
    from ra_widgets.experiments.folder import WRITTEN, numbered, places

    if output is None:
        return [[] for _ in sources]
    path = Path(output).expanduser()
    if len(sources) == 1 and not folder and not path.is_dir():
        if path.suffix.lower() not in WRITTEN:
            raise shell.UsageError("cli.generate.bad_suffix", got=path.name, known=" ".join(WRITTEN))
        if not path.parent.is_dir():
            raise GalleryError("cli.generate.no_folder", folder=str(path.parent))
        wanted = [numbered(path, images)]
    else:
        if path.exists() and not path.is_dir():
            raise GalleryError("cli.pictures.no_dir", path=str(path))
        wanted = [places(source, path, images) for source in sources]
        for source, row in zip(sources, wanted, strict=True):
            if any(place.exists() and place.samefile(source) for place in row):
                raise GalleryError("cli.pictures.onto_itself", path=str(source), folder=str(path))
        first = [row[0].name for row in wanted]
        doubles = [name for name in first if first.count(name) > 1]
        if doubles:
            raise GalleryError("cli.pictures.double", name=doubles[0])
    taken = [place for row in wanted for place in row if place.exists() or place.is_symlink()]
    if taken and not (force or skip):
        raise GalleryError("cli.generate.exists", path=str(taken[0]), count=len(taken))
    return wanted


class Batch:
    """Requests for pictures, one after another; what is done is said, and kept whatever comes after.

    Args:
        args: the options. working: key of the word for what is done; steps: count the steps, too.
        line: what is said about a picture that is done.
    """

    working = "cli.generate.working"
    steps = True

    def __init__(self, args: argparse.Namespace, make: MakeOne) -> None:
        self.args, self.make = args, make
        self.made: list[tuple[Path, Path | None, Record]] = []
        self.failed = 0
        self.console = shell.err()

    def line(self, place: Path | None, record: Record) -> str:
        """What is said about a picture that is done."""
        return t("cli.generate.saved", path=str(place), seed=record.seed)

    def facts(self, source: Path, place: Path | None, record: Record) -> dict[str, Any]:
        """The same for programs."""
        return {
            "source": str(source),
            "path": str(place),
            "gallery_path": str(record.path),
            "id": record.id,
            "seed": record.seed,
            "width": record.width,
            "height": record.height,
            "seconds": round(record.seconds, 3),
            "infotext": record.infotext,
        }

    def kernel(self) -> PipelineKernel:
        """The kernel that does it."""
        from ra_widgets.gallery import Gallery
        from ra_widgets.kernel import PipelineKernel

        args = self.args
        gallery = Gallery(Path(args.gallery).expanduser()) if args.gallery else Gallery()
        return PipelineKernel(
            args.model, gallery=gallery, device=args.device, precision=args.precision, previews=False, preload=False
        )

    def run(self) -> int:
        """Do it.

        A picture that cannot be read, or fails, is named and left out; then the exit code is 1. Options that are wrong for every
        picture end it before the work. Ctrl-C ends it; pictures that are done stay.
        """
        from ra_widgets.cli import complain
        from ra_widgets.experiments.folder import pictures_in

        args = self.args
        if not args.paths:
            raise shell.UsageError("cli.pictures.none", command=args.command_name)
        sources = pictures_in(args.paths)
        folder = any(Path(name).expanduser().is_dir() for name in args.paths)
        one = len(sources) == 1 and not folder
        images = getattr(self.make(blank()), "images", 1)
        places = targets(args.output, sources, images=images, folder=folder, force=args.force, skip=args.skip)
        rows = [row for row in zip(sources, places, strict=True) if not (args.skip and self._there(row[1]))]
        if len(rows) < len(sources) and not args.quiet:
            self.console.print(t("cli.pictures.skipped", count=len(sources) - len(rows)), style="dim", markup=False)
        began = time.monotonic()
        interrupted = False
        with self.kernel() as kernel:
            for done, (source, wanted) in enumerate(rows):
                mean = (time.monotonic() - began) / done if done else 0.0
                among = None if one else Among(done, len(rows), source.name, mean)
                try:
                    self._one(kernel, source, wanted, among)
                except (KeyboardInterrupt, JobCancelled):
                    interrupted = True
                    break
                except ModelError:
                    raise
                except RAError as error:
                    if one:
                        raise
                    complain(self.console, f"{source.name}: {error.text()}")
                    self.failed += 1
        if args.json:
            report = [self.facts(*row) for row in self.made]
            shell.out().print_json(json.dumps(report, ensure_ascii=False), ensure_ascii=False)
        if interrupted:
            self.console.print(t("cli.generate.cancelled", count=len(self.made)), style="yellow")
            return shell.EXIT_INTERRUPTED
        return shell.EXIT_FAILED if self.failed else shell.EXIT_OK

    @staticmethod
    def _there(places: list[Path]) -> bool:
        return bool(places) and all(place.exists() for place in places)

    def _one(self, kernel: PipelineKernel, source: Path, places: list[Path], among: Among | None) -> None:
        job = kernel.submit(self.make(source))
        try:
            follow(job, self.console, quiet=self.args.quiet, working=self.working, steps=self.steps, among=among)
            records = job.result().records
        except (KeyboardInterrupt, JobCancelled):
            self._keep(source, places, stop(job))
            raise
        self._keep(source, places, records)

    def _keep(self, source: Path, places: list[Path], records: tuple[Record, ...]) -> None:
        from ra_widgets.commands._export import export

        for index, record in enumerate(records):
            where = record.path
            if places:
                where = places[index]
                where.parent.mkdir(parents=True, exist_ok=True)
                if not (self.args.skip and where.exists()):
                    where = export(record, where, force=self.args.force)
            self.made.append((source, where, record))
            if not self.args.json:
                shell.out().print(self.line(where, record), markup=False)

"""``ra generate "提示词" -o out.png``: pictures from the terminal, through the same kernel as everything else."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _shell as shell
from ra_widgets.commands._progress import follow, stop
from ra_widgets.errors import GalleryError, JobCancelled
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.requests import TextToImage
    from ra_widgets.results import Record

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif")


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra generate``."""
    parser.word("prompt", t("cli.generate.prompt_word"))
    parser.option("-o", "--output", metavar="FILE")
    parser.option("-n", "--negative", metavar="TEXT", default="")
    parser.option("--steps", metavar="N")
    parser.option("--cfg", metavar="X")
    parser.option("--seed", metavar="N")
    parser.option("--size", metavar="WxH")
    parser.option("--sampler", metavar="NAME")
    parser.option("--scheduler", metavar="NAME")
    parser.option("--batch-size", metavar="N")
    parser.option("--count", metavar="N")
    parser.option("--template")
    parser.option("--combinations")
    parser.option("--wildcards", metavar="DIR")
    parser.option("--tiled", key="cli.pictures.tiled")
    parser.option("--model", metavar="NAME")
    parser.option("--device", metavar="NAME", default="auto")
    parser.option("--precision", metavar="NAME", default="auto")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("-f", "--force")
    parser.option("-q", "--quiet")
    parser.option("--json", key="cli.json")


def request_from(args: argparse.Namespace) -> TextToImage:
    """The request that the options describe; what was not given keeps the request's own default.

    Raises:
        UsageError: no prompt, or an option that is no number or no size.
        InvalidRequest: a value out of range.
    """
    from ra_widgets.requests import TextToImage

    prompt = sys.stdin.read().strip() if args.prompt == "-" else args.prompt
    if prompt is None:
        raise shell.UsageError("cli.generate.no_prompt")
    given: dict[str, Any] = {
        "batch_size": shell.whole(args.batch_size, "--batch-size"),
        "n_iter": shell.whole(args.count, "--count"),
        "tiled_diffusion": args.tiled or None,
    }
    fields = shell.painting_fields(args) | {name: value for name, value in given.items() if value is not None}
    return TextToImage(prompt=prompt, negative_prompt=args.negative, **fields)


def targets(output: str | None, images: int, *, force: bool) -> list[Path]:
    """Where the pictures will go: ``out.png``, or ``out-1.png``, ``out-2.png`` ...; nowhere when ``output`` is None.

    Raises:
        UsageError: a suffix that is no picture format.
        GalleryError: the folder does not exist, or a file is there already (and ``force`` is not set). Found out before
            anything is made.
    """
    if output is None:
        return []
    path = Path(output).expanduser()
    if path.is_dir():
        path = path / "ra.png"
    if path.suffix.lower() not in SUFFIXES:
        raise shell.UsageError("cli.generate.bad_suffix", got=path.name, known=" ".join(SUFFIXES))
    if not path.parent.is_dir():
        raise GalleryError("cli.generate.no_folder", folder=str(path.parent))
    paths = [path] if images == 1 else [path.with_stem(f"{path.stem}-{i + 1}") for i in range(images)]
    taken = [p for p in paths if p.exists() or p.is_symlink()]
    if taken and not force:
        raise GalleryError("cli.generate.exists", path=str(taken[0]), count=len(taken))
    return paths


def run(args: argparse.Namespace) -> int:
    """Make the pictures, show the progress, say where they are."""
    from ra_widgets.requests import Series

    request: TextToImage | Series = request_from(args)
    if args.template or args.combinations or args.wildcards:
        from ra_widgets.experiments.templates import from_template

        request = from_template(request_from(args), args.wildcards, combinations=args.combinations)
    paths = targets(args.output, request.images, force=args.force)

    from ra_widgets.commands._export import export
    from ra_widgets.gallery import Gallery
    from ra_widgets.kernel import PipelineKernel

    gallery = Gallery(Path(args.gallery).expanduser()) if args.gallery else Gallery()
    console = shell.err()
    with PipelineKernel(
        args.model, gallery=gallery, device=args.device, precision=args.precision, previews=False, preload=False
    ) as kernel:
        job = kernel.submit(request)
        try:
            follow(job, console, quiet=args.quiet)
            result = job.result()
        except (KeyboardInterrupt, JobCancelled):
            kept = len(stop(job))
            console.print(t("cli.generate.cancelled", count=kept), style="yellow")
            return shell.EXIT_INTERRUPTED
        saved = [
            export(record, path, force=args.force) for record, path in zip(result.records, paths, strict=bool(paths))
        ]
        model = result.records[0].model if result.records else ""
    places = saved or [record.path for record in result.records]
    if args.json:
        report = {
            "seconds": round(result.seconds, 3),
            "model": model,
            "warnings": [notice.text() for notice in result.warnings],
            "request": result.request.model_dump(mode="json"),
            "images": [_facts(record, place) for record, place in zip(result.records, places, strict=True)],
        }
        shell.out().print_json(json.dumps(report, ensure_ascii=False), ensure_ascii=False)
        return shell.EXIT_OK
    plain, drawn = shell.out(), isinstance(request, Series)
    for record, place in zip(result.records, places, strict=True):
        plain.print(t("cli.generate.saved", path=str(place), seed=record.seed), markup=False)
        if drawn:
            plain.print("  " + record.prompt, markup=False)
    if not args.quiet:
        console.print(
            t("cli.generate.summary_line", count=len(places), seconds=f"{result.seconds:.2f}", model=model), style="dim"
        )
    return shell.EXIT_OK


def _facts(record: Record, place: Path | None) -> dict[str, Any]:
    return {
        "path": str(place),
        "gallery_path": str(record.path),
        "id": record.id,
        "prompt": record.prompt,
        "seed": record.seed,
        "width": record.width,
        "height": record.height,
        "infotext": record.infotext,
    }

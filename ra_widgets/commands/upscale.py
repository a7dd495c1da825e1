"""``ra upscale PICTURE|FOLDER ... -o OUT``: pictures made larger from the terminal."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.requests import Upscale
    from ra_widgets.results import Record


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra upscale``."""
    action = parser.add_argument("paths", nargs="*", metavar=t("cli.verify.paths_word"), help=t("cli.verify.paths"))
    parser.positionals.append(action)
    parser.option("-o", "--output", metavar="FILE|DIR", key="cli.pictures.output")
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
    parser.option("--skip", key="cli.pictures.skip")
    parser.option("-f", "--force", key="cli.generate.force")
    parser.option("-q", "--quiet", key="cli.generate.quiet")
    parser.option("--json", key="cli.json")


def fields_from(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the request that the options describe; what was not given keeps the request's own default."""
    width, height = shell.size(args.size) or (None, None)
    visibility = shell.real(args.visibility, "--visibility")
    return common.given(
        scale=shell.real(args.scale, "--scale"),
        width=width,
        height=height,
        crop=False if args.no_crop else None,
        upscaler=args.upscaler,
        upscaler_2=args.second,
        upscaler_2_visibility=0.5 if args.second and visibility is None else visibility,
        tile_size=shell.whole(args.tile, "--tile"),
    )


class Enlarging(common.Batch):
    """Pictures made larger; the size is what is said about them."""

    working = "cli.upscale.working"
    steps = False

    def line(self, place: Path | None, record: Record) -> str:
        return t("cli.upscale.saved", path=str(place), width=record.width, height=record.height)

    def facts(self, source: Path, place: Path | None, record: Record) -> dict[str, Any]:
        return super().facts(source, place, record) | {"upscaler": getattr(record.request, "upscaler", None)}


def run(args: argparse.Namespace) -> int:
    """Enlarge them one after another."""
    from ra_widgets.library import upscalers

    if args.list:
        for name in upscalers.names():
            shell.out().print(name, markup=False)
        return shell.EXIT_OK
    args.command_name = "upscale"
    args.model, args.precision = None, "auto"
    fields = fields_from(args)
    for name in filter(None, (args.upscaler, args.second)):
        upscalers.resolve(name)

    def make(picture: Any) -> Upscale:
        from ra_widgets.requests import Upscale

        return Upscale(image=picture, **fields)

    return Enlarging(args, make).run()

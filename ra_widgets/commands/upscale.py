"""``ra upscale PICTURE|FOLDER ... -o OUT``: pictures made larger from the terminal; ``--sd``: and painted over by the model."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell
from ra_widgets.errors import GalleryError
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.requests import Request
    from ra_widgets.results import Record

WITH_SD = (
    "prompt", "negative", "strength", "steps", "cfg", "seed", "sampler", "scheduler", "count", "overlap", "model", "precision",
)  # fmt: skip
"""Options that mean something with ``--sd`` only."""
WITHOUT_SD = ("size", "no_crop", "second", "visibility")
"""Options that mean nothing with ``--sd``."""


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
    parser.option("--sd")
    parser.option("-p", "--prompt", metavar="TEXT")
    parser.option("-n", "--negative", metavar="TEXT", key="cli.generate.negative")
    parser.option("--strength", metavar="X")
    parser.option("--overlap", metavar="N")
    parser.option("--steps", metavar="N", key="cli.generate.steps")
    parser.option("--cfg", metavar="X", key="cli.generate.cfg")
    parser.option("--seed", metavar="N", key="cli.generate.seed")
    parser.option("--sampler", metavar="NAME", key="cli.generate.sampler")
    parser.option("--scheduler", metavar="NAME", key="cli.generate.scheduler")
    parser.option("--count", metavar="N", key="cli.pictures.count")
    parser.option("--model", metavar="NAME", key="cli.generate.model")
    parser.option("--device", metavar="NAME", default="auto", key="cli.generate.device")
    parser.option("--precision", metavar="NAME", key="cli.generate.precision")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("--skip", key="cli.pictures.skip")
    parser.option("-f", "--force", key="cli.generate.force")
    parser.option("-q", "--quiet", key="cli.generate.quiet")
    parser.option("--json", key="cli.json")


def fields_from(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the request that the options describe; what was not given keeps the request's own default.

    Raises:
        UsageError: an option that goes only with ``--sd``, or only without.
    """
    for name in WITHOUT_SD if args.sd else WITH_SD:
        if getattr(args, name):
            key = "cli.upscale.not_with_sd" if args.sd else "cli.upscale.needs_sd"
            raise shell.UsageError(key, option="--" + name.replace("_", "-"))
    fields = common.given(scale=shell.real(args.scale, "--scale"), upscaler=args.upscaler)
    tile = shell.whole(args.tile, "--tile")
    if args.sd:
        args.size = None
        fields |= common.fields_from(args) | common.given(
            width=tile, height=tile, overlap=shell.whole(args.overlap, "--overlap")
        )
        return fields if args.prompt else {key: value for key, value in fields.items() if key != "prompt"}
    width, height = shell.size(args.size) or (None, None)
    visibility = shell.real(args.visibility, "--visibility")
    return fields | common.given(
        width=width,
        height=height,
        crop=False if args.no_crop else None,
        upscaler_2=args.second,
        upscaler_2_visibility=0.5 if args.second and visibility is None else visibility,
        tile_size=tile,
    )


def own_prompts(picture: Any) -> dict[str, str]:
    """The prompts that stand in a picture's metadata, for SD upscale without ``--prompt``; empty if there are none."""
    from ra_widgets.gallery import carriers, infotext

    if not isinstance(picture, Path):
        return {}
    with suppress(GalleryError, OSError):
        found = infotext.parse(str(carriers.read(picture).get("parameters", "")))
        return {"prompt": found["Prompt"], "negative_prompt": found["Negative prompt"]}
    return {}


class Enlarging(common.Batch):
    """Pictures made larger; the size is what is said about them."""

    working = "cli.upscale.working"

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
    args.tiled = False
    fields = fields_from(args)
    args.precision = args.precision or "auto"
    for name in filter(None, (args.upscaler, args.second)):
        upscalers.resolve(name)

    def make(picture: Any) -> Request:
        from ra_widgets.requests import SDUpscale, Upscale

        return (
            SDUpscale(image=picture, **own_prompts(picture) | fields) if args.sd else Upscale(image=picture, **fields)
        )

    batch = Enlarging(args, make)
    batch.steps = bool(args.sd)
    return batch.run()

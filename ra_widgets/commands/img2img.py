"""``ra img2img PICTURE|FOLDER ... -p "提示词" -o OUT``: pictures painted over by a prompt."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell

if TYPE_CHECKING:
    from ra_widgets.requests import Generation


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra img2img``."""
    common.arguments(parser)
    parser.option("--resize-mode", metavar="0-3")
    parser.option("--loopback", metavar="N")
    parser.option("--color-correction")


def run(args: argparse.Namespace) -> int:
    """Paint them over, one after another."""
    args.command_name = "img2img"
    fields = common.fields_from(args) | common.given(
        resize_mode=shell.whole(args.resize_mode, "--resize-mode"),
        loopback=shell.whole(args.loopback, "--loopback"),
        color_correction=args.color_correction or None,
    )
    return common.run(args, fields, _request)


def _request(path: Path, fields: dict[str, Any]) -> Generation:
    from ra_widgets.requests import ImageToImage

    return ImageToImage(image=path, **fields)

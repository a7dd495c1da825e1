"""``ra img2img PICTURE|FOLDER ... -p "提示词" -o OUT``: pictures painted over by a prompt."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell

if TYPE_CHECKING:
    from ra_widgets.requests import ImageToImage


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra img2img``."""
    common.arguments(parser)
    parser.option("--resize-mode", metavar="0-3")
    parser.option("--loopback", metavar="N")
    parser.option("--final-strength", metavar="X")
    parser.option("--curve", metavar="NAME")
    parser.option("--color-correction")
    parser.option("--fix-steps")
    common.final_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Paint them over, one after another."""
    args.command_name = "img2img"
    fields = common.fields_from(args) | common.given(
        resize_mode=common.number_or_name(args.resize_mode),
        loopback=shell.whole(args.loopback, "--loopback"),
        loopback_final_strength=shell.real(args.final_strength, "--final-strength"),
        loopback_strength_curve=args.curve and args.curve.capitalize(),
        color_correction=args.color_correction or None,
        img2img_fix_steps=args.fix_steps or None,
    )

    def make(picture: Any) -> ImageToImage:
        from ra_widgets.requests import ImageToImage

        return ImageToImage(image=picture, **fields)

    return common.Batch(args, make).run()

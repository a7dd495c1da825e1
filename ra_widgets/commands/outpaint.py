"""``ra outpaint PICTURE|FOLDER ... --right 64 -p "提示词" -o OUT``: pictures continued past their border."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell

if TYPE_CHECKING:
    from ra_widgets.requests import Outpaint

SIDES = ("left", "right", "top", "bottom")


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra outpaint``."""
    common.arguments(parser, size=False)
    for side in SIDES:
        parser.option(f"--{side}", metavar="N")
    parser.option("--fill", metavar="NAME")
    parser.option("--mask-blur", metavar="N")
    common.final_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Continue them, one after another."""
    args.command_name = "outpaint"
    fields = common.fields_from(args) | common.given(
        **{side: shell.whole(getattr(args, side), f"--{side}") for side in SIDES},
        fill_mode=args.fill,
        mask_blur=shell.whole(args.mask_blur, "--mask-blur"),
    )

    def make(picture: Any) -> Outpaint:
        from ra_widgets.requests import Outpaint

        return Outpaint(image=picture, **fields)

    return common.Batch(args, make).run()

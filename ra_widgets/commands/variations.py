"""``ra variations "提示词"|PICTURE -o sheet.png``: variations of a picture on a labelled sheet."""

from __future__ import annotations

import argparse

from ra_widgets.commands import _series
from ra_widgets.commands import _shell as shell
from ra_widgets.i18n import t


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra variations``."""
    parser.word("prompt", t("cli.variations.prompt_word"))
    parser.option("-o", "--output", metavar="FILE")
    parser.option("--strength", metavar="X[,X...]", default="0.2")
    parser.option("--count", metavar="N")
    parser.option("--subseeds", metavar="N,N...")
    _series.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make the pictures and the sheet."""
    if args.prompt is None:
        raise shell.UsageError("cli.variations.no_prompt")
    strengths = _series.numbers(args.strength, "--strength", shell.real) or [0.2]
    count = shell.whole(args.count, "--count")
    subseeds = _series.numbers(args.subseeds, "--subseeds", shell.whole) or (8 if count is None else count)
    sheet = _series.target(args.output, _series.SHEETS, args.force)

    from ra_widgets.experiments import plans

    plan = plans.variations(
        _series.source(args.prompt),
        strengths=strengths if len(strengths) > 1 else strengths[0],
        subseeds=subseeds,
        **_series.fields_from(args),
    )
    return _series.run(args, plan, sheet, None)

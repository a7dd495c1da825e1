"""``ra travel "一" "二" -o out.webp``: from prompt to prompt, or with ``--seeds`` from seed to seed, as a moving picture."""

from __future__ import annotations

import argparse

from ra_widgets.commands import _series
from ra_widgets.commands import _shell as shell
from ra_widgets.i18n import t


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra travel``."""
    action = parser.add_argument(
        "prompts", nargs="*", metavar=t("cli.travel.prompts_word"), help=t("cli.travel.prompts")
    )
    parser.positionals.append(action)
    parser.option("-o", "--output", metavar="FILE")
    parser.option("--sheet", metavar="FILE")
    parser.option("--seeds", metavar="N,N...")
    parser.option("--frames", metavar="N", default="16")
    parser.option("--loop")
    parser.option("--bounce")
    parser.option("--fps", metavar="X", default="8")
    parser.option("--straight")
    _series.arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make the frames, the moving picture and the sheet."""
    seeds = _series.numbers(args.seeds, "--seeds", shell.whole)
    if not args.prompts or (seeds is None and len(args.prompts) < 2):
        raise shell.UsageError("cli.travel.no_prompt")
    if seeds is not None and len(args.prompts) > 1:
        raise shell.UsageError("cli.travel.one_prompt")
    frames, fps = shell.whole(args.frames, "--frames") or 0, shell.real(args.fps, "--fps") or 8.0
    moving = _series.target(args.output, _series.MOVING, args.force)
    sheet = _series.target(args.sheet, _series.SHEETS, args.force)

    from ra_widgets.experiments import plans

    fields = _series.fields_from(args)
    if seeds is not None:
        fields.pop("seed", None)
        plan = plans.seed_travel(_series.source(args.prompts[0]), seeds, frames=frames, loop=args.loop, **fields)
    else:
        mode = "lerp" if args.straight else "slerp"
        plan = plans.prompt_travel(args.prompts, frames=frames, loop=args.loop, mode=mode, **fields)
    return _series.run(args, plan, sheet, moving, fps=fps, bounce=args.bounce)

"""``ra version``: what is installed."""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version

from ra_widgets._version import __version__
from ra_widgets.commands._shell import EXIT_OK, Parser, out

PARTS = ("torch", "diffusers", "transformers", "ipywidgets", "anywidget", "jupyterlab", "voila")


def arguments(parser: Parser) -> None:
    """Options of ``ra version``."""
    parser.option("--json", key="cli.json")


def run(args: argparse.Namespace) -> int:
    """Print the versions, without importing what they belong to."""
    found = {"ra-workbench": __version__, "python": platform.python_version()}
    for part in PARTS:
        try:
            found[part] = version(part)
        except PackageNotFoundError:
            found[part] = ""
    if args.json:
        out().print_json(json.dumps(found))
        return EXIT_OK
    console = out()
    for name, number in found.items():
        console.print(f"{name:<14}{number or '-'}", markup=False)
    return EXIT_OK

"""``ra models``: which models can be used by name."""

from __future__ import annotations

import argparse
import json

from ra_widgets import paths
from ra_widgets.commands import _shell as shell
from ra_widgets.i18n import t


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra models``."""
    parser.option("--hash")
    parser.option("--control")
    parser.option("--json", key="cli.json")


def run(args: argparse.Namespace) -> int:
    """List them as a table, or as JSON."""
    from ra_widgets.library import available

    if args.control:
        return _control(args)
    models = list(available())
    if args.json:
        rows = [
            {
                "name": m.name,
                "path": str(m.path),
                "kind": m.kind,
                "family": m.family,
                "default_size": list(m.default_size),
                "default_cfg": m.default_cfg,
                "default_steps": m.default_steps,
                "languages": list(m.languages),
                "license": m.license,
                "size_bytes": m.size_bytes,
                **({"hash": m.hash} if args.hash else {}),
            }
            for m in models
        ]
        shell.out().print_json(json.dumps(rows, ensure_ascii=False), ensure_ascii=False)
        return shell.EXIT_OK
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold #c2402d", pad_edge=False)
    for key in ("name", "family", "default_size", "size", "languages", "license"):
        table.add_column(t(f"cli.models.{key}"), overflow="fold")
    if args.hash:
        table.add_column(t("cli.models.hash_column"))
    for model in models:
        width, height = model.default_size
        facts = (f"{width}×{height}", megabytes(model.size_bytes), " ".join(model.languages), model.license or "-")
        hashes = [Text(model.hash)] if args.hash else []
        table.add_row(Text(model.name, style="bold"), Text(model.family), *map(Text, facts), *hashes)
    console = shell.out()
    console.print(table)
    _control(args)
    console.print(t("cli.models.where"), style="dim")
    for folder in paths.models_dirs() or [paths.home() / "models"]:
        console.print(f"  {folder}", style="dim", markup=False)
    console.print(t("cli.models.how_to_add", folder=str(paths.home() / "models")), style="dim", markup=False)
    return shell.EXIT_OK


def _control(args: argparse.Namespace) -> int:
    """The control models, as a table or as JSON; no table if there are none and they were not asked for."""
    from ra_widgets.library.control import controls

    found = controls()
    if args.json:
        rows = [
            {
                "name": c.name,
                "path": str(c.path),
                "kind": c.kind,
                "family": c.family,
                "hint": c.hint,
                "license": c.license,
                "size_bytes": c.size_bytes,
                **({"label": c.label} if args.hash else {}),
            }
            for c in found
        ]
        shell.out().print_json(json.dumps(rows, ensure_ascii=False), ensure_ascii=False)
        return shell.EXIT_OK
    if not found:
        if args.control:
            shell.out().print(
                t("cli.models.no_control", folder=str(paths.home() / "models" / "ControlNet")), markup=False
            )
        return shell.EXIT_OK
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold #c2402d", pad_edge=False)
    for key in ("control_name", "kind", "family", "hint", "size"):
        table.add_column(t(f"cli.models.{key}"), overflow="fold")
    for c in found:
        name = c.label if args.hash else c.name
        table.add_row(
            Text(name, style="bold"),
            *map(Text, (t(f"control.kind.{c.kind}"), c.family or "-", c.hint or "-", megabytes(c.size_bytes))),
        )
    shell.out().print(table)
    return shell.EXIT_OK


def megabytes(size: int) -> str:
    """A file size for people."""
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.0f} MB"

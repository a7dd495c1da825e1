"""The help pages of ``ra``, drawn with rich: columns that stay straight when half of the words are Chinese."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ra_widgets.commands import COMMANDS
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ra_widgets.commands._shell import Parser

ACCENT = "#c2402d"


def _grid(rows: list[tuple[str, str]]) -> RenderableType:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for left, right in rows:
        table.add_row(Text(left, style="bold"), Text(right))
    return Padding(table, (0, 0, 0, 2))


def _title(console: Console, text: str) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(text, style=f"bold {ACCENT}"))


def show_overview(console: Console, version: str) -> None:
    """``ra --help``."""
    from rich.text import Text

    heading = Text()
    heading.append(" 稳 ", style=f"bold white on {ACCENT}")
    heading.append(f"  {t('cli.name')} ", style="bold")
    heading.append(version, style="dim")
    console.print()
    console.print(heading)
    console.print(Text(t("cli.about"), style="dim"))
    _title(console, t("cli.usage"))
    console.print(Text("  ra " + t("cli.usage_line")))
    _title(console, t("cli.commands"))
    console.print(_grid([(name, t(f"cli.{name}.summary")) for name in COMMANDS]))
    _title(console, t("cli.options_title"))
    console.print(
        _grid([("--lang zh|en", t("cli.lang")), ("-h, --help", t("cli.help")), ("--version", t("cli.version"))])
    )
    _title(console, t("cli.examples"))
    _examples(console, t("cli.overview_examples"))
    console.print()
    console.print(Text(t("cli.more_help"), style="dim"))


def show_help(console: Console, parser: Parser) -> None:
    """``ra COMMAND --help``."""
    from rich.text import Text

    words = " ".join(_metavar(action) for action in parser.positionals)
    console.print()
    console.print(Text(t(f"cli.{parser.command}.about")))
    _title(console, t("cli.usage"))
    console.print(Text("  " + " ".join(part for part in (parser.prog, words, f"[{t('cli.options')}]") if part)))
    if parser.positionals:
        console.print()
        console.print(_grid([(_metavar(action), action.help or "") for action in parser.positionals]))
    _title(console, t("cli.options_title"))
    rows = [(_flags(action), action.help or "") for action in parser.options]
    console.print(_grid([*rows, ("--lang zh|en", t("cli.lang")), ("-h, --help", t("cli.help"))]))
    _title(console, t("cli.examples"))
    _examples(console, t(f"cli.{parser.command}.examples"))
    console.print()


def _examples(console: Console, text: str) -> None:
    from rich.text import Text

    for line in text.splitlines():
        command, mark, remark = line.partition("  # ")
        row = Text("  " + command, style="cyan")
        if mark:
            row.append("  # " + remark, style="dim")
        console.print(row)


def _metavar(action: argparse.Action) -> str:
    return str(action.metavar or action.dest)


def _flags(action: argparse.Action) -> str:
    flags = ", ".join(sorted(action.option_strings, key=len))
    return f"{flags} {action.metavar}" if action.metavar else flags

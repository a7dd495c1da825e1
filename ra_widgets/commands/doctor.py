"""``ra doctor``: what is wrong on this machine, and how to mend it."""

from __future__ import annotations

import argparse
import json

from ra_widgets.commands import _shell as shell
from ra_widgets.i18n import t

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra doctor``."""
    parser.option("--json", key="cli.json")


def run(args: argparse.Namespace) -> int:
    """Show every finding; exit code 1 when something fails."""
    from ra_widgets.doctor import examine

    if args.json:
        findings = list(examine())
        report = {"ok": all(f.state != "fail" for f in findings), "findings": [f.to_dict() for f in findings]}
        shell.out().print_json(json.dumps(report, ensure_ascii=False), ensure_ascii=False)
        return shell.EXIT_OK if report["ok"] else shell.EXIT_FAILED
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console = shell.out()
    with shell.err().status(t("doctor.looking")):
        findings = list(examine())
    table = Table(box=SIMPLE_HEAD, header_style="bold #c2402d", pad_edge=False)
    table.add_column("")
    table.add_column(t("doctor.column.what"), no_wrap=True)
    table.add_column(t("doctor.column.found"), overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.state]
        cell = Text(finding.found)
        if finding.remedy:
            cell.append("\n→ " + finding.remedy, style="yellow" if finding.state == "warn" else "red")
        table.add_row(Text(mark, style=style), Text(finding.title), cell)
    console.print(table)
    failed = sum(f.state == "fail" for f in findings)
    warned = sum(f.state == "warn" for f in findings)
    key = "doctor.verdict.fail" if failed else "doctor.verdict.warn" if warned else "doctor.verdict.ok"
    console.print(
        t(key, failed=failed, warned=warned), style=MARKS["fail" if failed else "warn" if warned else "ok"][1]
    )
    return shell.EXIT_FAILED if failed else shell.EXIT_OK

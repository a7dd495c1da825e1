"""``ra verify PICTURE|FOLDER ...``: make pictures again from their own metadata and compare."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ra_widgets.commands import _shell as shell
from ra_widgets.errors import GalleryError
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from ra_widgets.experiments.reports import Report, Table

STYLES = {"same": "green", "close": "yellow", "different": "red", "failed": "red"}


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra verify``."""
    action = parser.add_argument("paths", nargs="+", metavar=t("cli.verify.paths_word"), help=t("cli.verify.paths"))
    parser.positionals.append(action)
    parser.option("--heat", metavar="DIR")
    parser.option("--device", metavar="NAME", default="auto", key="cli.generate.device")
    parser.option("--precision", metavar="NAME", default="auto", key="cli.generate.precision")
    parser.option("-q", "--quiet", key="cli.generate.quiet")
    parser.option("--json", key="cli.json")


def pictures(names: list[str]) -> list[Path]:
    """The files named, and all pictures of the folders named.

    Raises:
        GalleryError: a name leads nowhere, or nothing was found at all.
    """
    from ra_widgets.experiments.verify import pictures_in

    found: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if not path.exists():
            raise GalleryError("cli.verify.missing", path=name)
        found += pictures_in(path) if path.is_dir() else [path]
    if not found:
        raise GalleryError("cli.verify.nothing", path=", ".join(names))
    return found


def run(args: argparse.Namespace) -> int:
    """Verify them all; exit code 0 if every picture came out the same, 1 if not."""
    paths = pictures(args.paths)

    from ra_widgets.experiments.verify import verify_all
    from ra_widgets.kernel import PipelineKernel

    console = shell.err()

    def progress(done: int, count: int, report: Report) -> None:
        if not args.quiet:
            console.print(f"{done}/{count}  {t(f'verify.state.{report.state}')}  {report.name}", markup=False)

    with PipelineKernel(
        gallery=False, device=args.device, precision=args.precision, previews=False, preload=False
    ) as kernel:
        table = verify_all(kernel, paths, progress)
    if args.heat:
        _heat_maps(table, Path(args.heat).expanduser())
    if args.json:
        rows = [{"path": str(path), **report.to_dict()} for path, report in zip(paths, table, strict=True)]
        shell.out().print_json(json.dumps(rows, ensure_ascii=False), ensure_ascii=False)
    else:
        _show(table)
    return shell.EXIT_OK if all(report.same for report in table) else shell.EXIT_FAILED


def _show(table: Table) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    sheet = RichTable(box=SIMPLE_HEAD, header_style="bold #c2402d", pad_edge=False)
    for key in ("name", "state", "max", "ssim", "why"):
        sheet.add_column(t(f"verify.column.{key}"), overflow="fold")
    for report, cells in zip(table, table.cells(), strict=True):
        name, state, *rest = cells
        sheet.add_row(Text(name), Text(state, style=STYLES[report.state]), *map(Text, rest))
    shell.out().print(sheet)
    same = sum(report.same for report in table)
    shell.out().print(t("cli.verify.summary_line", same=same, count=len(table)))


def _heat_maps(table: Table, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, report in enumerate(table):
        heat = report.heat_map()
        if heat is not None and not report.same:
            heat.save(folder / f"{index + 1:03d}-{Path(report.name).stem}.png")

"""``ra studio``: the workbench in the browser."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from ra_widgets import paths
from ra_widgets.commands import _jupyter as jupyter
from ra_widgets.commands import _shell as shell
from ra_widgets.errors import RAError
from ra_widgets.i18n import get_language, t
from ra_widgets.voila.hosts import HostRule, is_loopback

DEFAULT_PORT = 8866
SKINS = ("light", "dark")
PAGES = ("studio", "inpaint", "upscale")
"""The pages that come with the project: ``notebooks/<name>.ipynb``."""


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra studio``."""
    parser.word("notebook", t("cli.studio.notebook_word"))
    parser.option("--page", metavar="|".join(PAGES))
    parser.option("-p", "--port", metavar="N")
    parser.option("--no-browser", key="cli.no_browser")
    parser.option("--skin", metavar="light|dark")
    parser.option("--model", metavar="NAME")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("--ip", metavar="ADDRESS", default="127.0.0.1")
    parser.option("--allow-host", metavar="NAME", action="append", default=[])
    parser.option("--no-token")
    parser.option("--cull", metavar="SECONDS", default="90")
    parser.option("--verbose", key="cli.verbose")


def run(args: argparse.Namespace) -> int:
    """Serve the studio until Ctrl-C."""
    port = shell.whole(args.port, "--port")
    if port is not None and not 0 <= port <= 65535:
        raise shell.UsageError("cli.not_a_port", got=args.port)
    cull = shell.whole(args.cull, "--cull") or 0
    if cull < 1:
        raise shell.UsageError("cli.studio.bad_cull")
    if args.skin is not None and args.skin not in SKINS:
        raise shell.UsageError("cli.studio.unknown_skin", got=args.skin[:40], known=", ".join(SKINS))
    if args.no_token and not is_loopback(args.ip):
        raise shell.UsageError("cli.studio.token_needed", address=args.ip)
    if args.page is not None and args.page not in PAGES:
        raise shell.UsageError("cli.studio.unknown_page", got=args.page[:40], known=", ".join(PAGES))
    notebook = _notebook(args.notebook, args.page)
    _settings(args)
    token = "" if args.no_token else jupyter.new_token()
    sockets = shell.listen(args.ip, port, DEFAULT_PORT)
    port = sockets[0].getsockname()[1]
    root = jupyter.isolate()

    console = shell.out()
    with console.status(t("cli.studio.starting")):
        _quiet(args.verbose)
        from ra_widgets.voila.app import configuration, serve

    url = f"http://{jupyter.url_host(args.ip)}:{port}/" + (f"?token={token}" if token else "")
    config = configuration(
        token=token, port=port, cull_idle=cull, cull_interval=max(1, min(cull // 3, 30)), page=page_facts(args.skin)
    )
    config.Voila.connection_dir_root = str(root / "runtime")

    def ready() -> None:
        console.print()
        console.print(t("cli.studio.ready"), style="bold #c2402d")
        console.print(f"  {url}", markup=False)
        console.print("  " + t("cli.studio.gallery_line", path=str(gallery_dir())), style="dim", markup=False)
        if not is_loopback(args.ip):
            console.print("  " + t("cli.studio.open_to_others"), style="yellow")
        console.print("  " + t("cli.studio.how_to_stop"), style="dim")
        sys.stdout.flush()
        if not args.no_browser and jupyter.has_display():
            jupyter.open_browser(url)

    try:
        serve(
            str(notebook),
            sockets=sockets,
            rule=HostRule(args.ip, args.allow_host),
            config=config,
            ready=ready,
            log_level=logging.INFO if args.verbose else logging.ERROR,
        )
    finally:
        jupyter.forget_page()
    console.print(t("cli.studio.closed"), style="dim")
    return shell.EXIT_OK


def gallery_dir() -> Path:
    """The gallery that the studio's kernels will use."""
    chosen = os.environ.get("RA_GALLERY", "")
    return Path(chosen) if chosen else paths.gallery_dir()


def page_facts(skin: str | None) -> dict[str, Any]:
    """What the page around the studio must know before the studio is there: language, skin, colours."""
    tokens = Path(__file__).resolve().parent.parent / "themes" / "tokens.css"
    return {
        "lang": get_language(),
        "skin": skin or os.environ.get("RA_SKIN") or "light",
        "tokens": tokens.read_text("utf-8") if tokens.is_file() else "",
    }


def _notebook(name: str | None, page: str | None) -> Path:
    if name is None:
        return jupyter.shipped(f"notebooks/{page or PAGES[0]}.ipynb")
    path = Path(name).expanduser().resolve()
    if path.suffix.lower() != ".ipynb" or not path.is_file():
        raise RAError("cli.studio.no_notebook", path=name)
    return path


def _settings(args: argparse.Namespace) -> None:
    """Hand the options to the kernels of the pages, which are processes of their own, through the environment."""
    os.environ["RA_LANG"] = get_language()
    if args.skin:
        os.environ["RA_SKIN"] = args.skin
    if args.model:
        os.environ["RA_MODEL"] = _known_model(args.model)
    if args.gallery:
        os.environ["RA_GALLERY"] = str(Path(args.gallery).expanduser().resolve())


def _known_model(name: str) -> str:
    """Check the model now: a wrong name is said in the terminal, not in every page.

    Raises:
        ModelError: there is no such model, or it is none.
    """
    from ra_widgets.library import resolve

    return str(resolve(name).path)


def _quiet(verbose: bool) -> None:
    if verbose:
        return
    warnings.simplefilter("ignore")
    for name in ("traitlets", "tornado", "jupyter_server", "asyncio", "Voila"):
        logging.getLogger(name).setLevel(logging.ERROR)

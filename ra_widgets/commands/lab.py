"""``ra lab``: JupyterLab at the course, in the user's language, with this environment's Python.

The course is copied into the user's own folder: learners write into their notebooks, and an update of the project must
neither lose what they wrote nor be blocked by it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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

DEFAULT_PORT = 8888
LEDGER = ".ra-copied.json"


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra lab``."""
    parser.word("folder", t("cli.lab.folder_word"))
    parser.option("-p", "--port", metavar="N")
    parser.option("--no-browser", key="cli.no_browser")
    parser.option("--gallery", metavar="DIR", key="cli.gallery")
    parser.option("--verbose", key="cli.verbose")


def copy_course(source: Path, target: Path) -> int:
    """Bring ``target`` up to date with the files of ``source``; returns how many were written.

    A file that the learner changed, or deleted, is left as it is. Which ones they are is known from the digests of the
    last copy, kept in ``target/.ra-copied.json``.
    """
    ledger = target / LEDGER
    try:
        known = {str(name): str(digest) for name, digest in json.loads(ledger.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError):
        known = {}
    written = 0
    for file in sorted(source.rglob("*")):
        if not file.is_file() or any(part.startswith((".", "__")) for part in file.relative_to(source).parts):
            continue
        name = file.relative_to(source).as_posix()
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        own = target / name
        if known.get(name) == digest:
            continue
        if own.exists() and hashlib.sha256(own.read_bytes()).hexdigest() not in (known.get(name), digest):
            continue
        if not own.exists() and name in known:
            continue
        if not own.exists() or own.read_bytes() != content:
            own.parent.mkdir(parents=True, exist_ok=True)
            temporary = own.with_name(own.name + ".tmp")
            temporary.write_bytes(content)
            os.replace(temporary, own)
            written += 1
        known[name] = digest
    jupyter.write(ledger, json.dumps(known, indent=1, sort_keys=True))
    return written


def settings(root: Path, language: str, token: str) -> None:
    """Write Lab's settings into our own folders: language, no news, no update check, no extension shop.

    The server's settings are ours and written anew each time. The interface settings are the user's once they exist;
    only the language follows ``--lang``.
    """
    server = {
        "IdentityProvider": {"token": token},
        "ServerApp": {"open_browser": False, "websocket_max_message_size": 100 * 2**20},
        "LabApp": {
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
            "extension_manager": "readonly",
        },
    }
    jupyter.write(root / "config" / "jupyter_server_config.json", json.dumps(server, indent=1), mode=0o600)
    interface = root / "lab" / "user-settings" / "@jupyterlab"
    locale = {"locale": "zh_CN" if language == "zh_CN" else "default"}
    jupyter.write(interface / "translation-extension" / "plugin.jupyterlab-settings", json.dumps(locale))
    quiet = interface / "apputils-extension" / "notification.jupyterlab-settings"
    if not quiet.exists():
        jupyter.write(quiet, json.dumps({"checkForUpdates": False, "fetchNews": "false"}))
    os.environ["JUPYTERLAB_SETTINGS_DIR"] = str(root / "lab" / "user-settings")
    os.environ["JUPYTERLAB_WORKSPACES_DIR"] = str(root / "lab" / "workspaces")


def run(args: argparse.Namespace) -> int:
    """Open JupyterLab until Ctrl-C."""
    port = shell.whole(args.port, "--port")
    if port is not None and not 0 <= port <= 65535:
        raise shell.UsageError("cli.not_a_port", got=args.port)
    language = get_language()
    os.environ["RA_LANG"] = language
    if args.gallery:
        os.environ["RA_GALLERY"] = str(Path(args.gallery).expanduser().resolve())
    folder, first = _place(args.folder, language)
    token = jupyter.new_token()
    probe = shell.listen("127.0.0.1", port, DEFAULT_PORT)
    port = probe[0].getsockname()[1]
    for sock in probe:
        sock.close()
    root = jupyter.isolate()
    settings(root, language, token)
    return _serve(folder, first, port, token, args)


def _place(chosen: str | None, language: str) -> tuple[Path, str]:
    """The folder to open and the notebook to begin with ("" for none)."""
    if chosen is not None:
        folder = Path(chosen).expanduser().resolve()
        if not folder.is_dir():
            raise RAError("cli.lab.no_folder", folder=chosen)
        return folder, ""
    folder = paths.home() / "course"
    short = "zh" if language == "zh_CN" else "en"
    copy_course(jupyter.shipped(f"course/{short}"), folder / short)
    copy_course(jupyter.shipped("notebooks"), folder / "notebooks")
    lessons = sorted((folder / short).glob("*.ipynb"))
    return folder, f"{short}/{lessons[0].name}" if lessons else ""


def _serve(folder: Path, first: str, port: int, token: str, args: argparse.Namespace) -> int:
    from urllib.parse import quote

    if not args.verbose:
        warnings.simplefilter("ignore")
    from jupyterlab.labapp import LabApp

    url = f"http://127.0.0.1:{port}/lab" + (f"/tree/{quote(first)}" if first else "") + f"?token={token}"
    options: dict[str, Any] = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": str(folder),
        "ServerApp.allow_root": True,
        "Application.log_level": 20 if args.verbose else 40,
    }
    server = LabApp.initialize_server(argv=[f"--{name}={value}" for name, value in options.items()])

    def ready() -> None:
        console = shell.out()
        console.print()
        console.print(t("cli.lab.ready"), style="bold #c2402d")
        console.print(f"  {url}", markup=False)
        console.print("  " + t("cli.lab.folder_line", path=str(folder)), style="dim", markup=False)
        console.print("  " + t("cli.studio.how_to_stop"), style="dim")
        sys.stdout.flush()
        if not args.no_browser and jupyter.has_display():
            jupyter.open_browser(url)

    server.io_loop.call_later(0.1, ready)
    try:
        server.start()
    finally:
        jupyter.forget_page()
    return shell.EXIT_OK

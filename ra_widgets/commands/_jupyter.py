"""Jupyter and Voilà in a world of their own: our settings, our kernel, the user's set-up neither read nor changed."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path

from ra_widgets import paths
from ra_widgets.errors import RAError
from ra_widgets.voila import SHARE

TOKEN_VARIABLE = "RA_TOKEN"
"""A secret of one's own comes from the environment: every user of a machine can read its command lines."""


def shipped(name: str) -> Path:
    """A file or folder that comes with the project: beside the package in a checkout, inside it in a wheel.

    Raises:
        RAError: it is not there (an incomplete copy).
    """
    top, _, rest = name.partition("/")
    path = paths.shipped(top) / rest
    if not path.exists():
        raise RAError("cli.not_shipped", name=name)
    return path


def write(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a small file of ours in one go (temporary file, then rename), with ``mode`` from the beginning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    if os.name == "posix":
        os.chmod(name, 0o644 if mode is None else mode)
    os.replace(name, path)


def isolate() -> Path:
    """Point this process (and the kernels that it starts) at Jupyter folders of our own; returns their root.

    The kernel ``python3`` becomes the Python that runs this, whatever kernels the user has installed under that name.
    """
    from ipykernel.kernelspec import get_kernel_dict

    root = paths.home() / "jupyter"
    # at its usual level each kernel warns on the user's terminal that it talks over (loopback) TCP
    spec = {**get_kernel_dict(extra_arguments=["--log-level=40"]), "display_name": "Python 3 (RA)"}
    write(root / "data" / "kernels" / "python3" / "kernel.json", json.dumps(spec, indent=1))
    (root / "runtime").mkdir(parents=True, exist_ok=True)
    (root / "config").mkdir(parents=True, exist_ok=True)
    if os.name == "posix":
        (root / "runtime").chmod(0o700)
    before = [part for part in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if part]
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(root / "data"), str(SHARE), *before])
    os.environ["JUPYTER_DATA_DIR"] = str(root / "data")
    os.environ["JUPYTER_CONFIG_DIR"] = str(root / "config")
    os.environ["JUPYTER_RUNTIME_DIR"] = str(root / "runtime")
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    return root


def new_token() -> str:
    """The secret that opens the page: ``RA_TOKEN``, or 192 random bits.

    Raises:
        RAError: ``RA_TOKEN`` is too short to be a secret.
    """
    chosen = os.environ.pop(TOKEN_VARIABLE, "").strip()
    if chosen and (len(chosen) < 16 or not chosen.isascii() or not chosen.isprintable() or " " in chosen):
        raise RAError("cli.weak_token")
    return chosen or secrets.token_urlsafe(24)


def open_browser(url: str) -> None:
    """Open ``url`` in the user's browser, without its secret ever standing on a command line."""
    from html import escape

    page = paths.home() / "jupyter" / "runtime" / "open.html"
    meta = f'<meta http-equiv="refresh" content="0;url={escape(url)}">'
    write(
        page, f'<!doctype html><meta charset="utf-8"><title>RA</title>{meta}<a href="{escape(url)}">RA</a>', mode=0o600
    )
    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()


def forget_page() -> None:
    """Remove what :func:`open_browser` wrote."""
    (paths.home() / "jupyter" / "runtime" / "open.html").unlink(missing_ok=True)


def has_display() -> bool:
    """True where a browser can be opened at all."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"))


def url_host(address: str) -> str:
    """How an address is written in a URL: an IPv6 one in brackets, "everything" as this machine."""
    if address in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address

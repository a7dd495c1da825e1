"""A real browser and real servers for the end-to-end tests.

The browser is found (``CHROMIUM``, the usual names, Playwright's own) or else installed: a missing browser never skips
a test. Servers are the real commands in process groups of their own, each with a home folder of its own; they are ready
when they print their address.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "artifacts"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    # belt and braces: even a request that a test overlooks finds no name server
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
START_SECONDS = 120
LOCAL = ("127.0.0.1", "localhost")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser or a server."""
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker("e2e")


# -- the browser -------------------------------------------------------------------------------------------------------
def installed_chromium() -> str:
    """Path of a Chromium-like browser on this machine, ``""`` if there is none."""
    chosen = os.environ.get("CHROMIUM", "")
    if chosen:
        if not Path(chosen).is_file():
            raise FileNotFoundError(f"CHROMIUM={chosen}")
        return chosen
    return next((found for name in CHROMIUM_NAMES if (found := shutil.which(name))), "")


def run_loudly(*command: str) -> None:
    """Run an installation step; its output appears if it fails."""
    subprocess.run(command, check=True, timeout=900, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def provide_chromium(playwright: Playwright) -> str:
    """Find a browser or install one: Debian's for root on Debian, Playwright's own elsewhere."""
    found = installed_chromium()
    own = playwright.chromium.executable_path
    debian = shutil.which("apt-get") is not None and hasattr(os, "geteuid") and os.geteuid() == 0
    if not found and not Path(own).is_file():
        if debian:
            run_loudly("apt-get", "update", "-qq")
            run_loudly("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-noto-cjk")
            found = installed_chromium()
        else:
            run_loudly(sys.executable, "-m", "playwright", "install", "chromium")
    if debian and shutil.which("fc-list") and not subprocess.check_output(["fc-list", ":lang=zh-cn"], timeout=60):
        run_loudly("apt-get", "update", "-qq")
        run_loudly("apt-get", "install", "-y", "-qq", "--no-install-recommends", "fonts-noto-cjk")
    return found or own


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the whole run."""
    with sync_playwright() as playwright:
        path = provide_chromium(playwright)
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """``new_page(width=1400, height=900, **context options)`` -> a page in a context of its own.

    The test fails at its end if any page asked another machine for anything. ``page.console_errors`` lists what the
    browser console showed as errors, ``page.page_errors`` uncaught exceptions.
    """
    contexts, strangers = [], []

    def note(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
            strangers.append(url)

    def make(*, width: int = 1400, height: int = 900, **options: object) -> Page:
        options.setdefault("locale", "zh-CN")
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.on("request", lambda request: note(request.url))
        page = context.new_page()
        page.console_errors, page.page_errors = [], []
        page.on("websocket", lambda socket: note(socket.url))
        page.on("console", lambda line: page.console_errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: page.page_errors.append(str(error)))
        page.set_default_timeout(60_000)
        return page

    yield make
    for context in contexts:
        context.close()
    assert strangers == [], f"requests left this machine: {strangers}"


@pytest.fixture
def chromium_page(new_page: Callable[..., Page]) -> Page:
    """A fresh page, 1400x900; see :func:`new_page`."""
    return new_page()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Folder for screenshots, kept by CI."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


# -- servers -----------------------------------------------------------------------------------------------------------
class Server:
    """A running ``ra studio`` or ``ra lab``.

    Attributes:
        url: the address with its secret, as the command printed it. base: the same without path and secret.
        token: the secret. home: its RA_HOME. pid: of the process.
    """

    def __init__(self, *arguments: str, home: Path, env: dict[str, str] | None = None) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.lines: list[str] = []
        self._ready = threading.Event()
        self.url = ""
        group = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ra_widgets.cli", *arguments, "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env={**clean_environment(), "RA_HOME": str(home), "PYTHONUNBUFFERED": "1", **(env or {})},
            **group,
        )
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(START_SECONDS) or not self.url:
            self.stop()
            raise RuntimeError("the server did not start:\n" + "".join(self.lines))
        parts = urlsplit(self.url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.port = parts.port
        self.token = parts.query.partition("token=")[2]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:\d+/\S*", line)
            if found and not self.url:
                self.url = found.group()
                self._ready.set()
        self._ready.set()

    def at(self, path: str = "/", **query: str) -> str:
        """An address on this server with its secret and more."""
        return f"{self.base}{path}?{urlencode({'token': self.token, **query})}"

    def kernels(self) -> list[psutil.Process]:
        """The processes of the pages' kernels."""
        found = []
        for child in psutil.Process(self.pid).children(recursive=True):
            try:
                if any("ipykernel" in part for part in child.cmdline()):
                    found.append(child)
            except psutil.Error:
                continue
        return found

    def stop(self) -> int:
        """End the server and everything it started; returns its exit code."""
        started = (
            [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
            if psutil.pid_exists(self.pid)
            else []
        )
        if self.process.poll() is None:
            self.process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
        for child in started:
            try:
                child.kill()
            except psutil.Error:
                continue
        self._reader.join(5)
        return self.process.returncode


def clean_environment() -> dict[str, str]:
    """This process's environment without what the developer set for Jupyter or the workbench."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RA_", "JUPYTER", "VOILA")) or name in ("RA_MODELS",)
    }


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A folder for the homes of servers (short: sockets may live there)."""
    with tempfile.TemporaryDirectory(prefix="ra-e2e-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def start_server(server_home: Path) -> Iterator[Callable[..., Server]]:
    """``start_server("studio", "--cull", "2", env={...})`` -> a running :class:`Server`; ended with the session."""
    running: list[Server] = []

    def start(*arguments: str, env: dict[str, str] | None = None, home: Path | None = None) -> Server:
        server = Server(*arguments, home=home or server_home / f"home{len(running)}", env=env)
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def voila_server(start_server: Callable[..., Server]) -> Callable[[Path | str], Server]:
    """``voila_server(notebook_path)`` -> a :class:`Server` that shows the notebook as a page; one per notebook."""
    known: dict[str, Server] = {}

    def serve(notebook: Path | str) -> Server:
        key = str(Path(notebook).resolve())
        if key not in known or known[key].process.poll() is not None:
            known[key] = start_server("studio", key, "--port", "0")
        return known[key]

    return serve


@pytest.fixture(scope="session")
def ra_studio_server(start_server: Callable[..., Server]) -> Server:
    """The real ``ra studio`` with the shipped notebook."""
    return start_server("studio", "--port", "0")

"""The Voilà server of ``ra studio``: one notebook as a page, closed by default.

What it adds to Voilà 0.5:

- requests with a foreign ``Host`` header get 403 (Voilà switches Jupyter's own check off);
- the page's good-bye call really ends its kernel (Voilà refuses it for want of an XSRF field, and the kernel stays), and
  culling catches the tabs that vanish without one;
- a Content-Security-Policy under which the browser itself refuses every request to another machine;
- the user's and the folder's own Jupyter and Voilà settings are not read: what is served is what is written here;
- it listens on sockets that are already open, so a busy port is known before anything slow begins.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from jinja2 import FileSystemLoader
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.routing import Router
from tornado.web import Application, HTTPError, RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from ra_widgets.i18n import t
from ra_widgets.voila import SHARE, TEMPLATE
from ra_widgets.voila.hosts import HostRule

MAX_MESSAGE = 100 * 2**20
"""Largest WebSocket message, bytes: a painted mask or an uploaded photo travels in one (tornado's own limit is 10 MiB)."""

PUBLIC_FILES = [r"public/[^.][^/]*\.(png|jpe?g|webp|gif|mp4)"]
"""What ``/voila/files/`` gives out: pictures that a dashboard's author put into a folder named ``public``."""

PRIVATE_FILES = [r".*\.(ipynb|py|json|sqlite.*|db|safetensors|ckpt|pt|pth|bin|ya?ml|toml|env)", r"(.*/)?\..*"]


class Refuse(RequestHandler):
    """Answers a request with a foreign ``Host``: 403, a sentence, nothing else."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(t("serve.foreign_host", "zh_CN") + "\n" + t("serve.foreign_host", "en") + "\n")

    def check_xsrf_cookie(self) -> None:
        """Nothing to protect: the answer is no."""


class HostGuard(Router):
    """Stands before an application and lets only requests with an expected ``Host`` through (WebSockets as well)."""

    def __init__(self, app: Application, rule: HostRule) -> None:
        self.app = app
        self.rule = rule

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        if self.rule.allows(request.headers.get("Host")):
            return self.app.find_handler(request, **kwargs)
        return self.app.get_handler_delegate(request, Refuse)


class GoodbyeHandler(VoilaShutdownKernelHandler):
    """Ends a page's kernel when its tab closes.

    ``navigator.sendBeacon`` cannot send an XSRF header, so the rule is: signed in (cookie), and sent by our own page.
    """

    def check_xsrf_cookie(self) -> None:
        origin = self.request.headers.get("Origin", "")
        if urlsplit(origin).netloc.lower() != self.request.host.lower():
            raise HTTPError(403, "sent by another page")


class StudioApp(Voila):
    """See the module's description. Use :func:`serve`."""

    sockets: list[socket.socket]
    rule: HostRule
    ready: Callable[[], None]

    def init_settings(self) -> dict[str, Any]:
        settings = super().init_settings()
        # the sign-in page comes from the server's own template environment
        environment = settings["jinja2_env"]
        environment.loader = FileSystemLoader([str(SHARE / "server"), str(SHARE / "voila" / "templates" / TEMPLATE), *environment.loader.searchpath])
        environment.globals["t"] = t
        return settings

    def init_handlers(self) -> list[Any]:
        return [
            (rule[0], GoodbyeHandler, *rule[2:]) if rule[1] is VoilaShutdownKernelHandler else rule
            for rule in super().init_handlers()
        ]

    def listen(self) -> None:
        server = HTTPServer(HostGuard(self.app, self.rule))
        server.add_sockets(self.sockets)
        self.ioloop = IOLoop.current()
        self.ioloop.add_callback(self.ready)
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()
            self.stop()


def content_policy(port: int) -> str:
    """The Content-Security-Policy of a page on ``port``: everything from the page itself, nothing from elsewhere.

    Widgets need inline styles, ``blob:`` modules (anywidget loads its code so) and ``eval`` (Voilà's module loader).
    """
    web_sockets = " ".join(f"ws://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
    return "; ".join(
        [
            "default-src 'self' data: blob:",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:",
            "style-src 'self' 'unsafe-inline' data: blob:",
            f"connect-src 'self' {web_sockets} data: blob:",
            "frame-ancestors 'self'",
            "form-action 'self'",
            "object-src 'none'",
            "base-uri 'self'",
        ]
    )


def configuration(
    *, token: str, port: int, cull_idle: int, cull_interval: int, page: dict[str, Any] | None = None
) -> Config:
    """Voilà's settings for one notebook.

    Args:
        token: the secret that opens the page; ``""`` for none.
        port: port of the page, for its content policy.
        cull_idle, cull_interval: a kernel without a page ends after ``cull_idle`` seconds; looked for each ``cull_interval``.
        page: what the template may know, as ``resources.ra``.
    """
    return Config(
        {
            "Voila": {
                "token": token,
                "open_browser": False,
                "config_file_paths": [],
                "tornado_settings": {
                    "websocket_max_message_size": MAX_MESSAGE,
                    "websocket_ping_interval": 20,
                    "headers": {
                        "Content-Security-Policy": content_policy(port),
                        "Referrer-Policy": "same-origin",
                        "X-Content-Type-Options": "nosniff",
                    },
                },
            },
            "VoilaConfiguration": {
                "template": TEMPLATE,
                "theme": "light",
                "allow_template_override": "NO",
                "allow_theme_override": "NO",
                "strip_sources": True,
                "show_tracebacks": False,
                "file_allowlist": PUBLIC_FILES,
                "file_denylist": PRIVATE_FILES,
                "resources": {"ra": page or {}},
            },
            "MappingKernelManager": {
                "cull_idle_timeout": cull_idle,
                "cull_interval": cull_interval,
                "cull_connected": False,
                "cull_busy": False,
            },
        }
    )


def serve(
    notebook: str,
    *,
    sockets: list[socket.socket],
    rule: HostRule,
    config: Config,
    ready: Callable[[], None],
    log_level: int = 40,
) -> None:
    """Show ``notebook`` on ``sockets`` until Ctrl-C or SIGTERM.

    Args:
        notebook: path of an ``.ipynb`` file.
        sockets: bound and listening.
        rule: which ``Host`` headers are answered.
        config: see :func:`configuration`.
        ready: called once, when requests are answered.
        log_level: of Voilà and Jupyter (40: errors only).
    """
    app = StudioApp.instance(config=config)
    app.log_level = log_level
    app.sockets, app.rule, app.ready = sockets, rule, ready
    app.initialize([notebook])
    app.port = sockets[0].getsockname()[1]
    app.start()

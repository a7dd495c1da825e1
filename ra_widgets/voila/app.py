"""The Voilà server of ``ra studio``: one notebook as a page, closed by default.

What it adds to Voilà 0.5:

- requests with a foreign ``Host`` header get 403 (Voilà switches Jupyter's own check off);
- the page's good-bye call really ends its kernel (Voilà refuses it for want of an XSRF field, and the kernel stays),
  and culling catches the tabs that vanish without one;
- the secret never gets into a log, though Jupyter logs the address of every request that fails;
- ``?lang=`` and ``?skin=`` in the address reach the page's kernel, the secret in the address does not;
- a Content-Security-Policy under which the browser itself refuses every request to another machine;
- the user's and the folder's own Jupyter and Voilà settings are not read: what is served is what is written here;
- it listens on sockets that are already open, so a busy port is known before anything slow begins.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import FileSystemLoader
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.routing import Router
from tornado.web import Application, HTTPError, RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from ra_widgets.i18n import normalise, t
from ra_widgets.voila import SHARE, TEMPLATE
from ra_widgets.voila.hosts import HostRule

MAX_MESSAGE = 100 * 2**20
"""Largest WebSocket message, bytes: a painted mask or an uploaded photo is one (tornado's own limit is 10 MiB)."""

SKINS = ("light", "dark")

LAB_ONLY = ["jupyterlab-jupytext", "jupyterlab_pygments", "@voila-dashboards/jupyterlab-preview"]
"""Lab extensions that have nothing to do on a page and only log errors there."""

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


class PageKernels(AsyncMappingKernelManager):
    """Starts the kernels of pages: each learns from its page's address which language and skin to use."""

    async def start_kernel(self, *args: Any, **kwargs: Any) -> str:
        """As Jupyter does, with an environment that :func:`page_environment` made."""
        if kwargs.get("env"):
            kwargs["env"] = page_environment(kwargs["env"])
        kernel_id: str = await super().start_kernel(*args, **kwargs)
        return kernel_id


def page_environment(env: dict[str, str]) -> dict[str, str]:
    """A kernel's environment from its page's request: ``RA_LANG`` and ``RA_SKIN`` set, the secret removed.

    Other parts of the address stay in ``QUERY_STRING`` for dashboards that want them. What a visitor writes there is
    only ever matched against the known languages and skins.
    """
    given = parse_qsl(env.get("QUERY_STRING", ""), keep_blank_values=True)
    asked = dict(given)
    env = {**env, "QUERY_STRING": urlencode([(name, value) for name, value in given if name != "token"])}
    env["VOILA_REQUEST_URL"] = env.get("VOILA_REQUEST_URL", "").partition("?")[0]
    if asked.get("lang"):
        env["RA_LANG"] = normalise(asked["lang"])
    if asked.get("skin") in SKINS:
        env["RA_SKIN"] = asked["skin"]
    return env


def keep_out_of_logs(secret: str) -> None:
    """From now on no log line of this process shows ``secret``."""
    if not secret:
        return

    class Record(logging.LogRecord):
        def getMessage(self) -> str:
            return super().getMessage().replace(secret, "***")

    logging.setLogRecordFactory(Record)


class StudioApp(Voila):
    """See the module's description. Use :func:`serve`."""

    sockets: list[socket.socket]
    rule: HostRule
    ready: Callable[[], None]

    def init_settings(self) -> dict[str, Any]:
        settings = super().init_settings()
        # the sign-in page comes from the server's own template environment
        environment = settings["jinja2_env"]
        own = [SHARE / "server", SHARE / "voila" / "templates" / TEMPLATE]
        environment.loader = FileSystemLoader([str(folder) for folder in own] + environment.loader.searchpath)
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
    web_sockets = " ".join(f"ws://{host}:{port}" for host in ("127.0.0.1", "localhost"))
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
        cull_idle: seconds after which a kernel without a page ends; cull_interval: seconds between looks.
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
                "extension_denylist": LAB_ONLY,
                "multi_kernel_manager_class": PageKernels,
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
    keep_out_of_logs(str(config.Voila.token))
    app = StudioApp.instance(config=config)
    app.log_level = log_level
    app.sockets, app.rule, app.ready = sockets, rule, ready
    app.initialize([notebook])
    app.port = sockets[0].getsockname()[1]
    app.start()

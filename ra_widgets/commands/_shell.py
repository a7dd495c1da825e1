"""What all commands share: consoles, options with help in two languages, checked numbers, the free port."""

from __future__ import annotations

import argparse
import errno
import socket
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from ra_widgets.errors import RAError
from ra_widgets.i18n import t

if TYPE_CHECKING:
    from rich.console import Console

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
"""Exit codes: as agreed among Unix tools; 130 is 128 + SIGINT."""


class UsageError(RAError):
    """The command line itself is wrong: exit code 2."""


def out() -> Console:
    """The console for results (stdout)."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """The console for progress and problems (stderr): ``ra ... --json > file`` stays clean."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def prepare_streams() -> None:
    """A character that the terminal cannot show becomes ``?`` instead of an exception."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


class Parser(argparse.ArgumentParser):
    """argparse without its English sentences: problems are :class:`UsageError`, help is drawn by :func:`show_help`."""

    def __init__(self, command: str) -> None:
        super().__init__(prog=f"ra {command}", add_help=False, exit_on_error=False, allow_abbrev=False)
        self.command = command
        self.positionals: list[argparse.Action] = []
        self.options: list[argparse.Action] = []

    def word(self, name: str, metavar: str) -> None:
        """Add a positional argument. It may be missing: the command says so in its own words."""
        action = self.add_argument(name, nargs="?", default=None, metavar=metavar)
        action.help = t(f"cli.{self.command}.{name}")
        self.positionals.append(action)

    def option(self, *flags: str, metavar: str | None = None, key: str | None = None, **more: Any) -> None:
        """Add an option; without ``metavar`` it is a switch. Its text is ``cli.<command>.<option>`` (or ``key``)."""
        if metavar is None and "action" not in more:
            more["action"] = "store_true"
        if metavar is not None:
            more["metavar"] = metavar
        action = self.add_argument(*flags, **more)
        action.help = t(key or f"cli.{self.command}.{flags[-1].lstrip('-').replace('-', '_')}")
        self.options.append(action)

    def read(self, argv: list[str]) -> argparse.Namespace:
        """Parse; every problem is a :class:`UsageError` in the user's language."""
        try:
            args, rest = self.parse_known_args(argv)
        except argparse.ArgumentError as error:
            raise UsageError("cli.bad_option", option=error.argument_name or "", command=self.command) from None
        if rest:
            raise UsageError("cli.unknown_option", option=rest[0], command=self.command)
        return args

    def error(self, message: str) -> NoReturn:
        raise UsageError("cli.bad_usage", detail=message, command=self.command)


def closest(word: str, known: list[str]) -> str:
    """The known word that ``word`` was probably meant to be, or ``""``."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word.lower(), known, n=1, cutoff=0.5)), "")


def whole(value: str | None, option: str) -> int | None:
    """An option's value as a whole number; None stays None."""
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        raise UsageError("cli.not_a_number", option=option, got=value[:40]) from None


def real(value: str | None, option: str) -> float | None:
    """An option's value as a number; None stays None."""
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        raise UsageError("cli.not_a_number", option=option, got=value[:40]) from None


def size(value: str | None) -> tuple[int, int] | None:
    """``512x768`` (also with ``*``, ``×`` or ``,``; one number is a square) as (width, height)."""
    import re

    if value is None:
        return None
    parts = re.split(r"\s*[xX×*,]\s*", value.strip())
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError("cli.not_a_size", got=value[:40])
    return int(parts[0]), int(parts[-1])


def listen(address: str, port: int | None, default: int) -> list[socket.socket]:
    """Sockets that listen on ``port``, or on the first free one from ``default`` on when ``port`` is None.

    Raises:
        RAError: the port is taken, or may not be used.
    """
    candidates = [port] if port is not None else [*range(default, default + 20), 0]
    for candidate in candidates:
        try:
            return [_bound("127.0.0.1" if address == "localhost" else address.strip("[]"), candidate)]
        except OSError as error:
            busy = error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", -1))
            if port is not None or not (busy or error.errno in (errno.EACCES, getattr(errno, "WSAEACCES", -1))):
                key = "cli.port_busy" if busy else "cli.port_refused"
                raise RAError(key, port=candidate, address=address, detail=error.strerror or "") from None
    raise RAError("cli.port_busy", port=default, address=address)


def _bound(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        # POSIX: do not wait for the last run's connections to time out. On Windows that flag would let two servers
        # share a port; there this other one keeps others out
        flag = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        sock.setsockopt(socket.SOL_SOCKET, flag, 1)
        sock.bind((address, port))
        sock.listen(128)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def painting_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Steps, CFG, seed, sampler, schedule and size as the options of all painting commands give them; only what was given."""
    width, height = size(getattr(args, "size", None)) or (None, None)
    found: dict[str, Any] = {
        "steps": whole(args.steps, "--steps"),
        "cfg_scale": real(args.cfg, "--cfg"),
        "seed": whole(args.seed, "--seed"),
        "sampler": args.sampler,
        "scheduler": args.scheduler,
        "width": width,
        "height": height,
    }
    return {name: value for name, value in found.items() if value is not None}

"""Which ``Host`` headers a server answers.

A page on a foreign site can point its own name at 127.0.0.1 ("DNS rebinding") and then talk to local servers as if they
were itself. It cannot choose the ``Host`` header, though: that is still its own name. So a server that is bound to the
machine itself answers only to the names of the machine itself (RFC 9110, section 7.2).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def hostname(header: str) -> str:
    """The name in a ``Host`` header, lower case, without port and brackets; ``""`` for a malformed one."""
    text = header.strip().lower()
    if text.startswith("["):
        name, bracket, port = text[1:].partition("]")
        return name if bracket and (not port or (port[0] == ":" and port[1:].isdigit())) else ""
    name, colon, port = text.partition(":")
    if (colon and not port.isdigit()) or any(c in name for c in "/\\@ \t"):
        return ""
    return name.removesuffix(".")


def is_loopback(address: str) -> bool:
    """True for an address that only this machine can reach ("localhost" counts; a name is not looked up)."""
    if address.strip().lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip().strip("[]")).is_loopback
    except ValueError:
        return False


class HostRule:
    """Says whether a ``Host`` header may be answered.

    Args:
        bind: the address the server listens on.
        extra: further names to answer to.

    A loopback bind answers to ``localhost`` and loopback addresses. Another bind also answers to IP addresses (nobody
    can rebind a number) and to this machine's own name.
    """

    def __init__(self, bind: str, extra: Iterable[str] = ()) -> None:
        self.local = is_loopback(bind)
        self.names = {*LOCAL_NAMES, *(name.lower() for name in extra)}
        if not self.local:
            own = socket.gethostname().lower()
            self.names |= {own, own.partition(".")[0], bind.strip("[]").lower()}

    def allows(self, header: str | None) -> bool:
        """True if a request with this ``Host`` header is to be answered."""
        name = hostname(header or "")
        if not name:
            return False
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self.local

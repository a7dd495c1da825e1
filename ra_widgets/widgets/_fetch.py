"""Fetch a picture from a web address, for a page that may be open to others.

The computer that runs the kernel does the fetching, so an address is a way into its own network: only http and https,
only public addresses (looked up once, and that very address is used), no cookies, few redirections, a limit of size and
time.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from urllib.parse import urljoin, urlsplit

from ra_widgets.errors import RAError

MOST_BYTES = 64 * 2**20
SECONDS = 20.0
REDIRECTIONS = 3


def _address(host: str, port: int, allow_private: bool) -> str:
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        raise RAError("studio.input.error.fetch", detail=host[:80]) from None
    for text in sorted(map(str, found)):
        if allow_private or ipaddress.ip_address(text.partition("%")[0]).is_global:
            return text
    raise RAError("studio.input.error.private")


def _connection(scheme: str, host: str, port: int, address: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    plain = socket.create_connection((address, port), timeout=SECONDS)
    if scheme == "https":
        try:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise
    else:
        connection.sock = plain
    return connection


def fetch_picture(url: str, *, allow_private: bool = False) -> bytes:
    """The bytes behind ``url``, at most :data:`MOST_BYTES`.

    Args:
        url: an ``http://`` or ``https://`` address. allow_private: addresses inside the own network too.

    Raises:
        RAError: no such address, not a public one, no answer in time, or too large.
    """
    end = time.monotonic() + SECONDS
    for _ in range(REDIRECTIONS + 1):
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RAError("studio.input.error.address")
        try:
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        except ValueError:
            raise RAError("studio.input.error.address") from None
        address = _address(parts.hostname, port, allow_private)
        try:
            connection = _connection(parts.scheme, parts.hostname, port, address)
            try:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", path, headers={"Accept": "image/*", "User-Agent": "ra-workbench"})
                answer = connection.getresponse()
                if answer.status in (301, 302, 303, 307, 308) and answer.getheader("Location"):
                    url = urljoin(url, str(answer.getheader("Location")))
                    continue
                if answer.status != 200:
                    raise RAError("studio.input.error.fetch", detail=f"HTTP {answer.status}")
                return _read(answer, end)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RAError("studio.input.error.fetch", detail=str(error)[:120] or type(error).__name__) from None
    raise RAError("studio.input.error.fetch", detail="redirections")


def _read(answer: http.client.HTTPResponse, end: float) -> bytes:
    data = bytearray()
    while block := answer.read(65536):
        data += block
        if len(data) > MOST_BYTES:
            raise RAError("studio.error.file_large", limit=MOST_BYTES // 2**20)
        if time.monotonic() > end:
            raise TimeoutError("timeout")
    return bytes(data)

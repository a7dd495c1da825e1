"""The page is open to nobody but the person at this machine: spoken to in plain HTTP, without a browser."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import websocket

PRIVATE = "canary-4f1c"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": "1 + 1"}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / "page.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    for name in ("voila.json", "secret.py", "photo.png", "data.sqlite", ".env"):
        (folder / name).write_text(PRIVATE, "utf-8")
    (folder / "public").mkdir()
    (folder / "public" / "logo.png").write_bytes(b"\x89PNG public")
    (folder / "public" / "notes.ipynb").write_text(PRIVATE, "utf-8")
    return path


@pytest.fixture(scope="module")
def server(notebook: Path, start_server: Callable[..., object]) -> Iterator[object]:
    running = start_server("studio", str(notebook), "--port", "0")
    yield running
    assert running.stop() == 0


def ask(server, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    skip = "Host" in headers
    connection.putrequest(method, path, skip_host=skip)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if method == "POST":
        connection.putheader("Content-Length", "0")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def test_without_the_secret_there_is_only_the_sign_in_page(server):
    status, headers, body = ask(server, "/")
    assert status == 302 and headers["Location"].startswith("/login")
    status, _, body = ask(server, "/login")
    page = body.decode("utf-8")
    assert status == 200 and "口令" in page and "https://" not in page
    assert server.kernels() == []


@pytest.mark.parametrize("token", ["", "wrong", "x" * 32])
def test_a_wrong_secret_does_not_open(server, token):
    status, headers, _ = ask(server, f"/?token={token}")
    assert status == 302 and headers["Location"].startswith("/login")
    assert server.kernels() == []


def test_the_secret_is_long_and_differs_each_time(server, start_server):
    assert len(server.token) >= 32
    other = start_server("studio", "--port", "0")
    try:
        assert other.token != server.token and len(other.token) >= 32
    finally:
        assert other.stop() == 0


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "evil@127.0.0.1", ""],
)
@pytest.mark.parametrize("path", ["/", "/voila/static/voila.js", "/login", "/voila/files/public/logo.png"])
def test_a_foreign_host_name_is_refused_even_with_the_secret(server, host, path):
    status, headers, body = ask(server, f"{path}?token={server.token}", Host=host)
    # a malformed header never reaches our rule: the HTTP parser answers 400 itself
    assert status in (400, 403)
    assert "Set-Cookie" not in headers
    assert len(body) < 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:1234"])
def test_own_names_are_answered(server, host):
    assert ask(server, "/voila/static/voila.js", Host=host)[0] == 200


def test_a_foreign_host_gets_no_web_socket(server):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(
            f"ws://127.0.0.1:{server.port}/api/kernels/00000000-0000-0000-0000-000000000000/channels?token={server.token}",
            host="evil.example",
            timeout=30,
        )
    assert refused.value.status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        "page.ipynb",
        "voila.json",
        "secret.py",
        "photo.png",
        "data.sqlite",
        ".env",
        "public/notes.ipynb",
        "public/../secret.py",
    ],
)
def test_files_beside_the_notebook_are_not_given_out(server, name):
    for path in (
        f"/voila/files/{name}",
        f"/voila/files/%2e/{name}",
        f"/voila/static/../files/{name}",
        f"/files/{name}",
    ):
        status, _, body = ask(server, f"{path}?token={server.token}")
        assert status in (302, 403, 404), path
        assert PRIVATE.encode() not in body and b"cells" not in body


def test_public_pictures_are(server):
    status, _, body = ask(server, f"/voila/files/public/logo.png?token={server.token}")
    assert (status, body) == (200, b"\x89PNG public")


@pytest.mark.parametrize(
    "path", ["/api/contents", "/api/kernels", "/api/sessions", "/api/terminals", "/voila/tree", "/tree"]
)
def test_jupyter_s_own_doors_are_shut(server, path):
    status, _, body = ask(server, f"{path}?token={server.token}")
    assert status in (302, 403, 404)
    assert b'"content"' not in body


def test_the_whole_disk_is_not_served(server):
    for path in (
        "/static//etc/passwd",
        "/voila/static//etc/passwd",
        "/voila/static/../../../../../../etc/passwd",
        "/voila/templates/ra/static/../../../../../../../../../etc/passwd",
        "/voila/files//etc/passwd",
        "/voila/labextensions/../../../../../../../etc/passwd",
    ):
        status, _, body = ask(server, f"{path}?token={server.token}")
        assert status in (302, 400, 403, 404, 500) and b"root:" not in body, path


def test_good_bye_from_a_foreign_page_is_refused(server):
    path = f"/voila/api/shutdown/00000000-0000-0000-0000-000000000000?token={server.token}"
    for origin in ("http://evil.example", "null", ""):
        headers = {"Origin": origin} if origin else {}
        assert ask(server, path, "POST", **headers)[0] in (403, 404)


def test_headers_that_keep_the_page_to_itself(server):
    _, headers, _ = ask(server, "/login")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self' data: blob:" in policy and "frame-ancestors 'self'" in policy
    assert "*" not in policy and "https:" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_secrets_stand_in_no_command_line_and_in_no_log(server):
    import psutil

    words = " ".join(psutil.Process(server.pid).cmdline())
    assert server.token not in words
    status, _, _ = ask(server, f"/no/such/page?token={server.token}")
    assert status in (302, 404)
    printed = [line for line in server.lines if server.token in line]
    assert len(printed) == 1, "only the address itself"

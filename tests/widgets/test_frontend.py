"""The browser half: its own tests, and that the committed bundles are those of the sources."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from ra_widgets.widgets import _base

FRONTEND = Path(__file__).parents[2] / "frontend"


def test_the_pure_parts():
    # the test set-up brings a node with Playwright, so that this needs no other install
    node = shutil.which("node") or str(compute_driver_executable()[0])
    files = sorted(str(file) for file in (FRONTEND / "tests").glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^. tests ([1-9]\d*)", done.stdout, re.M)


def test_the_bundles_belong_to_the_sources():
    source = FRONTEND / "src"
    names = sorted(file.relative_to(source).as_posix() for file in source.rglob("*.js"))
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode())
        digest.update((source / name).read_bytes().replace(b"\r\n", b"\n"))
    stamp = (_base.STATIC / "sources.sha256").read_text("ascii").strip()
    assert stamp == digest.hexdigest(), 'the bundles are older than the sources: "npm ci && npm run build" in frontend'
    bundles = {file.name for file in _base.STATIC.glob("*.js")}
    assert bundles == {name for name in names if "/" not in name}


def test_the_bundles_ask_nobody():
    for file in _base.STATIC.glob("*.js"):
        text = file.read_text("utf-8")
        addresses = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
        assert not addresses, (file.name, addresses)
        assert "innerHTML" not in re.sub(r"\.innerHTML=\"\"", "", text) or file.name == "prompt.js"

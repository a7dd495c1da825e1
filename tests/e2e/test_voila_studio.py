"""The studio as a page, as ``ra studio`` shows it: looks, words, and one picture."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]


def test_a_newcomer_makes_a_picture(ra_studio_server, chromium_page: Page, artifacts: Path):
    page = chromium_page
    page.goto(ra_studio_server.url, wait_until="commit")
    page.wait_for_selector("#loading h1")
    assert page.inner_text("#loading h1") == "RA 工作台"
    page.screenshot(path=artifacts / "voila-loading.png")
    page.wait_for_selector(".ra-studio")
    page.wait_for_selector("#loading", state="detached")
    assert page.title() == "RA 工作台"
    editor = page.locator(".ra-prompt [contenteditable=true], .ra-prompt textarea").first
    editor.click()
    page.keyboard.insert_text("草地上的一只小狗")
    page.locator(".ra-generate").first.click()
    picture = page.locator(".ra-result img").first
    picture.wait_for(timeout=120_000)
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 128
    page.screenshot(path=artifacts / "voila-studio.png")
    assert page.page_errors == []
    assert [line for line in page.console_errors if "Content Security Policy" in line] == []
    files = list((ra_studio_server.home / "gallery").rglob("*.png"))
    assert len(files) >= 1


def test_the_page_is_the_studio_from_edge_to_edge(ra_studio_server, new_page: Callable[..., Page]):
    for width in (1400, 640):
        page = new_page(width=width)
        page.goto(ra_studio_server.url)
        page.wait_for_selector(".ra-studio")
        box = page.locator(".ra-studio").first.bounding_box()
        assert box["x"] <= 1 and box["y"] <= 1 and box["width"] >= width - 20
        ground = page.evaluate("getComputedStyle(document.getElementById('rendered_cells')).backgroundColor")
        assert ground == page.evaluate("getComputedStyle(document.querySelector('.ra-studio')).backgroundColor")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(("lang", "skin", "word"), [("zh", "dark", "生成"), ("en", "light", "Generate")])
def test_language_and_skin_in_the_address(ra_studio_server, chromium_page: Page, artifacts: Path, lang, skin, word):
    chromium_page.goto(ra_studio_server.at("/", lang=lang, skin=skin))
    root = chromium_page.locator(".ra-studio").first
    expect(root).to_have_attribute("data-skin", skin)
    expect(root).to_have_attribute("data-lang", {"zh": "zh_CN", "en": "en"}[lang])
    expect(chromium_page.locator(".ra-generate").first).to_contain_text(word)
    dark = chromium_page.evaluate(
        "getComputedStyle(document.getElementById('rendered_cells')).backgroundColor.match(/\\d+/g).map(Number)[0] < 60"
    )
    assert dark is (skin == "dark")
    chromium_page.screenshot(path=artifacts / f"voila-{lang}-{skin}.png")


def test_the_command_s_own_choices_reach_the_page(start_server, chromium_page: Page, tmp_path: Path):
    """--skin, --gallery and --model, in a page of its own server."""
    gallery = tmp_path / "画廊"
    words = ("studio", "--port", "0", "--skin", "dark", "--gallery", str(gallery), "--model", "ra-mini", "--lang", "en")
    server = start_server(*words)
    try:
        chromium_page.goto(server.url)
        root = chromium_page.locator(".ra-studio").first
        expect(root).to_have_attribute("data-skin", "dark")
        expect(root).to_have_attribute("data-lang", "en")
        assert gallery.is_dir()
    finally:
        assert server.stop() == 0
    assert chromium_page.context.browser.is_connected()


def test_the_sign_in_page(ra_studio_server, chromium_page: Page, artifacts: Path):
    chromium_page.goto(ra_studio_server.base + "/?lang=zh")
    chromium_page.wait_for_selector("input[type=password]")
    chromium_page.screenshot(path=artifacts / "voila-login.png")
    chromium_page.fill("input[type=password]", "wrong")
    chromium_page.click("#login_submit")
    chromium_page.wait_for_selector(".ra-wrong")
    chromium_page.fill("input[type=password]", ra_studio_server.token)
    chromium_page.click("#login_submit")
    chromium_page.wait_for_selector(".ra-studio")


def test_plain_voila_uses_our_template_too(chromium_page: Page, server_home: Path):
    """``voila notebooks/studio.ipynb``, without our server: the installed template keeps the page on this machine."""
    command = [sys.executable, "-m", "voila", str(ROOT / "notebooks" / "studio.ipynb"), "--no-browser"]
    environment = {**os.environ, "RA_HOME": str(server_home / "plain"), "PYTHONUNBUFFERED": "1"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command.append(f"--port={port}")
    with subprocess.Popen(
        command, env=environment, cwd=ROOT / "notebooks", stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            address = next(found.group() for line in process.stderr if (found := re.search(r"http://\S+:\d+/", line)))
            drain = threading.Thread(target=process.stderr.read, daemon=True)
            drain.start()
            chromium_page.goto(address.replace("localhost", "127.0.0.1"))
            chromium_page.wait_for_selector(".ra-studio")
            assert chromium_page.title() == "RA 工作台"
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.terminate()
            process.wait(30)
            drain.join(30)

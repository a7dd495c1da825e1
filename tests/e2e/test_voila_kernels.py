"""A page's kernel: what it is told, and that it ends when its page is gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page

SOURCE = """
import json, os
import ipywidgets
names = ("RA_LANG", "RA_SKIN", "QUERY_STRING", "VOILA_REQUEST_URL", "RA_TOKEN", "RA_MODEL", "RA_GALLERY")
facts = json.dumps({name: os.environ.get(name, "") for name in names})
button = ipywidgets.Button(description="按我", icon="check")
label = ipywidgets.Label(facts)
label.add_class("facts")
button.on_click(lambda _: setattr(button, "description", "收到"))
ipywidgets.VBox([button, label])
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kernels") / "page.ipynb"
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": SOURCE.strip(),
    }
    meta = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}, "title": "看板"}
    path.write_text(json.dumps({"cells": [cell], "metadata": meta, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    return path


@pytest.fixture(scope="module")
def server(notebook: Path, start_server: Callable[..., object]) -> Iterator[object]:
    running = start_server("studio", str(notebook), "--port", "0", "--cull", "3", "--lang", "en")
    yield running
    running.stop()


def open_page(page: Page, url: str) -> dict[str, str]:
    page.goto(url)
    page.wait_for_selector(".facts")
    return json.loads(page.inner_text(".facts"))


def test_the_address_chooses_language_and_skin(server, chromium_page):
    facts = open_page(chromium_page, server.at("/", lang="zh", skin="dark", more="1"))
    assert (facts["RA_LANG"], facts["RA_SKIN"]) == ("zh_CN", "dark")
    assert facts["QUERY_STRING"] == "lang=zh&skin=dark&more=1"
    assert chromium_page.evaluate("document.documentElement.lang") == "zh-CN"
    assert chromium_page.evaluate("document.documentElement.dataset.raSkin") == "dark"
    assert chromium_page.title() == "看板"


def test_the_command_line_chooses_what_the_address_leaves_open(server, chromium_page):
    facts = open_page(chromium_page, server.url)
    assert facts["RA_LANG"] == "en" and facts["RA_SKIN"] == ""
    assert chromium_page.evaluate("document.documentElement.lang") == "en"


def test_nonsense_in_the_address_changes_nothing(server, chromium_page):
    facts = open_page(chromium_page, server.at("/", skin="<script>alert(1)</script>", template="lab", theme="../../x"))
    assert facts["RA_SKIN"] == ""
    assert chromium_page.evaluate("document.documentElement.dataset.raSkin") == "light"


def test_the_kernel_and_the_address_bar_do_not_keep_the_secret(server, chromium_page):
    facts = open_page(chromium_page, server.url)
    assert server.token not in json.dumps(facts)
    assert "token" not in chromium_page.url
    chromium_page.reload()
    chromium_page.wait_for_selector(".facts")


def test_widgets_work_and_their_icons_come_from_here(server, chromium_page):
    open_page(chromium_page, server.url)
    chromium_page.click("button.jupyter-button")
    chromium_page.wait_for_selector("button:has-text('收到')")
    loaded = chromium_page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)")
    assert any("Font Awesome" in family for family in loaded)
    assert chromium_page.page_errors == []
    refused = [line for line in chromium_page.console_errors if "Content Security Policy" in line]
    assert refused == []


def test_the_kernel_ends_when_the_tab_is_closed(server, chromium_page):
    open_page(chromium_page, server.url)
    before = server.kernels()
    assert len(before) >= 1
    chromium_page.close(run_before_unload=True)
    _, alive = psutil.wait_procs(before, timeout=30)
    assert alive == []


def test_a_reload_leaves_no_kernel_behind(server, chromium_page):
    open_page(chromium_page, server.url)
    first = server.kernels()
    chromium_page.reload()
    chromium_page.wait_for_selector(".facts")
    _, alive = psutil.wait_procs(first, timeout=30)
    assert alive == [] and len(server.kernels()) == 1


def test_the_kernel_of_a_tab_that_vanishes_is_culled(server, new_page):
    page = new_page()
    open_page(page, server.url)
    kernels = server.kernels()
    assert kernels
    # the page goes without its good-bye, as when a laptop is shut
    page.context.set_offline(True)
    page.close(run_before_unload=False)
    _, alive = psutil.wait_procs(kernels, timeout=40)
    assert alive == []


def test_a_page_that_stays_open_keeps_its_kernel(server, chromium_page):
    """Idle for longer than the culling time, but looked at."""
    open_page(chromium_page, server.url)
    kernels = server.kernels()
    gone, alive = psutil.wait_procs(kernels, timeout=8)
    assert gone == [] and alive == kernels
    chromium_page.click("button.jupyter-button")
    chromium_page.wait_for_selector("button:has-text('收到')")

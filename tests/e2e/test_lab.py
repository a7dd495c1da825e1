"""One pass through JupyterLab, as ``ra lab`` opens it: Chinese, quiet, and the studio works in a cell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from easel import Easel, assert_stroke, notebook
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout


@pytest.fixture(scope="module")
def lab(start_server: Callable[..., object]) -> Iterator[object]:
    server = start_server("lab", "--port", "0")
    yield server
    server.stop()


def test_it_opens_the_first_lesson_in_chinese(lab, chromium_page: Page, artifacts: Path):
    page = chromium_page
    page.goto(lab.url)
    page.wait_for_selector(".jp-Notebook .jp-MarkdownOutput h1")
    expect(page.locator(".jp-NotebookPanel .jp-Notebook").first).to_contain_text(re.compile("[一-鿿]"))
    expect(page.locator("#jp-MainMenu")).to_contain_text("文件")
    expect(page.locator("#jp-MainMenu")).to_contain_text("运行")
    page.screenshot(path=artifacts / "lab-course.png")
    assert page.locator(".Toastify__toast").count() == 0, "no pop-up about news"
    assert lab.token and lab.token not in page.title()


def run_first_cell(page: Page) -> None:
    """Shift+Enter until the cell runs: Lab drops the key while it is still moving the focus of a page that opens."""
    started = "() => !/^\\[\\s*\\]/.test(document.querySelector('.jp-Notebook .jp-InputPrompt').textContent.trim())"
    for _ in range(10):
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        try:
            page.wait_for_function(started, timeout=6_000)
            return
        except PlaywrightTimeout:
            continue
    raise AssertionError("the cell did not start")


def test_the_studio_in_a_notebook_makes_a_picture(lab, chromium_page: Page, artifacts: Path):
    page = chromium_page
    page.goto(lab.at("/lab/tree/notebooks/studio.ipynb", reset=""))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")
    run_first_cell(page)
    page.wait_for_selector(".ra-studio", timeout=120_000)
    page.locator(".ra-prompt [contenteditable=true], .ra-prompt textarea").first.click()
    page.keyboard.insert_text("一个红苹果")
    page.locator(".ra-generate").first.click()
    picture = page.locator(".ra-result img").first
    picture.wait_for(timeout=120_000)
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") == 128
    page.screenshot(path=artifacts / "lab-studio.png")
    assert page.page_errors == []
    assert list((lab.home / "gallery").rglob("*.png"))


def test_a_mask_survives_a_reload_and_two_pages_stay_in_step(lab, new_page: Callable[..., Page], artifacts: Path):
    folder = lab.home / "course" / "notebooks"
    notebook(folder / "painter.ipynb", {"mask": ("ra.MaskPainter(picture(), brush=20)", "widget.mask")})
    here = lab.at("/lab/tree/notebooks/painter.ipynb", reset="")

    def opened(page: Page) -> Easel:
        page.wait_for_selector(".jp-Notebook .ra-mask canvas", timeout=120_000)
        page.locator(".jp-Notebook .ra-mask").scroll_into_view_if_needed()
        easel = Easel(page, folder, "mask")
        easel.ready()
        return easel

    def painted(easel: Easel) -> str | None:
        return easel.page.locator(".ra-mask").get_attribute("data-painted")

    page = new_page()
    page.goto(here)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")
    run_first_cell(page)
    first = opened(page)
    # keys of the painter, on its canvas and on its buttons, are not Lab's: "b" would add a cell, "d d" delete one
    cells = page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    for place in (first.canvas, page.locator(".ra-mask .ra-invert")):
        place.focus()
        for key in ("b", "d", "d", "Delete", "b"):
            place.press(key)
    assert cells.count() == before and page.locator(".ra-mask canvas").count() == 1
    mask = first.after(lambda: first.drag((60, 60), (200, 130)))
    assert_stroke(mask, (60, 60), (200, 130), 10)
    page.screenshot(path=artifacts / "lab-mask.png")

    page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    seen = painted(first)
    page.reload()
    first = opened(page)
    expect(page.locator(".ra-mask")).to_have_attribute("data-painted", seen)

    other = new_page()
    other.goto(here)
    second = opened(other)
    expect(other.locator(".ra-mask")).to_have_attribute("data-painted", seen)
    first.after(lambda: first.drag((60, 200), (300, 200)))
    expect(other.locator(".ra-mask")).to_have_attribute("data-painted", painted(first))
    mask = second.after(lambda: second.drag((350, 50), (350, 250)))
    assert mask[200, 180] == mask[95, 130] == mask[150, 350] == 255, "nobody's stroke is lost"
    expect(page.locator(".ra-mask")).to_have_attribute("data-painted", painted(second))
    # what the other page painted can be undone here
    second.canvas.focus()
    for _ in range(2):
        mask = second.after(lambda: other.keyboard.press("Control+z"))
    assert mask[200, 180] == 0 and mask[95, 130] == 255
    expect(page.locator(".ra-mask")).to_have_attribute("data-painted", painted(second))
    assert page.page_errors == other.page_errors == []


def test_the_user_s_jupyter_is_left_alone(lab):
    """All that Lab wrote lies in the workbench's own home, and the secret is nobody else's to read."""
    config = lab.home / "jupyter" / "config" / "jupyter_server_config.json"
    assert json.loads(config.read_text("utf-8"))["IdentityProvider"]["token"] == lab.token
    assert (lab.home / "course" / "zh").is_dir() and (lab.home / "course" / "notebooks" / "studio.ipynb").is_file()


def test_without_the_secret_lab_stays_shut(lab):
    import http.client

    for path, headers in (("/api/contents", {}), ("/lab", {}), ("/api/contents", {"Host": "evil.example"})):
        connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=30)
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status in (302, 403)
        connection.close()

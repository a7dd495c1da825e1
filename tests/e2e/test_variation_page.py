"""The variation grid of its own, in a notebook of three lines: it paints, one is chosen, it goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from ra_widgets.gallery import carriers

LINES = """import ra_widgets as ra
kernel = ra.PipelineKernel(previews=False)
grid = ra.VariationGrid(kernel, ra.TextToImage(prompt="草地上的一只猫", seed=4, steps=3), strength=0.5, count=3)
grid"""


def test_choose_and_go_on(browser: Browser, start_server: Callable, tmp_path: Path, artifacts: Path):
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": LINES}
    book = {"cells": [cell], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "grid.ipynb"
    path.write_text(json.dumps(book), "utf-8")
    server = start_server("studio", str(path), "--port", "0")
    page = browser.new_page(viewport={"width": 900, "height": 900}, locale="zh-CN")
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    cells = page.locator(".ra-result .ra-cell")
    expect(cells).to_have_count(4, timeout=90_000)
    go_on, again, stop = (page.locator(f".ra-variations-bar .{name}") for name in ("ra-go-on", "ra-again", "ra-stop"))
    expect(go_on).to_be_enabled()
    expect(stop).to_be_hidden()
    cells.nth(3).click()
    expect(cells.nth(3)).to_have_attribute("aria-pressed", "true")
    page.screenshot(path=artifacts / "variation-grid.png")
    strength = page.locator(".ra-strength input.ra-number")
    strength.fill("0.3")
    strength.press("Tab")
    old = page.locator(".ra-result img").first.get_attribute("data-id")
    go_on.click()
    page.wait_for_function(
        "old => { const all = [...document.querySelectorAll('.ra-result img')];"
        " return all.length === 4 && !all.some(image => image.dataset.id === old); }",
        arg=old,
    )
    expect(again).to_be_enabled(timeout=60_000)
    texts = [carriers.read(file)["parameters"] for file in (server.home / "gallery" / "images").rglob("*.png")]
    assert len(texts) == 8 and sum("Further variations" in text and "@0.3" in text for text in texts) == 3
    page.set_viewport_size({"width": 420, "height": 900})
    inside = "() => [...document.querySelectorAll('.ra-variations-bar *')].every(n => n.getBoundingClientRect().right <= 421)"
    page.wait_for_function(inside)  # the page folds when its observer has seen the new width
    page.screenshot(path=artifacts / "variation-grid-narrow.png")
    assert errors == []
    page.close()
    server.stop()

"""The tab 控制 in a real page: what it says without a model, what its numbers are called, a picture steered by a tiny ControlNet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from ra_widgets.diffusion import pipeline
from ra_widgets.gallery import carriers
from ra_widgets.library.identify import resolve
from tests.diffusion.control_files import controlnet

NAME = "tiny-random-edges"


@pytest.fixture(scope="module")
def net() -> Any:
    """A ControlNet with random weights in the shape of the embedded model."""
    return controlnet(pipeline.load(resolve(None), torch.device("cpu"), "fp32").unet)


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    server = start_server("studio", "--port", "0")
    yield server
    server.stop()


@pytest.fixture
def studio(browser: Browser, server: Any) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 620}, locale="zh-CN")
    page.set_default_timeout(60_000)
    page.page_errors = []
    page.on("pageerror", lambda error: page.page_errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector(".ra-studio[data-ready]")
    yield page
    page.close()


def go(page: Page, tab: str) -> None:
    page.locator(f'.ra-tab[data-tab="{tab}"]').click()
    expect(page.locator(".ra-studio").first).to_have_attribute("data-tab", tab)


def test_from_no_model_to_a_steered_picture(studio: Page, server: Any, net: Any, tmp_path: Path, artifacts: Path):
    panels = studio.locator(".ra-slot-panels")
    go(studio, "control")
    models = panels.locator(".ra-model select")
    expect(models).to_be_visible()
    note = panels.locator(".ra-note:visible")
    if models.locator("option").count() == 0:  # the project may bring control models of its own
        expect(note).to_contain_text(str(server.home / "models" / "ControlNet"))
        expect(note).to_contain_text("canny")
        expect(note).to_contain_text("depth")
        studio.screenshot(path=artifacts / "control-none.png")
    folder = server.home / "models" / "ControlNet" / NAME
    net.save_pretrained(folder)
    go(studio, "txt2img")
    go(studio, "control")
    expect(models.locator("option", has_text=NAME)).to_have_count(1)
    expect(note).to_have_count(0)
    models.select_option(NAME)

    modules = panels.locator(".ra-module select")
    modules.select_option("canny")
    panels.locator(".ra-fields-more:visible summary").click()
    words = panels.locator(".ra-threshold-a, .ra-threshold-b")
    expect(words.nth(0)).to_contain_text("低阈值（默认 100）")
    expect(words.nth(1)).to_contain_text("高阈值（默认 200）")
    modules.select_option("softedge")
    expect(words.nth(0)).to_contain_text("模糊半径（默认 1.5）")
    expect(words.nth(1)).to_be_hidden()
    modules.select_option("canny")

    image = Image.new("RGB", (128, 128), (140, 190, 240))
    ImageDraw.Draw(image).rectangle((30, 40, 90, 110), fill=(200, 90, 60))
    image.save(tmp_path / "house.png")
    studio.locator(".ra-slot-canvas .ra-tab-canvas:visible .ra-file").set_input_files(tmp_path / "house.png")
    expect(studio.locator(".ra-control-map:visible")).to_be_visible()
    studio.locator(".ra-prompt [contenteditable=true], .ra-prompt textarea").first.click()
    studio.keyboard.insert_text("草地上的一座房子")
    steps = studio.locator(".ra-steps input.ra-number")
    steps.fill("3")
    steps.press("Tab")
    studio.locator(".ra-generate").first.click()
    expect(studio.locator(".ra-gallery img")).to_have_count(1, timeout=60_000)
    (made,) = (server.home / "gallery" / "images").rglob("*.png")
    text = carriers.read(made)["parameters"]
    assert f"Model: {NAME}" in text and "Module: canny" in text
    expect(studio.locator(".ra-result img:visible")).to_have_count(1)
    studio.screenshot(path=artifacts / "control-made.png")
    assert studio.page_errors == []


def test_what_was_sent_can_be_taken_back_wherever_one_looks(studio: Page, artifacts: Path):
    """On a tab taller than the window the notice stands at the foot of the window, not of the tab."""
    studio.locator(".ra-gallery img").first.click()
    studio.locator(".ra-send:visible").click()
    studio.locator(".ra-popup:visible button", has_text="局部重绘").click()
    expect(studio.locator(".ra-studio").first).to_have_attribute("data-tab", "inpaint")
    notice = studio.locator(".ra-notice")
    expect(notice).to_be_visible()
    height = studio.evaluate("document.querySelector('.ra-studio').scrollHeight")
    assert height > 620, "the tab is taller than the window"

    def inside() -> bool:
        box = notice.bounding_box()
        return box["y"] >= 0 and box["y"] + box["height"] <= 620 and box["x"] >= 0 and box["x"] + box["width"] <= 1280

    assert inside()
    studio.mouse.move(640, 300)
    studio.evaluate("window.scrollTo(0, 1e6)")
    assert inside()
    studio.screenshot(path=artifacts / "notice.png")
    notice.locator(".ra-notice-undo").click()
    expect(studio.locator(".ra-studio").first).to_have_attribute("data-tab", "txt2img")
    expect(notice).to_contain_text("撤销")
    notice.locator(".ra-notice-close").click()
    expect(notice).to_be_hidden()
    assert studio.page_errors == []


def test_variations_of_what_is_shown_and_of_the_one_that_is_chosen(studio: Page, server: Any, artifacts: Path):
    studio.locator(".ra-gallery img").first.click()
    studio.locator(".ra-vary:visible").click()
    cells = studio.locator(".ra-result .ra-cell")
    expect(cells).to_have_count(9, timeout=60_000)
    expect(studio.locator(".ra-stage-widget")).to_have_attribute("data-state", "idle", timeout=60_000)
    assert "Variation seed" in cells_text(server)
    cells.nth(1).click()
    expect(cells.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(studio.locator(".ra-meta")).to_contain_text("0.2")
    studio.screenshot(path=artifacts / "variations.png")
    first = studio.locator(".ra-result img").first.get_attribute("data-id")
    studio.locator(".ra-vary:visible").click()
    studio.wait_for_function(
        "first => { const all = [...document.querySelectorAll('.ra-result img')];"
        " return all.length === 9 && !all.some(image => image.dataset.id === first); }",
        arg=first,
    )
    expect(studio.locator(".ra-stage-widget")).to_have_attribute("data-state", "idle", timeout=60_000)
    assert "Further variations" in cells_text(server)
    assert studio.page_errors == []


def cells_text(server: Any) -> str:
    """The parameters of all pictures of the gallery."""
    files = (server.home / "gallery" / "images").rglob("*.png")
    return "\n".join(carriers.read(path)["parameters"] for path in files)

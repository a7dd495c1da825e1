"""The studio's tabs that start from a picture, in a real page: give a picture, say what to do, press 生成."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn house, 128 x 128."""
    image = Image.new("RGB", (128, 128), (140, 190, 240))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 90, 128, 128), fill=(90, 160, 70))
    draw.rectangle((20, 50, 60, 100), fill=(200, 120, 80))
    path = tmp_path_factory.mktemp("source") / "house.png"
    image.save(path)
    return path


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any]) -> Iterator[Any]:
    """A studio of its own: the other tests count the pictures of the shared gallery."""
    server = start_server("studio", "--port", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def studio(browser: Browser, server: Any) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, locale="zh-CN")
    page.set_default_timeout(60_000)
    page.page_errors = []
    page.on("pageerror", lambda error: page.page_errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector(".ra-studio")
    page.locator(".ra-prompt [contenteditable=true], .ra-prompt textarea").first.click()
    page.keyboard.insert_text("草地上的一座房子")
    yield page
    page.close()


def opened(page: Page, tab: str, source: Path) -> None:
    """Open a tab and give it the picture."""
    page.locator(f'.ra-tab[data-tab="{tab}"]').click()
    expect(page.locator(".ra-studio").first).to_have_attribute("data-tab", tab)
    # each tab has a chooser of its own; those of the other tabs are in the page too, hidden
    shown = "nodes => nodes.some(node => node.parentElement.offsetParent !== null)"
    page.wait_for_function(f"() => ({shown})([...document.querySelectorAll('.ra-slot-canvas .ra-file')])")
    for chooser in page.locator(".ra-slot-canvas .ra-file").all():
        if chooser.evaluate("node => node.parentElement.offsetParent !== null"):
            chooser.set_input_files(source)
            return
    raise AssertionError(f"nothing to give the tab {tab} a picture")


def made(page: Page, home: Path) -> np.ndarray:
    """Press 生成; the pixels of the one picture that the gallery gets."""
    folder = home / "gallery" / "images"
    before = set(folder.rglob("*.png"))
    count = page.locator(".ra-gallery img").count()
    page.locator(".ra-generate").first.click()
    expect(page.locator(".ra-gallery img")).to_have_count(count + 1, timeout=60_000)
    (new,) = set(folder.rglob("*.png")) - before
    with Image.open(new) as image:
        return np.asarray(image.convert("RGB"))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_image_to_image(studio: Page, server, source: Path, artifacts: Path):
    opened(studio, "img2img", source)
    expect(studio.locator(".ra-input-facts:visible")).to_contain_text("128")
    picture = made(studio, server.home)
    assert picture.shape == (128, 128, 3) and (picture != pixels(source)).any()
    studio.screenshot(path=artifacts / "tab-img2img.png")


def test_inpaint_changes_what_was_painted_over_and_nothing_else(studio: Page, server, source: Path, artifacts: Path):
    opened(studio, "inpaint", source)
    canvas = studio.locator(".ra-mask canvas:visible").first
    canvas.wait_for()
    expect(studio.locator(".ra-facts:visible")).to_contain_text("128×128")
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    studio.mouse.move(x, y - 40)
    studio.mouse.down()
    studio.mouse.move(x, y + 40, steps=6)
    studio.mouse.up()
    expect(studio.locator(".ra-facts:visible")).not_to_contain_text(" 0.0%")
    picture, old = made(studio, server.home), pixels(source)
    changed = (picture != old).any(-1)
    assert changed[50:78, 62:66].any(), "the middle was painted over"
    assert (
        not changed[:, :40].any() and not changed[:, 88:].any() and not changed[:16].any() and not changed[-16:].any()
    )
    studio.screenshot(path=artifacts / "tab-inpaint.png")


def test_outpaint_keeps_the_old_picture_to_the_bit(studio: Page, server, source: Path, artifacts: Path):
    opened(studio, "outpaint", source)
    right = studio.locator(".ra-sides input:visible").nth(1)
    right.fill("64")
    right.press("Tab")
    expect(studio.locator(".ra-facts:visible")).to_contain_text("192")
    picture = made(studio, server.home)
    assert picture.shape == (128, 192, 3) and (picture[:, :128] == pixels(source)).all()
    studio.screenshot(path=artifacts / "tab-outpaint.png")


def test_upscale_uses_the_project_s_own_network(studio: Page, server, source: Path, artifacts: Path):
    opened(studio, "upscale", source)
    picture = made(studio, server.home)
    assert picture.shape == (256, 256, 3)
    expect(studio.locator(".ra-slot-panels select:visible").first).to_have_value("RA x2")
    expect(studio.locator(".ra-info-facts")).not_to_contain_text("模型")
    studio.screenshot(path=artifacts / "tab-upscale.png")
    # and with the model: the prompt appears
    prompt = studio.locator(".ra-prompt:visible")
    expect(prompt).to_have_count(0)
    studio.locator(".ra-sd-upscale input:visible").check()
    expect(prompt.first).to_be_visible()
    expect(studio.locator(".ra-denoising-strength:visible")).to_have_count(1)
    picture = made(studio, server.home)
    assert picture.shape == (256, 256, 3)
    assert np.abs(picture.astype(int) - pixels(source).repeat(2, 0).repeat(2, 1)).mean() > 1
    studio.screenshot(path=artifacts / "tab-sd-upscale.png")
    studio.locator(".ra-sd-upscale input:visible").uncheck()
    expect(prompt).to_have_count(0)
    assert studio.page_errors == []


@pytest.mark.parametrize("tab", ["inpaint", "upscale"])
def test_on_a_narrow_page_panels_and_buttons_are_one_sheet(studio: Page, tab: str) -> None:
    """What stands above each other in the left column of a wide page stays without a gap when the columns fold to one."""
    studio.locator(f'.ra-tab[data-tab="{tab}"]').click()
    expect(studio.locator(".ra-studio").first).to_have_attribute("data-tab", tab)
    gaps = """() => {
      const shown = (name) => [...document.querySelectorAll(name)].filter((node) => node.offsetParent !== null);
      const sheet = [".ra-block-prompt", ".ra-slot-panels", ".ra-block-actions"].flatMap(shown);
      const boxes = sheet.map((node) => node.getBoundingClientRect());
      return boxes.slice(1).map((box, i) => Math.round(box.top - boxes[i].bottom));
    }"""
    try:
        studio.set_viewport_size({"width": 640, "height": 1000})
        studio.wait_for_function(f"() => (found => found.length > 0 && found.every(gap => gap === 0))(({gaps})())")
    finally:
        studio.set_viewport_size({"width": 1400, "height": 1000})

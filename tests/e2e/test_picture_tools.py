"""Sketch, outpaint frame, crop and resize in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from easel import Easel, capsule, notebook
from playwright.sync_api import Browser, Page, expect

WAIT = 30_000
WIDGETS = {
    "sketch": ("ra.Sketch(picture(), brush=20)", "widget.result"),
    "outpaint": ("ra.OutpaintFrame(picture(512, 512))", "None"),
    "crop": ("ra.CropResize(picture())", "widget.result"),
}


@pytest.fixture(scope="module")
def page(browser: Browser, start_server: Callable, tmp_path_factory) -> Iterator[Page]:
    """One page for this module, with the three widgets."""
    folder = tmp_path_factory.mktemp("tools")
    path = notebook(folder / "tools.ipynb", WIDGETS)
    server = start_server("studio", str(path), "--port", "0")
    context = browser.new_context(viewport={"width": 1000, "height": 1000}, locale="zh-CN", reduced_motion="reduce")
    page = context.new_page()
    page.page_errors, page.folder = [], folder
    page.on("pageerror", lambda error: page.page_errors.append(str(error)))
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    page.goto(server.url)
    for name in WIDGETS:
        Easel(page, folder, name).ready()
    yield page
    assert page.page_errors == []
    context.close()
    server.stop()


def bring(page: Page, name: str) -> Easel:
    """The widget of that name, in sight and as it was at the start."""
    easel = Easel(page, page.folder, name)
    page.set_viewport_size({"width": 1000, "height": 1000})
    easel.python(
        f"{name}.lang = 'zh'; {name}.skin = 'light'; {name}.image = picture({'512, 512' if name == 'outpaint' else ''})"
    )
    page.locator(easel.root).scroll_into_view_if_needed()
    page.click(f"{easel.root} .ra-zoom-fit")
    easel.ready()
    return easel


# ------------------------------------------------------------------------------------------------------------- sketch
@pytest.fixture
def sketch(page: Page) -> Easel:
    easel = bring(page, "sketch")
    easel.after(
        lambda: easel.python("sketch.tool = 'brush'; sketch.color = '#c2402d'; sketch.opacity = 100; sketch.clear()")
    )
    easel.canvas.focus()
    return easel


def source() -> np.ndarray:
    """The picture that the notebook makes."""
    y, x = np.mgrid[0:300, 0:400]
    return np.stack([x * 255 // 400, y * 255 // 300, 90 + 0 * x], -1)


def test_paint_of_a_colour_on_the_picture(sketch: Easel, artifacts: Path):
    result = sketch.after(lambda: sketch.drag((60, 60), (300, 60))).astype(int)
    distance = capsule(result.shape[:2], (60, 60), (300, 60))
    assert (result[distance < 9] == (194, 64, 45)).all()
    assert (
        result[(distance > 11) & (np.mgrid[0:300, 0:400][0] < 80)]
        == source()[(distance > 11) & (np.mgrid[0:300, 0:400][0] < 80)]
    ).all()
    sketch.page.click('.ra-swatch[data-color="#2f6fb0"]')
    sketch.python("sketch.opacity = 50")
    sketch.kernel_has("color=#2f6fb0", "opacity=50")
    # back and forth over itself: still half
    result = sketch.after(lambda: sketch.drag((200, 30), (200, 100), (200, 30), (200, 100))).astype(int)
    assert np.abs(result[60, 200] - (np.array((194, 64, 45)) + np.array((47, 111, 176))) / 2).max() <= 2
    sketch.page.screenshot(path=artifacts / "sketch.png")
    again = sketch.after(lambda: sketch.page.keyboard.press("Control+z")).astype(int)
    assert (again[60, 200] == (194, 64, 45)).all()


def test_shapes_fill_and_the_pipette(sketch: Easel):
    page = sketch.page
    page.keyboard.press("r")
    result = sketch.after(lambda: sketch.drag((20, 20), (120, 80)))
    assert (result[20:80, 20:120] == (194, 64, 45)).all() and (result[90, 60] == source()[90, 60]).all()
    page.keyboard.press("i")
    sketch.click(200, 150)
    sketch.kernel_has("color=#e6c83c")
    page.keyboard.press("x")
    sketch.kernel_has("color=#c2402d")
    sketch.python("sketch.color = '#ffffff'")
    page.click(".ra-sketch .ra-tool-fill")
    result = sketch.after(lambda: sketch.click(200, 150))
    assert (result[150, 130:270] == 255).all() and not (result[40, 60] == 255).all()
    page.keyboard.press("e")
    result = sketch.after(lambda: sketch.drag((150, 150), (250, 150)))
    assert (result[150, 160:240] == (230, 200, 60)).all()


def test_a_soft_pale_stroke_comes_back_from_the_kernel_as_it_was(sketch: Easel):
    """A page that is opened again shows the kernel's layer: the same as what was painted."""
    sketch.python("sketch.softness = 80; sketch.opacity = 30")
    sketch.kernel_has("softness=80", "opacity=30")
    before = sketch.after(lambda: sketch.drag((60, 200), (340, 220)))
    pixel = "() => { const c = document.querySelector('.ra-sketch canvas'); const g = c.getContext('2d'); return [...g.getImageData(c.width / 2, c.height * 0.7, 1, 1).data]; }"
    shown = sketch.page.evaluate(pixel)
    sketch.after(lambda: sketch.python("sketch.image = picture()"))
    assert np.abs(np.array(sketch.page.evaluate(pixel)) - shown).max() <= 1
    after = sketch.after(lambda: sketch.drag((20, 20), (30, 20))).astype(int)
    assert (after[100:] == before[100:]).all()
    sketch.python("sketch.softness = 0")


# ----------------------------------------------------------------------------------------------------------- outpaint
@pytest.fixture
def outpaint(page: Page) -> Easel:
    easel = bring(page, "outpaint")
    easel.python("outpaint.snap = 8; outpaint.fill(left=0, right=0, top=0, bottom=0)")
    expect(page.locator('.ra-outpaint[data-final="512x512"]')).to_be_visible()
    return easel


def pull(easel: Easel, handle: str, dx: float, dy: float) -> None:
    """Drag a handle of the frame, by pixels of the picture."""
    easel.canvas.scroll_into_view_if_needed()
    box = easel.page.locator(f'{easel.root} .ra-handle[data-handle="{handle}"]').bounding_box()
    scale = easel.view()[0]
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = easel.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + dx * scale, y + dy * scale, steps=6)
    mouse.up()


def test_the_border_is_dragged_outwards(outpaint: Easel, artifacts: Path):
    page = outpaint.page
    pull(outpaint, "e", 90, 0)
    outpaint.kernel_has("right=88", "left=0", "top=0", "bottom=0")
    expect(page.locator(".ra-outpaint .ra-facts")).to_have_text("512×512 → 600×512")
    page.select_option(".ra-outpaint select >> nth=0", "64")
    outpaint.kernel_has("right=64", "snap=64")
    pull(outpaint, "nw", -70, -100)
    outpaint.kernel_has("left=64", "top=128", "right=64")
    pull(outpaint, "s", 0, -400)
    outpaint.kernel_has("bottom=0")
    expect(page.locator(".ra-outpaint .ra-memory")).to_contain_text("GB")
    expect(page.locator(".ra-outpaint .ra-facts")).to_have_text("512×512 → 640×640")
    page.locator(".ra-outpaint").screenshot(path=artifacts / "outpaint.png")
    # the whole frame is in view again after each pull
    for handle in page.locator(".ra-outpaint .ra-handle").all():
        box, easel = handle.bounding_box(), page.locator(".ra-outpaint .ra-easel").bounding_box()
        assert easel["x"] + 20 < box["x"] < easel["x"] + easel["width"] - 20


def test_the_border_by_keys_numbers_and_ratios(outpaint: Easel):
    page = outpaint.page
    page.locator('.ra-outpaint .ra-handle[data-handle="w"]').focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    outpaint.kernel_has("left=16")
    page.keyboard.press("ArrowRight")
    outpaint.kernel_has("left=8")
    page.fill(".ra-outpaint .ra-line-top input", "32")
    outpaint.kernel_has("top=32")
    page.click(".ra-all-sides")
    outpaint.kernel_has("left=72", "right=64", "top=96", "bottom=64")
    page.click(".ra-outpaint .ra-none")
    outpaint.kernel_has("left=0", "right=0", "top=0", "bottom=0")
    page.select_option(".ra-outpaint select >> nth=1", "16:9")
    outpaint.kernel_has("left=192", "right=208", "top=0")
    page.fill(".ra-outpaint .ra-line-top input", "9999")
    expect(page.locator(".ra-outpaint .ra-error")).to_contain_text("9999")
    page.click(".ra-outpaint .ra-error-close")
    outpaint.kernel_has("top=0")


# --------------------------------------------------------------------------------------------------------------- crop
@pytest.fixture
def crop(page: Page) -> Easel:
    easel = bring(page, "crop")
    easel.python("crop.ratio = 'free'; crop.width = crop.height = None; crop.box = (0, 0, 400, 300)")
    expect(page.locator('.ra-crop[data-box="0,0,400,300"]')).to_be_visible()
    return easel


def test_a_part_is_cut_out(crop: Easel, artifacts: Path):
    page = crop.page
    crop.drag((100, 50), (301, 201))
    crop.kernel_has("_box=[100, 50, 301, 201]")
    pull(crop, "se", -51, -31)
    crop.kernel_has("_box=[100, 50, 250, 170]")
    crop.drag((150, 100), (180, 90))  # inside: the frame moves
    crop.kernel_has("_box=[130, 40, 280, 160]")
    page.fill(".ra-crop .ra-pair input >> nth=0", "300")
    crop.kernel_has("width=300")
    expect(page.locator(".ra-crop .ra-facts")).to_contain_text("300×240")
    page.locator(".ra-crop").screenshot(path=artifacts / "crop.png")
    result = crop.kept(crop.changes())
    assert result.shape == (240, 300, 3)
    assert np.abs(result[20, 20].astype(int) - source()[50, 140]).max() <= 3


def test_a_shape_is_kept_and_keys_move_the_frame(crop: Easel):
    page = crop.page
    page.select_option(".ra-crop select", "1:1")
    crop.kernel_has("_box=[50, 0, 350, 300]", "ratio=1:1")
    pull(crop, "e", -100, 0)
    crop.kernel_has("_box=[50, 50, 250, 250]")
    crop.canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    crop.kernel_has("_box=[58, 51, 258, 251]")
    page.fill(".ra-crop .ra-pair input >> nth=0", "320")
    page.fill(".ra-crop .ra-pair input >> nth=1", "160")
    page.keyboard.press("Tab")
    crop.kernel_has("_box=[58, 101, 258, 201]")
    page.click(".ra-crop .ra-all")
    crop.kernel_has("_box=[0, 50, 400, 250]")


# -------------------------------------------------------------------------------------------------------------- looks
@pytest.mark.parametrize(("lang", "skin", "width"), [("en", "dark", 1000), ("zh", "dark", 360), ("en", "light", 360)])
@pytest.mark.parametrize("name", WIDGETS)
def test_they_fit_in_every_look(page: Page, artifacts: Path, name, lang, skin, width):
    easel = bring(page, name)
    page.set_viewport_size({"width": width, "height": 1000})
    easel.python(f"{name}.lang = {lang!r}; {name}.skin = {skin!r}")
    root = page.locator(easel.root)
    expect(root).to_have_attribute("data-skin", skin)
    expect(root).to_have_attribute("data-lang", "en" if lang == "en" else "zh_CN")
    root.screenshot(path=artifacts / f"{name}-{lang}-{skin}-{width}.png")
    for button in page.locator(f"{easel.root} button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, button.get_attribute("class")
        assert button.get_attribute("title") or button.inner_text()
    assert root.evaluate("node => node.scrollWidth <= node.clientWidth")

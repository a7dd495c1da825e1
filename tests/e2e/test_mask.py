"""The mask painter in a real browser: what a hand, a finger, a pen and the keyboard paint is what the kernel gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from easel import Easel, assert_stroke, capsule, notebook
from PIL import Image
from playwright.sync_api import Browser, Page, expect

WAIT = 30_000


@pytest.fixture(scope="module")
def frames() -> list[tuple[str, bytes | str]]:
    """What went over the page's WebSocket: ("sent" or "received", data)."""
    return []


@pytest.fixture(scope="module")
def easel(browser: Browser, start_server: Callable, tmp_path_factory, frames) -> Iterator[Easel]:
    """One page for this module."""
    folder = tmp_path_factory.mktemp("mask")
    path = notebook(folder / "mask.ipynb", {"mask": ("ra.MaskPainter(picture(), brush=20)", "widget.mask")})
    server = start_server("studio", str(path), "--port", "0")
    context = browser.new_context(
        viewport={"width": 1000, "height": 1000},
        device_scale_factor=1.5,
        locale="zh-CN",
        reduced_motion="reduce",
        has_touch=True,
    )
    page = context.new_page()
    page.page_errors = []
    page.on("pageerror", lambda error: page.page_errors.append(str(error)))

    def watch(socket) -> None:
        socket.on("framesent", lambda data: frames.append(("sent", data)))
        socket.on("framereceived", lambda data: frames.append(("received", data)))

    page.on("websocket", watch)
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    page.goto(server.url)
    made = Easel(page, folder, "mask")
    made.ready()
    yield made
    assert page.page_errors == []
    context.close()
    server.stop()


@pytest.fixture(autouse=True)
def clean(easel: Easel) -> None:
    """The small picture, nothing painted, the brush, the whole picture in view."""
    before = easel.changes()
    easel.python(
        "mask.image = picture(); mask.mask = None; mask.tool = 'brush'; mask.brush = 20; mask.softness = 0;"
        "mask.view = 'overlay'; mask.lang = 'zh'; mask.skin = 'light'; mask.segmenter = None"
    )
    expect(easel.count).to_have_text(str(before + 2))
    expect(easel.page.locator('.ra-mask[data-painted="0.000000"][data-saved="1"]')).to_be_visible()
    easel.page.set_viewport_size({"width": 1000, "height": 1000})
    easel.page.click(".ra-zoom-fit")
    easel.canvas.focus()


def test_a_stroke_is_where_the_hand_was(easel: Easel, artifacts: Path):
    mask = easel.after(lambda: easel.drag((60, 60), (200, 130), (300, 60)))
    distance = np.minimum(capsule(mask.shape, (60, 60), (200, 130)), capsule(mask.shape, (200, 130), (300, 60)))
    assert (mask[distance < 9] == 255).all() and (mask[distance > 11] == 0).all()
    expect(easel.page.locator(".ra-facts")).to_contain_text(f"{100 * mask.mean() / 255:.1f}%")
    easel.page.screenshot(path=artifacts / "mask-stroke.png")


def test_undo_and_redo_reach_the_kernel(easel: Easel):
    first = easel.after(lambda: easel.drag((50, 50), (150, 50)))
    second = easel.after(lambda: easel.drag((50, 150), (150, 150)))
    assert second[150, 100] == 255
    assert (easel.after(lambda: easel.page.keyboard.press("Control+z")) == first).all()
    assert (easel.after(lambda: easel.page.click(".ra-undo")) == 0).all()
    easel.after(lambda: easel.page.keyboard.press("Control+Shift+Z"))
    assert (easel.after(lambda: easel.page.click(".ra-redo")) == second).all()
    expect(easel.page.locator(".ra-redo")).to_be_disabled()


def test_eraser_rectangle_lasso_fill(easel: Easel):
    page = easel.page
    page.keyboard.press("r")
    mask = easel.after(lambda: easel.drag((100, 50), (300, 250)))
    assert (mask[50:250, 100:300] == 255).all() and mask.sum() == 255 * 200 * 200
    page.keyboard.press("e")
    mask = easel.after(lambda: easel.drag((50, 150), (350, 150)))
    assert (mask[142:158, 100:300] == 0).all() and (mask[60:139, 101:299] == 255).all()
    page.keyboard.press("g")
    mask = easel.after(lambda: easel.click(200, 150))
    assert (mask == 255).all(), "the band reaches the ground outside, so all is filled"
    assert (easel.after(lambda: page.keyboard.press("Delete")) == 0).all()
    page.keyboard.press("l")
    mask = easel.after(lambda: easel.drag((100, 100), (300, 100), (100, 250), steps=20))
    y, x = np.mgrid[0:300, 0:400] + 0.5
    inside = (x > 100) & (y > 100) & ((x - 100) / 200 + (y - 100) / 150 < 1)
    assert abs((mask > 127).sum() - inside.sum()) < 250
    assert (mask[inside & (x > 103) & (y > 103) & ((x - 100) / 200 + (y - 100) / 150 < 0.97)] == 255).all()
    assert (mask[(x < 97) | (y < 97) | ((x - 100) / 200 + (y - 100) / 150 > 1.03)] == 0).all()


def test_filling_an_outline_and_by_colour(easel: Easel):
    easel.after(lambda: easel.drag((50, 50), (150, 50), (150, 150), (50, 150), (50, 50)))
    easel.page.keyboard.press("g")
    mask = easel.after(lambda: easel.click(100, 100))
    assert (mask[50:150, 50:150] == 255).all() and (mask[:35] == 0).all() and (mask[:, 170:] == 0).all()
    easel.after(lambda: easel.page.keyboard.press("Delete"))
    easel.page.select_option(".ra-options select", "color")
    mask = easel.after(lambda: easel.click(200, 150))
    y, x = np.mgrid[0:300, 0:400]
    disc = np.hypot((x - 200) / 80, (y - 150) / 60)
    assert (mask[disc < 0.96] == 255).all() and (mask[disc > 1.05] == 0).all()
    easel.page.select_option(".ra-options select", "edge")


def test_invert_clear_feather(easel: Easel):
    page = easel.page
    page.keyboard.press("r")
    easel.after(lambda: easel.drag((100, 50), (300, 250)))
    mask = easel.after(lambda: page.click(".ra-invert"))
    assert (mask[50:250, 100:300] == 0).all() and (mask == 255).sum() == 400 * 300 - 200 * 200
    easel.after(lambda: page.keyboard.press("i"))
    page.fill(".ra-toolbar input[type=number]", "10")
    page.keyboard.press("Tab")
    mask = easel.after(lambda: page.click(".ra-feather"))
    assert mask[150, 200] == 255 and 110 < mask[150, 100] < 145 and mask[150, 60] == 0
    assert (np.diff(mask[150, 60:200].astype(int)) >= 0).all()
    assert (easel.after(lambda: page.click(".ra-clear")) == 0).all()


def test_zoomed_in_paint_lands_on_the_pixel(easel: Easel):
    page, before = easel.page, easel.view()
    page.mouse.move(*easel.at(300, 200))
    page.keyboard.down("Control")
    for _ in range(8):
        page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    # each notch of 120 device pixels, 80 here, is a factor of e^(80 / 600)
    grown = "wanted => document.querySelector('.ra-easel').dataset.view.split(',')[0] > wanted"
    page.wait_for_function(grown, arg=before[0] * 2.85)
    scale = easel.view()[0]
    box = easel.canvas.bounding_box()
    assert 0 < easel.at(300, 200)[0] - box["x"] < box["width"]
    mask = easel.after(lambda: easel.drag((290, 195), (310, 205)))
    assert_stroke(mask, (290, 195), (310, 205), 10)
    # the space key and the middle button move the picture; nothing is painted
    old = easel.view()
    page.keyboard.down(" ")
    easel.drag((300, 200), (310, 200), steps=2)
    page.keyboard.up(" ")
    moved = easel.view()
    assert abs(moved[1] - old[1] - 10 * scale) < 2 and moved[0] == old[0]
    easel.drag((300, 200), (300, 205), steps=2, button="middle")
    assert abs(easel.view()[2] - moved[2] - 5 * scale) < 2
    page.keyboard.press("1")
    assert easel.view()[0] == 1
    page.keyboard.press("0")
    assert easel.view() == before
    assert easel.changes() == int(easel.count.inner_text())
    mask = easel.after(lambda: page.keyboard.press("Control+z"))
    assert (mask == 0).all()


def test_the_wheel_and_keys_change_the_brush(easel: Easel):
    page = easel.page
    page.mouse.move(*easel.at(200, 150))
    size = page.locator(".ra-line-brush input[type=number]")
    page.keyboard.press("]")
    expect(size).to_have_value("22")
    page.mouse.wheel(0, -100)
    expect(size).to_have_value("25")
    page.mouse.wheel(0, 100)
    page.keyboard.press("[")
    expect(size).to_have_value("20")
    page.keyboard.press("Shift+}")
    expect(page.locator(".ra-line-softness input[type=number]")).to_have_value("10")
    ring = page.locator(".ra-ring").bounding_box()
    assert abs(ring["width"] - 20 * easel.view()[0]) < 2
    page.keyboard.press("Shift+}")
    page.keyboard.press("Shift+}")
    easel.kernel_has("brush=20", "softness=30")
    # without the focus the wheel is the page's
    page.locator(".test-command input").focus()
    page.mouse.move(*easel.at(200, 150))
    page.mouse.wheel(0, -100)
    expect(size).to_have_value("20")


def test_fingers_paint_pinch_and_move(easel: Easel):
    page, before = easel.page, easel.view()
    touch = page.context.new_cdp_session(page)

    def finger(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": places})

    def stroke() -> None:
        finger("Start", easel.at(100, 100))
        for k in range(1, 6):
            finger("Move", easel.at(100 + 30 * k, 100 + 10 * k))
        finger("End")

    mask = easel.after(stroke)
    assert_stroke(mask, (100, 100), (250, 150), 10)
    middle = easel.at(200, 150)
    finger("Start", (middle[0] - 50, middle[1]))
    finger("Start", (middle[0] - 50, middle[1]), (middle[0] + 50, middle[1]))
    for k in range(1, 6):
        finger("Move", (middle[0] - 50 - 20 * k, middle[1]), (middle[0] + 50 + 20 * k, middle[1]))
    finger("End")
    scale = easel.view()[0] / before[0]
    assert 2.5 < scale < 3.3
    now = easel.at(200, 150)
    assert abs(now[0] - middle[0]) < 12 and abs(now[1] - middle[1]) < 12
    # neither finger painted: undo takes back the stroke
    assert (easel.after(lambda: page.click(".ra-undo")) == 0).all()
    touch.detach()


def test_a_pen_that_presses_harder_paints_wider(easel: Easel):
    pen = easel.page.context.new_cdp_session(easel.page)

    def move(kind: str, x: float, y: float, force: float) -> None:
        px, py = easel.at(x, y)
        event = {
            "type": kind,
            "x": px,
            "y": py,
            "force": force,
            "pointerType": "pen",
            "button": "left",
            "clickCount": 1,
        }
        pen.send("Input.dispatchMouseEvent", {**event, "buttons": 0 if kind == "mouseReleased" else 1})

    def stroke() -> None:
        move("mousePressed", 50, 100, 0.1)
        for k in range(1, 26):
            move("mouseMoved", 50 + 12 * k, 100, 0.1 + 0.036 * k)
        move("mouseReleased", 350, 100, 0)

    mask = easel.after(stroke).astype(float)
    widths = [mask[:, x].sum() / 255 for x in (60, 200, 340)]
    assert widths[0] < 6 and 9 < widths[1] < 14 and widths[2] > 17, widths
    pen.detach()


def test_painting_with_the_keyboard_alone(easel: Easel):
    page = easel.page
    scale = easel.view()[0]
    step = max(1, round(12 / scale))
    page.keyboard.press("ArrowRight")
    expect(page.locator(".ra-ring")).to_be_visible()
    page.keyboard.press("Enter")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    mask = easel.after(lambda: page.keyboard.press("Enter"))
    assert_stroke(mask, (200 + step, 150), (200 + step, 150 + 5 * step), 10)
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.closest('.ra-mask') !== null")
    page.locator(".ra-tool-brush").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".ra-tool-eraser")).to_have_attribute("aria-checked", "true")


def test_what_python_does_appears_and_can_be_undone(easel: Easel):
    page = easel.page
    painted = easel.after(lambda: easel.drag((60, 60), (200, 130)))
    easel.after(lambda: easel.python("mask.clear()"))
    expect(page.locator('.ra-mask[data-painted="0.000000"]')).to_be_visible()
    assert (easel.after(lambda: page.keyboard.press("Control+z") or easel.canvas.press("Control+z")) == painted).all()
    easel.after(lambda: easel.python("mask.mask = Image.new('L', (400, 300), 255)"))
    expect(page.locator('.ra-mask[data-painted="1.000000"]')).to_be_visible()
    easel.after(lambda: easel.python("mask.image = picture(200, 100)"))
    expect(page.locator(".ra-facts")).to_contain_text("200×100")
    assert easel.after(lambda: easel.drag((20, 50), (100, 50))).shape == (100, 200)


def test_a_mask_file(easel: Easel, tmp_path: Path):
    mask = np.zeros((150, 200), "uint8")
    mask[20:60, 30:90] = 255
    Image.fromarray(mask).save(tmp_path / "蒙版.png")
    got = easel.after(lambda: easel.page.set_input_files(".ra-mask input[type=file]", tmp_path / "蒙版.png"))
    assert (got[44:116, 64:176] == 255).all() and (got[:36] == 0).all() and (got[:, 184:] == 0).all()
    with easel.page.expect_download() as caught:
        easel.page.click(".ra-save-mask")
    saved = Image.open(caught.value.path())
    assert saved.mode == "L" and (np.asarray(saved) == got).all()
    (tmp_path / "no.png").write_text("nothing")
    easel.page.set_input_files(".ra-mask input[type=file]", tmp_path / "no.png")
    expect(easel.page.locator(".ra-error")).to_contain_text("no.png")
    easel.page.click(".ra-error-close")


def test_a_click_picks_an_object_when_there_is_a_model(easel: Easel):
    page = easel.page
    expect(page.locator(".ra-tool-segment")).to_be_hidden()
    easel.python(
        "mask.segmenter = lambda image, point: Image.fromarray("
        "((np.abs(np.asarray(image).astype(int) - image.getpixel(point)).max(-1) < 8) * 255).astype('uint8'))"
    )
    page.click(".ra-tool-segment")
    mask = easel.after(lambda: easel.click(200, 150))
    assert mask[150, 200] == 255 and mask[20, 20] == 0 and 14_000 < (mask == 255).sum() < 16_000


def test_bytes_on_the_wire(easel: Easel, frames: list):
    """A stroke is one small message; the mask is never text and never comes back."""
    easel.after(lambda: easel.drag((30, 30), (60, 40)))
    del frames[:]
    easel.after(lambda: easel.drag((60, 60), (200, 130)))
    sent = [data for kind, data in frames if kind == "sent"]
    received = [data for kind, data in frames if kind == "received"]
    pngs = [data for data in sent if isinstance(data, bytes) and b"\x89PNG" in data]
    assert len(pngs) == 1 and len(pngs[0]) < 6000
    header = pngs[0][pngs[0].index(b"\x89PNG") :]
    assert header[24:26] == b"\x08\x00", "8 bits, one channel"
    assert not [data for data in received if isinstance(data, bytes) and b"\x89PNG" in data]
    assert not [
        data for data in (*sent, *received) if isinstance(data, str) and ("iVBOR" in data or len(data) > 20_000)
    ]
    assert sum(len(data) for data in received) < 12_000


def test_a_picture_of_one_pixel(easel: Easel):
    easel.after(lambda: easel.python("mask.image = Image.new('RGB', (1, 1), 'white')"))
    expect(easel.page.locator(".ra-facts")).to_contain_text("1×1")
    mask = easel.after(lambda: easel.click(0.5, 0.5))
    assert mask.shape == (1, 1) and mask[0, 0] == 255
    easel.python("mask.image = None")
    expect(easel.page.locator(".ra-easel-empty")).to_be_visible()


def test_the_canvas_has_the_screen_s_own_pixels(easel: Easel):
    sharp = "canvas => [canvas.width / canvas.clientWidth, canvas.height / canvas.clientHeight]"
    for ratio in easel.canvas.evaluate(sharp):
        assert abs(ratio - 1.5) < 0.01


def test_a_large_picture_from_a_large_file(easel: Easel, frames: list):
    pixels = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), "uint8")
    Image.fromarray(pixels).save(easel.folder / "large.png", compress_level=1)
    assert (easel.folder / "large.png").stat().st_size > 12e6
    easel.after(lambda: easel.python("mask.image = FOLDER / 'large.png'"))
    expect(easel.page.locator(".ra-facts")).to_contain_text("2048×2048")
    easel.ready()
    easel.python("mask.brush = 100")
    expect(easel.page.locator(".ra-line-brush input[type=number]")).to_have_value("100")
    del frames[:]
    mask = easel.after(lambda: easel.drag((400, 400), (1500, 1200), steps=20))
    assert_stroke(mask, (400, 400), (1500, 1200), 50, slack=3)
    assert sum(len(data) for kind, data in frames if kind == "sent") < 200_000
    mask = easel.after(lambda: easel.page.click(".ra-invert"))
    assert mask[800, 950] == 0 and mask[0, 0] == 255


@pytest.mark.parametrize(
    ("lang", "skin", "width"), [("zh", "light", 1000), ("en", "dark", 1000), ("zh", "dark", 360), ("en", "light", 360)]
)
def test_it_fits_in_every_look(easel: Easel, artifacts: Path, lang, skin, width):
    page: Page = easel.page
    page.set_viewport_size({"width": width, "height": 1000})
    easel.python(f"mask.lang = {lang!r}; mask.skin = {skin!r}")
    expect(page.locator(".ra-mask")).to_have_attribute("data-skin", skin)
    easel.after(lambda: easel.drag((100, 100), (250, 150)))
    page.keyboard.press("g")
    page.keyboard.press("b")
    expect(page.locator(".ra-hint")).to_contain_text("Paint" if lang == "en" else "涂")
    page.locator(".ra-mask").screenshot(path=artifacts / f"mask-{lang}-{skin}-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for button in page.locator(".ra-mask button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, button.get_attribute("class")
        assert button.get_attribute("title") and button.get_attribute("aria-label")

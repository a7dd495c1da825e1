"""The studio in a real browser, as a dashboard page: what a visitor does."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

WAIT = 60_000
SENTENCE = "雪地里的企鹅"


@pytest.fixture(scope="module")
def page(browser: Browser, ra_studio_server) -> Iterator[Page]:
    """One page for this module: every test leaves it quiet, and sets what it needs."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="zh-CN", reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.page_errors = []
    page.on("pageerror", lambda error: page.page_errors.append(str(error)))
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    page.goto(ra_studio_server.url)
    page.wait_for_selector(".ra-studio[data-ready]")
    yield page
    assert page.page_errors == []
    context.close()


@pytest.fixture(autouse=True)
def calm(page: Page) -> None:
    """Chinese, light, quick settings, nothing running, no error."""
    if page.locator(".ra-studio").get_attribute("data-lang") != "zh_CN":
        page.click(".ra-language")
    if page.locator(".ra-studio").get_attribute("data-skin") != "light":
        page.click(".ra-skin")
    if page.locator(".ra-error").count():
        page.click(".ra-error-close")
    expect(page.locator(".ra-studio")).to_have_attribute("data-lang", "zh_CN")
    idle(page)
    page.set_viewport_size({"width": 1400, "height": 1000})
    page.fill(".ra-steps input[type=number]", "4")
    page.fill(".ra-size input >> nth=0", "64")
    page.fill(".ra-size input >> nth=1", "64")
    page.click(".ra-dice")
    if page.locator(".ra-block-more").get_attribute("open") is None:
        page.click(".ra-block-more summary")
    page.fill(".ra-batch-size input[type=number]", "1")
    page.fill(".ra-n-iter input[type=number]", "1")


def idle(page: Page) -> None:
    expect(page.locator(".ra-queue b")).to_have_text("0")
    expect(page.locator(".ra-stop")).to_be_disabled()


def write(page: Page, text: str, where: str = ".ra-prompt") -> None:
    page.locator(f"{where} .cm-content").fill(text)


def code(page: Page) -> str:
    """The line of Python that the kernel says the controls mean."""
    # pressed without the mouse: a real click would end an input method's composition
    press = "document.querySelector('.ra-to-code').click()"
    page.evaluate(press)
    expect(page.locator(".ra-code")).to_be_visible()
    text = page.locator(".ra-code-text").inner_text()
    page.evaluate(press)
    expect(page.locator(".ra-code")).to_be_hidden()
    return text


def generate(page: Page) -> str:
    """Press 生成 and wait for a new picture; returns its id."""
    before = (
        page.locator(".ra-result img").first.get_attribute("data-id") if page.locator(".ra-result img").count() else ""
    )
    page.click(".ra-generate")
    expect(page.locator(f'.ra-result img:not([data-id="{before}"])').first).to_be_visible()
    idle(page)
    return page.locator(".ra-result img").first.get_attribute("data-id")


def test_a_newcomer_clicks_an_example(page: Page, artifacts: Path):
    expect(page.locator(".ra-brand")).to_contain_text("RA 工作台")
    expect(page.locator('.ra-tab[data-tab="txt2img"]')).to_have_text("文生图")
    expect(page.locator(".ra-stage .ra-empty .ra-chip")).to_have_count(6)
    page.screenshot(path=artifacts / "studio-empty.png")
    page.locator(".ra-stage .ra-empty .ra-chip", has_text="红苹果").click()
    expect(page.locator(".ra-result img").first).to_be_visible()
    idle(page)
    assert page.evaluate("document.querySelector('.ra-result img').naturalWidth") == 64
    expect(page.locator(".ra-prompt .cm-content")).to_have_text("一个红苹果")
    expect(page.locator(".ra-meta")).to_contain_text("64×64")
    expect(page.locator(".ra-gallery .ra-thumb")).to_have_count(1)


def test_ctrl_enter_progress_preview_and_result(page: Page, artifacts: Path):
    write(page, SENTENCE)
    page.fill(".ra-steps input[type=number]", "60")
    page.fill(".ra-size input >> nth=0", "128")
    page.fill(".ra-size input >> nth=1", "128")
    page.locator(".ra-prompt .cm-content").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".ra-preview img").first).to_be_visible()
    expect(page.locator(".ra-progress")).to_contain_text(re.compile(r"第 \d+ / 60 步"))
    expect(page.locator(".ra-progress")).to_contain_text("还剩约")
    stage, shown = (page.locator(name).first.bounding_box() for name in (".ra-stage", ".ra-preview img"))
    assert shown["height"] <= stage["height"] and shown["width"] <= stage["width"]
    page.screenshot(path=artifacts / "studio-working.png")
    idle(page)
    expect(page.locator(".ra-preview")).to_be_hidden()
    stage, shown = (page.locator(name).first.bounding_box() for name in (".ra-stage", ".ra-result img"))
    assert shown["height"] <= stage["height"] and shown["width"] <= stage["width"]  # the whole picture
    expect(page.locator(".ra-progress")).to_be_hidden()
    expect(page.locator(".ra-info-prompt")).to_have_text(SENTENCE)
    assert page.locator(".ra-prompt .cm-content").inner_text().strip() == SENTENCE  # no newline from the key
    page.screenshot(path=artifacts / "studio-light.png")


def test_the_latest_text_is_used_however_fast_one_is(page: Page):
    for text in ("甲", "乙", "丙"):
        page.locator(".ra-prompt .cm-content").fill("")
        page.locator(".ra-prompt .cm-content").press_sequentially(text * 5)
        page.evaluate("document.querySelector('.ra-generate').click()")
        expect(page.locator(".ra-info-prompt")).to_have_text(text * 5)
    idle(page)


def test_stop_within_a_step_and_several_queue(page: Page):
    write(page, SENTENCE)
    page.fill(".ra-steps input[type=number]", "150")
    page.fill(".ra-batch-size input[type=number]", "8")
    shown = page.locator(".ra-gallery-count").inner_text()
    page.click(".ra-generate")
    page.click(".ra-generate")
    expect(page.locator(".ra-queue b")).to_have_text("2")
    expect(page.locator(".ra-progress")).to_contain_text(re.compile(r"第 \d+ / 150 步"))
    page.click(".ra-stop")
    expect(page.locator(".ra-queue b")).to_have_text("1")
    page.click(".ra-stop")
    idle(page)
    expect(page.locator(".ra-progress")).to_be_hidden()
    assert page.locator(".ra-gallery-count").inner_text() == shown
    assert page.locator(".ra-error").count() == 0


def test_language_keeps_everything(page: Page, artifacts: Path):
    write(page, "城市里的一辆(红色:1.2)汽车，[白天:夜晚:0.6] <lora:水墨:0>")
    write(page, "模糊", ".ra-negative")
    page.select_option(".ra-sampler select", "Euler a")
    page.fill(".ra-seed input", "77")
    before = code(page)
    picture = page.locator(".ra-result img").first.get_attribute("data-id")
    page.click(".ra-language")
    expect(page.locator(".ra-studio")).to_have_attribute("data-lang", "en")
    expect(page.locator(".ra-generate")).to_contain_text("Generate")
    expect(page.locator(".ra-gallery-count")).to_contain_text("Gallery")
    expect(page.locator('.ra-tab[data-tab="txt2img"]')).to_have_text("Text to image")
    assert code(page) == before and "Euler a" in before and "seed=77" in before and "模糊" in before
    assert page.locator(".ra-result img").first.get_attribute("data-id") == picture
    for kind in ("weight", "schedule", "network"):
        expect(page.locator(f".ra-prompt .ra-mark-{kind}")).to_have_count(1)
    words = page.locator(".ra-studio :is(label, .ra-label span, button, summary)").all_inner_texts()
    chinese = [
        word for word in words if re.search(r"[\u4e00-\u9fff]", word) and word.split("\n")[0] not in ("中文", "中文/EN")
    ]
    assert [word for word in chinese if "中文" not in word] == []
    page.screenshot(path=artifacts / "studio-english.png")
    page.select_option(".ra-sampler select", "DPM++ 2M")
    write(page, "", ".ra-negative")


def test_skins(page: Page, artifacts: Path):
    def colour() -> str:
        return page.evaluate("getComputedStyle(document.querySelector('.ra-controls')).backgroundColor")

    light = colour()
    page.click(".ra-skin")
    expect(page.locator(".ra-studio")).to_have_attribute("data-skin", "dark")
    expect(page.locator(".ra-skin")).to_contain_text("夜墨")
    assert colour() != light
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.ra-prompt .cm-content')).color")
        == "rgb(233, 230, 223)"
    )
    page.mouse.move(700, 5)
    page.screenshot(path=artifacts / "studio-dark.png")
    page.click(".ra-skin")
    expect(page.locator(".ra-studio")).to_have_attribute("data-skin", "light")


def test_errors_are_sentences_and_keep_the_prompt(page: Page, artifacts: Path):
    write(page, "留着我")
    page.fill(".ra-size input >> nth=0", "100")
    page.click(".ra-generate")
    expect(page.locator(".ra-error")).to_contain_text("8 的倍数")
    expect(page.locator(".ra-error")).to_contain_text("宽")
    page.screenshot(path=artifacts / "studio-error.png")
    page.click(".ra-language")
    expect(page.locator(".ra-error")).to_contain_text("multiple of 8")
    page.click(".ra-error-close")
    expect(page.locator(".ra-error")).to_have_count(0)
    expect(page.locator(".ra-prompt .cm-content")).to_have_text("留着我")
    page.fill(".ra-size input >> nth=0", "64")
    page.fill(".ra-steps input[type=number]", "999")
    page.click(".ra-generate")
    expect(page.locator(".ra-error")).to_contain_text("150")
    page.fill(".ra-steps input[type=number]", "2")
    generate(page)
    expect(page.locator(".ra-error")).to_have_count(0)


def test_doubtful_words_are_told_in_the_page_s_language(page: Page, artifacts: Path):
    write(page, "一只小猫, embedding:nowhere")
    page.click(".ra-generate")
    notice = page.locator(".ra-notice")
    expect(notice).to_contain_text("nowhere 像是嵌入文件的名字")
    idle(page)
    expect(page.locator(".ra-error")).to_have_count(0)
    expect(notice.locator(".ra-notice-undo")).to_be_hidden()
    page.screenshot(path=artifacts / "studio-warning.png")
    page.click(".ra-language")
    expect(notice).to_contain_text("no such file")
    page.click(".ra-notice-close")
    expect(notice).to_be_hidden()


def test_gallery_search_open_reuse(page: Page):
    write(page, "沙滩上的(螃蟹:1.1)")
    page.fill(".ra-seed input", "4242")
    crab = generate(page)
    write(page, "别的东西")
    page.click(".ra-dice")
    generate(page)
    page.fill(".ra-search-input", "螃蟹")
    expect(page.locator(".ra-gallery .ra-thumb")).to_have_count(1)
    expect(page.locator(".ra-gallery-count")).to_have_text("找到 1 张")
    page.click(".ra-gallery .ra-thumb")
    expect(page.locator(f'.ra-result img[data-id="{crab}"]')).to_be_visible()
    expect(page.locator(".ra-info-prompt")).to_have_text("沙滩上的(螃蟹:1.1)")
    page.click(".ra-reuse")
    expect(page.locator(".ra-prompt .cm-content")).to_have_text("沙滩上的(螃蟹:1.1)")
    expect(page.locator(".ra-seed input")).to_have_value("4242")
    page.fill(".ra-search-input", "没有这样的")
    expect(page.locator(".ra-gallery-note")).to_be_visible()
    page.fill(".ra-search-input", "")
    expect(page.locator(f'.ra-gallery .ra-thumb[data-id="{crab}"]')).to_be_visible()


def test_pinyin_is_sent_only_when_it_is_chosen(page: Page):
    write(page, "")
    client = page.context.new_cdp_session(page)
    page.locator(".ra-prompt .cm-content").focus()
    for text in ("s", "sh", "shan"):
        client.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    assert "shan" not in code(page)
    client.send("Input.insertText", {"text": "山水"})
    expect(page.locator(".ra-prompt .cm-content")).to_have_text("山水")
    assert "prompt='山水'" in code(page)


def test_full_width_signs_are_offered(page: Page, artifacts: Path):
    """Said below the field; one click converts, Ctrl+Z takes it back; nothing changes by itself."""
    typed, converted = "草地上的（红色：1.3）狐狸", "草地上的(红色:1.3)狐狸"
    write(page, typed)
    notice = page.locator(".ra-prompt .ra-offer")
    expect(notice).to_be_visible()
    expect(page.locator(".ra-negative .ra-offer")).to_be_hidden()
    page.screenshot(path=artifacts / "studio-fullwidth.png")
    notice.locator("button").click()
    text = page.locator(".ra-prompt .cm-content")
    expect(text).to_have_text(converted)
    expect(notice).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(text).to_have_text(typed)
    expect(notice).to_be_visible()
    write(page, SENTENCE)
    expect(notice).to_be_hidden()


def test_undo_weights_and_plain_text_only(page: Page):
    write(page, "红苹果")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+ArrowUp")
    expect(page.locator(".ra-prompt .cm-content")).to_have_text("(红苹果:1.1)")
    page.keyboard.press("Control+z")
    expect(page.locator(".ra-prompt .cm-content")).to_have_text("红苹果")
    write(page, '<img src=x onerror="window.hacked=1">')
    generate(page)
    expect(page.locator(".ra-info-prompt")).to_have_text('<img src=x onerror="window.hacked=1">')
    assert page.evaluate("window.hacked") is None


def test_batch_selection_lightbox_and_saving(page: Page, artifacts: Path):
    write(page, SENTENCE)
    page.fill(".ra-batch-size input[type=number]", "2")
    page.fill(".ra-n-iter input[type=number]", "2")
    page.fill(".ra-seed input", "100")
    page.click(".ra-generate")
    expect(page.locator(".ra-result .ra-cell")).to_have_count(4)
    idle(page)
    page.locator(".ra-cell").nth(2).click()
    expect(page.locator(".ra-meta")).to_contain_text("102")
    page.mouse.move(700, 5)
    page.screenshot(path=artifacts / "studio-batch.png")
    shapes = page.evaluate(
        """[...document.querySelectorAll('.ra-result img')].map((e) => e.clientWidth / e.clientHeight)"""
    )
    assert all(abs(shape - 1) < 0.02 for shape in shapes), shapes  # whole pictures, not cut to their cells
    with page.expect_download() as saved:
        page.click(".ra-save")
    from PIL import Image

    picture = Image.open(saved.value.path())
    assert "Seed: 102" in picture.info["parameters"] and picture.size == (64, 64)
    page.click(".ra-copy")
    expect(page.locator(".ra-copy")).to_have_attribute("data-done", "yes")
    assert "Seed: 102" in page.evaluate("navigator.clipboard.readText()")
    page.locator(".ra-cell").nth(2).click()
    expect(page.locator("dialog.ra-lightbox")).to_be_visible()
    expect(page.locator(".ra-lightbox-caption")).to_contain_text("3 / 4")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".ra-lightbox-caption")).to_contain_text("4 / 4")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.ra-lightbox")).to_have_count(0)


def test_size_seed_and_model_controls(page: Page):
    page.fill(".ra-size input >> nth=0", "128")
    page.fill(".ra-size input >> nth=1", "64")
    page.click(".ra-swap")
    expect(page.locator(".ra-size input >> nth=0")).to_have_value("64")
    page.select_option(".ra-size select", "16:9")
    expect(page.locator(".ra-size input >> nth=0")).to_have_value("168")
    page.click(".ra-dice")
    expect(page.locator(".ra-seed input")).to_have_value("-1")
    page.click(".ra-reuse-seed")
    expect(page.locator(".ra-seed input")).not_to_have_value("-1")
    page.click(".ra-model")
    expect(page.locator('.ra-menu-item[data-model="ra-mini"]')).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator(".ra-menu")).to_be_hidden()


OUTSIDE = """() => [...document.querySelectorAll('.ra-studio *')].filter((e) => {
  const box = e.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map((e) => e.className?.baseVal ?? e.className)"""
CLIPPED = """() => [...document.querySelectorAll('.ra-studio :is(.ra-button, .ra-action, .ra-tab)')]
  .concat([...document.querySelectorAll('.ra-studio .ra-label > label')])
  .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)"""


def left_over(page: Page, script: str) -> list[str]:
    """What the script still finds once the page has had time to lay itself out anew after a change of size."""
    with contextlib.suppress(PlaywrightTimeout):
        page.wait_for_function(f"() => ({script})().length === 0", timeout=15_000)
    return page.evaluate(script)


@pytest.mark.parametrize("lang", ["zh_CN", "en"])
@pytest.mark.parametrize("width", [1400, 1000, 640, 400])
def test_nothing_overflows(page: Page, artifacts: Path, width: int, lang: str):
    if lang == "en":
        page.click(".ra-language")
        expect(page.locator(".ra-studio")).to_have_attribute("data-lang", "en")
    page.set_viewport_size({"width": width, "height": 1000})
    expect(page.locator(".ra-generate")).to_be_visible()
    assert left_over(page, OUTSIDE) == []
    assert left_over(page, CLIPPED) == []
    page.set_viewport_size({"width": width, "height": 2300 if width < 760 else 1000})
    page.screenshot(path=artifacts / f"studio-{width}-{lang}.png")

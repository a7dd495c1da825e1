"""The small panels: fields of a request."""

from __future__ import annotations

import pytest

from ra_widgets.requests import TextToImage
from ra_widgets.widgets import AdvancedPanel, BatchPanel, HeaderBar, PromptEditor, SamplerPanel, SeedPanel, SizePanel


def test_the_panels_make_a_request_together():
    panels = [PromptEditor(prompt="山水"), SamplerPanel(steps=7, sampler="Euler a"), SizePanel(width=64, height=72),
              SeedPanel(seed=3), BatchPanel(n_iter=2), AdvancedPanel(clip_skip=2)]  # fmt: skip
    fields = {name: value for panel in panels for name, value in panel.values().items()}
    request = TextToImage(**fields)
    assert (request.prompt, request.steps, request.sampler, request.height, request.seed) == (
        "山水",
        7,
        "Euler a",
        72,
        3,
    )
    assert (request.n_iter, request.clip_skip, request.cfg_scale) == (2, 2, None)


def test_the_panels_defaults_are_the_requests():
    fields = {}
    for kind in (PromptEditor, SamplerPanel, SizePanel, SeedPanel, BatchPanel, AdvancedPanel):
        fields.update(kind().values())
    assert TextToImage(**fields).model_dump() == TextToImage().model_dump()


def test_fill_takes_what_it_has_and_passes_over_the_rest():
    panel = SizePanel()
    panel.fill(width=64, prompt="x")
    assert (panel.width, panel.height) == (64, None)


def test_only_known_samplers(browser_of):
    panel = SamplerPanel()
    page = browser_of(panel)
    page.sets(sampler="Euler a", scheduler="Karras")
    page.sets(sampler="<img src=x onerror=alert(1)>")
    assert (panel.sampler, panel.scheduler) == ("Euler a", "Karras") and "采样器" in panel._error


def test_the_counter_follows_text_and_language(browser_of):
    editor = PromptEditor(prompt="abc")
    editor.set_counter(lambda text, lang: f"{len(text)} {lang}")
    assert editor.counter == "3 zh_CN"
    browser_of(editor).sets(prompt="abcd")
    assert (editor.counter, editor.negative_counter) == ("4 zh_CN", "0 zh_CN")
    editor.lang = "en"
    assert editor.counter == "4 en"


def test_full_width_signs_are_offered_and_never_changed(browser_of):
    editor = PromptEditor(prompt="（红色：１．２）的猫")
    assert (editor.prompt, editor.offer, editor.negative_offer) == ("（红色：１．２）的猫", "(红色:1.2)的猫", "")
    browser_of(editor).sets(prompt="一只猫，坐在树下。", negative_prompt="【模糊】")
    assert (editor.offer, editor.negative_offer) == ("", "[模糊]"), "a Chinese comma is ordinary writing"


def test_submit_comes_after_the_text(browser_of):
    editor = PromptEditor()
    page, seen = browser_of(editor), []
    editor.on_submit(lambda e: seen.append(e.prompt))
    page.sets(prompt="新的")
    page.says("submit")
    assert seen == ["新的"]


def test_absurdly_long_prompts_are_not_taken(browser_of):
    editor = PromptEditor(prompt="a")
    browser_of(editor).sets(prompt="x" * 300_000)
    assert editor.prompt == "a" and editor._error


def test_models_are_loaded_by_names_of_the_list_only(browser_of):
    header = HeaderBar(models=[{"name": "甲", "detail": ""}])
    page, asked = browser_of(header), []
    header.on_load(asked.append)
    for name in ("../../etc/passwd", "甲", 5):
        page.says("load", name=name)
    assert asked == ["甲"]


@pytest.mark.parametrize("value", ["nope", 4])
def test_only_known_tabs(browser_of, value):
    header = HeaderBar(tabs=[{"id": "txt2img", "title": "文生图"}], tab="txt2img")
    browser_of(header).sets(tab=value)
    assert header.tab == "txt2img"

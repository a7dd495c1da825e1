"""What all widgets share: texts, errors in the page, values from a browser that is not to be trusted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ra_widgets import widgets
from ra_widgets.errors import InvalidRequest
from ra_widgets.i18n import catalogue
from ra_widgets.requests import TextToImage
from ra_widgets.widgets import _base

PARTS = [
    widgets.PromptEditor, widgets.SamplerPanel, widgets.SizePanel, widgets.SeedPanel, widgets.BatchPanel,
    widgets.AdvancedPanel, widgets.GenerateBar, widgets.Stage, widgets.InfoBar, widgets.GalleryView, widgets.HeaderBar,
    widgets.MaskPainter, widgets.Sketch, widgets.OutpaintFrame, widgets.CropResize,
    widgets.ImageInput, widgets.CompareSlider, widgets.ControlPreview,
]  # fmt: skip


@pytest.mark.parametrize("kind", [*PARTS, widgets.Studio])
@pytest.mark.parametrize("lang", ["zh_CN", "en"])
def test_texts_exist_in_both_languages(kind, lang):
    for key in (*kind.TEXTS, *kind.INPUTS):
        if key not in ("selected", "tab", "lang", "skin"):
            assert f"studio.{key}" in catalogue(lang), key


@pytest.mark.parametrize("kind", PARTS)
def test_each_widget_stands_alone(kind):
    widget = kind(lang="en", skin="dark")
    assert widget._esm.strip() and "--ra-accent" in widget._css
    english = dict(widget.texts)
    widget.lang = "zh"
    assert widget.lang == "zh_CN"
    assert widget.texts.keys() == english.keys() and widget.texts != english
    widget.close()


def test_default_language_is_chinese():
    assert widgets.SeedPanel().texts["seed"] == "种子"


def test_unknown_arguments_are_refused_with_help():
    with pytest.raises(TypeError, match=r"SeedPanel has no sed; it has .*last_seed.*seed"):
        widgets.SeedPanel(sed=4)


def test_the_browser_sets_only_inputs(browser_of):
    panel = widgets.SeedPanel()
    page = browser_of(panel)
    page.sets(seed=5, last_seed=99, texts={}, _esm="alert(1)", _css="x")
    page.updates(seed=6, last_seed=99, texts={}, _esm="alert(1)", disabled=True)
    assert (panel.seed, panel.last_seed, panel.disabled) == (6, None, False)
    assert panel.texts["seed"] == "种子" and panel._esm != "alert(1)"


@pytest.mark.parametrize("value", ["abc", 1.5, True, None, [1], {"a": 1}, float("nan"), 1e300, "1e3"])
def test_a_bad_value_is_refused_in_the_page_and_undone(browser_of, value):
    panel = widgets.SeedPanel(seed=7)
    sent = []
    panel.send_state = lambda key=None: sent.append(key)
    browser_of(panel).sets(seed=value)
    assert panel.seed == 7 and "seed" in sent
    assert "种子" in panel._error
    panel.lang = "en"
    assert "Seed" in panel._error


def test_numbers_as_text_and_whole_floats_are_taken(browser_of):
    panel = widgets.SeedPanel()
    page = browser_of(panel)
    page.sets(seed="42")
    assert panel.seed == 42
    page.sets(seed=43.0)
    assert panel.seed == 43 and panel._error == ""


@pytest.mark.parametrize(
    "message", [{}, {"type": "nope"}, {"type": "set"}, {"type": "set", "values": 3}, [], "x", None, 5]
)
def test_unreadable_messages_do_no_harm(message):
    bar = widgets.GenerateBar()
    bar._handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})
    assert "刷新" in bar._error


def test_a_failing_callback_appears_in_the_page(browser_of):
    bar = widgets.GenerateBar()
    page = browser_of(bar)

    def fail(_):
        raise ZeroDivisionError("一除以零")

    bar.on_generate(fail)
    page.says("generate")
    assert "ZeroDivisionError" in bar._error and "一除以零" in bar._error
    page.sets(_error="forged")
    assert "forged" not in bar._error
    page.sets(_error="")
    assert bar._error == ""
    bar.on_generate(fail, remove=True)
    page.says("generate")
    assert bar._error == ""


def test_errors_call_fields_by_their_names_in_the_page():
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(steps=0, width=100)
    assert "步数" in _base.sentence_of(caught.value, "zh_CN") and "宽" in _base.sentence_of(caught.value, "zh_CN")
    assert "Steps" in _base.sentence_of(caught.value, "en") and "Width" in _base.sentence_of(caught.value, "en")


def test_values_are_not_echoed_to_the_browser():
    for kind in PARTS:
        for name in (*kind.INPUTS, "lang", "skin", "texts"):
            assert kind.class_traits()[name].metadata["echo_update"] is False, (kind, name)


def test_importing_the_widgets_imports_no_torch():
    code = "import ra_widgets.widgets.studio, sys; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_the_skins_change_tokens_and_nothing_else():
    text = (_base.THEMES / "tokens.css").read_text("utf-8")
    light, dark = (block.partition("{")[2] for block in text.split("}")[:2])
    colours = {line.split(":")[0].strip() for line in dark.splitlines() if line.strip().startswith("--")}
    known = {line.split(":")[0].strip() for line in light.splitlines() if line.strip().startswith("--")}
    assert colours and colours <= known
    rest = "".join((_base.THEMES / name).read_text("utf-8") for name in _base.STYLESHEETS[1:])
    assert "data-skin" not in rest
    assert "#" not in "".join(
        line.partition(":")[2]
        for line in rest.splitlines()
        if "{" in line and "#rendered" not in line and "#main" not in line
    )
    used = {part.split(")")[0].split(",")[0].strip() for part in rest.split("var(")[1:]}
    assert {name for name in used if name.startswith("--ra-")} <= known | {
        "--ra-columns",
        "--ra-rows",
        "--ra-at",
        "--ra-gain",
        "--ra-aspect",
        "--ra-part",
        "--ra-middle",
        "--ra-room",
    }

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from ra_widgets import i18n
from ra_widgets.i18n import catalogue, t

ROOT = Path(i18n.__file__).parent.parent


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_placeholders():
    zh, en = catalogue("zh_CN"), catalogue("en")
    assert set(zh) == set(en)
    different = {key: (zh[key], en[key]) for key in zh if fields(zh[key]) != fields(en[key])}
    assert not different


def test_no_text_is_empty():
    for language in i18n.LANGUAGES:
        assert all(text.strip() for text in catalogue(language).values())


def test_keys_used_in_code_exist():
    pattern = re.compile(r"""(?:\bt|Error|InvalidRequest|OutOfMemory)\(\s*f?["']([a-z_]+(?:\.[a-z0-9_]+)+)["']""")
    missing = {
        (key, path.name)
        for path in ROOT.rglob("*.py")
        for key in pattern.findall(path.read_text("utf-8"))
        if key not in catalogue("en")
    }
    assert not missing


def test_english_has_no_chinese_and_chinese_has_some():
    han = re.compile(r"[㐀-鿿]")
    names = {"course.lang.zh"}
    stray = {
        k: v
        for k, v in catalogue("en").items()
        if han.search(v) and k not in names and "example" not in k and "zh" not in k
    }
    assert len(stray) <= 8, stray


@pytest.mark.parametrize(
    ("given", "name"),
    [("zh", "zh_CN"), ("zh-CN", "zh_CN"), (None, "zh_CN"), ("en_US", "en"), ("EN", "en"), ("fr", "zh_CN")],
)
def test_normalise(given, name):
    assert i18n.normalise(given) == name


def test_language_from_environment(monkeypatch):
    monkeypatch.setattr(i18n, "_current", [])
    monkeypatch.setenv("RA_LANG", "en")
    assert i18n.get_language() == "en"


def test_listeners_hear_changes():
    heard: list[str] = []
    stop = i18n.on_language(heard.append)
    i18n.set_language("en")
    stop()
    i18n.set_language("zh")
    assert heard == ["en"]


def test_unknown_key_and_missing_value_break_nothing():
    assert t("no.such.key") == "no.such.key"
    assert "{seconds}" in t("error.timeout", other=1)

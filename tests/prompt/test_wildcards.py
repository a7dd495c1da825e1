"""Wildcards: one seed one prompt, one folder and nothing outside of it, an end to every loop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ra_widgets.errors import RAError
from ra_widgets.prompt.wildcards import expand, expand_all, has_wildcards, missing_wildcards, wildcard_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "wildcards"
    (root / "动物").mkdir(parents=True)
    (root / "颜色.txt").write_text("红\n蓝\n\n绿\n", "utf-8")
    (root / "动物" / "猫.txt").write_text("{大|小}橘猫\n布偶猫\n", "utf-8")
    (root / "more.json").write_text(json.dumps({"light": ["dawn", {"text": "noon", "weight": 3}]}), "utf-8")
    (root / "loop.txt").write_text("__loop__ x\n", "utf-8")
    (tmp_path / "secret.txt").write_text("secret\n", "utf-8")
    return root


def test_the_same_seed_gives_the_same_words(folder: Path) -> None:
    template = "一个__颜色__的{苹果|梨|桃}, __动物/猫__, __light__, {2$$ and $$a|b|c}"
    drawn = [expand(template, seed, folder) for seed in range(30)]
    assert drawn == [expand(template, seed, folder) for seed in range(30)]
    assert len(set(drawn)) > 10
    assert not any("__" in text or "{" in text for text in drawn)


def test_other_syntax_passes_through() -> None:
    text = "(a:1.2) [b|c:3] [d:e:0.5] <lora:x:1> \\(f\\) AND g :0.5\nBREAK {h|h}"
    assert expand(text, 3) == text.replace("{h|h}", "h")
    plain = "(a:1.2) [b|c] a_b $5"
    assert not has_wildcards(plain) and expand(plain, 1) == plain and expand_all(plain) == [plain]


def test_every_combination() -> None:
    assert sorted(expand_all("{a|b} {c|d}")) == ["a c", "a d", "b c", "b d"]
    assert len(expand_all("{a|b|c}{a|b|c}{a|b|c}", limit=5)) == 5


def test_names_and_what_is_missing(folder: Path) -> None:
    assert set(wildcard_names(folder)) == {"light", "loop", "颜色", "动物/猫"}
    assert missing_wildcards("__颜色__ __没有__ __nope__ __nope__", folder) == ["没有", "nope"]
    assert expand("__没有__", 0, folder) == "__没有__"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "**/../../secret", "../*"])
def test_names_do_not_lead_out_of_the_folder(folder: Path, name: str) -> None:
    assert expand(f"__{name}__", 0, folder) == f"__{name}__", "left as it is: there is no such wildcard"


def test_links_out_of_the_folder_are_refused(folder: Path) -> None:
    (folder / "out.txt").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(RAError, match=r"out\.txt"):
        expand("__out__", 0, folder)


@pytest.mark.parametrize("text", ["{a|b", "x {y} {", "{" * 1000 + "}" * 1000, "{a|b}" * 10_000])
def test_bad_templates_are_refused_in_words(text: str) -> None:
    with pytest.raises(RAError) as caught:
        expand(text, 0)
    assert caught.value.text("zh_CN") != caught.value.text("en")


def test_wildcards_that_contain_themselves_come_to_an_end(folder: Path) -> None:
    with pytest.raises(RAError):
        expand("__loop__", 0, folder)


def test_broken_files_are_refused_in_words(folder: Path) -> None:
    (folder / "broken.json").write_text("{", "utf-8")
    with pytest.raises(RAError, match=r"broken\.json"):
        expand("__颜色__", 0, folder)

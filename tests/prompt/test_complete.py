"""Completion: what is offered where, in which order, and what it would replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_widgets.errors import RAError
from ra_widgets.prompt import Completer, Style, load_tags

CSV = """name,type,count,aliases
long_hair,0,5000,"longhair,长发"
long_sleeves,0,300,
saber_(fate),4,90,"artoria"
:),0,7,
"""


@pytest.fixture
def completer(tmp_path: Path) -> Completer:
    (tmp_path / "tags.csv").write_text(CSV, "utf-8")
    return Completer(
        load_tags(tmp_path / "tags.csv"),
        [Style("水墨", "ink painting, {prompt}")],
        {"lora": ["水墨风", "pixel", "old pixel"], "hypernet": ["pix"]},
        ["颜色", "animals/cats"],
    )


def test_tags_come_most_used_first_and_replace_the_word(completer: Completer) -> None:
    found = completer.complete("a girl, long")
    assert [(item.insert, item.count) for item in found[:2]] == [("long hair", 5000), ("long sleeves", 300)]
    assert all(item.start == 8 and item.end == 12 for item in found[:2])


def test_aliases_and_brackets(completer: Completer) -> None:
    assert completer.complete("长发")[0].insert == "long hair"
    found = completer.complete("artor")[0]
    assert (found.insert, found.detail, found.label) == (r"saber \(fate\)", "artoria", "saber (fate)")


def test_the_last_words_of_a_phrase_count(completer: Completer) -> None:
    found = completer.complete("a girl with long ha")
    assert found[0].insert == "long hair" and found[0].start == 12
    assert completer.complete("一个女孩水墨")[0].start == 4


def test_chinese_words_show_their_meaning(completer: Completer) -> None:
    found = {item.insert: item.detail for item in completer.complete("水墨", limit=30)}
    assert found["水墨画"] == "Chinese ink painting"
    assert found["ink painting, "] == "ink painting, {prompt}"


def test_networks(completer: Completer) -> None:
    assert [item.insert for item in completer.complete("a <lora:pix")] == ["<lora:pixel:1>", "<lora:old pixel:1>"]
    assert completer.complete("a <lora:pix")[0].start == 2
    assert {item.detail for item in completer.complete("<")} == {"lora", "hypernet"}
    assert completer.complete("<vae:") == []


def test_wildcards(completer: Completer) -> None:
    assert [item.insert for item in completer.complete("x __cat")] == ["__animals/cats__"]
    assert len(completer.complete("x __")) == 2


def test_nothing_typed_nothing_offered(completer: Completer) -> None:
    assert completer.complete("") == [] == completer.complete("a, ")
    assert completer.complete("long, b", cursor=4)[0].insert == "long hair"
    assert len(completer.complete("a", limit=3)) == 3


def test_files_that_are_no_tags_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xff")
    with pytest.raises(RAError, match=r"x\.csv"):
        load_tags(tmp_path / "x.csv")
    with pytest.raises(RAError):
        load_tags(tmp_path / "missing.csv")

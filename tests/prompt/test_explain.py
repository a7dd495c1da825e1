"""explain(): plain data, sound positions, words in both languages."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ra_widgets.errors import InvalidRequest
from ra_widgets.i18n import catalogue
from ra_widgets.prompt import check, explain, parse_attention, prompt_schedule, split_and
from ra_widgets.prompt.check import CODES


def codes(text: str, steps: int = 20) -> list[tuple[str, str]]:
    return [(item["code"], text[item["start"] : item["end"]]) for item in explain(text, steps)["issues"]]


def test_the_data_is_what_the_engine_reads() -> None:
    text = "一只(红色:1.2)的[猫:狗:0.5] AND 雪 :0.5"
    found = explain(text, 10)
    assert [(part["text"], part["weight"]) for part in found["parts"]] == split_and(text)
    entries = [[entry["to"], entry["text"]] for entry in found["schedule"] if entry["part"] == 0]
    assert entries == prompt_schedule(split_and(text)[0][0], 10)
    for entry in found["schedule"]:
        assert [[piece["text"], piece["weight"]] for piece in entry["pieces"]] == parse_attention(entry["text"])
    assert [entry["from"] for entry in found["schedule"]] == [1, 6, 1]
    assert json.loads(json.dumps(found)) == found


def test_pieces_point_at_the_source_through_cuts_and_edits() -> None:
    text = "# 注释\n一只 <lora:x:1>(红色:1.2)[猫:(狗:1.4):0.5]"
    found = explain(text)
    last = found["schedule"][-1]["pieces"]
    assert [(piece["text"], text[piece["start"] : piece["end"]]) for piece in last if piece["weight"] != 1] == [
        ("红色", "红色"), ("狗", "狗")
    ]  # fmt: skip
    assert text[found["networks"][0]["start"] : found["networks"][0]["end"]] == "<lora:x:1>"


def test_words_in_both_languages() -> None:
    found = explain("(苹果:1.3) [红:绿:0.5] <lora:墨:0.8> BREAK b AND c # d", lang="en")
    chinese, english = found["sentences"]["zh_CN"], found["sentences"]["en"]
    assert len(chinese) == len(english) and found["summary"] == english
    assert any("加强到 1.3" in line for line in chinese) and any("strengthened to 1.3" in line for line in english)
    assert any("第 11–20 步" in line for line in chinese) and any("steps 11–20" in line for line in english)
    assert any("墨" in line and "0.8" in line for line in english)
    assert not any("{" in line for line in [*chinese, *english])
    assert explain("a cat")["summary"][-1] == "没有特殊语法，每个词的权重都是 1"


def test_tokens_are_the_tokenizers_or_said_to_be_estimated() -> None:
    class Tokenizer:
        def tokenize(self, text: str) -> list[str]:
            return [f"{word}</w>" for word in text.replace(",", " , ").split()]

    text = "a " * 70 + ", " + "b " * 9
    exact = explain(text, tokenizer=Tokenizer())
    assert not exact["tokens_estimated"] and exact["token_count"] == 80
    assert [chunk["count"] for chunk in exact["chunks"]] == [71, 9], "the words behind the comma moved on"
    assert explain(text, tokenizer=lambda words: words.split())["token_count"] == 80
    rough = explain("一只猫, don't!")
    assert rough["tokens_estimated"] and rough["chunks"][0]["tokens"] == ["一", "只", "猫", ",", "don't", "!"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a)", ("stray_bracket", ")")),
        ("a (b", ("unclosed_bracket", "(")),
        ("(a [b) c]", ("crossing_brackets", "(a [b)")),
        ("(a:1..2)", ("bad_number", "1..2")),
        ("(a BREAK b)", ("break_in_brackets", "BREAK")),
        ("[a:b:3] | c", ("literal_pipe", "|")),
        ("[a:b:3] \\", ("literal_backslash", "\\")),
        ("x [a:b:c:5]", ("not_an_edit", "[a:b:c:5]")),
        ("a :1.5", ("weight_without_and", ":1.5")),
        ("[<lora:x:1>:b:5]", ("network_in_edit", "<lora:x:1>")),
        ("（红：1.2）", ("fullwidth", "（红：1.2）")),
        ("[a:b:20]", ("never_after", "[a:b:20]")),
        ("[a:b:0]", ("never_before", "[a:b:0]")),
        ("(a:4)", ("extreme_weight", "a")),
    ],
)
def test_every_issue_is_found_at_its_place(text: str, expected: tuple[str, str]) -> None:
    assert expected in codes(text)


def test_every_issue_has_its_sentences() -> None:
    for language in ("zh_CN", "en"):
        assert {f"prompt.issue.{code}" for code in CODES} <= set(catalogue(language))


@pytest.mark.parametrize(
    "text",
    ["a (b:1.2) [c] [d:e:0.5] [f|g]", "[x [a:b:3]]", "[[a:b:3]:c:0.5]", "(a [b:c:0.5]:1.2) AND d :0.3", "\\(a\\)"],
)
def test_good_prompts_have_no_issues(text: str) -> None:
    assert codes(text) == []


def test_long_lists_are_cut_and_counted() -> None:
    found, left_out = check("(" * 300)
    assert (len(found), left_out) == (50, 250)
    assert explain(")" * 300)["issues_left_out"] == 250


def test_the_second_pass_and_the_negative_prompt() -> None:
    assert [entry["to"] for entry in explain("[a:b:1.5]", 10, hires_steps=8)["schedule"]] == [4, 8]
    assert len(explain("a AND b", positive=False)["parts"]) == 1
    with pytest.raises(InvalidRequest):
        explain("a", 0)


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.text(alphabet="ab [](){}:|.15\\<>#\nANDBREK小，（：", max_size=40))
def test_any_text_can_be_explained(text: str) -> None:
    found = explain(text, 7)
    for item in [*found["pieces"], *found["issues"], *found["networks"], *found["parts"], *found["comments"]]:
        assert 0 <= item["start"] <= item["end"] <= len(text)
    assert json.dumps(found, allow_nan=False)

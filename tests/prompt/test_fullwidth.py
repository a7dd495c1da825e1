"""Full-width syntax is offered, shown and applied piece by piece; Chinese writing is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets.prompt import preview


@pytest.mark.parametrize(
    ("text", "converted"),
    [
        ("（红色：1.2）的苹果", "(红色:1.2)的苹果"),
        ("（红色：１．２）", "(红色:1.2)"),
        ("［白天：夜晚：0.5］", "[白天:夜晚:0.5]"),
        ("【猫｜狗】", "[猫|狗]"),
        ("红，绿、蓝", "红, 绿, 蓝"),
        ("红， 绿，", "红, 绿,"),
        ("(混合：1.3)", "(混合:1.3)"),
        ("＜lora：墨：0.8＞", "<lora:墨:0.8>"),
        ("标题：一只猫｜狗。“好”！", "标题：一只猫｜狗。“好”！"),
        ("第１章（上）", "第１章(上)"),
        ("plain (a:1.2)", "plain (a:1.2)"),
    ],
)
def test_conversion(text: str, converted: str) -> None:
    assert preview(text).converted == converted


def test_nothing_happens_unasked() -> None:
    offer = preview("（红：1.2），好")
    assert offer.original == "（红：1.2），好" == offer.apply([])
    assert [(change.old, change.new, change.kind) for change in offer.changes] == [
        ("（", "(", "bracket"), ("：", ":", "separator"), ("）", ")", "bracket"), ("，", ", ", "comma")
    ]  # fmt: skip
    assert offer.apply([0, 1, 2]) == "(红:1.2)，好"
    assert bool(offer) and not preview("好")


def test_the_preview_shows_what_it_would_mean() -> None:
    offer = preview("（红：1.2）苹果")
    assert offer.before == [["（红：1.2）苹果", 1.0]]
    assert offer.after == [["红", 1.2], ["苹果", 1.0]]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="（）［］【】：｜，、１．a红(:)|。", max_size=20))
def test_changes_are_sound_and_settle(text: str) -> None:
    offer = preview(text)
    assert all(text[change.start : change.end] == change.old for change in offer.changes)
    assert not [change for change in preview(offer.converted).changes if change.kind == "bracket"]
    assert offer.converted.count("红") == text.count("红") and offer.converted.count("。") == text.count("。")

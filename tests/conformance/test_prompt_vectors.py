"""The numbers that the webui gives for the prompt language, one by one."""

from __future__ import annotations

import pytest

from ra_widgets.prompt import parse_attention, prompt_schedule, split_and, split_networks

ATTENTION = [
    ("normal text", [["normal text", 1.0]]),
    ("an (important) word", [["an ", 1.0], ["important", 1.1], [" word", 1.0]]),
    ("(unbalanced", [["unbalanced", 1.1]]),
    (r"\(literal\]", [["(literal]", 1.0]]),
    ("(unnecessary)(parens)", [["unnecessaryparens", 1.1]]),
    (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        [
            ["a ", 1.0],
            ["house", 1.5730000000000004],
            [" ", 1.1],
            ["on", 1.0],
            [" a ", 1.1],
            ["hill", 0.55],
            [", sun, ", 1.1],
            ["sky", 1.4641000000000006],
            [".", 1.1],
        ],
    ),
    ("[[a]]", [["a", 0.8264462809917354]]),
    ("(a: 1.2 )", [["a", 1.2]]),
    ("(a:.5)", [["a", 0.5]]),
    ("(a:-1)", [["a", -1.0]]),
    ("(a:1.2:1.3)", [["a:1.2", 1.3]]),
    ("(a:b)", [["a:b", 1.1]]),
    ("a:1.2)", [["a:1.2)", 1.0]]),
    ("(a)(b:1.1)", [["ab", 1.1]]),
    (r"(a\)b:1.3)", [["a)b", 1.3]]),
    (r"a\b", [["ab", 1.0]]),
    ("()", [["", 1.0]]),
    ("", [["", 1.0]]),
    ("(a:1.2", [["a:1.2", 1.1]]),
    ("[a:1.2]", [["a:1.2", 1 / 1.1]]),
    ("a BREAK b", [["a", 1.0], ["BREAK", -1], ["b", 1.0]]),
    ("(a BREAK b:1.2)", [["a", 1.2], ["BREAK", -1.2], ["b", 1.2]]),
    ("（中文:1.2）", [["（中文:1.2）", 1.0]]),
    # The webui raises ValueError here; we read it as "(a:b)" is read.
    ("(a:1..2)", [["a:1..2", 1.1]]),
]


@pytest.mark.parametrize(("text", "expected"), ATTENTION, ids=[repr(text) for text, _ in ATTENTION])
def test_attention(text: str, expected: list[list]) -> None:
    assert parse_attention(text) == expected


SCHEDULES = [
    ("test", [[10, "test"]]),
    ("", [[10, ""]]),
    ("a [b:3]", [[3, "a "], [10, "a b"]]),
    ("a [b: 3]", [[3, "a "], [10, "a b"]]),
    ("a [[[b]]:2]", [[2, "a "], [10, "a [[b]]"]]),
    ("[(a:2):3]", [[3, ""], [10, "(a:2)"]]),
    ("a [b : c : 1] d", [[1, "a b  d"], [10, "a  c  d"]]),
    ("a[b:[c:d:2]:1]e", [[1, "abe"], [2, "ace"], [10, "ade"]]),
    ("a [unbalanced", [[10, "a [unbalanced"]]),
    ("a [b:.5] c", [[5, "a  c"], [10, "a b c"]]),
    ("a [{b|d{:.5] c", [[10, "a [{b|d{:.5] c"]]),
    ("((a][:b:c [d:3]", [[3, "((a][:b:c "], [10, "((a][:b:c d"]]),
    ("[a|(b:1.1)]", [[step, "a" if step % 2 else "(b:1.1)"] for step in range(1, 11)]),
    ("[fe|]male", [[step, "female" if step % 2 else "male"] for step in range(1, 11)]),
    ("[fe|||]male", [[step, "female" if step % 4 == 1 else "male"] for step in range(1, 11)]),
    ("[a:b:1]", [[1, "a"], [10, "b"]]),
    ("[a:b:1.0]", [[10, "a"]]),
    ("[a:b:0]", [[10, "b"]]),
    ("[a:b:-1]", [[10, "b"]]),
    ("[a:b:0.05]", [[10, "b"]]),
    ("[a:b:20]", [[10, "a"]]),
    ("[a:b:5e-1]", [[10, "b"]]),
    ("[小猫:小狗:0.5]", [[5, "小猫"], [10, "小狗"]]),
    ("[a::3]", [[3, "a"], [10, ""]]),
]
LITERAL = ["[a|b:3]", "[a:b|c:5]", "[a: b:c:5]", "[a:b:c:5]", "[a:b]", r"\[a:b:5\]", "[<lora:x:1>:b:5]"]


@pytest.mark.parametrize(("text", "expected"), SCHEDULES, ids=[repr(text) for text, _ in SCHEDULES])
def test_schedule(text: str, expected: list[list]) -> None:
    assert prompt_schedule(text, 10) == expected


@pytest.mark.parametrize("text", LITERAL)
def test_what_is_no_edit_is_text(text: str) -> None:
    assert prompt_schedule(text, 10) == [[10, text]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:b:.5]", [[10, "b"]]),
        ("[a:b:1.5]", [[5, "a"], [10, "b"]]),
        ("[a:b:5]", [[10, "b"]]),
        ("[a:b:15]", [[5, "a"], [10, "b"]]),
    ],
)
def test_second_pass(text: str, expected: list[list]) -> None:
    assert prompt_schedule(text, 10, 10) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:b:1]", [[1, "a"], [10, "b"]]),
        ("[a:b:1.0]", [[1, "a"], [10, "b"]]),
        ("[a:b:5e-1]", [[5, "a"], [10, "b"]]),
        ("[a:b:.5]", [[5, "a"], [10, "b"]]),
        ("[a:b:2.9]", [[2, "a"], [10, "b"]]),
    ],
)
def test_old_timelines(text: str, expected: list[list]) -> None:
    assert prompt_schedule(text, 10, use_old_scheduling=True) == expected
    assert prompt_schedule(text, 10, 10, use_old_scheduling=True) == expected, "the second pass starts anew"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", [("a", 1.0)]),
        ("a AND b", [("a", 1.0), (" b", 1.0)]),
        ("a :1.2 AND b: 0.5", [("a", 1.2), (" b", 0.5)]),
        ("a AND b:-0.7 ", [("a", 1.0), (" b", -0.7)]),
        ("a AND b:.5\n", [("a", 1.0), (" b", 0.5)]),
        ("a AND b:2.", [("a", 1.0), (" b", 2.0)]),
        ("SAND ANDY", [("SAND ANDY", 1.0)]),
        ("(a:1.2)", [("(a:1.2)", 1.0)]),
        ("a:b AND c:d", [("a:b", 1.0), (" c:d", 1.0)]),
        ("猫 AND 狗 :0.3", [("猫", 1.0), (" 狗", 0.3)]),
    ],
)
def test_composition(text: str, expected: list[tuple[str, float]]) -> None:
    assert split_and(text) == expected


def test_networks() -> None:
    text, networks = split_networks("a <lora:x:1>, b <hypernet:h:te=0.5:0.3:a=b=c>")
    assert text == "a , b "
    assert [(item.kind, item.args, item.named) for item in networks] == [
        ("lora", ["x", "1"], {}),
        ("hypernet", ["h", "0.3", "a=b=c"], {"te": "0.5"}),
    ]


@pytest.mark.parametrize(
    ("tag", "strengths"),
    [
        ("<lora:x>", (1.0, 1.0)),
        ("<lora:x:0.7>", (0.7, 0.7)),
        ("<lora:x:0.7:0.2>", (0.7, 0.2)),
        ("<lora:x:unet=0.2>", (1.0, 0.2)),
        ("<lora:x:te=0.3>", (0.3, 0.3)),
    ],
)
def test_network_strengths(tag: str, strengths: tuple[float, float]) -> None:
    assert split_networks(tag)[1][0].strengths == strengths


@pytest.mark.parametrize("text", ["<lora>", "<:x>", "<lora:>", "a < b : c", "<lora:x", "<lo ra:x>"])
def test_what_is_no_network_stays(text: str) -> None:
    assert split_networks(text) == (text, [])

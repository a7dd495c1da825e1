"""Attention: positions of the pieces, and the corners of BREAK."""

from __future__ import annotations

import pytest

from ra_widgets.prompt import attention_pieces, parse_attention


def test_pieces_know_where_they_stood() -> None:
    text = "一只(红色:1.3)的 \\(猫\\) [远处] BREAK 草地"
    pieces = attention_pieces(text)
    assert [text[piece.start : piece.end].strip() for piece in pieces] == [
        "一只", "红色", "的 \\(猫\\)", "远处", "", "BREAK", "草地"
    ]  # fmt: skip
    assert [piece.is_break for piece in pieces].count(True) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BREAK", [["", 1.0], ["BREAK", -1], ["", 1.0]]),
        ("a BREAK BREAK b", [["a", 1.0], ["BREAK", -1], ["", 1.0], ["BREAK", -1], ["b", 1.0]]),
        ("aBREAK BREAKb", [["aBREAK BREAKb", 1.0]]),
        ("a\n BREAK\tb", [["a", 1.0], ["BREAK", -1], ["b", 1.0]]),
        ("[x BREAK y]", [["x", 1 / 1.1], ["BREAK", -1 / 1.1], ["y", 1 / 1.1]]),
        ("(BREAK:-1)", [["", -1.0], ["BREAK", 1.0], ["", -1.0]]),
    ],
)
def test_break(text: str, expected: list[list]) -> None:
    assert parse_attention(text) == expected


@pytest.mark.parametrize("number", ["1..2", ".", "1.2.3", "..", "+."])
def test_a_weight_that_is_no_number_is_text(number: str) -> None:
    assert parse_attention(f"(a:{number})") == [[f"a:{number}", 1.1]]
    assert parse_attention(f"a:{number})") == [[f"a:{number})", 1.0]]


def test_digits_of_any_script_are_numbers_as_in_python() -> None:
    assert parse_attention("(a:１.２)") == [["a", 1.2]]

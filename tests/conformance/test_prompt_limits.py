"""Prompts that no human writes: 100,000 brackets in every arrangement, without recursion and in linear time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest

from ra_widgets.prompt import explain, highlight, parse, parse_attention, prompt_schedule, split_and, split_networks

N = 100_000
NESTS = {
    "round": "(" * N,
    "square": "[" * N,
    "round closed": "(" * (N // 2) + ")" * (N // 2),
    "square closed": "[" * (N // 2) + "a" + "]" * (N // 2),
    "alternating kinds": "([" * (N // 2),
    "pairs": "()" * (N // 2),
    "stray": ")" * N,
}
EDITS = {
    "text between": "(a" * N,
    "nested edits": "[a:" * (N // 2) + ":3]" * (N // 2),
    "many edits": "[a:b:3]" * (N // 2),
    "many alternations": "[a|b]" * (N // 2),
    "nested alternations": "[a|" * (N // 2) + "]" * (N // 2),
    "crossing": "(a[b)c]" * (N // 4),
    "networks": "<a:" * N,
    "colons": ":1" * N,
    "backslashes": "\\" * N,
    "blanks": " " * N + "BREA",
    "braces": "{" * N,
}


READERS: dict[str, Callable[[str], object]] = {
    "attention": parse_attention,
    "schedule": lambda text: prompt_schedule(text, 20),
    "explain": explain,
}


def lines_of(work: Callable[[str], object], text: str) -> int:
    """How many lines of Python ``work`` runs: the same on every machine, however busy."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("text", NESTS.values(), ids=NESTS.keys())
@pytest.mark.parametrize("function", READERS.values(), ids=READERS.keys())
def test_a_hundred_thousand_brackets_are_read(text: str, function: Callable[[str], object]) -> None:
    """How long that takes (the target is 200 ms) is what benchmarks/prompts.py measures."""
    assert function(text)


SHORT = 1_000
UNITS = {
    "round": ("(", "a", ")"), "square": ("[", "a", "]"), "kinds": ("([", "a", ")]"), "pairs": ("()", "", ""),
    "stray": ("", "", ")"), "text between": ("(a", "", ""), "text and brackets": ("(a:1.2)b", "", ""),
    "edits": ("[a:b:3]", "", ""), "edits among words": ("[cat:dog:0.5], ", "", ""), "removed": ("[fog::7] ", "", ""),
    "alternations": ("[a|b]", "", ""), "nested edits": ("[a:", "", ":3]"), "nested before": ("[", "x", ":y:3]"),
    "nested alternations": ("[a|", "", "]"), "mixed": ("[(a:1.2):[b|c]:3]", "", ""), "crossing": ("(a[b)c]", "", ""),
    "mixed, nested": ("([a:", "x", ":3])"), "colons": (":1", "", ""), "networks": ("<a:", "", ""), "words": ("a b, ", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
@pytest.mark.parametrize("name", READERS)
def test_twice_the_text_is_at_most_twice_the_work(unit: tuple[str, str, str], name: str) -> None:
    before, middle, after = unit
    once, twice = (before * n + middle + after * n for n in (SHORT, 2 * SHORT))
    assert lines_of(READERS[name], twice) <= 2.02 * lines_of(READERS[name], once)


@pytest.mark.parametrize("text", EDITS.values(), ids=EDITS.keys())
def test_no_recursion_and_no_loss(text: str) -> None:
    assert parse_attention(text)
    assert prompt_schedule(text, 20)[-1][0] == 20
    assert len(split_and(text)) == 1
    assert split_networks(text) == (text, [])


@pytest.mark.parametrize("text", [*NESTS.values(), *EDITS.values()], ids=[*NESTS, *EDITS])
def test_trees_of_any_depth(text: str) -> None:
    text = text[: N // 20] + text[-N // 20 :]
    spans = highlight(text)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert sum(1 for _ in parse(text).root.walk()) > 1
    assert explain(text)["prompt"] == text


def test_attention_needs_no_more_than_its_budget_of_multiplications() -> None:
    """Deep nesting with text at every level would need 1.25 thousand million multiplications done one by one."""
    pieces = parse_attention("(a" * 50_000)
    assert pieces[0][1] == pytest.approx(1.1)
    assert len(pieces) > 5_000
    assert pieces[-1][1] == float("inf"), "1.1 to the power of 50,000"


def test_deep_edits_are_read_right() -> None:
    depth = 20_000
    text = "[" * depth + "x" + ":y:3]" * depth
    assert prompt_schedule(text, 10) == [[3, "x"], [10, "y"]]
    assert prompt_schedule("[a|" * depth + "]" * depth, 2) == [[1, "a"], [2, ""]]

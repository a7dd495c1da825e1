"""Prompt editing beyond the published numbers: bad input, states, positions."""

from __future__ import annotations

import pytest

from ra_widgets.errors import InvalidRequest
from ra_widgets.prompt import prompt_schedule
from ra_widgets.prompt.schedule import compile_schedule, resolve


@pytest.mark.parametrize(("steps", "hires", "field"), [(0, None, "steps"), (-3, None, "steps"), (5, 0, "hires_steps")])
def test_steps_below_one_are_refused_by_name(steps: int, hires: int | None, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        prompt_schedule("[a:b:1]", steps, hires)
    assert caught.value.field == field
    assert field in caught.value.text("en") and field in caught.value.text("zh_CN")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1.5e308", "9" * 400])
def test_numbers_beyond_measure_do_no_harm(number: str) -> None:
    assert prompt_schedule(f"[a:b:{number}]", 10) in ([[10, "a"]], [[10, "b"]])


def test_runs_know_where_they_stood() -> None:
    text = "一个[红:(绿:1.2):0.5]苹果 [x|y]"
    program = compile_schedule(text)
    resolve(program, 10)
    for step in range(1, 11):
        runs = program.runs(step)
        assert "".join(words for words, _ in runs) == program.text(step)
        assert all(text[place : place + len(words)] == words for words, place in runs)


def test_linking_changes_nothing() -> None:
    text = "a (b) [c (d) [e|f|] :g:0.3] \\[ [h|[i:j:5]]"
    plain, linked = compile_schedule(text), compile_schedule(text)
    resolve(plain, 12), resolve(linked, 12)
    linked.link()
    assert len(linked.code) < len(plain.code)
    assert [linked.text(step) for step in range(1, 13)] == [plain.text(step) for step in range(1, 13)]
    assert [linked.runs(step)[0] for step in range(1, 13)] == [("a (b) ", 0)] * 12


def test_equal_states_have_equal_texts() -> None:
    program = compile_schedule("[a|b|c] [d|e] [f:g:7]")
    resolve(program, 20)
    known: dict[tuple[int, ...], str] = {}
    for end, state in zip(program.ends(20), program.states(program.ends(20)), strict=True):
        assert known.setdefault(state, program.text(end)) == program.text(end)
    assert len(known) < 20


@pytest.mark.parametrize(("text", "why"), [("a [b:c:3] | d", "pipe"), ("[a|b:3]", "pipe"), ("[a:b:3] \\", "backslash")])
def test_what_turns_editing_off_is_named(text: str, why: str) -> None:
    program = compile_schedule(text)
    assert (program.literal, text[program.literal_at]) == (why, "|" if why == "pipe" else "\\")
    assert prompt_schedule(text, 10) == [[10, text]]

"""The fast parsers against slow ones that follow the description to the letter, on thousands of generated prompts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ra_widgets.prompt import attention, parse_attention, prompt_schedule, split_and

from .prompt_oracles import and_parts, lark_schedule, plain_attention

_FIXED = settings(
    max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

_TOKENS = r"[ [ [ ] ] ] ( ) ( ) : : | | a b 3 .5 1.5 15 -1 \ \[ 小猫 BREAK (x:1.2) (y:0.8) :1..2)"
_EDITS = "[a:b:3] [a|b] [b:2] [::2] [c:.5]"
_SOUP = st.lists(st.sampled_from([*f"{_TOKENS} {_EDITS}".split(), " ", "b ", " 4 ", "\n", " BREAK "]), max_size=13).map(
    "".join
)

_WORDS = st.sampled_from(["a", "b c", " d ", "", "猫", r"\(", "x, y", "7"])
_NUMBERS = st.sampled_from(["1", "3", "0.25", ".5", "1.5", "9", "12", "0", "-2", "+4", "2.", "5e-1", " 6 "])


def _bracketed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("[{}:{}:{}]".format, inner, inner, _NUMBERS),
        st.builds("[{}:{}]".format, inner, _NUMBERS),
        st.lists(inner, min_size=2, max_size=4).map(lambda items: f"[{'|'.join(items)}]"),
        st.builds("({}:{})".format, inner, _NUMBERS),
        st.builds("({})".format, inner),
        st.builds("[{}]".format, inner),
        st.builds("{}{}".format, inner, inner),
    )


_NESTED = st.recursive(_WORDS, _bracketed, max_leaves=6)
_HIRES = st.sampled_from([None, None, 7, 12])


@_FIXED
@given(_SOUP, _HIRES, st.booleans())
def test_schedule_of_any_text_is_larks(text: str, hires: int | None, old: bool) -> None:
    assert prompt_schedule(text, 10, hires, old) == lark_schedule(text, 10, hires, old)


@_FIXED
@given(_NESTED, _HIRES, st.booleans())
def test_schedule_of_nested_edits_is_larks(text: str, hires: int | None, old: bool) -> None:
    assert prompt_schedule(text, 10, hires, old) == lark_schedule(text, 10, hires, old)


@_FIXED
@given(st.one_of(_SOUP, _NESTED))
def test_attention_is_the_plain_ones(text: str) -> None:
    try:
        expected = plain_attention(text)
    except ValueError:
        # "(a:1..2)": the description raises; ours must read it as text and lose no character but brackets.
        assert "1..2" in "".join(piece for piece, _ in parse_attention(text))
        return
    assert parse_attention(text) == expected


@_FIXED
@given(
    st.lists(
        st.sampled_from(["a", " ", "AND", " AND ", ":", "1.2", "-.5", "3.", "\n", "：", "٣", "(b:1)"]), max_size=10
    )
)
def test_composition_is_the_regular_expressions(tokens: list[str]) -> None:
    text = "".join(tokens)
    assert split_and(text) == and_parts(text)


@pytest.mark.parametrize(
    "text", ["(a [b) c] d", "[a (b] c:1.3) d", "((a)[b", "(a" * 40, "[x" * 30 + "]" * 12, "(a:0)(b:-2)"]
)
def test_counting_agrees_with_multiplying(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absurdly deep prompts take another way to their weights, which must lead to the same place."""
    exact = parse_attention(text)
    monkeypatch.setattr(attention, "EXACT_OPERATIONS", -1)
    counted = parse_attention(text)
    assert "".join(piece for piece, _ in counted) == "".join(piece for piece, _ in exact)
    weights = {round(weight, 9) for _, weight in exact}
    assert {round(weight, 9) for _, weight in counted} == weights

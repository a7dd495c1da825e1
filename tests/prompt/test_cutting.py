"""Comments and networks cut out of a text, and the way back to where things stood."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets.prompt import split_networks, strip_comments
from ra_widgets.prompt.comments import comment_spans
from ra_widgets.prompt.source import clean


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a # b", "a "),
        ("a # b\nc", "a \nc"),
        ("# a\nb", "b"),
        ("a\n# b\nc", "a\nc"),
        ("a\n  # b\n# c\nd", "a\nd"),
        ("a\n# b", "a"),
        ("# a", ""),
        ("# a\n# b", ""),
        ("a\n# b\n# c", "a\n"),
        ("no comment", "no comment"),
        ("颜色#ff0000 红\n苹果", "颜色\n苹果"),
    ],
)
def test_comments(text: str, left: str) -> None:
    assert strip_comments(text).rstrip("\n") == left.rstrip("\n")
    spans = comment_spans(text)
    assert spans == sorted(spans) and all(start < end for start, end in spans)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="ab#\n<:>x 小", max_size=30))
def test_every_character_that_is_left_knows_its_place(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.text == split_networks(strip_comments(text))[0]
    for index, char in enumerate(cleaned.text):
        start, end = cleaned.span(index, index + 1)
        assert text[start:end] == char


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="ab#\n", max_size=20))
def test_no_comment_survives(text: str) -> None:
    left = strip_comments(text)
    assert "#" not in left
    assert left.replace("\n", "") == "".join(line.split("#")[0] for line in text.split("\n"))


def test_networks_know_their_place_and_read_back() -> None:
    text = "a <lora:x:0.5:unet=1> b"
    network = split_networks(text)[1][0]
    assert text[network.start : network.end] == str(network) == "<lora:x:0.5:unet=1>"
    assert (network.name, network.strengths) == ("x", (0.5, 1.0))
    assert split_networks("<lora:x:strong>")[1][0].strengths == (1.0, 1.0)

"""Windows of 75 tokens: commas, BREAK, embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ra_widgets.prompt import parse_attention, split_chunks


def words(text: str) -> list[str]:
    return text.replace(",", " , ").split()


def chunk(text: str, **options: object) -> list[list[str]]:
    found = split_chunks(parse_attention(text), words, lambda token: token == ",", **options)  # type: ignore[arg-type]
    return [item.tokens for item in found]


def test_an_empty_prompt_is_one_empty_chunk() -> None:
    assert chunk("") == [[]]


def test_seventy_five_words_fill_one_chunk() -> None:
    assert [len(item) for item in chunk("a " * 75)] == [75]
    assert [len(item) for item in chunk("a " * 76)] == [75, 1]
    assert [len(item) for item in chunk("a " * 151)] == [75, 75, 1]


@pytest.mark.parametrize(
    ("after_comma", "expected"),
    [(0, [75, 3]), (5, [70, 8]), (19, [56, 22]), (20, [75, 3]), (40, [75, 3])],
)
def test_words_behind_a_near_comma_move_on(after_comma: int, expected: list[int]) -> None:
    text = "a " * (74 - after_comma) + ", " + "b " * (after_comma + 3)
    assert [len(item) for item in chunk(text)] == ([75, 3] if after_comma == 0 else expected)


def test_without_backtracking_words_stay() -> None:
    assert [len(item) for item in chunk("a " * 70 + ", " + "b " * 9, backtrack=0)] == [75, 5]


def test_a_comma_that_does_not_fit_opens_the_next_chunk() -> None:
    assert chunk("a " * 75 + ", b")[1] == [",", "b"]


def test_break_closes_a_chunk_but_not_inside_brackets() -> None:
    assert chunk("a BREAK b") == [["a"], ["b"]]
    assert chunk("BREAK a") == [[], ["a"]]
    assert chunk("(a BREAK b)") == [["a", "BREAK", "b"]]


def test_weights_go_with_their_tokens() -> None:
    found = split_chunks(parse_attention("a (b c:1.3), d"), words, lambda token: token == ",")
    assert list(zip(found[0].tokens, found[0].weights, strict=True)) == [
        ("a", 1.0), ("b", 1.3), ("c", 1.3), (",", 1.0), ("d", 1.0)
    ]  # fmt: skip


def embedding(tokens: Sequence[str], at: int) -> tuple[object, int, int] | None:
    return ("E", 4, 2) if list(tokens[at : at + 2]) == ["em", "bed"] else None


def test_an_embedding_takes_its_places_and_never_straddles() -> None:
    pieces = parse_attention("a " * 73 + "em bed b")
    found = split_chunks(pieces, words, lambda token: token == ",", find_embedding=embedding, filler="·")
    assert [len(item.tokens) for item in found] == [73, 5]
    assert found[1].tokens == ["·"] * 4 + ["b"] and found[1].embeddings == [(0, "E")]


def test_an_embedding_moves_with_its_phrase() -> None:
    pieces = parse_attention("a " * 68 + ", em bed " + "b " * 5)
    found = split_chunks(pieces, words, lambda token: token == ",", find_embedding=embedding, filler="·")
    assert [len(item.tokens) for item in found] == [69, 9]
    assert (found[0].embeddings, found[1].embeddings) == ([], [(0, "E")])

"""Ids sort by time, never repeat, and cannot be anything but ids."""

from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets.gallery import ids


def test_ids_rise_even_when_the_clock_falls() -> None:
    make = ids.IdMaker()
    moments = [1000, 1000, 999, 5, 2000, 2000, 1500, 2001]
    made = [make(moment) for moment in moments]
    rows = [ids.row_of(name) for name in made]
    assert made == sorted(made) and len(set(rows)) == len(rows) and rows == sorted(rows)
    assert [ids.milliseconds_of(name) for name in made] == [1000, 1000, 1000, 1000, 2000, 2000, 2000, 2001]


def test_more_in_one_millisecond_than_the_counter_holds() -> None:
    make = ids.IdMaker()
    made = [make(7) for _ in range(40_000)]
    assert made == sorted(set(made))


def test_threads_never_share_an_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([ids.new_id() for _ in range(500)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 4000 and all(map(ids.is_id, made))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_order_of_text_is_order_of_numbers(a: int, b: int) -> None:
    assert ids.decode(ids.encode(a)) == a
    assert (ids.encode(a) < ids.encode(b)) == (a < b)
    assert 0 <= ids.row_of(ids.encode(a)) < 2**63


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=30))
def test_only_ids_are_ids(text: str) -> None:
    assert not ids.is_id(text)
    assert not ids.is_id(ids.new_id().lower()) or ids.new_id().isdigit()


def test_files_without_an_id_get_a_stable_one() -> None:
    assert ids.stable_id("images/a/x.png", 5000) == ids.stable_id("images/a/x.png", 5000)
    assert ids.stable_id("images/a/x.png", 5000) != ids.stable_id("images/a/y.png", 5000)
    assert ids.milliseconds_of(ids.stable_id("图.png", 5000)) == 5000
    assert ids.is_id(ids.stable_id("x", -1)) and ids.is_id(ids.stable_id("x", 2**80))

"""Searching: any piece of Chinese, words of other scripts from their beginning, nothing that breaks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets.gallery import Gallery, search

from .helpers import save

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory):
    with Gallery(tmp_path_factory.mktemp("search")) as opened:
        save(opened, "一个红苹果放在木桌上，水墨风格", 1, negative_prompt="模糊")
        save(opened, "水墨 墨画 a red apple, Café", 2, negative_prompt="lowres")
        save(opened, "ｆｕｌｌ ＷＩＤＴＨ １２３ (masterpiece:1.2), foo_bar", 3, model="仙侠模型")
        save(opened, 'AND OR NOT NEAR "quotes" * ^ - {col}: 🍎 100%', 4, infotext="")
        save(opened, "한국어 사과 と 日本語のリンゴ", 5)
        yield opened


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("苹果", [1]),
        ("苹", [1]),
        ("红苹果", [1]),
        ("水墨", [2, 1]),
        ("水墨画", []),  # the characters are there, the word is not
        ("墨画", [2]),
        ("桌上水墨", []),  # a comma stands between
        ("水墨 苹果", [1]),
        ("苹果 水墨", [1]),
        ("模糊", [1]),
        ("模", [3, 1]),
        ("仙侠", [3]),
        ("red", [2]),
        ("RED APPLE", [2]),
        ("appl", [2]),
        ("pple", []),  # words are found from their beginning
        ("cafe", [2]),
        ("café", [2]),
        ("lowres", [2]),
        ("full width 123", [3]),
        ("foo_bar", [3]),
        ("水墨red", [2]),
        ("ra-mini", [5, 4, 2, 1]),
        ("Sampler", [5, 3, 2, 1]),
        ("AND", [4]),
        ("near", [4]),
        ('"quotes"', [4]),
        ("🍎", [4]),
        ("100%", [4]),
        ("%", [4]),
        ("NOT 苹果", []),
        ("사과", [5]),
        ("リンゴ", [5]),
        ("日本", [5]),
        ("", [5, 4, 3, 2, 1]),
        ("   ", [5, 4, 3, 2, 1]),
        ("没有这个词", []),
        ("Seed: 3", [3]),
        ("12", []),  # numbers are found whole
    ],
)
def test_what_is_found(gallery: Gallery, text: str, seeds: list[int]) -> None:
    assert [record.seed for record in gallery.search(text)] == seeds
    assert gallery.count(text) == len(seeds)


@PROPERTY
@given(
    st.text(
        st.sampled_from("\"'*()^-+:{}[]\\%_.,;&|<>~`!?@#$/=ANDORTE 苹果水0aé\x00\n\t🍎　ー") | st.characters(),
        max_size=40,
    )
)
def test_no_text_is_syntax(gallery: Gallery, text: str) -> None:
    found = gallery.search(text)
    assert gallery.count(text) == len(found)


CJK = st.text(st.sampled_from("一个红苹果水墨山鹤竹林月の한ー𠀀𪚥㐀"), min_size=1, max_size=12)


@PROPERTY
@given(st.lists(CJK, min_size=1, max_size=5), st.data())
def test_chinese_search_is_substring_search(texts: list[str], data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(texts))
    start = data.draw(st.integers(0, len(source) - 1))
    needle = source[start : data.draw(st.integers(start + 1, len(source)))]
    db = sqlite3.connect(":memory:")
    db.execute(search.TABLE.format(name="t"))
    for number, text in enumerate(texts, 1):
        db.execute("INSERT INTO t (rowid, words, pairs) VALUES (?, ?, ?)", (number, *search.tokens(f"a {text}, b")))
    found = {row for (row,) in db.execute("SELECT rowid FROM t WHERE t MATCH ?", (search.query(needle).match,))}
    # NFKC may join or replace characters, so both sides are compared as they are stored
    assert found == {i for i, text in enumerate(texts, 1) if search.normal(needle) in search.normal(text)}


def test_results_page_without_gaps(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        ids = [save(gallery, "竹林" if i % 2 else "山水", i).id for i in range(20)]
        seen: list[str] = []
        while page := gallery.search("竹林", 3, before=seen[-1] if seen else None):
            seen += [record.id for record in page]
        assert seen == ids[1::2][::-1]


def test_paging_does_not_sort(tmp_path: Path) -> None:
    """The plan of a search has no sorter: the first page of a common word costs no more than that of a rare one."""
    with Gallery(tmp_path) as gallery, gallery._index.reading() as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT r.id FROM search s CROSS JOIN records r ON r.row = s.rowid "
            "WHERE search MATCH 'x' AND s.rowid < 5 ORDER BY s.rowid DESC LIMIT 5"
        ).fetchall()
        assert not any("TEMP B-TREE" in row[3] for row in plan)


def test_long_texts_are_cut_not_refused() -> None:
    words, pairs = search.tokens("红苹果" * 100_000)
    assert len(words) < 200_000 and len(pairs) < 200_000
    assert len(search.query("红苹果" * 100_000).match) < 5_000

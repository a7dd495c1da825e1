"""styles.csv: old and new files, merging, taking apart, what lies between the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets.errors import RAError
from ra_widgets.prompt import Style, StyleBook, apply_styles, extract_styles, read_styles, write_styles

INK = Style("水墨", "水墨画, {prompt}, 留白", "照片")
SHARP = Style("清晰", "sharp focus", "blurry")
_TEXT = st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=30)


def test_apply_and_extract_are_each_others_reverse() -> None:
    prompt, negative = apply_styles([INK, SHARP], "一座山", "人")
    assert prompt == "水墨画, 一座山, 留白, sharp focus"
    assert negative == "人, 照片, blurry"
    assert extract_styles([SHARP, INK], prompt, negative) == (["水墨", "清晰"], "一座山", "人")


def test_a_style_counts_only_when_both_its_texts_are_there() -> None:
    assert extract_styles([SHARP], "a, sharp focus", "ugly") == ([], "a, sharp focus", "ugly")


def test_empty_styles_are_never_extracted() -> None:
    assert extract_styles([Style("空")], "a", "b") == ([], "a", "b")


def test_empty_prompts_take_the_style_alone() -> None:
    assert apply_styles([SHARP], "", "") == ("sharp focus", "blurry")
    assert extract_styles([SHARP], "sharp focus", "blurry") == (["清晰"], "", "")


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(_TEXT.filter(lambda name: bool(name)), _TEXT, _TEXT), max_size=5, unique_by=lambda row: row[0])
)
def test_files_keep_every_character(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]) -> None:
    path = tmp_path_factory.mktemp("styles") / "styles.csv"
    styles = [Style(*row) for row in rows]
    write_styles(path, styles)
    assert read_styles(path) == styles


def test_the_previous_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "styles.csv"
    write_styles(path, [INK])
    write_styles(path, [SHARP])
    assert read_styles(path) == [SHARP]
    assert read_styles(tmp_path / "styles.csv.bak") == [INK]
    assert path.read_bytes().startswith(b'\xef\xbb\xbf"name"')
    assert sorted(item.name for item in tmp_path.iterdir()) == ["styles.csv", "styles.csv.bak"]


def test_webui_files_old_and_new(tmp_path: Path) -> None:
    new, old = tmp_path / "new.csv", tmp_path / "old.csv"
    new.write_text('name,prompt,negative_prompt\nA, one, two\n#----,,\nB,"x, {prompt}",\n', "utf-8-sig")
    old.write_text("name,text\nC,three\n", "utf-8")
    book = StyleBook.load(tmp_path / "*.csv", tmp_path / "missing.csv")
    assert [style.name for style in book] == ["A", "B", "C"]
    assert (book["A"].prompt, book["A"].negative_prompt, book["C"].prompt) == ("one", "two", "three")
    assert book["A"].path == str(new)
    assert book.apply(["B", "nobody", "A"], "p", "") == ("x, p, one", "two")
    assert book.extract("x, p, one", "two") == (["B", "A"], "p", "")
    book.save(tmp_path / "all.csv")
    assert [style.name for style in read_styles(tmp_path / "all.csv")] == ["A", "#----", "B", "C"], "dividers are kept"


def test_later_files_win(tmp_path: Path) -> None:
    write_styles(tmp_path / "1.csv", [Style("A", "first")])
    write_styles(tmp_path / "2.csv", [Style("A", "second")])
    assert StyleBook.load(tmp_path / "1.csv", tmp_path / "2.csv")["A"].prompt == "second"


def test_files_that_are_no_styles_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00name")
    (tmp_path / "b.csv").write_text("colour,size\nred,2\n", "utf-8")
    for name in ("a.csv", "b.csv"):
        with pytest.raises(RAError, match=name):
            read_styles(tmp_path / name)
    (tmp_path / "c.csv").write_text("", "utf-8")
    assert read_styles(tmp_path / "c.csv") == []


def test_a_style_needs_a_name() -> None:
    book = StyleBook([INK])
    with pytest.raises(RAError):
        book.add(Style("  "))
    book.add(SHARP)
    book.remove("水墨")
    book.remove("nobody")
    assert [style.name for style in book] == ["清晰"] and len(book) == 1 and "清晰" in book

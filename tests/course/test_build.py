"""The builder: the same bytes each time, the right language in each cell, solutions only where they belong."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "course"
sys.path.insert(0, str(COURSE))
try:
    import build
finally:
    sys.path.remove(str(COURSE))

LESSONS = build.lessons()
HEADINGS = {
    "zh": ["目标", "演示", "调一调", "练习", "自测", "小结"],
    "en": ["Goal", "Demo", "Try it", "Exercise", "Check yourself", "Recap"],
}
IDS = [path.stem for path in LESSONS]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(COURSE / "build.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd="/",
    )


def headings(notebook: dict[str, Any]) -> list[str]:
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            found += re.findall(r"^## (.+)$", "".join(cell["source"]), re.M)
    return found


def test_the_committed_notebooks_are_what_the_builder_makes() -> None:
    made = run("--check")
    assert made.returncode == 0, made.stdout + made.stderr


def test_check_notices_every_kind_of_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    (lessons / "00_a.py").write_text('# %% [markdown] tags=["lang-zh"]\n# 你好\n\n# %%\n1 + 1\n', "utf-8")
    for path in COURSE.glob("drawing*.py"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    target = tmp_path / "zh" / "00_a.ipynb"
    target.write_text(target.read_text("utf-8").replace("你好", "您好"), "utf-8")
    assert build.main(["--check"]) == 1
    assert build.main([]) == 0
    (tmp_path / "en" / "99_old.ipynb").write_text("{}", "utf-8")
    assert build.main(["--check"]) == 1, "a notebook without a source"
    (tmp_path / "en" / "99_old.ipynb").unlink()
    (tmp_path / "en" / "images" / "history.svg").unlink()
    assert build.main(["--check"]) == 1


def test_a_folder_is_one_lesson_of_its_parts_in_order(tmp_path: Path) -> None:
    own = '# %% tags=["source-only"]\nimport os\n\n'
    (tmp_path / "07_a").mkdir()
    for name, text in (("2_end.py", "# %%\nsecond = 2\n"), ("1_begin.py", "# %%\nfirst = 1\n")):
        (tmp_path / "07_a" / name).write_text(own + text, "utf-8")
    (tmp_path / "07_a.py").write_text(own + "# %%\nfirst = 1\n\n# %%\nsecond = 2\n", "utf-8")
    assert build.build(tmp_path / "07_a", "zh") == build.build(tmp_path / "07_a.py", "zh")
    assert [c["source"] for c in build.build(tmp_path / "07_a", "en")["cells"]] == [["first = 1"], ["second = 2"]]


def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run("--solutions", str(tmp_path / name)).returncode == 0
    first, second = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in "ab")
    drawings = len(list((COURSE / "zh" / "images").glob("*.svg")))
    assert first == second and len(first) == 2 * (len(LESSONS) + drawings)


@pytest.mark.parametrize("language", build.LANGUAGES)
@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_notebooks_are_valid_and_bare(path: Path, language: str) -> None:
    notebook = build.build(path, language)
    nbformat.validate(notebook)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        assert "solution" not in cell["metadata"].get("tags", []) and ".require()" not in source
        assert not re.search(r"\bT\(", source) and "# zh:" not in source and "# en:" not in source
        if cell["cell_type"] == "code":
            ast.parse(source)
            assert cell["outputs"] == [] and cell["execution_count"] is None
            assert "\n\n\n" not in source


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_both_languages_have_the_same_cells(path: Path) -> None:
    """Same kinds of cells in the same order, same headings at the same places, same pictures, same table rows."""
    zh, en = (build.build(path, language)["cells"] for language in build.LANGUAGES)
    assert [cell["cell_type"] for cell in zh] == [cell["cell_type"] for cell in en]
    for left, right in zip(zh, en, strict=True):
        a, b = "".join(left["source"]), "".join(right["source"])
        if left["cell_type"] != "markdown":
            continue
        for pattern in (r"^(#+) ", r"^- ", r"^\|", r"\]\((images/[^)]+)\)", r"\$\$", r"(?:练习|Exercise) (\d\d\.\d)"):
            assert re.findall(pattern, a, re.M) == re.findall(pattern, b, re.M), (pattern, a[:60], b[:60])


@pytest.mark.parametrize("language", build.LANGUAGES)
@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_every_lesson_has_its_parts_in_order(path: Path, language: str) -> None:
    assert headings(build.build(path, language)) == HEADINGS[language]


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_languages_are_not_mixed(path: Path) -> None:
    """No Chinese in English prose, no prose without Chinese in the Chinese notebook."""
    han = re.compile(r"[\u4e00-\u9fff]")
    for cell in build.build(path, "en")["cells"]:
        if cell["cell_type"] == "markdown":
            assert not han.search("".join(cell["source"])), "".join(cell["source"])[:80]
    for cell in build.build(path, "zh")["cells"]:
        if cell["cell_type"] == "markdown":
            assert han.search("".join(cell["source"]))


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_every_exercise_has_a_learners_cell_a_solution_and_a_check(path: Path) -> None:
    from ra_widgets.course.checks import exercises
    from ra_widgets.course.quiz import PAIRS, QUESTIONS

    number = path.stem[:2]
    cells = build.read(path)
    asked, solved = [], []
    for cell in cells:
        names = re.findall(r'check\("([^"]+)"', cell["source"])
        if "exercise" in cell["tags"]:
            assert "..." in cell["source"] and len(names) == 1
            asked += names
        elif "solution" in cell["tags"]:
            assert ").require()" in cell["source"] and len(names) == 1
            solved += names
        else:
            assert not names
    assert asked == solved == sorted(name for name in exercises() if name.startswith(number))
    text = "\n".join(cell["source"] for cell in cells)
    questions = re.findall(r'^(?:quiz|match)\("([^"]+)"\)', text, re.M)
    assert sorted(questions) == sorted(name for name in [*QUESTIONS, *PAIRS] if name.startswith(number))


@pytest.mark.parametrize("language", build.LANGUAGES)
def test_pictures_of_the_lessons_are_there_and_in_their_language(language: str) -> None:
    shown = {
        name
        for path in LESSONS
        for name in re.findall(r"\]\((images/[^)]+)\)", json.dumps(build.build(path, language), ensure_ascii=False))
    }
    assert shown == {f"images/{path.name}" for path in (COURSE / language / "images").glob("*.svg")}
    for name in shown:
        text = (COURSE / language / name).read_text("utf-8")
        ElementTree.fromstring(text)
        assert bool(re.search(r"[\u4e00-\u9fff]", text)) is (language == "zh")


@pytest.mark.parametrize("language", build.LANGUAGES)
def test_links_between_lessons_lead_somewhere(language: str) -> None:
    """Every relative link is to a notebook beside it, and every lesson up to the last but one names a later one."""
    for path in LESSONS:
        cells = [cell for cell in build.build(path, language)["cells"] if cell["cell_type"] == "markdown"]
        text = "".join("".join(cell["source"]) for cell in cells)
        links = re.findall(r"(?<!!)\]\((?!https?:|images/)([^)\s]+)\)", text)
        assert all((COURSE / language / link).is_file() for link in links), (path.stem, links)
        if path not in (LESSONS[0], LESSONS[-1]):
            assert any(link > path.stem for link in links), path.stem


def test_code_is_put_into_one_language() -> None:
    code = '# zh: 注释\n# en: comment\nx = T(f"第 {i} 步", f"step {i}")\ny = f(T("甲", "a"), [T("乙", "b")])\n'
    assert build.translate(code, "zh") == '# 注释\nx = f"第 {i} 步"\ny = f("甲", ["乙"])'
    assert build.translate(code, "en") == '# comment\nx = f"step {i}"\ny = f("a", ["b"])'
    long = 'x = T(\n    "一"\n    "二",\n    "one"\n    "two",\n)\n'
    assert ast.literal_eval(build.translate(long, "en").removeprefix("x = ")) == "onetwo"
    with pytest.raises(build.LessonError):
        build.translate('T("only one")', "zh")


def test_running_chinese_text_is_joined_without_a_space() -> None:
    assert (
        build.JOINT.sub("", "一句，\n二句。\n\n三句\n- 一\n- 二\nword\n四")
        == "一句，二句。\n\n三句\n- 一\n- 二\nword\n四"
    )


def test_a_broken_source_names_file_and_cell(tmp_path: Path) -> None:
    path = tmp_path / "07_broken.py"
    path.write_text('# %%\nx = 1\n\n# %%\nT("a")\n', "utf-8")
    with pytest.raises(build.LessonError, match=r"07_broken\.py, cell 1"):
        build.build(path, "zh")
    folder = tmp_path / "08_broken"
    folder.mkdir()
    (folder / "1_begin.py").write_text("# %%\nx = 1\n\n# %%\ny = 1\n", "utf-8")
    (folder / "2_end.py").write_text('# %%\nT("a")\n', "utf-8")
    with pytest.raises(build.LessonError, match=r"08_broken/2_end\.py, cell 0"):
        build.build(folder, "zh")


def test_titles_of_all_lessons_are_in_the_catalogues() -> None:
    from ra_widgets.course import LESSONS as known
    from ra_widgets.i18n import catalogue

    assert list(known) == [path.stem[:2] for path in LESSONS]
    for language in ("zh_CN", "en"):
        assert all(f"course.title.{number}" in catalogue(language) for number in known)

"""Quizzes: the button judges, a wrong answer does not give the right one away, texts come from the catalogues."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_widgets import i18n
from ra_widgets.course import Matching, Quiz, match, quiz
from ra_widgets.course.progress import Progress
from ra_widgets.course.quiz import PAIRS, QUESTIONS


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path))


@pytest.mark.parametrize("language", ["zh_CN", "en"])
@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_question_of_the_course(name: str, language: str) -> None:
    i18n.set_language(language)
    count, right = QUESTIONS[name]
    asked = quiz(name)
    assert len(asked.choices.options) == count
    texts = [text for text, _ in asked.choices.options]
    assert len(set(texts)) == count and all(text and "course." not in text for text in texts)
    why = i18n.t(f"course.quiz.{name}.why").split("“")[0]
    for index in range(count):
        assert asked.answer(index) is (index == right - 1)
        assert (why in asked.feedback.value) is (index == right - 1)
    assert Progress().passed(name)


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_matching(name: str) -> None:
    asked = match(name)
    count = PAIRS[name]
    shown = [index for _, index in asked.boxes[0].options]
    assert sorted(shown) == list(range(-1, count)) and shown[1:] != list(range(count)), "mixed, not in order"
    assert asked.answer([0] * count) is False
    assert i18n.t(f"course.match.{name}.why") not in asked.feedback.value
    assert asked.answer(list(range(count))) is True
    assert Progress().passed(name) and Progress().attempts(name) == 2


def test_nothing_is_judged_before_the_button() -> None:
    asked = quiz("01.a")
    assert asked.button.disabled and asked.choices.value is None
    asked.button.click()
    assert asked.correct is None
    asked.choices.value = 0
    assert not asked.button.disabled and asked.correct is None and asked.feedback.value == ""
    asked.button.click()
    assert asked.correct is False and asked.feedback.value
    asked.choices.value = 1
    assert asked.feedback.value == "", "a new choice takes the old verdict away"


def test_questions_of_ones_own_are_escaped_and_need_no_record() -> None:
    asked = Quiz("<script>?", ["<b>a</b>", "b"], 1, "<i>why</i>")
    assert "<script>" not in asked.children[0].value
    assert asked.answer(1) and "<i>" not in asked.feedback.value
    assert not Progress().path.exists()
    pairs = Matching("?", [("<b>", "x"), ("y", "z")])
    assert pairs.answer([0, 1])


def test_bad_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="5"):
        Quiz("?", ["a"], 5)
    with pytest.raises(KeyError):
        quiz("99.z")
    with pytest.raises(KeyError):
        match("99.z")

"""Short questions between the sections: one of several, or find the pairs.

Stock ipywidgets, so that the keyboard works everywhere: Tab to the choices, arrows to choose, Tab and Enter to hand in. The
answer is judged by the button and not by the choice, or the arrow keys would give it away.
"""

from __future__ import annotations

import html
import random
from typing import Any

import ipywidgets as widgets

from ra_widgets.course._text import banner
from ra_widgets.course.progress import Progress
from ra_widgets.i18n import t
from ra_widgets.plotting import PAPER

QUESTIONS: dict[str, tuple[int, int]] = {
    # name: (how many choices, which one is right: counted from 1); the texts are course.quiz.NAME.{q,1,2,...,why}
    "00.a": (3, 2),
    "00.b": (3, 3),
    "01.a": (4, 2),
    "01.b": (3, 1),
    "01.c": (3, 3),
    "02.a": (3, 2),
    "02.b": (3, 3),
    "02.c": (3, 1),
    "03.a": (3, 2),
    "03.b": (3, 1),
    "03.c": (3, 3),
    "04.a": (3, 2),
    "04.b": (3, 3),
    "04.c": (3, 1),
    "05.a": (3, 3),
    "05.b": (3, 1),
    "05.c": (3, 2),
    "06.a": (3, 2),
    "06.b": (3, 1),
    "06.c": (3, 3),
    "07.a": (3, 2),
    "07.b": (3, 3),
    "07.c": (3, 1),
    "08.a": (3, 3),
    "08.b": (3, 1),
    "08.c": (3, 2),
    "09.a": (3, 1),
    "09.b": (3, 3),
    "09.c": (3, 2),
}
"""The questions of the course."""

PAIRS: dict[str, int] = {"01.parts": 4}
"""The find-the-pairs questions and how many pairs they have; texts are ``course.match.NAME.{q,left1,right1,...,why}``."""


class Quiz(widgets.VBox):
    """One question with several choices.

    Args:
        question, choices: plain text; answer: index of the right choice, from 0; why: shown once it is found.
        name: where the outcome goes in the learner's progress; empty: nowhere.
    """

    def __init__(self, question: str, choices: list[str], answer: int, why: str = "", name: str = "") -> None:
        if not 0 <= answer < len(choices):
            raise ValueError(f"answer {answer} is not one of {len(choices)} choices")
        self._answer, self._why, self._name = answer, why, name
        self.correct: bool | None = None
        self.choices = widgets.RadioButtons(
            options=[(text, index) for index, text in enumerate(choices)],
            value=None,
            layout=widgets.Layout(width="auto", max_width="760px"),
        )
        self.button = _button()
        self.button.disabled = True
        self.feedback = widgets.HTML()
        self.choices.observe(self._chosen, "value")
        self.button.on_click(self._handed_in)
        super().__init__([_question(question), self.choices, self.button, self.feedback])
        self.add_class("ra-quiz")

    def answer(self, index: int) -> bool:
        """Choose and hand in, as by hand; True when right."""
        self.choices.value = index
        self._handed_in()
        return bool(self.correct)

    def _chosen(self, change: dict[str, Any]) -> None:
        self.button.disabled = change["new"] is None
        self.feedback.value = ""

    def _handed_in(self, _: Any = None) -> None:
        if self.choices.value is None:
            return
        self.correct = self.choices.value == self._answer
        # a wrong answer must not show why the right one is right
        self.feedback.value = _verdict(self.correct, self._why if self.correct else t("course.quiz.again"))
        if self._name:
            Progress().note("quizzes", self._name, self.correct)


class Matching(widgets.VBox):
    """Find the pairs: each thing on the left gets one of the descriptions on the right.

    Args:
        question: plain text; pairs: ``[(left, right), ...]``; why, name: as in :class:`Quiz`.
    """

    def __init__(self, question: str, pairs: list[tuple[str, str]], why: str = "", name: str = "") -> None:
        self._why, self._name = why, name
        self.correct: bool | None = None
        order = list(range(len(pairs)))
        random.Random(name or question).shuffle(order)  # mixed, but the same each time
        options = [(t("course.quiz.choose"), -1), *[(pairs[index][1], index) for index in order]]
        self.boxes = [
            widgets.Dropdown(
                options=options,
                value=-1,
                description=left,
                style={"description_width": "150px"},
                layout=widgets.Layout(width="min(620px, 100%)"),
            )
            for left, _ in pairs
        ]
        self.button = _button()
        self.feedback = widgets.HTML()
        self.button.on_click(self._handed_in)
        super().__init__([_question(question), *self.boxes, self.button, self.feedback])
        self.add_class("ra-quiz")

    def answer(self, chosen: list[int]) -> bool:
        """Choose pair numbers (from 0) for all things on the left and hand in; True when all are right."""
        for box, index in zip(self.boxes, chosen, strict=True):
            box.value = index
        self._handed_in()
        return bool(self.correct)

    def _handed_in(self, _: Any = None) -> None:
        right = [box.value == index for index, box in enumerate(self.boxes)]
        self.correct = all(right)
        text = self._why if self.correct else t("course.quiz.pairs", right=sum(right), count=len(right))
        self.feedback.value = _verdict(self.correct, text)
        if self._name:
            Progress().note("quizzes", self._name, self.correct)


def _button() -> widgets.Button:
    style = widgets.ButtonStyle(button_color=PAPER["vermilion"], text_color="#ffffff")
    return widgets.Button(description=t("course.quiz.submit"), style=style)


def _question(text: str) -> widgets.HTML:
    return widgets.HTML(f'<b style="font:600 14px/1.6 system-ui,sans-serif">{html.escape(text)}</b>')


def _verdict(correct: bool, text: str) -> str:
    return banner("passed", t("course.quiz.right"), text) if correct else banner("failed", t("course.quiz.wrong"), text)


def quiz(name: str) -> Quiz:
    """The question ``name`` of the course (``"01.a"``), in the language of the interface.

    Raises:
        KeyError: there is no such question.
    """
    if name not in QUESTIONS:
        raise KeyError(f"{name!r}; {', '.join(QUESTIONS)}")
    choices, right = QUESTIONS[name]
    key = f"course.quiz.{name}"
    return Quiz(
        t(f"{key}.q"), [t(f"{key}.{number}") for number in range(1, choices + 1)], right - 1, t(f"{key}.why"), name
    )


def match(name: str) -> Matching:
    """The find-the-pairs question ``name`` of the course, in the language of the interface.

    Raises:
        KeyError: there is no such question.
    """
    if name not in PAIRS:
        raise KeyError(f"{name!r}; {', '.join(PAIRS)}")
    key = f"course.match.{name}"
    pairs = [(t(f"{key}.left{n}"), t(f"{key}.right{n}")) for n in range(1, PAIRS[name] + 1)]
    return Matching(t(f"{key}.q"), pairs, t(f"{key}.why"), name)

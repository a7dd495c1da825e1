"""The course inside the workbench: exercises that check themselves, quizzes, progress, small live panels.

    from ra_widgets.course import check, quiz, playground

The lessons are in ``course/`` (sources, and the built notebooks in ``zh/`` and ``en/``); this room holds what they call. Nothing
here imports torch.
"""

from __future__ import annotations

from ra_widgets.course._text import LESSONS, T
from ra_widgets.course.checks import EXERCISES, Verdict, check
from ra_widgets.course.playground import Playground, playground
from ra_widgets.course.progress import progress
from ra_widgets.course.quiz import Matching, Quiz, match, quiz
from ra_widgets.course.stepper import Stepper, stepper

__all__ = [
    "EXERCISES",
    "LESSONS",
    "Matching",
    "Playground",
    "Quiz",
    "Stepper",
    "T",
    "Verdict",
    "check",
    "match",
    "playground",
    "progress",
    "quiz",
    "stepper",
]

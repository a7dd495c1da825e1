"""The learner's record survives damage, several notebooks at once, and folders that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ra_widgets import i18n
from ra_widgets.course.progress import STALE, Progress, progress


@pytest.fixture
def record(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "course" / "progress.json")


def test_attempts_and_success(record: Progress) -> None:
    assert record.note("exercises", "02.1", False) == 1
    assert record.note("exercises", "02.1", True) == 2
    assert record.note("exercises", "02.1", False) == 3
    assert record.passed("02.1"), "what was passed once stays passed"
    assert record.attempts("02.1") == 3
    entry = json.loads(record.path.read_text("utf-8"))["exercises"]["02.1"]
    assert entry["at"].endswith("+00:00")
    assert [path.name for path in record.path.parent.iterdir()] == ["progress.json"], "no leftovers"


def test_reset_one_lesson_or_all(record: Progress) -> None:
    for name in ("01.1", "02.1"):
        record.note("exercises", name, True)
    record.note("quizzes", "01.a", True)
    record.reset("01")
    assert not record.passed("01.1") and not record.passed("01.a") and record.passed("02.1")
    record.reset()
    assert not record.passed("02.1")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 99}', '{"schema": 1, "exercises": 3}', "\0\0"])
def test_damage_is_put_aside(record: Progress, text: str) -> None:
    record.path.parent.mkdir(parents=True)
    record.path.write_text(text, "utf-8")
    assert record.read()["exercises"] == {}
    assert record.note("exercises", "01.1", True) == 1
    assert record.passed("01.1")
    broken = record.path.with_suffix(".damaged.json")
    if text in ("", "{", "\0\0"):
        assert broken.read_text("utf-8") == text


def test_home_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    assert progress().path == tmp_path / "course" / "progress.json"


def test_a_folder_that_cannot_be_made_costs_only_the_record(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    assert Progress(blocked / "progress.json").note("exercises", "01.1", True) == 1


def test_a_lock_of_the_dead_is_broken(record: Progress) -> None:
    record.path.parent.mkdir(parents=True)
    lock = record.path.with_suffix(".lock")
    lock.touch()
    old = time.time() - STALE - 1
    os.utime(lock, (old, old))
    assert record.note("exercises", "01.1", True) == 1
    assert not lock.exists()


def test_several_notebooks_at_once_lose_nothing(record: Progress) -> None:
    code = (
        "import sys; from pathlib import Path; from ra_widgets.course.progress import Progress\n"
        "p = Progress(Path(sys.argv[1]))\n"
        "for i in range(15): p.note('exercises', f'{sys.argv[2]}.{i}', True); p.note('exercises', 'shared', False)\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, str(record.path), f"0{n}"]) for n in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    data = record.read()["exercises"]
    assert len(data) == 46
    assert data["shared"]["attempts"] == 45


def test_shown_in_both_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    progress().note("exercises", "01.1", True)
    progress().note("quizzes", "01.a", True)
    page = progress()._repr_html_()
    assert "从 GAN 到 Stable Diffusion" in page and ">2/7<" in page
    assert "✓01.1" in repr(progress()) and "·01.2" in repr(progress())
    i18n.set_language("en")
    assert "From GAN to Stable Diffusion" in progress()._repr_html_()

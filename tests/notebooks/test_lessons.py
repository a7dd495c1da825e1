"""Every lesson, in both languages, executed cell by cell on the embedded model, with the reference solutions.

The notebooks are built with solutions into a temporary folder: all cells of the learners' notebooks, and after each exercise its
solution, whose ``check(...).require()`` fails the cell if the check does not accept it. One process a language, side by side.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.stem for path in (ROOT / "course" / "lessons").glob("[0-9][0-9]_*"))
LANGUAGES = ("zh", "en")
CELL_TIMEOUT = 120

Cells = dict[str, list[tuple[str, str]]]
"""By notebook: ``[(cell, failure or ""), ...]``."""


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cells]]:
    folder = tmp_path_factory.mktemp("course")
    subprocess.run([sys.executable, str(ROOT / "course" / "build.py"), "--solutions", str(folder)], check=True)
    running = {}
    for language in LANGUAGES:
        # one thread each: two languages share two cores, and torch's own threads would wait for each other
        environment = {
            **os.environ,
            "RA_HOME": str(folder / "home" / language),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        environment.pop("RA_LANG", None)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(folder),
            "-c",
            os.devnull,
        ]
        command += ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}"]
        command += [f"--junitxml={folder / language}.xml", str(folder / language)]
        log = (folder / f"{language}.log").open("w", encoding="utf-8")
        running[language] = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        log.close()
    try:
        for process in running.values():
            process.wait(timeout=1200)
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
    found: dict[str, Cells] = {}
    for language in LANGUAGES:
        report = folder / f"{language}.xml"
        assert report.is_file(), (folder / f"{language}.log").read_text("utf-8")[-4000:]
        cells: Cells = {}
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            problem = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
            stem = next((name for name in LESSONS if name in case.get("classname", "")), case.get("classname", "?"))
            cells.setdefault(stem, []).append((case.get("name", "?"), "" if problem is None else (problem.text or "?")))
        found[language] = cells
    yield found


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cell_runs(executed: dict[str, Cells], language: str, lesson: str) -> None:
    cells = executed[language].get(lesson, [])
    notebook = (ROOT / "course" / language / f"{lesson}.ipynb").read_text("utf-8")
    assert len(cells) >= notebook.count('"cell_type": "code"'), "cells were not executed"
    failures = [f"{name}\n{problem[-3000:]}" for name, problem in cells if problem]
    assert not failures, "\n\n".join(failures)

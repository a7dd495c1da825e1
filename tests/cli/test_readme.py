"""The two READMEs say the same, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ra_widgets.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
READMES = {"zh": "README.md", "en": "README.en.md"}


def text(language: str) -> str:
    return (ROOT / READMES[language]).read_text("utf-8")


def test_they_are_in_step():
    """Same headings by level, same tables, same commands to paste."""
    shape = {}
    for language in READMES:
        source = text(language)
        blocks = re.findall(r"```(\w*)\n(.*?)```", source, re.S)
        shape[language] = (
            [len(mark) for mark in re.findall(r"^(#+) ", re.sub(r"```.*?```", "", source, flags=re.S), re.M)],
            len(re.findall(r"^\|", source, re.M)),
            [body.replace(" --lang en", "") for kind, body in blocks if kind in ("bash", "powershell")],
            [kind for kind, _ in blocks],
        )
    assert shape["zh"] == shape["en"]


@pytest.mark.parametrize("language", READMES)
def test_what_they_name_exists(language):
    source = text(language)
    for target in re.findall(r"\]\(([^)#:]+)\)", source):
        assert (ROOT / target).exists(), target
    named = set(re.findall(r"`ra ([a-z0-9]+)", source))
    assert named - set(COMMANDS) <= {"command"}
    assert set(COMMANDS) - named <= {"version"}
    for script in re.findall(r"`python (\S+\.py)", source):
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("language", READMES)
def test_they_open_with_the_picture_and_two_commands(language):
    source = text(language)
    assert source.index("docs/images/studio.png") < source.index("## ")
    first, second = re.findall(r"```bash\n(.*?)\n```", source, re.S)[:2]
    assert first.count("\n") == second.count("\n") == 0
    assert "/ra studio" in first and second.endswith("-m pytest") and '".[test]"' in second

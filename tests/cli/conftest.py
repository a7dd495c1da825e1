"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ra_widgets import i18n


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, its folder as the working folder, Chinese; what ``--lang`` sets goes away with the test."""
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    for name in ("RA_GALLERY", "RA_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RA_LANG", "zh_CN")
    monkeypatch.setattr(i18n, "_current", [])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"

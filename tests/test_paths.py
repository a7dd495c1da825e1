"""Where things live."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ra_widgets import paths
from ra_widgets.errors import ModelError


def test_home_and_gallery_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RA_GALLERY", raising=False)
    monkeypatch.setenv("RA_HOME", str(tmp_path / "家"))
    assert paths.home() == tmp_path.resolve() / "家"
    assert paths.gallery_dir() == paths.home() / "gallery"
    assert not paths.home().exists(), "asking makes nothing"
    monkeypatch.setenv("RA_HOME", "")
    assert paths.home().is_absolute() and paths.home().name == "ra-workbench"


def test_model_folders_in_order_without_doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    for name in ("a", "b", "models"):
        (tmp_path / name).mkdir()
    named = [tmp_path / "b", tmp_path / "a", tmp_path / "missing", tmp_path / "b"]
    monkeypatch.setenv("RA_MODELS", os.pathsep.join(map(str, named)))
    found = paths.models_dirs()
    assert found[:3] == [(tmp_path / name).resolve() for name in ("b", "a", "models")]
    assert paths.embedded_model().parent in found


def test_the_embedded_model_is_there() -> None:
    assert (paths.embedded_model() / "model_index.json").is_file()


def test_a_missing_embedded_model_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "ra_widgets")
    with pytest.raises(ModelError) as caught:
        paths.embedded_model()
    assert caught.value.key == "paths.no_embedded"

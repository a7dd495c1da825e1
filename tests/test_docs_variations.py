"""docs/variations.md: its Python runs, and the names and keys in it exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets.commands import COMMANDS
from ra_widgets.gallery import variation_settings

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "variations.md").read_text("utf-8")


@pytest.mark.timeout(240)
def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    values = []
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        for node in ast.parse(block).body:
            if isinstance(node, ast.Expr):
                values.append(eval(compile(ast.Expression(node.value), "docs/variations.md", "eval"), scope))
            else:
                exec(compile(ast.Module([node], []), "docs/variations.md", "exec"), scope)
    assert True in values, "verify"
    assert sum(isinstance(value, Image.Image) for value in values) == 2
    assert 0.4 in values and len(scope["middle"].to_request().prompt_blend) == 1
    with Image.open("apple.webp") as moving:
        assert moving.n_frames == 4
    assert scope["sheet"].complete
    scope["kernel"].close()


def test_its_names_exist() -> None:
    for name in re.findall(r"ra\.experiments\.(\w+)", TEXT):
        assert hasattr(ra.experiments, name), name
    assert set(re.findall(r"`ra (\w+)", TEXT)) <= set(COMMANDS)
    for key in (variation_settings.BLEND, variation_settings.MODE, variation_settings.FURTHER):
        assert f"`{key}`" in TEXT
    for field in ("prompt_blend", "blend_mode", "further_variations"):
        assert field in ra.TextToImage.model_fields and f"`{field}" in TEXT

"""docs/images.md: its Python runs, its names exist, and what it says of files and limits is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets import picture_files
from ra_widgets.diffusion.control.modules import MODULES
from ra_widgets.image_requests import FILLS, RESIZE_MODES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "images.md"
TEXT = PAGE.read_text("utf-8")


@pytest.mark.timeout(180)
def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Any) -> None:
    """Every block in order, on the embedded model; what a reader paints by hand is put in between."""
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    kernel.generate("草地上的一只猫", seed=1, steps=3).image.save("cat.png")
    scope: dict[str, Any] = {}
    values = []
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        tree = ast.parse(block)
        for node in tree.body:
            if isinstance(node, ast.Expr):
                values.append(eval(compile(ast.Expression(node.value), "docs/images.md", "eval"), scope))
            else:
                exec(compile(ast.Module([node], []), "docs/images.md", "exec"), scope)
        if (painter := scope.get("painter")) is not None and painter.empty:
            mask = Image.new("L", painter.image.size)
            ImageDraw.Draw(mask).ellipse((30, 10, 90, 50), fill=255)
            painter.mask = mask
    made = [scope["result"], *(value for value in values if isinstance(value, ra.Result))]
    assert [result.request.kind for result in made] == [
        "img2img",
        "inpaint",
        "outpaint",
        "upscale",
        "sd_upscale",
        "txt2img",
        "txt2img",
    ]
    assert made[6].records[0].request.control[0].model == "ra-mini-control-edges"
    assert True in values, "verify"
    assert sum(isinstance(value, dict) and "png" in value["image"] for value in values) == 1
    scope["kernel"].close()


def test_its_names_exist() -> None:
    for name in re.findall(r"\bra\.([A-Z]\w+)", TEXT):
        assert hasattr(ra, name), name
    fields = {
        field
        for name in ("ImageToImage", "Inpaint", "Outpaint", "DepthToImage", "Upscale", "SDUpscale", "ControlUnit")
        for field in getattr(ra, name).model_fields
    }
    said = set(re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)(?:=[^`]*)?`", TEXT))
    assert said - fields - set(MODULES) == set()
    for name in (*RESIZE_MODES, *FILLS):
        assert f'"{name}"' in TEXT


def test_its_limits_are_so() -> None:
    said = TEXT.upper()
    for name in picture_files.FORMATS:
        assert name in said
    assert picture_files.MAX_FILE == 200 * 2**20 and picture_files.MAX_PIXELS == 8192 * 8192
    assert ra.ControlUnit.model_fields["weight"].metadata[-1].le == 2

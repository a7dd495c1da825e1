from __future__ import annotations

import json

import pytest
from PIL import Image

from ra_widgets.cli import main


@pytest.fixture(scope="module")
def picture(kernel):
    return kernel.generate("一个红苹果", seed=5, steps=3).records[0].path


def test_a_true_picture(picture, capsys):
    assert main(["verify", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "一致" in out and "1 张里有 1 张一致" in out


def test_a_folder_as_json_with_heat_maps(picture, tmp_path, capsys):
    from ra_widgets.gallery import carriers

    folder, heat = tmp_path / "homework", tmp_path / "heat"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture.read_bytes())
    with Image.open(picture) as image:
        carriers.save(image.rotate(90), folder / "b.png", carriers.read(picture))
    assert main(["verify", str(folder), "--json", "--quiet", "--heat", str(heat)]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in rows] == ["same", "different"]
    assert [path.name for path in heat.iterdir()] == ["002-b.png"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_there(tmp_path, capsys, lang):
    assert main(["--lang", lang, "verify", str(tmp_path / "none.png")]) != 0
    assert main(["--lang", lang, "verify", str(tmp_path)]) != 0
    assert "none.png" in capsys.readouterr().err

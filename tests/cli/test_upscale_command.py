"""``ra upscale``: the real command, from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from ra_widgets.cli import main
from ra_widgets.gallery import Gallery, carriers
from tests.diffusion import weights


@pytest.fixture(autouse=True)
def upscaler(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of the test's own, and a small network in the library."""
    weights.write(weights.compact(2), tmp_path / "models" / "ESRGAN" / "tiny.safetensors")
    monkeypatch.setenv("RA_MODELS", str(tmp_path / "models"))


def draw(path: Path, size=(40, 30)) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.linear_gradient("L").resize(size).convert("RGB").save(path)
    return path


def test_one_picture(tmp_path, own_home, capsys):
    draw(tmp_path / "小狗.png")
    assert main(["upscale", "小狗.png", "-o", "大.jpg", "--scale", "3", "-u", "tiny"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["大.jpg  120×90"]
    assert "正在放大" in err and "100%" in err and "步" not in err
    with Image.open("大.jpg") as image:
        assert image.size == (120, 90)
    assert "Postprocess upscaler: tiny" in carriers.read(tmp_path / "大.jpg")["parameters"]
    assert len(Gallery(own_home / "gallery").list()) == 1


def test_a_folder_with_a_broken_picture(tmp_path, capsys):
    for name in ("a.png", "b.webp", "c.bmp"):
        draw(tmp_path / "in" / name)
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    assert main(["upscale", "in", "-o", "out", "--size", "64x64", "--json", "-u", "Lanczos"]) == 1
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [(Path(row["path"]).name, row["width"], row["height"]) for row in rows] == [
        ("a.png", 64, 64), ("b.webp", 64, 64), ("c.png", 64, 64),
    ]  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.webp", "c.png"]
    assert "broken.png" in err and "4/4" in err


def test_the_list_and_the_second_upscaler(tmp_path, capsys):
    assert main(["upscale", "--list"]) == 0
    assert set(capsys.readouterr().out.splitlines()) >= {"None", "Lanczos", "Nearest", "tiny"}
    draw(tmp_path / "a.png")
    words = ["upscale", "a.png", "-u", "Nearest", "--second", "tiny", "--json", "-q", "--size", "50x60", "--no-crop"]
    assert main(words) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["width"], row["height"]) == (80, 60)
    assert "Postprocess upscaler 2: tiny, Postprocess upscaler 2 visibility: 0.5" in row["infotext"]


def test_sd_upscale_takes_the_prompt_from_the_picture(tmp_path, capsys):
    made = ["generate", "草地上的一只狗", "-o", "in.png", "--size", "64x64", "--steps", "1", "-q", "--seed", "5"]
    assert main([*made, "-n", "模糊"]) == 0
    capsys.readouterr()
    words = ["upscale", "in.png", "-o", "out.png", "--sd", "-u", "tiny", "--steps", "3", "--strength", "0.4", "--json"]
    assert main([*words, "--tile", "64", "--overlap", "16", "--seed", "7"]) == 0
    out, err = capsys.readouterr()
    (row,) = json.loads(out)
    assert (row["width"], row["height"], row["seed"], row["upscaler"]) == (128, 128, 7, "tiny")
    assert row["infotext"].startswith("草地上的一只狗\nNegative prompt: 模糊\n")
    assert "SD upscale overlap: 16, SD upscale upscaler: tiny" in row["infotext"] and "步" in err
    assert main([*words, "-p", "天空", "-f", "--tile", "128"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["infotext"].startswith("天空\n")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ([], 2, "ra upscale dog.png"),
        (["none.png"], 1, "none.png"),
        (["empty"], 1, "empty"),
        (["a.png", "-o", "b.gif"], 2, "b.gif"),
        (["a.png", "-o", "nowhere/b.png"], 1, "nowhere"),
        (["a.png", "-o", "a.png"], 1, "--force"),
        (["a.png", "-u", "4x-Missing"], 1, "Lanczos"),
        (["a.png", "--scale", "90"], 1, "scale"),
        (["a.png", "--scale", "big"], 2, "big"),
        (["a.png", "b.png", "-o", "a.png"], 1, "文件夹"),
        (["bad.png"], 1, "bad.png"),
        (["a.png", "--strength", "0.5"], 2, "--sd"),
        (["a.png", "--sd", "--size", "99x99"], 2, "--scale"),
        (["a.png", "--sd", "--strength", "1.5"], 1, "denoising_strength"),
        (["a.png", "--sd", "--tile", "64", "--overlap", "64"], 1, "overlap"),
    ],
)
def test_mistakes_are_explained_before_the_work(tmp_path, capsys, words, code, part):
    draw(tmp_path / "a.png"), draw(tmp_path / "b.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.png").write_bytes(b"nothing")
    before = (tmp_path / "a.png").read_bytes()
    assert main(["upscale", *words]) == code
    assert part in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before

"""``ra generate``: the real command on the embedded model, from the prompt to the files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ra_widgets.cli import main
from ra_widgets.commands import _export
from ra_widgets.errors import GalleryError
from ra_widgets.gallery import Gallery, carriers
from ra_widgets.requests import from_dict

pytestmark = pytest.mark.usefixtures("own_home")

QUICK = ["--steps", "2", "--size", "64x64"]


def command(*words: str, **env: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", **env}
    return [sys.executable, "-m", "ra_widgets.cli", *words], environment


def test_a_picture_from_the_terminal(tmp_path):
    """The whole way in a process of its own, as a user types it."""
    words, env = command("generate", "草地上的一只小狗", "-o", "小狗.png", "--seed", "42", *QUICK)
    answer = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=280)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["小狗.png  种子 42"]
    assert "正在画" in answer.stderr and "100%" in answer.stderr and "\x1b" not in answer.stderr
    with Image.open(tmp_path / "小狗.png") as image:
        assert image.size == (64, 64)
    infotext = carriers.read(tmp_path / "小狗.png")["parameters"]
    assert infotext.startswith("草地上的一只小狗\n") and "Seed: 42" in infotext and "Steps: 2" in infotext
    (record,) = Gallery(tmp_path / "home" / "gallery").list()
    assert record.seed == 42 and record.path.read_bytes() == (tmp_path / "小狗.png").read_bytes()
    assert not list(tmp_path.glob(".ra-*"))


def test_doubtful_names_are_told(capsys):
    """In the user's language, on stderr; in the JSON; never to those who asked for quiet."""
    words = ["generate", "a cat, embedding:nowhere", "-o", "a.png", *QUICK]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "! 提示词里的 nowhere" in err.replace("\n", "") and "nowhere" not in out
    assert main(["--lang", "en", *words, "--force", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    (warning,) = json.loads(out)["warnings"]
    assert "nowhere" in warning and "no such file" in warning and err == ""


def test_several_pictures_as_json(tmp_path, capsys):
    code = main(["generate", "一个红苹果", "-o", "a.webp", "--count", "2", "--batch-size", "2", "--seed", "7", *QUICK,
                 "--json", "--quiet", "--negative", "模糊", "--cfg", "3.5", "--sampler", "euler a"])  # fmt: skip
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert code == 0 and err == ""
    assert [image["seed"] for image in report["images"]] == [7, 8, 9, 10]
    assert [Path(image["path"]).name for image in report["images"]] == ["a-1.webp", "a-2.webp", "a-3.webp", "a-4.webp"]
    assert report["model"] == "ra-mini" and report["seconds"] > 0
    request = from_dict(report["request"])
    assert (request.sampler, request.cfg_scale, request.negative_prompt) == ("Euler a", 3.5, "模糊")
    for image in report["images"]:
        with Image.open(image["path"]) as picture:
            assert picture.format == "WEBP" and picture.size == (64, 64)
        assert carriers.read(image["path"])["parameters"] == image["infotext"]
        assert Path(image["gallery_path"]).is_file()


def test_without_a_file_the_gallery_keeps_it(tmp_path, capsys, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("从标准输入来的苹果\n"))
    assert main(["generate", "-", *QUICK, "--gallery", str(tmp_path / "mine"), "-q"]) == 0
    path = Path(capsys.readouterr().out.split("  ")[0])
    assert path.is_relative_to(tmp_path / "mine") and path.is_file()
    assert Gallery(tmp_path / "mine").list()[0].prompt == "从标准输入来的苹果"


def test_a_file_that_exists_is_kept_unless_forced(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"mine")
    assert main(["generate", "x", "-o", "a.png", *QUICK]) == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert not (tmp_path / "home" / "gallery").exists(), "refused before any work"
    assert main(["generate", "x", "-o", "a.png", *QUICK, "--force", "-q"]) == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("model", ["no-such-model", "broken.safetensors", "folder"])
def test_a_bad_model_is_a_sentence(model, tmp_path, capsys):
    (tmp_path / "broken.safetensors").write_bytes(b"<html>404</html>")
    (tmp_path / "folder").mkdir()
    assert main(["generate", "x", "--model", model, "-o", "a.png", *QUICK, "--lang", "en"]) == 1
    err = capsys.readouterr().err
    assert model in err and "Traceback" not in err and not (tmp_path / "a.png").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_ctrl_c_stops_cleanly_and_keeps_what_is_finished(tmp_path):
    words, env = command(
        "generate", "一只小狗", "-o", "a.png", "--count", "40", "--steps", "2", "--size", "64x64", RA_LANG="en"
    )
    with subprocess.Popen(
        words, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            seen = []
            for line in process.stderr:
                seen.append(line)
                if "25%" in line:
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 130, seen
    assert "Traceback" not in err and "Cancelled" in err
    assert out == "" and not list(tmp_path.glob("a*.png"))
    kept = len(Gallery(tmp_path / "home" / "gallery"))
    assert 9 <= kept < 40 and f"{kept} finished" in err


def test_export_never_writes_over_a_file_that_appeared_meanwhile(tmp_path, kernel):
    record = kernel.generate("一个红苹果", steps=1, width=64, height=64, seed=1).records[0]
    (tmp_path / "a.png").write_bytes(b"mine")
    place = _export.export(record, tmp_path / "a.png")
    assert place == tmp_path / "a(1).png" and (tmp_path / "a.png").read_bytes() == b"mine"
    assert _export.export(record, tmp_path / "a.png", force=True) == tmp_path / "a.png"
    assert (tmp_path / "a.png").read_bytes() == record.path.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} - {"home"} == {"a.png", "a(1).png"}


def test_export_without_hard_links(tmp_path, kernel, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    record = kernel.generate("一个红苹果", steps=1, width=64, height=64, seed=1).records[0]
    (tmp_path / "a.jpg").write_bytes(b"mine")
    place = _export.export(record, tmp_path / "a.jpg")
    assert place.name == "a(1).jpg" and (tmp_path / "a.jpg").read_bytes() == b"mine"
    assert carriers.read(place)["parameters"] == record.infotext


def test_a_full_disk_says_where_the_picture_is(tmp_path, kernel, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    record = kernel.generate("一个红苹果", steps=1, width=64, height=64, seed=1).records[0]
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GalleryError) as failed:
        _export.export(record, tmp_path / "a.png")
    assert str(record.path) in failed.value.text("zh_CN") and "No space" in failed.value.text("en")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []

"""``ra img2img``, ``ra inpaint``, ``ra outpaint``: the real commands on the embedded model; and whole folders from Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets.cli import main
from ra_widgets.experiments.folder import Outcome
from ra_widgets.gallery import carriers
from ra_widgets.requests import from_dict

pytestmark = pytest.mark.usefixtures("own_home")

QUICK = ["-p", "草地", "--steps", "2", "--seed", "3", "-q"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one that is none, one file of another kind."""
    place = tmp_path / "图片"
    place.mkdir()
    for number in (1, 3):
        Image.effect_noise((64, 64), 40 * number).convert("RGB").save(place / f"{number}.png")
    (place / "2.jpg").write_bytes(b"not a picture")
    (place / "notes.txt").write_text("x", "utf-8")
    return place


def test_one_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["img2img", str(folder / "1.png"), *QUICK, "-o", "out.png", "--strength", "0.4"]) == 0
    made = Image.open("out.png")
    assert made.size == (64, 64) and "out.png" in capsys.readouterr().out
    request = from_dict(json.loads(carriers.read("out.png")["ra"])["request"])
    assert isinstance(request, ra.ImageToImage) and request.denoising_strength == 0.4 and request.seed == 3
    assert main(["img2img", str(folder / "1.png"), *QUICK, "-o", "out.png"]) == 1, "it is there already"
    assert "--force" in capsys.readouterr().err


def test_a_folder_goes_on_after_an_error_and_after_a_break(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["img2img", str(folder), *QUICK[:-1], "-o", "out", "--skip", "--json"]
    assert main(words) == 1
    shown = capsys.readouterr()
    assert "2.jpg" in shown.err and [Path(row["path"]).name for row in json.loads(shown.out)] == ["1.png", "3.png"]
    assert "1/3 1.png" in shown.err and "3/3 3.png" in shown.err and "还剩" in shown.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["1.png", "3.png"]
    Path("out/3.png").unlink()
    assert main(words) == 1
    shown = capsys.readouterr()
    assert [Path(row["path"]).name for row in json.loads(shown.out)] == ["3.png"] and "1 张已经做好" in shown.err
    assert main(words[:-2]) == 1, "they are there"
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize("more", ["--force", "--skip"])
def test_originals_are_never_overwritten(folder: Path, more: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["img2img", str(folder), *QUICK, "-o", str(folder), more]) == 1
    assert "1.png" in capsys.readouterr().err and {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_chain_gets_stronger(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain = ["--loopback", "3", "--strength", "0.2", "--final-strength", "0.8", "--curve", "linear"]
    assert main(["img2img", str(folder / "1.png"), *QUICK, *chain, "-o", "out.png", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [Path(row["path"]).name for row in rows] == ["out-1.png", "out-2.png", "out-3.png"]
    strengths = [row["infotext"].split("Denoising strength: ")[1].split(",")[0] for row in rows]
    assert strengths == ["0.2", "0.5", "0.8"] and [row["seed"] for row in rows] == [3, 4, 5]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_ctrl_c_leaves_what_is_finished(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.effect_noise((64, 64), 40).convert("RGB").save(tmp_path / "in" / f"{number}.png")
    words = ["img2img", "in", "-o", "out", "-p", "草地", "--steps", "2", "--count", "20", "--lang", "en"]
    # the second picture's first quarter is over: one is whole, of the other at least five are done
    with subprocess.Popen(
        [sys.executable, "-m", "ra_widgets.cli", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            seen = []
            assert process.stderr is not None
            for line in process.stderr:
                seen.append(line)
                if "2/3 1.png" in line and "50%" in line:
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=100)
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 130, [*seen, err]
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    first = [name for name in made if name.startswith("0-")]
    assert len(first) == 20 and 10 <= len(made) - 20 < 20 and not any(name.startswith("2-") for name in made)
    assert f"{len(made)} finished" in err and len(out.splitlines()) == len(made)
    for name in made:
        with Image.open(tmp_path / "out" / name) as image:
            image.load()


def test_masks_by_name(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    sheet = Image.new("L", (64, 64))
    sheet.paste(255, (0, 0, 32, 64))
    sheet.save(masks / "1.png")
    assert main(["inpaint", str(folder), "--mask", str(masks), *QUICK, "--mask-blur", "0", "-o", "out"]) == 1
    error = capsys.readouterr().err
    assert "2.jpg" in error and "3.png" in error and "masks" in error
    made, old = (np.asarray(Image.open(p / "1.png").convert("RGB")) for p in (Path("out"), folder))
    assert np.array_equal(made[:, 32:], old[:, 32:]) and not np.array_equal(made, old)


def test_outpaint(folder: Path) -> None:
    assert main(["outpaint", str(folder / "1.png"), *QUICK, "--left", "8", "--bottom", "24", "-o", "wide.png"]) == 0
    made = np.asarray(Image.open("wide.png").convert("RGB"))
    assert made.shape == (88, 72, 3)
    assert np.array_equal(made[:64, 8:], np.asarray(Image.open(folder / "1.png")))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["img2img"], 2, "ra img2img"),
        (["img2img", "nowhere.png"], 1, "nowhere.png"),
        (["img2img", "{}", "--strength", "2"], 1, "denoising_strength"),
        (["img2img", "{}", "--strength", "much"], 2, "--strength"),
        (["img2img", "{}", "--resize-mode", "9"], 1, "resize_mode"),
        (["inpaint", "{}"], 1, "蒙版"),
        (["outpaint", "{}"], 1, "right=64"),
        (["outpaint", "{}", "--right", "64", "--size", "64x64"], 2, "--size"),
        (["img2img", "{}", "-o", "out.txt"], 2, "out.txt"),
        (["img2img", "{}", "{}", "-o", "out"], 1, "1.png"),
        (["img2img", "{}", "--loopback", "3", "--final-strength", "7"], 1, "loopback_final_strength"),
        (["img2img", "{}", "--sampler", "Eula"], 1, "Eula"),
        (["img2img", "{}", "--model", "nothing"], 1, "nothing"),
        (["outpaint", "{}", "--left", "9000"], 1, "left"),
        (["inpaint", "{}", "--mask", "none.png"], 1, "none.png"),
        (["inpaint", "{}", "--mask", "{}", "--fill", "9"], 1, "inpainting_fill"),
    ],
)
def test_wrong_use_is_explained(
    folder: Path, words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(folder / "1.png") for word in words]) == code
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error and not Path("out").exists()


def bad_files(place: Path) -> dict[str, Path]:
    """Pictures and masks that no task can use, by what is wrong with them."""
    good = Image.effect_noise((64, 64), 60).convert("RGB")
    good.save(place / "good.png")
    Image.new("L", (64, 64)).save(place / "empty.png")
    Image.new("L", (64, 32), 255).save(place / "wide.png")
    Image.new("1", (20_000, 20_000)).save(place / "huge.png")
    (place / "cut.png").write_bytes((place / "good.png").read_bytes()[:300])
    (place / "text.png").write_text("a letter, not a picture", "utf-8")
    return {path.stem: path for path in place.iterdir()}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["inpaint", "{good}", "--mask", "{empty}"], 1, {"zh": "蒙版是空的", "en": "mask is empty"}),
        (["inpaint", "{good}", "--mask", "{wide}"], 1, {"zh": "64×32", "en": "64×32"}),
        (["inpaint", "{good}", "--mask", "{cut}"], 1, {"zh": "cut.png", "en": "cut.png"}),
        (["img2img", "{huge}"], 1, {"zh": "huge.png", "en": "huge.png"}),
        (["outpaint", "{cut}", "--right", "8"], 1, {"zh": "cut.png", "en": "cut.png"}),
        (["upscale", "{text}"], 1, {"zh": "text.png", "en": "text.png"}),
        (["upscale", "{huge}", "--sd"], 1, {"zh": "huge.png", "en": "huge.png"}),
        (["img2img", "{good}", "--strength", "-0.1"], 1, {"zh": "denoising_strength", "en": "denoising_strength"}),
        (
            ["outpaint", "{good}", "--right", "8", "--strength", "1.1"],
            1,
            {"zh": "denoising_strength", "en": "denoising_"},
        ),
    ],
)
def test_bad_pictures_are_refused_in_both_languages(
    tmp_path: Path, words: list[str], code: int, says: dict[str, str], language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence in the user's language, no work begun, nothing written; a huge picture is not unpacked."""
    files = bad_files(tmp_path)
    prompt = [] if words[0] == "upscale" else ["-p", "x"]
    full = [word.format(**{name: str(path) for name, path in files.items()}) for word in words]
    memory = resident()
    assert main([*full, *prompt, "-o", "out.png", "--lang", language]) == code
    error = capsys.readouterr().err.split("✗")[1]
    assert says[language] in error and "Traceback" not in error
    assert any("一" <= letter <= "鿿" for letter in error) == (language == "zh")
    assert not (tmp_path / "out.png").exists() and not list((tmp_path / "home").rglob("*.png"))
    if "huge" in "".join(words):
        assert resident() - memory < 100e6


def resident() -> float:
    """Resident memory of this process in bytes, 0 where it cannot be told."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0.0


def test_a_picture_of_one_pixel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (1, 1), "red").save("dot.png")
    Image.new("L", (1, 1), 255).save("mask.png")
    for words in (["img2img"], ["inpaint", "--mask", "mask.png"], ["outpaint", "--left", "8"]):
        assert main([words[0], "dot.png", *words[1:], *QUICK, "-o", f"{words[0]}.png"]) == 0, capsys.readouterr().err
    assert [Image.open(f"{name}.png").size for name in ("img2img", "inpaint", "outpaint")] == [
        (64, 64),
        (64, 64),
        (9, 1),
    ]
    assert main(["upscale", "dot.png", "-o", "large.png", "-u", "Lanczos", "-q"]) == 0


def test_each_picture_of_a_folder_from_python(kernel, folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, Outcome]] = []
    fields = {"prompt": "草地", "steps": 2, "seed": 3}
    kind = {"output": tmp_path / "out", "progress": lambda *facts: seen.append(facts)}
    made = kernel.each(folder, ra.ImageToImage, **kind, **fields)
    assert [outcome.source.name for outcome in made] == ["1.png", "2.jpg", "3.png"]
    assert list(made.errors) == ["2.jpg"] and len(made.records) == 2 and not made.cancelled
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert "2" in made.text() and "2.jpg" in made._repr_html_() and made.grid().width > 64
    assert from_dict(json.loads(carriers.read(tmp_path / "out" / "1.png")["ra"])["request"]).seed == 3
    again = kernel.each(folder, ra.ImageToImage, **kind, **fields)
    assert [outcome.skipped for outcome in again] == [True, False, True]


def test_a_folder_can_be_cancelled(kernel, folder: Path) -> None:
    (folder / "2.jpg").unlink()

    def make(path: Path) -> ra.Request:
        return ra.ImageToImage(image=path, steps=50, img2img_fix_steps=True, seed=1)

    stop = kernel.add_listener(lambda event: kernel.cancel() if type(event).__name__ == "Progress" else None)
    try:
        made = kernel.each(folder, make)
    finally:
        stop()
    assert made.cancelled and len(made) == 1

"""``ra variations`` and ``ra travel``: the real commands, from words and pictures to sheets and moving pictures."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from ra_widgets.cli import main
from ra_widgets.gallery import Gallery

pytestmark = pytest.mark.usefixtures("own_home")

QUICK = ["--steps", "2", "--size", "64x64"]


def test_variations_from_words_and_from_a_picture(own_home, capsys):
    assert main(["variations", "一只猫", "--seed", "5", "--count", "2", "-o", "样张.png", *QUICK]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["样张.png"] and "100%" in err
    with Image.open("样张.png") as sheet:
        assert sheet.width > 2 * 96
    records = Gallery(own_home / "gallery").list()
    assert len(records) == 3 and {r.request.subseed_strength for r in records} == {0.0, 0.2}
    picture = next(r.path for r in records if r.request.subseed_strength)
    words = ["variations", str(picture), "--subseeds", "7，8", "--strength", "0.1,0.5", "--json", "-q"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert [(row["row"], row["column"]) for row in report["pictures"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all("Further variations: " in row["infotext"] for row in report["pictures"])


def test_travel_from_prompt_to_prompt_and_from_seed_to_seed(own_home, capsys):
    words = [
        "travel",
        "白天的房子",
        "夜里的房子",
        "--frames",
        "3",
        "--bounce",
        "-o",
        "房子.webp",
        "--sheet",
        "房子.png",
    ]
    assert main([*words, "--seed", "3", *QUICK]) == 0
    assert capsys.readouterr().out.splitlines() == ["房子.webp", "房子.png"]
    with Image.open("房子.webp") as moving, Image.open("房子.png") as sheet:
        assert moving.n_frames == 4 and moving.size == (64, 64) and sheet.height > 64
    words = ["travel", "一只猫", "--seeds", "1,2", "--frames", "3", "--loop", "--sampler", "Euler a", "-o", "猫.gif"]
    assert main([*words, *QUICK]) == 0
    assert "跳" in capsys.readouterr().err  # Euler a draws noise on its way
    assert {r.seed for r in Gallery(own_home / "gallery").list()} == {1, 2, 3}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["variations"], "ra variations"),
        (["variations", "猫", "-o", "a.txt"], ".png"),
        (["variations", "猫", "--strength", "viel"], "--strength"),
        (["travel", "猫"], "--seeds"),
        (["travel", "猫", "狗", "--seeds", "1,2"], "--seeds"),
        (["travel", "猫", "狗", "-o", "a.mp4"], ".webp"),
    ],
)
def test_wrong_use_is_told_before_any_work(words, part, capsys):
    assert main(words) == 2
    assert part in capsys.readouterr().err


def test_a_file_in_the_way_and_a_picture_without_parameters(tmp_path, capsys):
    (tmp_path / "a.gif").write_bytes(b"mine")
    assert main(["travel", "猫", "狗", "-o", "a.gif"]) == 1
    assert "--force" in capsys.readouterr().err and (tmp_path / "a.gif").read_bytes() == b"mine"
    Image.new("RGB", (64, 64)).save("bare.png")
    assert main(["variations", "bare.png"]) == 1
    assert "bare.png" in capsys.readouterr().err

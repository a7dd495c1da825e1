"""Templates: wildcards and variants, drawn into a series of requests."""

from __future__ import annotations

import json

import pytest

import ra_widgets as ra
from ra_widgets.cli import main
from ra_widgets.errors import InvalidRequest, RAError
from ra_widgets.experiments.templates import from_template
from ra_widgets.gallery import Gallery


@pytest.fixture
def wildcards(tmp_path, monkeypatch):
    folder = tmp_path / "wildcards"
    folder.mkdir()
    (folder / "画风.txt").write_text("水墨\n油画\n水彩\n", "utf-8")
    monkeypatch.setenv("RA_WILDCARDS", str(folder))
    return folder


def test_each_picture_has_words_and_noise_of_its_own_seed(wildcards):
    request = ra.TextToImage(
        prompt="一个{红|绿|黄}苹果, __画风__", negative_prompt="{模糊|灰}", seed=7, n_iter=4, batch_size=2
    )
    series = from_template(request)
    assert [member.seed for member in series.requests] == list(range(7, 15))
    assert len({member.prompt for member in series.requests}) > 2
    assert not any(char in member.prompt + member.negative_prompt for member in series.requests for char in "{|_")
    assert from_template(request) == series
    assert from_template(request.replace(seed=9, n_iter=1)).requests[0].prompt == series.requests[2].prompt
    assert from_template("一只猫").requests[0].prompt == "一只猫" and from_template("x").requests[0].seed >= 0


def test_every_combination_once(wildcards):
    series = from_template(ra.TextToImage(prompt="{红|绿}苹果, __画风__", seed=3, n_iter=5), combinations=True)
    assert len({member.prompt for member in series.requests}) == len(series.requests) == 6
    assert {member.seed for member in series.requests} == {3}


def test_mistakes_are_told(wildcards, tmp_path):
    with pytest.raises(InvalidRequest) as caught:
        from_template("__画风__ __动物__")
    assert (
        caught.value.field == "prompt"
        and "动物" in caught.value.text("zh_CN")
        and "wildcards" in caught.value.text("en")
    )
    with pytest.raises(InvalidRequest) as caught:
        from_template(ra.TextToImage(prompt="{a|b}", n_iter=500))
    assert caught.value.field == "n_iter" and "400" in caught.value.text("en")
    with pytest.raises(InvalidRequest):
        from_template("{1|2|3|4|5|6|7|8|9|0}{1|2|3|4|5|6|7|8|9|0}{1|2|3|4|5}", combinations=True)
    with pytest.raises(RAError):
        from_template("{a|b")


def test_pictures_of_a_template(kernel, wildcards):
    request = ra.TextToImage(prompt="{一只小狗|一只小猫}, __画风__", seed=1, n_iter=3, steps=1, width=64, height=64)
    result = kernel.generate(from_template(request))
    assert [record.prompt for record in result] == [member.prompt for member in from_template(request).requests]
    assert all(kernel.verify(record).same for record in result)
    plain = kernel.generate("{一只小狗|一只小猫}", seed=1, steps=1, width=64, height=64).records[0]
    assert plain.prompt == "{一只小狗|一只小猫}", "never unasked"


def test_from_the_terminal(wildcards, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RA_LANG", "zh_CN")
    monkeypatch.chdir(tmp_path)
    quick = ["--steps", "1", "--size", "64x64", "--quiet"]
    assert main(["generate", "{红|绿}苹果", "--combinations", "-o", "a.png", *quick]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in out[1::2]] == ["红苹果", "绿苹果"] and (tmp_path / "a-2.png").is_file()
    assert main(["generate", "__画风__", "--template", "--count", "2", "--seed", "5", "--json", *quick]) == 0
    images = json.loads(capsys.readouterr().out)["images"]
    assert [image["seed"] for image in images] == [5, 6] and {i["prompt"] for i in images} <= {"水墨", "油画", "水彩"}
    assert len(Gallery(tmp_path / "home" / "gallery").list()) == 4
    assert main(["generate", "__没有__", "--wildcards", str(wildcards), *quick]) == 1
    assert "没有" in capsys.readouterr().err

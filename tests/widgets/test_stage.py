"""The stage and the info bar, with real pictures."""

from __future__ import annotations

import dataclasses
import io

import pytest
from PIL import Image

from ra_widgets.requests import TextToImage
from ra_widgets.widgets import InfoBar, Stage
from ra_widgets.widgets.stage import MOST, page_picture


@pytest.fixture(scope="module")
def result(kernel):
    return kernel.generate(TextToImage(prompt="一个<b>红</b>苹果", seed=5, steps=2, width=64, height=64, batch_size=2))


def test_pictures_travel_once_and_exactly(result, browser_of):
    stage = Stage()
    page = browser_of(stage)
    stage.show(result.records)
    sent = [(content["id"], buffers[0]) for content, buffers in page.sent if content["type"] == "picture"]
    assert sent == [(record.id, record.path.read_bytes()) for record in result.records]
    assert [picture["id"] for picture in stage.pictures] == [record.id for record in result.records]
    assert all("data" not in picture for picture in stage.pictures)
    # a page that opens later asks
    page.sent.clear()
    page.says("lacking", ids=[result.records[1].id, "nonsense"])
    assert [content["id"] for content, _ in page.sent] == [result.records[1].id]


def test_selecting(result, browser_of):
    stage = Stage()
    page, seen = browser_of(stage), []
    stage.on_select(lambda s: seen.append(s.record.id if s.record else None))
    assert stage.record is None
    stage.show(result.records)
    page.sets(selected=1)
    assert stage.record.id == result.records[1].id
    page.sets(selected=99)
    assert stage.selected == 1
    stage.clear()
    assert seen[0] == result.records[0].id and seen[-1] is None and stage.pictures == []


def test_many_pictures_keep_the_newest(result):
    stage = Stage()
    records = [dataclasses.replace(result.records[0], id=f"{number:026d}") for number in range(MOST + 3)]
    stage.show(records[:1])
    for record in records[1:]:
        stage.add(record)
    assert [picture["id"] for picture in stage.pictures] == [record.id for record in records[-MOST:]]


def test_large_pictures_go_smaller():
    from ra_widgets.results import Record

    image = Image.effect_noise((1500, 1200), 90).convert("RGB")
    record = Record("x", None, TextToImage(), 1, 1500, 1200, "", "m", "", 1.0, None, _image=image)
    data, kind = page_picture(record, room=50_000)
    assert kind == "image/jpeg" and max(Image.open(io.BytesIO(data)).size) == 1024
    data, kind = page_picture(record, room=10**9)
    assert kind == "image/png" and Image.open(io.BytesIO(data)).tobytes() == image.tobytes()


def test_following_a_job(kernel):
    stage = Stage()
    seen = []
    stage.observe(lambda change: seen.append(change["new"].get("kind")), "status")
    stage.follow(job := kernel.submit("红苹果", steps=12, width=64, height=64))
    result = job.result(60)
    for _ in range(200):
        if stage.status.get("kind") == "idle" and stage.records:
            break
        job._changed.acquire()
        job._changed.wait(0.05)
        job._changed.release()
    assert [record.id for record in stage.records] == [record.id for record in result.records]
    assert "working" in seen and seen[-1] == "idle" and stage.previews == []


def test_examples(browser_of):
    stage = Stage(examples=["甲", "乙"])
    page, seen = browser_of(stage), []
    stage.on_example(lambda _, sentence: seen.append(sentence))
    for index in (1, 7, -1, "0", None):
        page.says("example", index=index)
    assert seen == ["乙"]


def test_the_info_bar_shows_and_saves(result, browser_of):
    bar = InfoBar()
    page, reused = browser_of(bar), []
    bar.on_reuse(lambda record, fields: reused.append((record.id, fields)))
    page.says("save")
    assert "没有选中" in bar._error
    bar.clear_error()
    record = result.records[1]
    bar.show(record)
    assert bar.info["seed"] == 6 and bar.info["infotext"] == record.infotext and "seed=6" in bar.info["code"]
    page.says("save")
    content, buffers = page.sent[-1]
    assert content["name"] == record.path.name and buffers == [record.path.read_bytes()]
    page.says("reuse", fields=["seed", "__class__", 5])
    page.says("reuse", fields=[])
    assert reused == [(record.id, ("seed",)), (record.id, ())]


def test_saving_a_picture_that_is_only_in_memory(result, browser_of):
    bar = InfoBar()
    page = browser_of(bar)
    record = dataclasses.replace(result.records[0], path=None, _image=result.records[0].image)
    bar.show(record)
    page.says("save")
    saved = Image.open(io.BytesIO(page.sent[-1][1][0]))
    assert saved.info["parameters"] == record.infotext


def test_a_picture_whose_file_is_gone(result, browser_of, tmp_path):
    bar = InfoBar()
    bar.show(dataclasses.replace(result.records[0], path=tmp_path / "gone.png"))
    browser_of(bar).says("save")
    assert "不在画廊" in bar._error

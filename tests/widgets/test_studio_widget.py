"""The studio on the real kernel, without a browser."""

from __future__ import annotations

import shutil

import pytest

import ra_widgets as ra
from ra_widgets.errors import GalleryError
from ra_widgets.paths import embedded_model
from ra_widgets.widgets import Studio, Tab, register_tab
from ra_widgets.widgets import tabs as tab_list


def finish(studio, job):
    try:
        result = job.result(120)
    finally:
        assert studio._pump.wait()
    return result


def test_defaults_come_from_the_model(kernel):
    studio = Studio(kernel)
    info = kernel.model
    assert (studio.size.width, studio.size.height) == info.default_size
    assert (studio.sampler.cfg_scale, studio.sampler.steps) == (info.default_cfg, info.default_steps)
    assert studio.seed.seed == -1 and studio.header.model == info.name
    assert len(studio.stage.examples) == 6 and "小狗" in studio.stage.examples[0]
    studio.close()


def test_a_picture_from_prompt_to_gallery(studio, kernel, browser_of):
    gallery_page = browser_of(studio.view)
    browser_of(studio.editor).sets(prompt="一个红苹果")
    browser_of(studio.seed).sets(seed=11)
    browser_of(studio.bar).says("generate")
    (job,) = studio._mine.values()
    result = finish(studio, job)
    record = result.records[0]
    assert (record.prompt, record.seed, record.width) == ("一个红苹果", 11, 64)
    assert [picture["id"] for picture in studio.stage.pictures] == [record.id]
    assert studio.info.info["seed"] == 11 and studio.seed.last_seed == 11
    assert gallery_page.of("added")[-1]["items"][0]["id"] == record.id
    assert (studio.header.queue, studio.bar.busy, studio.stage.status) == (0, False, {"kind": "idle"})
    assert studio.header.device.startswith("CPU") and studio.header.state == "idle" and studio._error == ""
    assert studio._mine == {}


def test_reuse_fills_every_control(studio, browser_of):
    studio.editor.prompt, studio.editor.negative_prompt = "(小狗:1.2)", "模糊"
    studio.sampler.fill(sampler="Euler a", scheduler="Karras", steps=3, cfg_scale=5.5)
    studio.advanced.fill(subseed=9, subseed_strength=0.25, tiled_diffusion=True)
    studio.seed.seed = 77
    record = finish(studio, studio.generate()).records[0]
    made = record.image.tobytes()
    studio.editor.prompt = studio.editor.negative_prompt = ""
    studio.sampler.fill(sampler="DPM++ 2M", scheduler="Automatic", steps=9, cfg_scale=1.0)
    studio.advanced.fill(subseed=-1, subseed_strength=0.0, tiled_diffusion=False)
    studio.size.fill(width=128, height=128)
    studio.batch.fill(batch_size=3)
    studio.seed.seed = -1
    page = browser_of(studio.info)
    page.says("reuse", fields=["seed"])
    assert studio.seed.seed == 77 and studio.sampler.steps == 9
    page.says("reuse", fields=[])
    assert studio.values() == {
        "prompt": "(小狗:1.2)", "negative_prompt": "模糊", "sampler": "Euler a", "scheduler": "Karras", "steps": 3,
        "cfg_scale": 5.5, "width": 64, "height": 64, "seed": 77, "batch_size": 1, "n_iter": 1, "subseed": 9,
        "subseed_strength": 0.25, "clip_skip": 1, "tiled_diffusion": True,
    }  # fmt: skip
    again = finish(studio, studio.generate()).records[0]
    assert again.image.tobytes() == made


def test_bad_requests_say_so_and_keep_everything(studio):
    studio.editor.prompt = "留着我"
    studio.size.width = 100
    assert studio.generate() is None
    assert "宽" in studio._error and "8" in studio._error
    studio.lang = "en"
    assert "Width" in studio._error and studio.editor.prompt == "留着我"
    studio.size.width = 64
    job = studio.generate()
    assert studio._error == ""
    finish(studio, job)


def test_warnings_are_told_in_the_language_of_the_page(studio):
    studio.editor.prompt = "一只小狗, embedding:nowhere <lora:none:1>"
    finish(studio, studio.generate())
    chinese = studio.notice["text"]
    assert (
        "nowhere" in chinese and "embeddings 文件夹" in chinese and "附加网络" in chinese and chinese.count("\n") == 1
    )
    assert not studio.notice["undo"]
    studio.lang = "en"
    assert "no such file" in studio.notice["text"] and studio._error == ""
    number = studio.notice["number"]
    studio.editor.prompt = "一只小狗"
    finish(studio, studio.generate())
    assert studio.notice["number"] == number
    studio.editor.prompt = "embedding:elsewhere"
    finish(studio, studio.generate())
    assert "elsewhere" in studio.notice["text"] and "nowhere" not in studio.notice["text"]


def test_a_full_disk_says_so(studio, kernel, monkeypatch):
    def full(*args, **kwargs):
        raise GalleryError("error.unexpected", kind="OSError", detail="No space left on device")

    monkeypatch.setattr(kernel.gallery, "save", full)
    studio.editor.prompt = "留着我"
    with pytest.raises(GalleryError):
        finish(studio, studio.generate())
    assert "No space left" in studio._error and studio.editor.prompt == "留着我"
    assert (studio.header.queue, studio.bar.busy, studio.stage.status["kind"]) == (0, False, "idle")


def test_several_requests_queue_and_stop_takes_them_one_by_one(studio, browser_of):
    studio.sampler.steps = 150
    jobs = [studio.generate() for _ in range(3)]
    assert studio._pump.wait()
    assert studio.header.queue == 3 and studio.bar.busy
    stop = browser_of(studio.bar)
    for number, job in enumerate(jobs):
        stop.says("stop")
        with pytest.raises(ra.JobCancelled):
            finish(studio, job)
        assert studio.header.queue == 2 - number
    assert not studio.bar.busy and studio.stage.status == {"kind": "idle"} and studio._error == ""
    stop.says("stop")
    assert studio._error == ""


def test_language_and_skin_keep_the_state(studio, browser_of):
    studio.editor.prompt = "山水"
    studio.sampler.steps = 9
    page = browser_of(studio.header)
    page.sets(lang="en")
    assert studio.lang == studio.editor.lang == studio.view.lang == "en"
    assert studio.editor.texts["prompt"] == "Prompt" and studio.header.tabs[0]["title"] == "Text to image"
    assert studio.stage.examples[0] == "a dog on the grass"
    page.sets(skin="dark")
    assert {studio.skin, studio.editor.skin, studio.stage.skin} == {"dark"}
    page.sets(skin="pink", lang=5)
    assert studio.skin == "dark" and studio.lang == "en"
    assert (studio.editor.prompt, studio.sampler.steps) == ("山水", 9)


def test_code_makes_the_same_request(studio, kernel):
    studio.editor.prompt = '引号"和\n换行'
    studio.seed.seed = 5
    studio.to_code()
    made = {}

    class Recorder:
        def generate(self, request):
            made["request"] = request

    exec(studio.bar.code, {"kernel": Recorder(), "ra": ra})
    assert made["request"] == studio.request()


def test_gallery_pictures_are_shown_and_reused(studio, kernel, browser_of):
    record = kernel.generate("沙滩上的螃蟹", steps=2, width=64, height=64, seed=31).records[0]
    studio._pump.wait()
    studio.stage.clear()
    page = browser_of(studio.view)
    page.says("open", id=record.id)
    assert studio.stage.record.id == record.id and studio.info.info["prompt"] == "沙滩上的螃蟹"
    page.says("reuse", id=record.id)
    assert (studio.editor.prompt, studio.seed.seed) == ("沙滩上的螃蟹", 31)
    page.says("open", id="nothing")
    assert studio._error


def test_it_shows_what_a_notebook_cell_makes(studio, kernel, browser_of):
    page = browser_of(studio.view)
    record = kernel.generate("红苹果", steps=2, width=64, height=64).records[0]
    assert studio._pump.wait()
    assert studio.stage.record.id == record.id and page.of("added")[-1]["items"][0]["id"] == record.id
    with pytest.raises(ra.RAError):
        kernel.generate("红苹果", steps=2, width=64, height=64, model="没有这个模型")
    assert studio._pump.wait() and studio._error == ""


def test_an_example_runs(studio, browser_of):
    browser_of(studio.stage).says("example", index=1)
    (job,) = studio._mine.values()
    assert finish(studio, job).records[0].prompt == "一个红苹果" == studio.editor.prompt


def test_a_model_that_cannot_be_loaded(studio, kernel, browser_of, tmp_path, monkeypatch):
    broken = tmp_path / "坏模型"
    shutil.copytree(embedded_model(), broken)
    (broken / "ra.json").unlink()
    for file in (broken / "unet").glob("*.safetensors"):
        data = bytearray(file.read_bytes())
        file.write_bytes(bytes(data[: len(data) // 2]))
    monkeypatch.setenv("RA_MODELS", str(tmp_path))
    page = browser_of(studio.header)
    page.says("models")
    studio.load("坏模型")
    studio._pump.wait()
    assert studio._error
    assert kernel.model.name == "ra-mini" == studio.header.model
    job = studio.generate()
    assert job is not None and finish(studio, job).records


def test_changing_the_model_changes_untouched_defaults(kernel, tmp_path, monkeypatch, browser_of):
    other = tmp_path / "other"
    shutil.copytree(embedded_model(), other)
    (other / "ra.json").write_text(
        '{"name": "other", "family": "sd1", "default_size": [64, 64], "default_cfg": 3.0, "default_steps": 8}'
    )
    monkeypatch.setenv("RA_MODELS", str(tmp_path))
    studio = Studio(kernel)
    studio.sampler.steps = 33
    page = browser_of(studio.header)
    page.says("models")
    assert {"ra-mini", "other"} <= {model["name"] for model in studio.header.models}
    try:
        page.says("load", name="other")
        kernel.running and kernel.running.result(60)
        for job in kernel.queue:
            job.result(60)
        assert studio._pump.wait()
        assert studio.header.model == "other" and studio._error == ""
        assert (studio.size.width, studio.sampler.cfg_scale, studio.sampler.steps) == (64, 3.0, 33)
        assert studio.stage.examples == []
    finally:
        kernel.load(None).result(60)
    assert studio._pump.wait()
    assert studio.header.model == "ra-mini" and studio.size.width == 128 and studio.stage.examples
    studio.close()


def test_tabs_are_data(kernel, monkeypatch, browser_of):
    from ra_widgets.widgets import SeedPanel

    monkeypatch.setattr(tab_list, "TABS", list(tab_list.TABS))
    built = []

    def panel(studio):
        built.append("panel")
        return SeedPanel()

    register_tab(
        Tab(
            "twice",
            "studio.tab.txt2img",
            request=lambda s: ra.TextToImage(**s.values()).replace(n_iter=2),
            panels=(panel,),
        )
    )
    register_tab(Tab("page", "studio.model", page=panel), after="txt2img")
    studio = Studio(kernel)
    ids = [tab["id"] for tab in studio.header.tabs]
    assert ids[:2] == ["txt2img", "page"] and ids[-2:] == ["verify", "twice"] and built == []
    page = browser_of(studio.header)
    page.sets(tab="twice")
    page.sets(tab="page")
    page.sets(tab="twice")
    assert built == ["panel", "panel"] and set(studio.panels) == {"twice"} and set(studio.pages) == {"page"}
    assert studio.request().n_iter == 2
    page.sets(tab="page")
    studio.generate()
    assert studio._error
    studio.close()


def test_closing_stops_listening(kernel):
    studio = Studio(kernel)
    count = len(kernel._listeners)
    studio.close()
    assert len(kernel._listeners) == count - 1


def test_the_function_and_its_options(kernel, monkeypatch):
    monkeypatch.setenv("RA_SKIN", "dark")
    made = ra.studio(kernel, lang="en")
    assert (made.lang, made.skin) == ("en", "dark")
    made.close()
    with pytest.raises(TypeError):
        ra.studio(kernel, colour="red")

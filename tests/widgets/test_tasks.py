"""The tabs that start from a picture: their requests, and pictures and settings that go from one to another and back."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from ra_widgets.errors import RAError
from ra_widgets.i18n import catalogue
from ra_widgets.widgets import Studio

PHOTO = Image.fromarray(np.random.default_rng(2).integers(0, 256, (96, 64, 3), np.uint8))


@pytest.fixture(scope="module")
def record(kernel):
    return kernel.generate("红苹果", steps=3, width=64, height=64, seed=8, sampler="Euler a").records[0]


def test_img2img_needs_a_picture_and_takes_its_size(studio, browser_of):
    browser_of(studio.header).sets(tab="img2img")
    assert studio.tab == "img2img" and studio.shows == "input"
    studio.editor.prompt = "留着我"
    assert studio.generate() is None
    assert "原图" in studio._error and studio.editor.prompt == "留着我"
    task = studio.task("img2img")
    task.source.image = PHOTO
    assert (studio.size.width, studio.size.height) == (64, 96)
    browser_of(task.panel).sets(denoising_strength=0.3, resize_mode="Crop and resize")
    request = studio.request()
    assert (request.kind, request.denoising_strength, request.resize_mode) == ("img2img", 0.3, "Crop and resize")
    assert request.image.image.tobytes() == PHOTO.tobytes() and request.prompt == "留着我"


def test_the_size_of_a_large_picture_stays_within_the_model_s_means(studio):
    task = studio.task("img2img")
    task.source.image = Image.new("RGB", (4000, 2000))
    base = studio.size.base_size
    assert studio.size.width * studio.size.height <= 4 * base[0] * base[1]
    assert studio.size.width == 2 * studio.size.height and studio.size.width % 8 == 0
    task.source.image = Image.new("RGB", (101, 67))
    assert (studio.size.width, studio.size.height) == (104, 64)


def test_only_what_a_choice_offers(studio, browser_of):
    panel = studio.task("img2img").panel
    browser_of(panel).sets(resize_mode="<b>", denoising_strength=0.4)
    assert (panel.resize_mode, panel.denoising_strength) == ("Just resize", 0.4) and "尺寸" in studio._error


def test_sending_carries_picture_and_settings_and_can_be_undone(studio, browser_of, record):
    studio.editor.prompt, studio.sampler.sampler, studio.seed.seed = "原来的", "DPM++ 2M", -1
    task = studio.task("img2img")
    task.source.image, task.panel.denoising_strength = PHOTO, 0.2
    before = (studio.values(), task.source.image, studio.tab)
    studio.show_record(record)
    assert [target["id"] for target in studio.info.targets][:2] == ["txt2img", "img2img"]
    browser_of(studio.info).says("send", target="img2img")
    assert (studio.tab, studio.shows) == ("img2img", "input")
    assert task.source.image.tobytes() == record.image.convert("RGB").tobytes()
    assert (studio.editor.prompt, studio.sampler.sampler, studio.seed.seed) == ("红苹果", "Euler a", 8)
    assert (studio.size.width, studio.size.height) == (64, 64) and task.panel.denoising_strength == 0.2
    assert "图生图" in studio.notice["text"] and studio.notice["undo"]
    page = browser_of(studio)
    page.says("undo")
    assert (studio.values(), studio.tab) == (before[0], before[2])
    assert task.source.image.tobytes() == before[1].tobytes() and not studio.notice["undo"]
    page.says("undo")
    assert studio._error == ""


def test_from_the_gallery_and_to_text(studio, browser_of, record):
    browser_of(studio.view).says("send", id=record.id, target="img2img")
    assert studio.task("img2img").source.record.id == record.id
    browser_of(studio.view).says("send", id=record.id, target="txt2img")
    assert studio.tab == "txt2img" and studio.editor.prompt == "红苹果"
    assert studio.request().kind == "txt2img"
    browser_of(studio.view).says("send", id=record.id, target="verify")
    browser_of(studio.view).says("send", id="nobody", target="img2img")
    assert studio.tab == "txt2img" and studio._error


def test_undo_of_the_first_sending_leaves_an_empty_tab(studio, browser_of, record):
    studio.send_to(record, "img2img")
    browser_of(studio).says("undo")
    assert studio.tab == "txt2img" and studio.task("img2img").source.image is None


def test_language_and_skin_reach_the_tabs(studio):
    task = studio.task("img2img")
    studio.lang, studio.skin = "en", "dark"
    assert task.panel.lang == task.source.lang == "en" and task.panel.skin == "dark"
    assert task.panel.texts["denoising_strength"] == "Denoising strength" and "prompt" in task.source.hint


def test_a_studio_of_one_tab(kernel):
    small = Studio(kernel, only=["img2img"])
    assert small.tabs == ["img2img"] and small.tab == "img2img" and small.shows == "input"
    small.close()
    with pytest.raises(RAError, match="nothing"):
        Studio(kernel, only=["nothing"])


def paint(painter, box) -> None:
    """A rectangle of mask, as the page sends it."""
    buffer = io.BytesIO()
    Image.new("L", (box[2] - box[0], box[3] - box[1]), 255).save(buffer, "PNG")
    content = {"type": "patch", "of": painter._of, "by": "me", "seq": 1, "x": box[0], "y": box[1]}
    painter._receive(painter, content, [buffer.getvalue()])


def test_inpaint_needs_picture_and_mask(studio, browser_of):
    browser_of(studio.header).sets(tab="inpaint")
    assert "size" in studio.hidden["inpaint"] and studio.generate() is None and "原图" in studio._error
    task = studio.task("inpaint")
    task.source.image = PHOTO
    assert task.painter.image.size == (64, 96) and studio.generate() is None and "蒙版" in studio._error
    paint(task.painter, (10, 20, 30, 40))
    browser_of(task.panel).sets(inpaint_area="masked", mask_blur=2, inpainting_fill="latent noise")
    request = studio.request()
    assert (request.kind, request.inpaint_full_res, request.mask_blur) == ("inpaint", True, 2)
    assert request.mask.gray().getbbox() == (10, 20, 30, 40) and (request.width, request.height) == (None, None)
    page = browser_of(studio)
    # another picture begins with a clean mask, and undo brings the painted one back
    studio._remember("inpaint")
    task.accept(Image.new("RGB", (64, 96)))
    assert task.painter.empty
    page.says("undo")
    assert task.painter.mask.getbbox() == (10, 20, 30, 40) and task.source.image.tobytes() == PHOTO.tobytes()


def test_large_pictures_are_inpainted_around_the_mask(studio):
    task = studio.task("inpaint")
    task.source.image = Image.new("RGB", (2000, 1000))
    assert task.panel.inpaint_area == "masked"
    task.source.image = PHOTO
    assert task.panel.inpaint_area == "whole"


def test_outpaint_and_upscale_requests(studio):
    studio.tab = "outpaint"
    task = studio.task("outpaint")
    task.source.image = PHOTO
    assert studio.generate() is None and "哪边" in studio._error
    task.frame.right = 64
    request = studio.request()
    assert (request.kind, request.final_size) == ("outpaint", (128, 96))
    studio.tab = "upscale"
    task = studio.task("upscale")
    task.source.image = PHOTO
    assert task.panel.upscaler == "RA x2", "the project's own network for the embedded model's pictures"
    task.panel.scale = 1.5
    request = studio.request()
    assert (request.kind, request.scale, request.upscaler, request.upscaler_2) == ("upscale", 1.5, "RA x2", None)
    assert "prompt" in studio.hidden["upscale"]


def test_the_upscale_tab_with_a_model(studio):
    """SD upscale: the prompt appears, the request has it, settings of its pictures come back, undo takes them away."""
    studio.tab = "upscale"
    task = studio.task("upscale")
    task.source.image = PHOTO.resize((40, 32))
    task.panel.fill(sd_upscale=True, denoising_strength=0.2, overlap=16, upscaler="Lanczos")
    assert studio.hidden["upscale"] == ["size"]
    studio.editor.prompt, studio.batch.n_iter, studio.batch.batch_size = "草地", 2, 2
    studio.seed.seed, studio.sampler.steps = 4, 2
    request = studio.request()
    assert (request.kind, request.prompt, request.overlap, request.images) == ("sd_upscale", "草地", 16, 4)
    assert request.width is None and request.batch_size == 1
    record = studio.kernel.generate(request, n_iter=1, width=64, height=64).records[0]
    assert "SD upscale overlap: 16" in record.infotext
    task.panel.fill(sd_upscale=False, upscaler="Nearest", scale=3.0, denoising_strength=0.9, overlap=None)
    assert "prompt" in studio.hidden["upscale"] and studio.request().kind == "upscale"
    studio.tab = "txt2img"
    studio.reuse(record)
    assert studio.tab == "upscale" and task.panel.sd_upscale and studio.hidden["upscale"] == ["size"]
    assert (task.panel.denoising_strength, task.panel.overlap, task.panel.upscaler) == (0.2, 16, "Lanczos")
    studio.undo_send()
    assert studio.tab == "txt2img" and not task.panel.sd_upscale and task.panel.scale == 3.0
    assert task.panel.overlap is None and task.panel.upscaler == "Nearest"


@pytest.mark.parametrize("name", ["img2img", "inpaint", "outpaint", "upscale"])
def test_what_a_tab_shows_is_what_its_request_takes(studio, name):
    """Defaults of a panel are legal, every control's limits are those of the request, all words exist."""
    task = studio.task(name)
    for panel in task.panels:
        known = type(panel).FIELDS
        for field in known:
            assert panel.has_trait(field["name"]) and f"studio.{field['name']}" in catalogue("en"), field["name"]
        panel.fill(**{field["name"]: field["max"] for field in known if "max" in field})
    task.source.image = PHOTO.resize((16, 16))
    if name == "inpaint":
        task.painter.mask = Image.new("L", (16, 16), 255)
    studio.tab = name
    if name == "outpaint":
        task.frame.top = 8
    assert studio.request().kind == name
    for panel in task.panels:
        panel.fill(**{field["name"]: field["min"] for field in type(panel).FIELDS if "min" in field})
    assert studio.request().kind == name


def test_cropping_and_sketching_change_the_picture_and_can_be_undone(studio, browser_of):
    task = studio.task("img2img")
    studio.tab = "img2img"
    page = browser_of(task.source)
    page.says("tool", name="sketch")  # on white paper, as large as the size says
    assert task.source.image.size == (64, 64) and task.canvas.children[-1] is task._tools["sketch"]
    task.source.image = PHOTO
    page.says("tool", name="crop")
    crop = task._tools["crop"]
    crop.box = (0, 0, 32, 32)
    page.says("tool", name="crop")
    assert task.tool == "" and task.source.image.tobytes() == PHOTO.crop((0, 0, 32, 32)).tobytes()
    page.says("undo")
    assert task.source.image.tobytes() == PHOTO.tobytes()
    # what is painted counts, also while the brush is still in the hand
    page.says("tool", name="sketch")
    sketch = task._tools["sketch"]
    sketch._set_paint(Image.new("RGBA", PHOTO.size, (255, 0, 0, 255)))
    assert studio.request().image.image.getcolors() == [(64 * 96, (255, 0, 0))]
    page.says("tool", name="nonsense")
    assert task.tool == "" and len(task.canvas.children) == 1


def test_control_says_at_once_that_nothing_fits_and_what_to_do(studio, kernel, monkeypatch):
    monkeypatch.setattr(type(kernel), "controls", property(lambda _: []))
    studio.tab = "control"
    task = studio.task("control")
    task.opened()
    for lang in ("zh_CN", "en"):
        studio.lang = lang
        assert "ControlNet" in task.base.note and kernel.model.name in task.base.note
        words = set(re.findall(r"\w+", task.base.note))
        assert {"canny", "softedge", "tile_resample"} <= words and not words & {"depth", "inpaint_only", "none"}
    monkeypatch.undo()
    studio.lang = "zh_CN"
    task._infos = {"something": None}
    task._tell_of_models()
    assert task.base.note == ""


def test_thresholds_are_called_what_they_are(studio, kernel, browser_of):
    panel = studio.task("control").panel
    named = {module.name: module for module in kernel.preprocessors}
    for name in panel.module_values:
        browser_of(panel).sets(module=name)
        for trait, meant in (("threshold_a", named[name].a), ("threshold_b", named[name].b)):
            assert (trait in panel.unused) == (meant is None)
            if meant is not None:
                assert (
                    panel.texts[trait]
                    == f"{catalogue('zh_CN')['control.slider.' + meant.label]}（默认 {meant.default:g}）"
                )
    browser_of(panel).sets(module="canny")
    browser_of(panel).sets(threshold_a=50)
    browser_of(panel).sets(module="softedge")
    assert panel.threshold_a is None, "50 is no blur"
    studio.lang = "en"
    assert panel.texts["threshold_a"] == "Blur radius (default 1.5)"

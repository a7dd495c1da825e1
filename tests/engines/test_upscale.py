"""Enlarging pictures through the kernel: requests, files, records, infotext, hires fix with networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import ra_widgets as ra
from ra_widgets import events
from ra_widgets.diffusion.conditioning import Timeline
from ra_widgets.diffusion.tasks.passes import Pass, sample, to_image, to_pixels
from ra_widgets.diffusion.tasks.walks import plan_walk
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import InvalidRequest, JobCancelled, ModelError
from ra_widgets.gallery import carriers, infotext
from ra_widgets.jobs import Job
from tests.diffusion import weights

BASE = {"prompt": "草地上的一只狗", "seed": 9, "steps": 3, "width": 96, "height": 64, "cfg_scale": 4.0}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model folder with one small network."""
    root = tmp_path_factory.mktemp("models")
    weights.write(weights.compact(2), root / "ESRGAN" / "tiny.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RA_MODELS", str(root))
        yield root


def picture(width=60, height=44):
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8))


def pixels(image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_the_filters_are_pillows(kernel):
    for name, way in (("Lanczos", Image.Resampling.LANCZOS), ("Nearest", Image.Resampling.NEAREST)):
        made = kernel.generate(ra.Upscale(image=picture(), scale=2, upscaler=name)).images[0]
        assert (pixels(made) == pixels(picture().resize((120, 88), way))).all()


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"scale": 1.5}, (90, 66)),
        ({"scale": 1}, (60, 44)),
        ({"width": 90}, (90, 66)),
        ({"height": 88}, (120, 88)),
        ({"width": 100, "height": 100}, (100, 100)),
        ({"width": 100, "height": 100, "crop": False}, (136, 100)),
        ({"width": 30, "height": 22}, (30, 22)),
    ],
)
def test_sizes(kernel, models, fields, size):
    for name in ("Lanczos", "tiny"):
        assert kernel.generate(ra.Upscale(image=picture(), upscaler=name, **fields)).images[0].size == size


def test_the_middle_is_kept_when_it_is_cropped(kernel):
    made = kernel.generate(ra.Upscale(image=picture(), width=44, height=44, upscaler="Lanczos")).images[0]
    assert (pixels(made) == pixels(picture().crop((8, 0, 52, 44)))).all()


def test_two_upscalers_are_blended(kernel, models):
    one, two = (kernel.generate(ra.Upscale(image=picture(), upscaler=n)).images[0] for n in ("Nearest", "tiny"))
    both = kernel.generate(
        ra.Upscale(image=picture(), upscaler="Nearest", upscaler_2="tiny", upscaler_2_visibility=0.3)
    )
    assert (pixels(both.images[0]) == pixels(Image.blend(one, two, 0.3))).all()
    assert "Postprocess upscaler: Nearest, Postprocess upscaler 2: tiny" in both.records[0].infotext


def test_the_record_keeps_what_made_the_picture_before(kernel, models):
    source = kernel.generate(ra.TextToImage(**BASE)).records[0]
    made = kernel.generate(ra.Upscale(image=source, scale=2, upscaler="tiny")).records[0]
    assert made.infotext.startswith(source.infotext.split("\n")[0])
    assert made.infotext.endswith("Postprocess upscale by: 2, Postprocess upscaler: tiny")
    parsed = infotext.parse(made.infotext)
    assert (parsed["Seed"], parsed["Postprocess upscaler"]) == ("9", "tiny")
    assert carriers.read(made.path)["parameters"] == made.infotext
    assert made.info["upscalers"]["tiny"] and made.model == ""
    assert made.request.image.size == (96, 64) and (made.width, made.height) == (192, 128)
    again = kernel.gallery.get(made.id).to_request()
    assert (pixels(kernel.generate(again).images[0]) == pixels(made.image)).all()


def test_a_picture_without_a_past_has_a_text_that_can_be_read(kernel):
    text = kernel.generate(ra.Upscale(image=picture(), width=90, upscaler="Lanczos")).records[0].infotext
    parsed = infotext.parse(text)
    assert parsed["Prompt"] == "" and parsed["Postprocess upscaler"] == "Lanczos"
    assert (parsed["Postprocess upscale to-1"], parsed["Size-1"]) == ("90", "90")


def test_no_model_is_loaded_for_it(tmp_path):
    with ra.PipelineKernel(gallery=tmp_path, preload=False) as fresh:
        job = fresh.submit(ra.Upscale(image=picture(), upscaler="Lanczos"))
        assert job.result(60).images[0].size == (120, 88)
        assert not [event for event in job.events() if isinstance(event, events.Loading)]
        assert fresh._engine._loaded is None


def test_what_suits_the_model_is_the_default(kernel, monkeypatch, tmp_path):
    from ra_widgets.library import upscalers

    assert kernel.upscalers[:3] == ["None", "Lanczos", "Nearest"]
    made = kernel.generate(ra.Upscale(image=picture()))
    assert made.request.upscaler == upscalers.default("ra-mini")
    assert upscalers.default("some other model") == "Lanczos"


def test_cancel_is_heard_between_tiles(kernel, models):
    big = Image.new("RGB", (512, 512), "red")
    job = kernel.submit(ra.Upscale(image=big, scale=2, upscaler="tiny", tile_size=64))
    for event in job.events():
        if isinstance(event, events.Progress) and event.fraction > 0.02:
            job.cancel()
    with pytest.raises(JobCancelled):
        job.result(60)
    steps = [event.fraction for event in job.events() if isinstance(event, events.Progress)]
    assert steps == sorted(steps) and steps[-1] < 0.9


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": 0.5},
        {"scale": 9},
        {"scale": float("nan")},
        {"width": 0},
        {"width": True},
        {"width": 16384, "height": 16384},
        {"tile_size": 10},
        {"upscaler": ""},
        {"upscaler_2_visibility": 2},
    ],
)
def test_wrong_fields_are_refused(fields):
    with pytest.raises(InvalidRequest) as caught:
        ra.Upscale(image=picture(), **fields)
    assert next(iter(fields)) in caught.value.text("en")


def test_an_unknown_upscaler_is_refused_before_the_work(kernel):
    for request in (
        ra.Upscale(image=picture(), upscaler="4x-Missing"),
        ra.Upscale(image=picture(), upscaler="Lanczos", upscaler_2="4x-Missing"),
        ra.TextToImage(**BASE, enable_hr=True, hr_upscaler="4x-Missing"),
    ):
        with pytest.raises(ModelError, match="Lanczos"):
            kernel.submit(request)
    with pytest.raises(ModelError):
        kernel.submit(ra.Upscale(image=picture(), upscaler="Latent"))


def test_hires_with_a_network_equals_two_passes_by_hand(kernel, models):
    request = ra.TextToImage(**BASE, enable_hr=True, hr_scale=1.5, hr_upscaler="tiny", denoising_strength=0.5)
    made = kernel.generate(request)
    first = kernel.generate(ra.TextToImage(**BASE)).images[0]
    # the network makes 192 x 128, Lanczos brings it down
    enlarged = kernel.generate(ra.Upscale(image=first, width=144, height=96, upscaler="tiny")).images[0]
    model = kernel._engine._loaded
    torch.set_num_threads(1)
    work = Work(Job(request), 1, None)  # type: ignore[arg-type]
    with torch.inference_mode():
        work.batch(1, passes=[3])
        init = model.encode(to_pixels(enlarged)[None])
        walk = plan_walk(model, request, request.sampler, request.scheduler, 3, strength=0.5, fixed_steps=True)
        calls = plan_walk(model, request, request.sampler, request.scheduler, 3).cond_steps
        timeline = Timeline(calls, walk.info.total_steps(3))
        latents = sample(model, request, Pass(walk, request.prompt, "", timeline, 144, 96), [(9, -1)], work, init)
        by_hand = to_image(model.decode(latents)[0])
    assert made.images[0].size == (144, 96)
    assert (pixels(made.images[0]) == pixels(by_hand)).all()


def test_names_of_networks_survive_the_infotext(kernel, models):
    request = ra.TextToImage(**BASE, enable_hr=True, hr_upscaler="tiny", sampler="Euler", scheduler="Karras")
    back, notes = infotext.convert(infotext.format(request))
    assert back.hr_upscaler == "tiny" and not notes
    lost, notes = infotext.convert(infotext.format(request.replace(hr_upscaler="gone")))
    assert lost.hr_upscaler == "Latent" and any("gone" in note for note in notes)

"""ControlNet and IP-Adapter through the kernel, on the embedded model with small random networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusion import control_files as files
from PIL import Image, ImageDraw

from ra_widgets import pictures
from ra_widgets.errors import InvalidRequest, ModelError
from ra_widgets.gallery import infotext
from ra_widgets.requests import ControlUnit, ImageToImage, Inpaint, IPAdapterUnit, TextToImage

BASE = {"prompt": "草地上的一只狗", "seed": 9, "steps": 4, "width": 96, "height": 64, "cfg_scale": 4.0}


def drawing(seed: int = 0) -> Image.Image:
    image = Image.new("RGB", (120, 80), (230, 230, 220))
    draw = ImageDraw.Draw(image)
    draw.ellipse([20 + 10 * seed, 10, 70 + 10 * seed, 70], fill=(200, 40, 40))
    draw.rectangle([80, 30, 110, 76], fill=(40, 60, 200))
    return image


@pytest.fixture(scope="module", autouse=True)
def library(kernel, tmp_path_factory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("models")
    kernel.load(None).result(120)
    unet = kernel._engine._loaded.unet
    files.controlnet(unet).save_pretrained(root / "ControlNet" / "random-canny")
    files.save_ldm(files.controlnet(unet, seed=1), root / "ControlNet" / "random_scribble.safetensors")
    files.controlnet(unet, zero=True).save_pretrained(root / "zero")
    files.controlnet(unet, seed=2).save_pretrained(root / "random-depth-net")
    files.ip_adapter(unet, root / "IP-Adapter")
    files.depth_estimator(root / "depth" / "random-estimator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RA_MODELS", str(root))
        yield root


def pixels(image) -> np.ndarray:
    return np.asarray(image).astype(int)


def made(kernel, *units, request=TextToImage, **fields) -> np.ndarray:
    return pixels(kernel.generate(request(**{**BASE, **fields}, control=units)).images[0])


def canny(**fields) -> ControlUnit:
    return ControlUnit(**{"model": "random-canny", "image": drawing(), "module": "canny", **fields})


@pytest.fixture(scope="module")
def plain(kernel) -> np.ndarray:
    return made(kernel)


def test_a_unit_changes_the_picture_and_weight_zero_does_not(kernel, plain):
    steered = made(kernel, canny())
    assert np.abs(steered - plain).mean() > 2
    assert (made(kernel, canny(weight=0)) == plain).all()
    assert (made(kernel, canny(model="zero")) == plain).all()
    assert (made(kernel, canny()) == steered).all(), "the same again"
    assert np.abs(made(kernel, canny(image=drawing(3))) - steered).max() > 2, "another map, another picture"
    weak = np.abs(made(kernel, canny(weight=0.2)) - plain).mean()
    assert 0 < weak < np.abs(steered - plain).mean()


def test_windows(kernel, plain):
    """Four steps: calls see the steps finished before them as 0, 0, 1, 2 of 4, as in the webui."""
    steered = made(kernel, canny())
    assert (made(kernel, canny(guidance_start=0.6)) == plain).all()
    assert (made(kernel, canny(guidance_end=0.5)) == steered).all()
    late = made(kernel, canny(guidance_start=0.5))
    early = made(kernel, canny(guidance_end=0.0))
    assert np.abs(late - plain).max() > 0 and np.abs(early - steered).max() > 0
    assert np.abs(late - plain).mean() < np.abs(early - plain).mean()


def test_two_units_and_modes(kernel):
    one, two = (
        canny(weight=0.5),
        ControlUnit(model="random_scribble", image=drawing(), module="scribble_xdog", weight=0.5),
    )
    results = [
        made(kernel, *units)
        for units in ((one,), (two,), (one, two), (canny(control_mode="prompt"),), (canny(control_mode="control"),))
    ]
    assert all(np.abs(a - b).max() > 2 for i, a in enumerate(results) for b in results[:i])
    assert np.abs(made(kernel, two, one) - results[2]).max() <= 2, "their order means nothing"


def test_a_map_can_be_given_as_it_is(kernel):
    page = kernel.control_map(drawing(), "canny", width=96, height=64)
    assert page.size == (96, 64)
    steered = made(kernel, canny())
    assert (made(kernel, canny(image=page, module="none")) == steered).all()


def test_a_batch_equals_its_singles(kernel):
    request = TextToImage(**BASE, control=(canny(control_mode="control"),), batch_size=2)
    both = kernel.generate(request).images
    for k, image in enumerate(both):
        alone = made(kernel, canny(control_mode="control"), seed=9 + k)
        assert np.abs(pixels(image) - alone).max() <= 2


def test_equal_to_diffusers(kernel):
    """Same latents, same scheduler (Euler on the model's own timesteps): diffusers' pipeline draws the same."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionControlNetPipeline

    from ra_widgets.diffusion.noise import philox_randn

    ours = made(kernel, canny(), prompt="a dog", sampler="Euler", scheduler="Normal", steps=6)
    model = kernel._engine._loaded
    pipe = model.pipe
    net = files.controlnet(model.unet).eval()
    theirs = StableDiffusionControlNetPipeline(
        pipe.vae, pipe.text_encoder, pipe.tokenizer, pipe.unet, net,
        EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="linspace"),
        None, None, requires_safety_checker=False,
    )  # fmt: skip
    theirs.set_progress_bar_config(disable=True)
    noise = torch.from_numpy(np.asarray(philox_randn(9, (1, 4, 8, 12)))).float()
    page = kernel.control_map(drawing(), "canny", width=96, height=64)
    torch.set_num_threads(1)
    image = theirs(
        "a dog", image=page, latents=noise, num_inference_steps=6, guidance_scale=4.0, width=96, height=64
    ).images[0]
    difference = np.abs(pixels(image) - ours)
    assert difference.mean() < 1.0 and np.percentile(difference, 99) <= 6


def test_hires_and_hard_edges(kernel):
    """Both passes are steered; in the second, edges act with the weakened layers."""
    fields = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.5, "hr_second_pass_steps": 3}
    free = made(kernel, **fields)
    balanced, prompt = (made(kernel, canny(control_mode=mode), **fields) for mode in ("balanced", "prompt"))
    assert balanced.shape == (96, 144, 3) and np.abs(balanced - free).mean() > 1
    assert np.abs(balanced - prompt).max() > 0, "the first passes differ"
    page = kernel.control_map(drawing(), "canny", width=144, height=96)
    given = made(kernel, canny(module="none", image=page), **fields)
    assert np.abs(given - balanced).max() > 0, "a finished map is no hard edge by name"


def test_image_to_image_and_inpainting(kernel):
    start = drawing().resize((96, 64))
    fields = {"image": start, "denoising_strength": 0.8}
    free = made(kernel, request=ImageToImage, **fields)
    steered = made(kernel, canny(image=None), request=ImageToImage, **fields)
    assert np.abs(steered - free).mean() > 1
    assert (made(kernel, canny(image=start), request=ImageToImage, **fields) == steered).all(), "its own picture"
    mask = Image.new("L", (96, 64))
    ImageDraw.Draw(mask).rectangle([30, 16, 70, 50], fill=255)
    unit = ControlUnit(model="random-canny", module="inpaint_only")
    painted = made(kernel, unit, request=Inpaint, mask=mask, mask_blur=0, **fields)
    assert np.abs(painted - made(kernel, request=Inpaint, mask=mask, mask_blur=0, **fields)).max() > 2
    outside = np.asarray(mask) == 0
    assert (painted[outside] == pixels(start)[outside]).all()
    part = made(kernel, canny(image=None), request=Inpaint, mask=mask, inpaint_full_res=True, **fields)
    own = made(kernel, canny(image=start), request=Inpaint, mask=mask, inpaint_full_res=True, **fields)
    assert np.abs(part - own).mean() < 3 and part.shape == (64, 96, 3)


def test_depth_module_uses_the_library(kernel):
    page = kernel.control_map(drawing(), "depth", width=96, height=64)
    assert page.size == (96, 64) and np.asarray(page).max() == 255
    steered = made(kernel, ControlUnit(model="random-depth-net", image=drawing(), module="depth"))
    given = made(kernel, ControlUnit(model="random-depth-net", image=page, module="none"))
    assert (steered == given).all()


def test_ip_adapter(kernel, plain):
    def spoken(**fields) -> np.ndarray:
        unit = IPAdapterUnit(**{"model": "random", "image": drawing(), **fields})
        return pixels(kernel.generate(TextToImage(**BASE, ip_adapter=unit)).images[0])

    assert (spoken(weight=0) == plain).all()
    full = spoken()
    assert np.abs(full - plain).max() > 2 and np.abs(spoken(image=drawing(4)) - full).max() > 0
    assert (spoken(guidance_start=0.9) == plain).all()
    assert (made(kernel) == plain).all(), "no trace is left"
    both = kernel.generate(
        TextToImage(**BASE, ip_adapter=IPAdapterUnit(model="random", image=drawing()), control=canny())
    ).images[0]
    assert np.abs(pixels(both) - full).max() > 2
    assert kernel.generate(
        TextToImage(**BASE, ip_adapter=IPAdapterUnit(model="random", image=drawing()), enable_hr=True, hr_scale=1.5)
    ).images


# -- what can be wrong -----------------------------------------------------------------------------------------------
def test_problems_are_told(kernel, plain):
    for unit, kind, key in (
        (canny(image=None), InvalidRequest, "control.no_image"),
        (canny(module="openpose"), InvalidRequest, "control.module_absent"),
        (canny(module="inpaint_only"), InvalidRequest, "control.no_mask"),
        (canny(model="nowhere"), ModelError, "control.unknown"),
        (canny(model="random"), ModelError, "control.wrong_kind"),
    ):
        with pytest.raises(kind) as caught:
            made(kernel, unit)
        assert caught.value.key == key and caught.value.text("zh_CN") != caught.value.text("en")
    with pytest.raises(ModelError) as caught:
        kernel.generate(TextToImage(**BASE, ip_adapter=IPAdapterUnit(model="random-canny", image=drawing())))
    assert caught.value.key == "control.wrong_kind"
    assert (made(kernel) == plain).all(), "and the kernel works on"


# -- the record ------------------------------------------------------------------------------------------------------
def test_the_text_names_the_units_and_reads_back(kernel):
    unit = canny(weight=0.75, guidance_end=0.8, control_mode="control", threshold_a=60.0, threshold_b=120.0)
    adapter = IPAdapterUnit(model="random", image=drawing(2), weight=0.4)
    request = TextToImage(**BASE, control=unit, ip_adapter=adapter)
    result = kernel.generate(request)
    text = result.records[0].infotext
    parsed = infotext.parse(text)
    said = parsed["ControlNet 0"]
    assert (
        said.startswith("Module: canny, Model: random-canny [") and "Control Mode: ControlNet is more important" in said
    )
    assert "Threshold A: 60, Threshold B: 120, Guidance Start: 0, Guidance End: 0.8, Pixel Perfect: True" in said
    assert parsed["ControlNet 1"].startswith("Module: ip-adapter-auto, Model: random [")
    back, notes = infotext.convert(text)
    assert back.control == (unit,) and back.ip_adapter == (adapter,) and not notes
    assert kernel.verify(result.records[0].path).same


def test_texts_of_the_webui(kernel, library):
    text = (
        'a dog\nSteps: 4, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64, ControlNet 0: "Module: canny, Model: '
        "control_v11p_sd15_canny [d14c016b], Weight: 1, Resize Mode: Resize and Fill, Low Vram: False, Processor Res: 512, "
        "Threshold A: 100, Threshold B: 200, Guidance Start: 0, Guidance End: 1, Pixel Perfect: False, Control Mode: My prompt "
        'is more important", Version: v1.9.4'
    )
    request, notes = infotext.convert(text)
    assert request.prompt == "a dog" and not request.control
    assert any("ControlNet 0" in note for note in notes), "its picture is nowhere"
    picture = pictures.Picture(drawing())
    request, notes = infotext.convert(text.replace(", Version", f", Control image 0: {picture.sha256[:32]}, Version"))
    (unit,) = request.control
    assert (unit.model, unit.module, unit.processor_res, unit.threshold_b) == (
        "control_v11p_sd15_canny",
        "canny",
        512,
        200,
    )
    assert (unit.control_mode, unit.resize_mode, unit.image) == ("prompt", "Resize and fill", picture)
    damaged = text.replace("Model: control_v11p_sd15_canny [d14c016b], ", "")
    assert infotext.convert(damaged)[1]


def test_the_kernel_lists_what_there_is(kernel):
    names = {info.name: info for info in kernel.controls}
    assert names["random-canny"].hint == "canny" and names["random"].kind == "ip-adapter"
    modules = {module.name: module for module in kernel.preprocessors}
    assert next(iter(modules)) == "none" and modules["canny"].a.default == 100

from __future__ import annotations

import json
import pickle

import pytest
from PIL import Image
from test_pictures import colours

import ra_widgets as ra
from ra_widgets.errors import InvalidRequest
from ra_widgets.image_requests import whole_cells
from ra_widgets.requests import KINDS, from_dict

DEFAULTS = {"width": 128, "height": 128, "cfg_scale": 4.0}


def mask(width: int = 40, height: int = 24) -> Image.Image:
    sheet = Image.new("L", (width, height), 0)
    sheet.paste(255, (5, 5, width // 2, height - 5))
    return sheet


def unit() -> ra.ControlUnit:
    return ra.ControlUnit(model="edges", image=colours(32, 32), module="canny", weight=0.8, threshold_a=100)


def examples() -> list[ra.Request]:
    image = colours()
    adapter = ra.IPAdapterUnit(model="plus", image=colours(33, 33), weight=0.5)
    return [
        ra.TextToImage(prompt="猫", control=(unit(),), ip_adapter=adapter),
        ra.ImageToImage(prompt="猫", image=image, denoising_strength=0.4, resize_mode=2, loopback=3, seed=5),
        ra.Inpaint(prompt="猫", image=image, mask=mask(), inpainting_fill="latent noise", soft_inpainting=True),
        ra.Outpaint(prompt="海", image=image, right=64, control=unit()),
        ra.DepthToImage(prompt="海", image=image, depth_map=mask()),
        ra.Upscale(image=image, scale=3, upscaler="Nearest", upscaler_2="Lanczos", upscaler_2_visibility=0.5),
        ra.SDUpscale(prompt="海", image=image, scale=3, upscaler="Lanczos", overlap=32, denoising_strength=0.2),
    ]


@pytest.mark.parametrize("request_", examples(), ids=lambda r: r.kind)
def test_round_trips(request_):
    data = json.loads(json.dumps(request_.model_dump(mode="json")))
    assert "png" not in str(data)
    assert from_dict(data) == request_
    assert type(request_).model_validate_json(request_.model_dump_json()) == request_
    assert pickle.loads(pickle.dumps(request_)) == request_
    assert hash(request_) == hash(from_dict(data))
    portable = json.loads(json.dumps(request_.portable()))
    assert from_dict(portable) == request_ and len(request_.pictures()) == str(portable).count("'png'")
    scope = {"ra": ra, "kernel": type("K", (), {"generate": staticmethod(lambda r: r)})}
    assert eval(request_.to_code(), scope) == request_
    assert request_.replace() == request_


def test_there_is_an_example_of_every_kind():
    assert {type(example) for example in examples()} == set(KINDS.values())


def test_webui_numbers_are_names():
    for number, name in enumerate(
        ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
    ):
        assert ra.ImageToImage(image=colours(), resize_mode=number).resize_mode == name
    for number, name in enumerate(("fill", "original", "latent noise", "latent nothing")):
        assert ra.Inpaint(image=colours(), mask=mask(), inpainting_fill=number).inpainting_fill == name
    assert ra.ImageToImage(image=colours(), resize_mode="crop AND resize").resize_mode == "Crop and resize"


@pytest.mark.parametrize(
    ("make", "field", "says"),
    [
        (lambda: ra.ImageToImage(prompt="x"), "image", "缺少"),
        (lambda: ra.ImageToImage(image=colours(), denoising_strength=1.2), "denoising_strength", "1"),
        (lambda: ra.ImageToImage(image=colours(), denoising_strength=-0.1), "denoising_strength", "0"),
        (lambda: ra.ImageToImage(image=colours(), denoising_strength=float("nan")), "denoising_strength", "有限"),
        (lambda: ra.ImageToImage(image=colours(), resize_mode=4), "resize_mode", "Crop and resize"),
        (lambda: ra.ImageToImage(image=colours(), enable_hr=True), "enable_hr", "拼写"),
        (lambda: ra.Inpaint(image=colours()), "mask", "蒙版"),
        (lambda: ra.Inpaint(image=colours(), mask=mask(24, 40)), "mask", "24×40"),
        (lambda: ra.Inpaint(image=colours(), mask=mask(), inpainting_fill=4), "inpainting_fill", "latent noise"),
        (lambda: ra.Outpaint(image=colours()), "left, right, top, bottom", "right=64"),
        (lambda: ra.Outpaint(image=colours(), left=8, width=128), "width", "尺寸"),
        (lambda: ra.Outpaint(image=colours(2100, 8), left=2048), "left, right, top, bottom", "4148×8"),
        (lambda: ra.Upscale(image=colours(), scale=9), "scale", "8"),
        (lambda: ra.ControlUnit(model="x", guidance_start=0.8, guidance_end=0.2), "guidance_start", "0.8"),
        (lambda: ra.TextToImage(control=({"model": "x", "weight": 9},)), "control.0.weight", "2"),
        (lambda: ra.TextToImage(control=[unit()] * 9), "control", "8"),
        (lambda: ra.TextToImage(control=({"model": "x", "image": 3},)), "control.0.image", "图片"),
    ],
)
def test_bad_input_names_the_field_in_both_languages(make, field, says):
    with pytest.raises(InvalidRequest) as caught:
        make()
    error = caught.value
    assert error.field == field and error.problems
    assert says in error.text("zh_CN") and "{" not in error.text("zh_CN")
    assert field.split(".")[-1] in error.text("en") and "{" not in error.text("en")


def test_foreign_data_reads_no_files(tmp_path):
    path = tmp_path / "secret.png"
    colours().save(path)
    assert ra.ImageToImage(image=str(path)).image.size == (40, 24)
    for refused in (
        lambda: from_dict({"kind": "img2img", "image": str(path)}),
        lambda: ra.ImageToImage.model_validate_json(json.dumps({"image": str(path)})),
        lambda: from_dict({"kind": "txt2img", "control": [{"model": "x", "image": str(path)}]}),
    ):
        with pytest.raises(ValueError, match="base64"):
            refused()


@pytest.mark.parametrize(
    ("own", "given", "wanted"),
    [
        ((128, 128), {}, (128, 128)),
        ((130, 97), {}, (128, 96)),
        ((1, 1), {}, (64, 64)),
        ((3000, 1000), {}, (880, 296)),  # 16 times the area of the embedded model, in multiples of 8
        ((200, 100), {"width": 256}, (256, 128)),
        ((200, 100), {"height": 64}, (128, 64)),
        ((200, 100), {"width": 64, "height": 512}, (64, 512)),
    ],
)
def test_size_comes_from_the_picture(own, given, wanted):
    settled = ra.ImageToImage(image=Image.new("RGB", own), **given).resolved(**DEFAULTS)
    assert (settled.width, settled.height) == wanted
    assert settled.seed >= 0 and settled.cfg_scale == 4.0


def test_whole_cells_stay_within_bounds():
    for width, height in ((1, 5000), (5000, 1), (4096, 4096), (8191, 8191), (333, 777)):
        wide, high = whole_cells(width, height, 512 * 512)
        assert wide % 8 == high % 8 == 0 and 64 <= wide <= 4096 and 64 <= high <= 4096
        assert wide * high <= 512 * 512


def test_only_masked_works_at_the_size_of_the_model():
    settled = ra.Inpaint(image=colours(400, 300), mask=mask(400, 300), inpaint_full_res=True).resolved(**DEFAULTS)
    assert settled.final_size == (128, 128)


def test_outpaint_knows_its_size():
    request = ra.Outpaint(image=colours(), left=8, right=16, top=3, bottom=5)
    assert request.final_size == (64, 32) and request.pixels == 64 * 32
    assert request.resolved(**DEFAULTS).width is None


def test_a_mask_of_another_scale_is_taken_and_transparency_can_be_the_mask():
    assert ra.Inpaint(image=colours(40, 24), mask=mask(81, 48)).mask.size == (81, 48)
    assert ra.Inpaint(image=colours().convert("RGBA")).mask is None


def test_loopback_follows_the_webui_script():
    request = ra.ImageToImage(
        image=colours(), seed=7, loopback=5, denoising_strength=0.2, loopback_final_strength=0.6, n_iter=2
    )
    assert request.images == 10
    assert [round(request.loop_strength(k), 6) for k in range(5)] == [0.2, 0.3, 0.4, 0.5, 0.6]
    lazy = request.replace(loopback_strength_curve="Lazy")
    assert lazy.loop_strength(2) < 0.4 < request.replace(loopback_strength_curve="Aggressive").loop_strength(2)
    assert [request.image_seed(k)[0] for k in range(10)] == list(range(7, 17))
    alone = request.single(8)
    assert (alone.seed, alone.denoising_strength, alone.loopback, alone.images) == (15, 0.5, 0, 1)

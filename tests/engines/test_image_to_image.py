"""Image to image and inpainting through the kernel, on the embedded model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets import events, samplers
from ra_widgets.diffusion.schedules import img2img_steps
from ra_widgets.errors import InvalidRequest, JobCancelled
from ra_widgets.gallery import carriers, infotext
from ra_widgets.results import Record

BASE = {"prompt": "一个蓝色的杯子", "seed": 5, "steps": 6}


@pytest.fixture(scope="module")
def apple(kernel) -> Image.Image:
    return kernel.generate("一个红苹果", seed=3, steps=12, width=128, height=96).images[0]


@pytest.fixture(scope="module")
def mask(apple) -> Image.Image:
    sheet = Image.new("L", apple.size, 0)
    ImageDraw.Draw(sheet).ellipse((16, 26, 60, 70), fill=255)
    return sheet


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def distance(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(pixels(a) - pixels(b)).mean())


def calls(kernel, request: ra.Request) -> int:
    """Steps that the job's progress counted."""
    job = kernel.submit(request, keep=False)
    job.result(120)
    return max(e.step for e in job.events() if isinstance(e, events.Progress))


# ------------------------------------------------------------------------------------------------------ image to image
def test_strength_is_monotone_in_distance(kernel, apple):
    means = []
    for strength in (0.0, 0.1, 0.2, 0.3, 1.0):
        made = kernel.generate(
            ra.ImageToImage(**BASE | {"steps": 10}, image=apple, denoising_strength=strength, batch_size=3)
        )
        means.append(sum(distance(image, apple) for image in made.images) / 3)
    # above some strength nothing of the old picture is left, and the distance stays where it is
    assert all(low < high for low, high in pairwise(means)), means
    assert means[0] < 12 < means[-1] and means[-1] > 3 * means[0], means


@pytest.mark.parametrize(
    ("sampler", "strength", "fixed", "wanted"),
    [
        ("Euler", 0.5, False, 6),  # int(0.5 * 10) + 1
        ("Euler", 0.75, False, 8),
        ("Euler", 1.0, False, 10),  # the strength is cut at 0.999
        ("Euler", 0.0, False, 1),
        ("Euler", 0.5, True, 10),
        ("DPM++ 2M", 0.5, False, 6),
        ("DDIM", 0.5, False, 4),  # t_enc grid points and one call less: the webui's
    ],
)
def test_steps_are_counted_as_the_webui_counts(kernel, apple, sampler, strength, fixed, wanted):
    fields = {
        "image": apple,
        "steps": 10,
        "sampler": sampler,
        "denoising_strength": strength,
        "img2img_fix_steps": fixed,
    }
    assert calls(kernel, ra.ImageToImage(prompt="a", seed=1, **fields)) == wanted
    if not samplers.SAMPLERS_INFO[sampler].timestep_based:
        assert img2img_steps(10, strength, fixed)[1] + 1 == wanted


def test_size_and_resize_modes(kernel, apple):
    made = {
        mode: kernel.generate(
            ra.ImageToImage(**BASE, image=apple, width=64, height=96, resize_mode=mode, denoising_strength=0.1)
        )
        for mode in range(4)
    }
    assert {result.images[0].size for result in made.values()} == {(64, 96)}
    assert len({pixels(result.images[0]).tobytes() for result in made.values()}) == 4
    assert kernel.generate(ra.ImageToImage(**BASE, image=apple)).images[0].size == apple.size
    odd = apple.resize((123, 91))
    for mode in (0, 3):
        assert kernel.generate(ra.ImageToImage(**BASE, image=odd, resize_mode=mode)).images[0].size == (120, 88)


def test_options_act(kernel, apple):
    plain = kernel.generate(ra.ImageToImage(**BASE, image=apple)).images[0]
    for extra in (
        {"color_correction": True},
        {"initial_noise_multiplier": 0.8},
        {"extra_noise": 0.3},
        {"img2img_fix_steps": True},
        {"subseed": 3, "subseed_strength": 0.4},
    ):
        assert distance(kernel.generate(ra.ImageToImage(**BASE, image=apple, **extra)).images[0], plain) > 0.02, extra


def test_a_batch_equals_its_singles_and_every_one_verifies(kernel, apple):
    made = kernel.generate(ra.ImageToImage(**BASE, image=apple, batch_size=2, n_iter=2))
    assert [record.seed for record in made.records] == [5, 6, 7, 8]
    for record in made.records:
        alone = kernel.generate(record.to_request())
        assert np.abs(pixels(alone.images[0]) - pixels(record.image)).max() <= 2
        assert kernel.verify(record.path).same
    assert not made.records[0].request.pictures()["image"]._image  # a history does not hold the pixels of its inputs


def test_loopback_goes_on_from_the_last_picture(kernel, apple):
    request = ra.ImageToImage(
        **BASE, image=apple, loopback=3, denoising_strength=0.3, loopback_final_strength=0.6, n_iter=2
    )
    made = kernel.generate(request)
    assert [record.seed for record in made.records] == [5, 6, 7, 8, 9, 10]
    first = made.records[0].request
    assert [record.request.denoising_strength for record in made.records[:3]] == pytest.approx([0.3, 0.45, 0.6])
    assert first.image == request.image == made.records[3].request.image
    for before, after in ((0, 1), (1, 2), (4, 5)):
        assert np.array_equal(pixels(made.records[after].request.image.image), pixels(made.records[before].image))
    for record in (made.records[2], made.records[4]):
        assert kernel.verify(record.path).max_difference == 0


def test_other_samplers_and_languages(kernel, apple):
    for sampler in ("Euler a", "DPM++ SDE", "UniPC", "LCM", "PLMS"):
        made = kernel.generate(ra.ImageToImage(prompt="a blue cup", seed=5, steps=6, image=apple, sampler=sampler))
        assert kernel.verify(made.records[0].path).max_difference == 0


def test_cancelling_leaves_what_was_finished(kernel, apple):
    job = kernel.submit(ra.ImageToImage(**{**BASE, "steps": 60}, image=apple, n_iter=4))
    for event in job.events():
        if isinstance(event, events.ImageDone):
            job.cancel()
    with pytest.raises(JobCancelled) as stopped:
        job.result()
    assert 1 <= len(stopped.value.partial.records) < 4


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (65, 64)])
def test_odd_pictures_are_painted_over(kernel, size):
    image = Image.new("RGB", size, (200, 40, 40))
    made = kernel.generate(ra.ImageToImage(prompt="a", seed=1, steps=2, image=image))
    assert all(side % 8 == 0 and side >= 64 for side in made.images[0].size)


def test_transparent_parts_show_white(kernel, apple):
    clear = Image.new("RGBA", apple.size, (0, 0, 0, 0))
    white = Image.new("RGB", apple.size, "white")
    made = [kernel.generate(ra.ImageToImage(**BASE, image=image)).images[0] for image in (clear, white)]
    assert np.array_equal(*map(pixels, made))


# ------------------------------------------------------------------------------------------------------------- inpaint
INPAINT = (
    {},
    {"mask_blur": 0},
    {"inpainting_fill": "fill"},
    {"inpainting_fill": "latent noise"},
    {"inpainting_fill": "latent nothing"},
    {"inpainting_mask_invert": True},
    {"inpaint_full_res": True, "inpaint_full_res_padding": 8, "width": 96, "height": 96},
    {"soft_inpainting": True, "mask_blur": 3},
    {"sampler": "DDIM"},
    {"mask_blur_x": 0, "mask_blur_y": 6},
    {"color_correction": True},
)


@pytest.mark.parametrize("extra", INPAINT, ids=str)
def test_outside_the_mask_nothing_changes(kernel, apple, mask, extra):
    made = kernel.generate(ra.Inpaint(**BASE, image=apple, mask=mask, denoising_strength=0.9, **extra))
    image = made.images[0]
    assert image.size == apple.size
    reach = 2.5 * max(extra.get("mask_blur", 4), extra.get("mask_blur_y", 0)) + 1
    if extra.get("soft_inpainting"):
        reach += 36  # cells beside those that moved, and the blur of the composite
    inside = np.asarray(mask) > 0
    inside = ~inside if extra.get("inpainting_mask_invert") else inside
    far = ~_grown(inside, int(reach))
    changed = np.abs(pixels(image) - pixels(apple)).max(axis=2)
    assert far.sum() > 100 and changed[far].max() == 0
    assert changed[inside].mean() > 8
    record = made.records[0]
    assert kernel.verify(record.path).max_difference == 0


def _grown(inside: np.ndarray, reach: int) -> np.ndarray:
    from scipy.ndimage import binary_dilation

    return binary_dilation(inside, np.ones((3, 3)), iterations=max(reach, 1)) if reach else inside


def test_transparent_parts_can_be_the_mask(kernel, apple, mask):
    holed = apple.convert("RGBA")
    holed.putalpha(Image.eval(mask, lambda value: 255 - value))
    made = kernel.generate(ra.Inpaint(**BASE, image=holed, mask_blur=0, denoising_strength=0.9)).records[0]
    outside = np.asarray(mask) == 0
    assert np.array_equal(pixels(made.image)[outside], pixels(apple)[outside])
    assert kernel.verify(made.path).max_difference == 0


def test_a_mask_of_another_scale(kernel, apple, mask):
    large = mask.resize((mask.width * 3, mask.height * 3), Image.Resampling.NEAREST)
    made = [kernel.generate(ra.Inpaint(**BASE, image=apple, mask=m, mask_blur=0)).images[0] for m in (mask, large)]
    assert distance(*made) < 4


@pytest.mark.parametrize(
    ("grey", "extra"),
    [
        (0, {}),
        (0, {"inpaint_full_res": True}),
        (255, {"inpainting_mask_invert": True}),
        (0, {"soft_inpainting": True}),
        (90, {}),
    ],
)
def test_an_empty_mask_is_refused_with_a_sentence(kernel, apple, grey, extra):
    count = len(kernel.gallery)
    with pytest.raises(InvalidRequest) as caught:
        kernel.generate(ra.Inpaint(**BASE, image=apple, mask=Image.new("L", apple.size, grey), **extra))
    assert caught.value.field == "mask" and "空" in caught.value.text("zh_CN") and "empty" in caught.value.text("en")
    assert len(kernel.gallery) == count


def test_only_masked_paints_at_the_size_asked_for(kernel, mask):
    large = Image.effect_noise((600, 400), 60).convert("RGB")
    dot = Image.new("L", (600, 400), 0)
    ImageDraw.Draw(dot).rectangle((300, 200, 340, 240), fill=255)
    job = kernel.submit(ra.Inpaint(**BASE, image=large, mask=dot, inpaint_full_res=True))
    made = job.result(120)
    assert made.images[0].size == (600, 400) and made.request.final_size == kernel.model.default_size
    assert np.array_equal(pixels(made.images[0])[:150], pixels(large)[:150])


def test_loopback_of_inpainting(kernel, apple, mask):
    made = kernel.generate(ra.Inpaint(**BASE, image=apple, mask=mask, loopback=2, inpainting_fill="latent noise"))
    assert made.records[1].request.inpainting_fill == "original"
    far = ~_grown(np.asarray(mask) > 0, 12)
    assert np.array_equal(pixels(made.images[1])[far], pixels(apple)[far])


# ------------------------------------------------------------------------------------------------------------ metadata
def examples(apple: Image.Image, mask: Image.Image) -> list[ra.Request]:
    common = {"prompt": "杯子, cup", "negative_prompt": "糊", "seed": 7, "cfg_scale": 4.0, "width": 128, "height": 96}
    soft = {"soft_inpainting": True, "soft_schedule_bias": 1.5, "soft_difference_contrast": 0.5}
    return [
        ra.ImageToImage(**common, image=apple, denoising_strength=0.35, initial_noise_multiplier=0.9, extra_noise=0.05),
        ra.ImageToImage(**common, image=apple, resize_mode=3, color_correction=True, img2img_fix_steps=True),
        ra.Inpaint(**common, image=apple, mask=mask, inpainting_mask_invert=True, inpainting_fill=0, mask_blur_x=3),
        ra.Inpaint(**common, image=apple, mask=mask, inpaint_full_res=True, inpaint_full_res_padding=16, **soft),
        ra.Inpaint(**common, image=apple, mask=mask, inpainting_mask_weight=0.5, mask_blur=0, inpainting_fill=3),
        ra.DepthToImage(**common, image=apple, depth_map=mask),
        ra.Outpaint(prompt="海", seed=1, cfg_scale=4.0, image=apple, left=8, bottom=64, fill_mode="mirror"),
    ]


@pytest.mark.parametrize("index", range(7))
def test_the_text_alone_is_enough_while_the_inputs_are_kept(apple, mask, index):
    request = examples(apple, mask)[index]
    text = infotext.format(request, model="ra-mini")
    back, notes = infotext.convert(text, keep_model=False)
    assert back == request and not notes


def test_keys_are_the_webuis(apple, mask):
    data = infotext.parse(infotext.format(examples(apple, mask)[3]))
    wanted = {
        "Denoising strength": "0.75", "Mask blur": "4", "Inpaint area": "Only masked", "Masked area padding": "16",
        "Soft inpainting enabled": "True", "Soft inpainting schedule bias": "1.5",
        "Soft inpainting preservation strength": "0.5", "Soft inpainting transition contrast boost": "4",
        "Soft inpainting mask influence": "0", "Soft inpainting difference threshold": "0.5",
        "Soft inpainting difference contrast": "0.5",
    }  # fmt: skip
    assert {key: data[key] for key in wanted} == wanted
    data = infotext.parse(infotext.format(examples(apple, mask)[2]))
    assert (data["Mask mode"], data["Masked content"]) == ("Inpaint not masked", "fill")


def test_a_lost_input_is_said(kernel, apple, tmp_path):
    made = kernel.generate(ra.ImageToImage(**BASE, image=apple, denoising_strength=0.35)).records[0]
    text = made.infotext.replace(made.request.image.sha256[:32], "0" * 32)
    back, notes = infotext.convert(text)
    assert isinstance(back, ra.TextToImage) and any("Denoising" in note for note in notes)
    given = infotext.to_request(text, image=ra.Picture(apple))
    assert isinstance(given, ra.ImageToImage) and given.denoising_strength == 0.35
    path = tmp_path / "a.png"
    import json

    ours = json.loads(carriers.read(made.path)["ra"])
    ours["request"]["image"]["sha256"] = "0" * 64
    carriers.save(made.image, path, {"parameters": made.infotext, "ra": json.dumps(ours)})
    report = kernel.verify(path)
    assert [reason.code for reason in report.reasons] == ["input_missing"] and report.state == "failed"


def test_a_record_is_an_input(kernel, apple):
    record = kernel.history[-1]
    assert isinstance(record, Record)
    assert ra.ImageToImage(image=record).image == ra.Picture(record.path)

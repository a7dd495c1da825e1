"""The webui's text: the reference's facts, one by one, and the round trip of every request."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets import samplers
from ra_widgets.gallery import infotext
from ra_widgets.request_fields import (
    EMPHASIS,
    LATENT_UPSCALERS,
    NOISE_SCHEDULES,
    PIXEL_UPSCALERS,
    UNIPC_SKIP_TYPES,
    UNIPC_VARIANTS,
)
from ra_widgets.requests import MAX_SEED, TextToImage

# webui 1.10's own expression, as the reference states it: the oracle for our linear scanner
WEBUI_PAIRS = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
PROPERTY = settings(derandomize=True, deadline=None, max_examples=300)

WEBUI_TEXT = (
    "a cat, (masterpiece:1.2)\n第二行\n"
    "Negative prompt: blurry\nlow quality\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 3141592653, Size: 512x768, "
    "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.7, Clip skip: 2, "
    'Hires upscale: 2, Lora hashes: "a: 0123456789ab, b: ba9876543210", Version: v1.10.1'
)


def test_reads_what_the_webui_writes() -> None:
    data = infotext.parse(WEBUI_TEXT)
    expected = {
        "Prompt": "a cat, (masterpiece:1.2)\n第二行",
        "Negative prompt": "blurry\nlow quality",
        "Steps": "20",
        "Sampler": "DPM++ 2M",
        "Schedule type": "Karras",
        "CFG scale": "7.5",
        "Seed": "3141592653",
        "Size-1": "512",
        "Size-2": "768",
        "Model hash": "6ce0161689",
        "Model": "v1-5-pruned-emaonly",
        "Denoising strength": "0.7",
        "Clip skip": "2",
        "Hires upscale": "2",
        "Lora hashes": "a: 0123456789ab, b: ba9876543210",
        "Version": "v1.10.1",
        # filled in by the webui
        "Hires resize-1": 0,
        "Hires resize-2": 0,
        "Hires sampler": "Use same sampler",
        "Hires schedule type": "Use same scheduler",
        "Hires checkpoint": "Use same checkpoint",
        "Hires prompt": "",
        "Hires negative prompt": "",
        "Mask mode": "Inpaint masked",
        "Masked content": "original",
        "Inpaint area": "Whole picture",
        "Masked area padding": 32,
        "RNG": "GPU",
        "Schedule max sigma": 0,
        "Schedule min sigma": 0,
        "Schedule rho": 0,
        "VAE Encoder": "Full",
        "VAE Decoder": "Full",
        "FP8 weight": "Disable",
        "Cache FP16 weight for LoRA": False,
        "Refiner switch by sampling steps": False,
        "Emphasis": "Original",
    }
    assert data == expected


def test_writes_fields_in_webui_order() -> None:
    request = TextToImage(
        prompt="猫", negative_prompt="糊", steps=30, sampler="Euler a", cfg_scale=7, seed=5, subseed=6,
        subseed_strength=0.25, width=512, height=640, clip_skip=2,
    )  # fmt: skip
    extra = {
        "Hires prompt": 'a, "b": c\nd',
        "ENSD": 31337,
        "VAE": "x.safetensors",
        "Denoising strength": 0.5,
        "Nothing": None,
        "User": "小明",
        "Tiling": "True",
        "Eta": 0.5,
    }
    text = infotext.format(request, model="模型 v2", model_hash="0123456789", version="v1.10.1", extra=extra)
    assert text == (
        "猫\nNegative prompt: 糊\n"
        "Steps: 30, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5, Size: 512x640, "
        "Model hash: 0123456789, Model: 模型 v2, VAE: x.safetensors, Variation seed: 6, Variation seed strength: 0.25, "
        "Denoising strength: 0.5, Clip skip: 2, ENSD: 31337, RNG: NV, Tiling: True, "
        'Hires prompt: "a, \\"b\\": c\\nd", Eta: 0.5, Version: v1.10.1, User: 小明'
    )
    assert infotext.parse(text)["Hires prompt"] == 'a, "b": c\nd'


def test_schedule_is_written_resolved_and_read_back_as_automatic() -> None:
    for name, info in samplers.SAMPLERS_INFO.items():
        text = infotext.format(TextToImage(sampler=name))
        assert f"Schedule type: {info.default_scheduler}," in text
        assert infotext.to_request(text).scheduler == "Automatic"
    assert infotext.to_request(infotext.format(TextToImage(sampler="Euler", scheduler="Karras"))).scheduler == "Karras"


@pytest.mark.parametrize(
    ("written", "sampler", "schedule"),
    [
        ("DPM++ 2M Karras", "DPM++ 2M", "Automatic"),  # the sampler's own default
        ("Euler Karras", "Euler", "Karras"),
        ("DPM++ 2M SDE Exponential", "DPM++ 2M SDE", "Automatic"),
        ("DPM++ SDE Exponential", "DPM++ SDE", "Exponential"),
        ("Euler SGMUniform", "Euler", "SGM Uniform"),
        ("Nobody's sampler", "DPM++ 2M", "Automatic"),  # unknown: the first in the list
    ],
)
def test_sampler_names_with_a_schedule_inside(written: str, sampler: str, schedule: str) -> None:
    request = infotext.to_request(f"x\nSteps: 20, Sampler: {written}, CFG scale: 7, Seed: 1")
    assert (request.sampler, request.scheduler) == (sampler, schedule)


def test_last_line_needs_three_pairs() -> None:
    assert infotext.parse("a\nSteps: 20, Seed: 1")["Prompt"] == "a\nSteps: 20, Seed: 1"
    assert infotext.parse("a\nSteps: 20, Seed: 1, CFG scale: 7")["Prompt"] == "a"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("a, b", "a, b"),
        ('say "hi", you', 'say "hi", you'),
        ("line\nbreak", "line\nbreak"),
        ("back\\slash", "back\\slash"),
        ("back\\slash, comma", "back\\slash, comma"),
        ("key: value", "key: value"),
        ("中文，全角：冒号", "中文，全角：冒号"),
        ('"quoted"', "quoted"),  # lossy: quotes at both ends are lost
        ("", None),  # lossy: an empty value vanishes
    ],
)
def test_values_in_and_out(value: str, read: str | None) -> None:
    text = infotext.format(TextToImage(prompt="p"), extra={"Some key": value})
    assert infotext.parse(text).get("Some key") == read


def test_keys_that_cannot_be_read_back() -> None:
    text = infotext.format(TextToImage(prompt="p"), extra={"K": "1", "a.b": "2", "中文键": "3"})
    data = infotext.parse(text)
    assert "K" not in data and "a.b" not in data  # lossy
    assert data["中文键"] == "3"


def test_hires_fix_and_refiner_are_read_as_the_webui_writes_them() -> None:
    text = (
        "a\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, "
        'Denoising strength: 0.45, RNG: CPU, Hires sampler: DPM++ 2M, Hires prompt: "b, c", '
        "Hires schedule type: Karras, Hires upscale: 1.5, Hires steps: 15, Hires upscaler: Latent (nearest), "
        "Refiner: sd_xl_refiner_1.0 [7440042bbd], Refiner switch at: 0.6, Beta scheduler alpha: 0.5, Eta: 0.3, "
        "Discard penultimate sigma: True, Version: v1.10.1"
    )
    request, notes = infotext.convert(text)
    expected = {
        "enable_hr": True, "denoising_strength": 0.45, "hr_sampler": "DPM++ 2M", "hr_prompt": "b, c",
        "hr_scheduler": "Automatic", "hr_scale": 1.5, "hr_second_pass_steps": 15, "hr_upscaler": "Latent (nearest)",
        "refiner_checkpoint": "sd_xl_refiner_1.0", "refiner_switch_at": 0.6, "beta_alpha": 0.5, "eta": 0.3,
        "discard_penultimate": True, "rng": "CPU",
    }  # fmt: skip
    assert {name: getattr(request, name) for name in expected} == expected
    assert notes == []
    strange = infotext.convert(text.replace("Latent (nearest)", "R-ESRGAN 4x+").replace("Upscale: 1.5", "Upscale: 9"))
    assert strange[0].hr_upscaler == "Latent" and any("R-ESRGAN" in note for note in strange[1])


def test_ends_of_churn_the_wrong_way_round_never_churn() -> None:
    """In the webui they switch it off; here they contradict each other, and are left out together with the churn."""
    line = (
        "a\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, Sigma churn: 5, Sigma tmin: 3, Sigma tmax: 1"
    )
    request, notes = infotext.convert(line)
    assert (request.s_churn, request.s_tmin, request.s_tmax) == (0, 0, 0) and request.cfg_scale == 7
    assert any("s_tmin" in note for note in notes)


def test_key_equal_to_value_is_written_once() -> None:
    assert ", Tiling, " in infotext.format(TextToImage(prompt="p"), extra={"Tiling": "Tiling"})


def test_old_versions() -> None:
    line = "Steps: 20, Sampler: DDIM, CFG scale: 7, Seed: 1, Version: {}"
    old = infotext.parse("a [b:c:5]\n" + line.format("v1.5.2"))
    assert old["Old prompt editing timelines"] is True
    assert old["Pad conds v0"] is True
    assert old["Downcast alphas_cumprod"] is True
    request = infotext.to_request(old)
    assert request.old_prompt_timelines and request.pad_cond_uncond_v0
    middle = infotext.parse("a [b:c:5]\n" + line.format("v1.7.0-224-gabcdef") + ", Refiner: x")
    assert "Old prompt editing timelines" not in middle and not infotext.to_request(middle).old_prompt_timelines
    assert middle["Downcast alphas_cumprod"] is True
    for version in ("v1.7.0-225-gabcdef", "v1.10.1", "ra 0.1.0", "f2.0.1v1.10.1-previous-1-gabc", ""):
        assert "Downcast alphas_cumprod" not in infotext.parse("a\n" + line.format(version))
    refiner = infotext.parse(
        "a\nSteps: 20, Sampler: DDIM, Seed: 1, Refiner: m, Refiner switch at: 0.8, Version: v1.7.0"
    )
    assert refiner["Refiner switch by sampling steps"] is True
    request, notes = infotext.convert(
        "a\nSteps: 20, Sampler: Euler, Seed: 1, Refiner: m, Refiner switch at: 0.8, Noise Schedule: Zero Terminal SNR, "
        "NGMS: 1, NGMS all steps: True, UniPC variant: bh2, UniPC skip type: logSNR, UniPC order: 2, "
        "UniPC lower order final: False, Version: v1.6.0"
    )
    assert (request.uni_pc_variant, request.uni_pc_skip_type) == ("bh2", "logSNR")
    assert request.uni_pc_order == 2 and not request.uni_pc_lower_order_final
    assert request.use_downcasted_alpha_bar and request.refiner_switch_by_sample_steps and request.s_min_uncond_all
    assert request.sd_noise_schedule == "Zero Terminal SNR" and notes == []


def test_first_pass_size_of_very_old_pictures() -> None:
    data = infotext.parse("a\nSteps: 20, Seed: 1, Size: 1024x1024, First pass size: 512x512")
    assert (data["Size-1"], data["Size-2"], data["Hires resize-1"], data["Hires resize-2"]) == (512, 512, 1024, 1024)
    data = infotext.parse("a\nSteps: 20, Seed: 1, Size: 1024x512, First pass size: 0x0")
    assert (data["Size-1"], data["Size-2"]) == (768, 384)


def test_hypernetwork_goes_into_the_prompt() -> None:
    data = infotext.parse("a\nSteps: 20, Seed: 1, CFG scale: 7, Hypernet: style, Hypernet strength: 0.5")
    assert data["Prompt"] == "a<hypernet:style:0.5>"


@PROPERTY
@given(st.text(st.sampled_from('ab中 -/:,"\\\t_9x') | st.characters(exclude_categories=("Cs",)), max_size=80))
def test_pairs_are_those_of_the_webui(line: str) -> None:
    line = line.replace("\n", " ")
    assert infotext.pairs(line) == WEBUI_PAIRS.findall(line)


# ------------------------------------------------------------------------------------------------------ the round trip
PROMPT_CHARS = st.characters(exclude_categories=("Cs",), exclude_characters="\x00") | st.sampled_from(
    '，。（）：｜红苹果水墨画的一只猫 \n,:()[]{}<>|"\\#BREAK AND Steps: Negative prompt:' + string.digits
)
ANY_TEXT = st.text(PROMPT_CHARS, max_size=120) | st.lists(
    st.sampled_from(["Negative prompt: x", "Steps: 1, Seed: 2, CFG scale: 3", "", " 猫 ", "a: b", "　全角空格　"]),
    max_size=4,
).map("\n".join)


def webui_view(text: str) -> str:
    """What the webui keeps of a prompt: lines without space at their ends, no empty lines before the first word."""
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


KEPT_TEXT = ANY_TEXT.map(webui_view).filter(lambda text: "Negative prompt:" not in text)
# a value that stands in the parameter line: the losses of values are listed in docs/infotext.md
VALUES = st.text(PROMPT_CHARS, min_size=1, max_size=40).filter(
    lambda text: (
        text == text.strip() and not text.startswith('"') and not re.fullmatch(r"\d+x\d+|.* \[.*\]", text, re.S)
    )
)
MODELS = VALUES.filter(lambda text: text not in ("Model", "Refiner"))


def share(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


@st.composite
def hires(draw: st.DrawFn, sampler: str, schedule: str) -> dict[str, object]:
    """Hires fix, in every form that the text can tell from another."""
    resize = draw(
        st.none() | st.tuples(st.integers(8, 512), st.integers(0, 512).filter(lambda side: side == 0 or side > 7))
    )
    second = draw(st.none() | st.sampled_from(samplers.SAMPLER_NAMES).filter(lambda name: name != sampler))
    resolved = samplers.resolve(sampler, schedule)[1]
    default = samplers.SAMPLERS_INFO[second or sampler].default_scheduler
    schedules = [
        name
        for name in samplers.SCHEDULER_NAMES
        if samplers.resolve(second or sampler, name)[1] != resolved and (name != default or name == "Automatic")
    ]
    texts = st.just("") | VALUES.map(lambda text: text + "，")
    return {
        "enable_hr": True,
        "denoising_strength": draw(share(0, 1)),
        "hr_scale": 2.0 if resize else draw(share(1, 4)),
        "hr_resize_x": resize[0] * 8 if resize else 0,
        "hr_resize_y": resize[1] * 8 if resize else 0,
        "hr_upscaler": draw(st.sampled_from([*LATENT_UPSCALERS, *PIXEL_UPSCALERS])),
        "hr_second_pass_steps": draw(st.integers(0, 150)),
        "hr_sampler": second,
        "hr_scheduler": draw(st.none() | st.sampled_from(schedules)),
        "hr_prompt": draw(texts),
        "hr_negative_prompt": draw(texts),
    }


@st.composite
def options(draw: st.DrawFn, sampler: str, brackets: bool) -> dict[str, object]:
    """The settings of the sampler beyond its name."""
    low, high = draw(st.just((0.0, 0.0)) | st.tuples(share(0.01, 1), share(2, 100)))
    resize = draw(st.just((0, 0)) | st.tuples(st.integers(1, 512), st.integers(1, 512)))
    churned = sorted((draw(share(0, 1000)), draw(share(0, 1000))))
    churned = draw(st.just([churned[1], 0.0]) | st.just(churned))
    refiner = draw(st.none() | MODELS)
    return {
        "eta": draw(st.none() | share(0, 1)),
        "s_churn": draw(share(0, 100)),
        "s_tmin": churned[0],
        "s_tmax": churned[1],
        "s_noise": draw(share(0, 2)),
        "eta_noise_seed_delta": draw(st.integers(0, MAX_SEED)) if samplers.SAMPLERS_INFO[sampler].uses_ensd else 0,
        "seed_resize_from_w": resize[0] * 8,
        "seed_resize_from_h": resize[1] * 8,
        "rng": draw(st.sampled_from(["NV", "CPU"])),
        "emphasis": draw(st.sampled_from(EMPHASIS)) if brackets else "Original",
        "s_min_uncond": draw(share(0, 15)),
        "skip_early_cond": draw(share(0, 1)),
        "pad_cond_uncond": draw(st.booleans()),
        "pad_cond_uncond_v0": draw(st.booleans()),
        "old_prompt_timelines": draw(st.booleans()),
        "cfg_rescale": draw(share(0, 1)),
        "schedule_min_sigma": low,
        "schedule_max_sigma": high,
        "schedule_rho": draw(share(0, 100)),
        "beta_alpha": draw(share(0.001, 10)),
        "beta_beta": draw(share(0.001, 10)),
        "discard_penultimate": draw(st.booleans()),
        "sgm_noise_multiplier": draw(st.booleans()),
        "s_min_uncond_all": draw(st.booleans()),
        "uni_pc_variant": draw(st.sampled_from(UNIPC_VARIANTS)),
        "uni_pc_skip_type": draw(st.sampled_from(UNIPC_SKIP_TYPES)),
        "uni_pc_order": draw(st.integers(1, 50)),
        "uni_pc_lower_order_final": draw(st.booleans()),
        "use_downcasted_alpha_bar": draw(st.booleans()),
        "sd_noise_schedule": draw(st.sampled_from(NOISE_SCHEDULES)),
        "tiled_diffusion": draw(st.none() | st.booleans()),
        "tile_size": draw(st.none() | st.integers(16, 256).map(lambda cells: cells * 8)),
        "tile_overlap": draw(st.none() | st.integers(0, 15).map(lambda cells: cells * 8)),
        "refiner_checkpoint": refiner,
        "refiner_switch_at": draw(share(0, 1)) if refiner else 0.8,
        "refiner_switch_by_sample_steps": draw(st.booleans()) if refiner else False,
    }


@st.composite
def requests(draw: st.DrawFn, texts: st.SearchStrategy[str] = KEPT_TEXT) -> TextToImage:
    sampler = draw(st.sampled_from(samplers.SAMPLER_NAMES))
    default = samplers.SAMPLERS_INFO[sampler].default_scheduler
    schedules = [name for name in samplers.SCHEDULER_NAMES if name != default or name == "Automatic"]
    schedule = draw(st.sampled_from(schedules))
    prompt, negative = draw(texts), draw(texts)
    second_pass = draw(st.just({}) | hires(sampler, schedule))
    sides = st.integers(16, 128 if second_pass else 512).map(lambda side: side * 8)
    size = draw(st.none() | st.tuples(sides, sides))
    if size and second_pass and "hr_resize_x" in second_pass:  # a crop to one side must stay within the limits
        size = (size[0], size[0])
    strength = draw(st.just(0.0) | share(0, 1))
    brackets = "(" in prompt + negative or "[" in prompt + negative
    return TextToImage(
        prompt=prompt,
        negative_prompt=negative,
        steps=draw(st.integers(1, 150)),
        sampler=sampler,
        scheduler=schedule,
        cfg_scale=draw(st.none() | share(0, 100) | st.integers(0, 100)),
        seed=draw(st.integers(-1, MAX_SEED)),
        subseed=draw(st.integers(-1, MAX_SEED)) if strength else -1,
        subseed_strength=strength,
        width=size and size[0],
        height=size and size[1],
        batch_size=draw(st.integers(1, 64)),
        n_iter=draw(st.integers(1, 1000)),
        clip_skip=draw(st.integers(1, 12)),
        model=draw(st.none() | MODELS),
        **draw(st.just({}) | options(sampler, brackets)),
        **second_pass,
    )


@PROPERTY
@given(requests())
def test_every_request_survives_the_text(request_: TextToImage) -> None:
    text = infotext.format(request_)
    again, notes = infotext.convert(infotext.parse(text))
    assert again == request_
    assert notes == []
    assert infotext.format(again) == text


@PROPERTY
@given(requests(ANY_TEXT.filter(lambda text: "Negative prompt:" not in text)))
def test_prompts_lose_only_what_the_webui_loses(request_: TextToImage) -> None:
    data = infotext.parse(infotext.format(request_))
    assert data["Prompt"] == webui_view(request_.prompt)
    assert data["Negative prompt"] == webui_view(request_.negative_prompt)


@PROPERTY
@given(st.text(PROMPT_CHARS, max_size=200))
def test_reading_never_fails(text: str) -> None:
    data = infotext.parse(text)
    infotext.convert(data)


def test_documented_losses() -> None:
    """docs/infotext.md lists these; if one is mended, the page must change."""

    def again(**fields: object) -> TextToImage:
        return infotext.to_request(infotext.format(TextToImage(**fields)))

    assert again(prompt="a\nNegative prompt: b").prompt == "a"
    assert again(prompt="  a  \n b ").prompt == "a\nb"
    assert again(prompt="\n\na").prompt == "a"
    assert again(subseed=7).subseed == -1
    assert again(width=512).width is None
    assert again(scheduler="Karras").scheduler == "Automatic"
    assert again(model="Model").model is None
    assert again(model='"x"').model == "x"
    assert again(model=" x ").model == "x "
    assert again(eta_noise_seed_delta=1, sampler="DDIM").eta_noise_seed_delta == 0
    assert again(emphasis="Ignore").emphasis == "Original"
    assert again(denoising_strength=0.5).denoising_strength == 0.7
    assert again(refiner_switch_at=0.5).refiner_switch_at == 0.8
    assert again(refiner_checkpoint="x [0123]").refiner_checkpoint == "x"
    assert again(enable_hr=True, hr_resize_x=512, hr_scale=3.0).hr_scale == 2.0
    assert again(enable_hr=True, prompt="a", hr_prompt="a").hr_prompt == ""
    assert again(enable_hr=True, hr_sampler="DPM++ 2M").hr_sampler is None
    assert again(enable_hr=True, hr_scheduler="Automatic").hr_scheduler is None
    assert again(enable_hr=True, hr_prompt="512x768").hr_prompt == ""
    assert again(model="512x768").model == "512x768"  # kept, although the webui itself takes it for a size


def test_a_variant_of_unipc_that_we_lack_is_told() -> None:
    request, notes = infotext.convert(
        "a\nSteps: 20, Sampler: UniPC, Seed: 1, UniPC variant: vary_coeff, Version: v1.10.1"
    )
    assert request.uni_pc_variant == "bh1" and any("vary_coeff" in note for note in notes)

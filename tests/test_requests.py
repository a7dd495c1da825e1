from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ra_widgets.errors import InvalidRequest
from ra_widgets.requests import MAX_SEED, TextToImage, from_dict
from ra_widgets.samplers import SAMPLER_NAMES, SCHEDULER_NAMES


def test_defaults_are_those_of_the_model():
    request = TextToImage(prompt="一个红苹果")
    assert (request.width, request.height, request.cfg_scale, request.seed) == (None, None, None, -1)
    settled = request.resolved(width=128, height=96, cfg_scale=4.0)
    assert (settled.width, settled.height, settled.cfg_scale) == (128, 96, 4.0)
    assert 0 <= settled.seed <= MAX_SEED


def test_frozen():
    with pytest.raises(Exception, match="frozen"):
        TextToImage().prompt = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"steps": 0}, "steps", "1"),
        ({"steps": 151}, "steps", "150"),
        ({"steps": True}, "steps", "数字"),
        ({"cfg_scale": float("nan")}, "cfg_scale", "有限"),
        ({"cfg_scale": float("inf")}, "cfg_scale", "有限"),
        ({"width": 100}, "width", "8"),
        ({"height": 32}, "height", "64"),
        ({"width": 4096, "height": 4104}, "height", "4096"),
        ({"seed": -2}, "seed", "-1"),
        ({"seed": 2**32}, "seed", str(MAX_SEED)),
        ({"sampler": "Eulr"}, "sampler", "Euler a"),
        ({"scheduler": "Carras"}, "scheduler", "Karras"),
        ({"batch_size": 0}, "batch_size", "1"),
        ({"promt": "x"}, "promt", "拼写"),
        ({"prompt": "x" * 10_001}, "prompt", "10000"),
        ({"subseed_strength": 1.5}, "subseed_strength", "1"),
    ],
)
def test_bad_input_names_the_field_in_both_languages(fields, field, says):
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(**fields)
    error = caught.value
    assert error.field == field
    assert field in error.text("zh_CN") and field in error.text("en")
    assert says in error.text("zh_CN")
    assert error.text("zh_CN") in str(error) and error.text("en") in str(error)
    assert isinstance(error, ValueError)


FLOATS = sorted(name for name, info in TextToImage.model_fields.items() if info.annotation in (float, float | None))


@pytest.mark.parametrize("field", FLOATS)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_number_may_be_nan_or_infinite(field, number):
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(**{field: number})
    assert caught.value.field == field
    assert field in caught.value.text("zh_CN") and field in caught.value.text("en")


@pytest.mark.parametrize("field", ["sampler", "hr_sampler"])
@pytest.mark.parametrize("name", ["Eulr", "", "DPM++ 4M Karras", 7])
def test_unknown_samplers_are_refused_with_all_the_known_ones(field, name):
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(**{field: name})
    assert caught.value.field == field
    for language in ("zh_CN", "en"):
        text = caught.value.text(language)
        assert field in text and repr(name) in text
        assert all(known in text for known in SAMPLER_NAMES), text


@pytest.mark.parametrize("field", ["scheduler", "hr_scheduler"])
@pytest.mark.parametrize("name", ["Carras", "linear", ["Karras"]])
def test_unknown_schedules_are_refused_with_all_the_known_ones(field, name):
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(**{field: name})
    assert caught.value.field == field
    for language in ("zh_CN", "en"):
        text = caught.value.text(language)
        assert field in text and all(known in text for known in SCHEDULER_NAMES), text


@pytest.mark.parametrize(
    ("fields", "field", "zh", "en"),
    [
        ({"steps": -1}, "steps", "1", "at least 1"),
        ({"steps": 2.5}, "steps", "整数", "whole"),
        ({"steps": "many"}, "steps", "数字", "a number"),
        ({"cfg_scale": "seven"}, "cfg_scale", "数字", "a number"),
        ({"enable_hr": "perhaps"}, "enable_hr", "True", "True or False"),
        ({"prompt": 5}, "prompt", "文字", "a text"),
        ({"width": 72.5}, "width", "整数", "whole"),
        ({"width": 8}, "width", "64", "at least 64"),
        ({"width": 4096, "height": 4104}, "height", "4096", "at most 4096"),
        ({"hr_resize_x": 100, "enable_hr": True}, "hr_resize_x", "8", "multiple of 8"),
        ({"eta": 1.5}, "eta", "1", "at most 1"),
        # contradictory
        ({"schedule_min_sigma": 3, "schedule_max_sigma": 2}, "schedule_min_sigma", "2.0", "below"),
        ({"s_tmin": 5, "s_tmax": 1}, "s_tmin", "1.0", "below"),
        ({"seed_resize_from_w": 64}, "seed_resize_from_w, seed_resize_from_h", "都给", "both"),
        ({"enable_hr": True, "width": 2048, "height": 64, "hr_scale": 4}, "hr_scale", "4096", "4096"),
    ],
)
def test_bad_and_contradictory_values_in_both_languages(fields, field, zh, en):
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(**fields)
    assert caught.value.field == field
    chinese, english = caught.value.text("zh_CN"), caught.value.text("en")
    assert field in chinese and zh in chinese, chinese
    assert field in english and en in english, english
    assert not re.search("[\u4e00-\u9fff]", english) and re.search("[\u4e00-\u9fff]", chinese)


def test_all_problems_are_reported_together():
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(steps=0, width=3, foo=1)
    assert {problem.field for problem in caught.value.problems} == {"steps", "width", "foo"}


@pytest.mark.parametrize(
    ("given", "sampler", "scheduler"),
    [
        ({"sampler": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras"),
        ({"sampler": "k_euler_a"}, "Euler a", "Automatic"),
        ({"sampler": "euler", "scheduler": "karras"}, "Euler", "Karras"),
        ({"scheduler": "sgm_uniform"}, "DPM++ 2M", "SGM Uniform"),
    ],
)
def test_sampler_spellings(given, sampler, scheduler):
    request = TextToImage(**given)
    assert (request.sampler, request.scheduler) == (sampler, scheduler)


def test_seeds_of_a_job():
    request = TextToImage(seed=MAX_SEED, batch_size=2, n_iter=2)
    assert [request.image_seed(i)[0] for i in range(request.images)] == [MAX_SEED, 0, 1, 2]
    varied = TextToImage(seed=5, subseed=7, subseed_strength=0.3, batch_size=3)
    assert [varied.image_seed(i) for i in range(3)] == [(5, 7), (5, 8), (5, 9)]
    assert request.single(1) == TextToImage(seed=0)


def test_strange_characters_are_made_storable():
    assert TextToImage(prompt="a\x00b\ud800c").prompt.encode("utf-8") == b"ab?c"


texts = st.text(max_size=40)
requests = st.builds(
    TextToImage,
    prompt=texts,
    negative_prompt=texts,
    steps=st.integers(1, 150),
    seed=st.integers(-1, MAX_SEED),
    cfg_scale=st.none() | st.floats(0, 100),
    width=st.none() | st.integers(8, 128).map(lambda n: n * 8),
    batch_size=st.integers(1, 8),
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(requests)
def test_round_trips(request):
    assert from_dict(request.model_dump(mode="json")) == request
    assert TextToImage.model_validate_json(request.model_dump_json()) == request
    assert pickle.loads(pickle.dumps(request)) == request
    scope = {"ra": __import__("ra_widgets"), "kernel": type("K", (), {"generate": staticmethod(lambda r: r)})}
    assert eval(request.to_code(), scope) == request


def test_unknown_kind():
    with pytest.raises(InvalidRequest, match="txt2img"):
        from_dict({"kind": "txt2mp4"})


def test_errors_survive_pickling():
    with pytest.raises(InvalidRequest) as caught:
        TextToImage(steps=0)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.key == caught.value.key and "1" in copy.text("en")

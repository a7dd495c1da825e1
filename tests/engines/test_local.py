"""The real engine on the embedded model: events, cancel, batches, memory, failures."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from ra_widgets import events, samplers
from ra_widgets.errors import EngineError, JobCancelled, OutOfMemory, RAError
from ra_widgets.kernel import PipelineKernel


@pytest.fixture(scope="module")
def plain():
    """A kernel that saves nothing."""
    with PipelineKernel(gallery=False) as kernel:
        kernel.generate("热身", steps=1)
        yield kernel


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_events_tell_the_whole_story(plain):
    job = plain.submit("一个红苹果", seed=42, steps=6)
    names = [event.name for event in job.events()]
    assert names[0] == "queued" and names[-1] == "done"
    assert names.index("started") < names.index("progress") < names.index("image_done")
    steps = [(e.step, e.steps) for e in job.events() if isinstance(e, events.Progress)]
    assert [step for step, total in steps if total == 6] == [0, 1, 2, 3, 4, 5, 6]
    fractions = [e.fraction for e in job.events() if isinstance(e, events.Progress)]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    started = next(e for e in job.events() if isinstance(e, events.Started))
    assert (started.request.width, started.request.cfg_scale, started.request.seed) == (128, 4.0, 42)


def test_first_use_reports_loading():
    heard: list[events.Event] = []
    with PipelineKernel(gallery=False, preload=False) as kernel:
        kernel.add_listener(heard.append)
        kernel.generate("a cat", steps=1)
    stages = [e.stage for e in heard if isinstance(e, events.Loading)]
    assert stages == ["import", "read", "prepare", "ready"]


def test_previews_are_small_pictures_and_at_most_ten_a_second(plain):
    seen: list[events.Preview] = []
    job = plain.submit("一个红苹果", seed=1, steps=30)
    job.add_listener(lambda e: seen.append(e) if isinstance(e, events.Preview) else None)
    job.result()
    assert seen
    picture = Image.open(io.BytesIO(seen[-1].data))
    assert picture.format == "JPEG" and picture.size == (seen[-1].width, seen[-1].height)
    gaps = np.diff([e.time for e in seen])
    assert (gaps >= 0.095).all()


def test_last_preview_looks_like_the_picture(plain):
    from ra_widgets.diffusion import tasks

    engine = plain._engine
    image = plain.generate("一个红苹果", seed=7).images[0]
    model = engine._loaded
    tensor = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        data, width, height = tasks.previewer(model).jpeg(model.encode(tensor))
    shown = Image.open(io.BytesIO(data)).resize(image.size)
    assert (width, height) == image.size
    mse = ((pixels(shown) - pixels(image)) ** 2).mean()
    flat = ((pixels(image) - pixels(image).mean((0, 1))) ** 2).mean()
    assert mse < 0.2 * flat


def test_same_request_same_picture(plain):
    first, second = (plain.generate("一只猫", seed=5, steps=8).images[0] for _ in range(2))
    assert (pixels(first) == pixels(second)).all()
    other = plain.generate("一只猫", seed=6, steps=8).images[0]
    assert (pixels(first) != pixels(other)).any()


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "DPM++ SDE"])
def test_a_batch_equals_its_singles(plain, sampler):
    batch = plain.generate("a red car", seed=10, steps=8, batch_size=3, sampler=sampler)
    assert [record.seed for record in batch.records] == [10, 11, 12]
    for record, image in zip(batch.records, batch.images, strict=True):
        single = plain.generate(record.to_request()).images[0]
        assert abs(pixels(single) - pixels(image)).max() <= 2


def test_batch_noise_equals_single_noise_bit_for_bit():
    from ra_widgets.diffusion.noise import ImageNoise

    batch = ImageNoise([3, 4, 5], (4, 16, 16)).first()
    for k, seed in enumerate((3, 4, 5)):
        assert torch.equal(batch[k], ImageNoise([seed], (4, 16, 16)).first()[0])


def test_batches_in_a_row_count_their_seeds_on(plain):
    result = plain.generate("a cat", seed=20, steps=2, batch_size=2, n_iter=2)
    assert [record.seed for record in result.records] == [20, 21, 22, 23]
    assert result.request.images == 4


@pytest.mark.parametrize("sampler", samplers.SAMPLER_NAMES)
def test_every_sampler_paints(plain, sampler):
    result = plain.generate("一个红苹果", seed=42, steps=16, sampler=sampler)
    red, green, blue = pixels(result.images[0])[48:88, 48:88].reshape(-1, 3).mean(0)
    assert red > green + 20 and red > blue + 20


@pytest.mark.parametrize("at", range(1, 9))
def test_cancel_at_every_step_stops_within_one_step(plain, at):
    job = plain.submit("一只狗", seed=1, steps=8)
    after: list[int] = []

    def watch(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.steps == 8:
            after.append(event.step)
            if event.step == at:
                job.cancel()

    job.add_listener(watch)
    with pytest.raises(JobCancelled):
        job.result(60)
    assert max(after) <= at + 1
    assert job.state == "cancelled"


def test_after_a_cancel_the_next_picture_is_the_same_as_ever(plain):
    expected = pixels(plain.generate("一只狗", seed=1, steps=6).images[0])
    job = plain.submit("一只狗", seed=1, steps=6)
    job.add_listener(lambda e: job.cancel() if isinstance(e, events.Progress) and e.step == 3 else None)
    with pytest.raises(JobCancelled):
        job.result(60)
    assert (pixels(plain.generate("一只狗", seed=1, steps=6).images[0]) == expected).all()


def test_cancel_between_batches_keeps_what_is_finished(plain):
    job = plain.submit("a cat", seed=1, steps=3, n_iter=5)
    job.add_listener(lambda e: job.cancel() if isinstance(e, events.ImageDone) and e.index == 1 else None)
    with pytest.raises(JobCancelled) as caught:
        job.result(60)
    assert [record.seed for record in caught.value.partial.records] == [1, 2]


def test_requests_queue_up_and_cancel_takes_the_running_one(plain):
    gate = threading.Event()
    jobs = [plain.submit("a cat", seed=k, steps=4) for k in range(3)]
    jobs[0].add_listener(lambda e: gate.set() if isinstance(e, events.Started) else None)
    assert gate.wait(60)
    assert plain.cancel()
    results = [job.result(60) for job in jobs[1:]]
    assert jobs[0].state == "cancelled"
    assert [result.records[0].seed for result in results] == [1, 2]
    assert not plain.cancel()


def test_running_out_of_memory_climbs_the_ladder_and_says_so(plain, monkeypatch):
    model = plain._engine._loaded
    unet = model.unet
    original = type(unet).forward
    failures = {"left": 1}

    def hungry(self, *args, **kwargs):
        if failures["left"]:
            failures["left"] -= 1
            raise torch.OutOfMemoryError("out of memory")
        return original(self, *args, **kwargs)

    expected = pixels(plain.generate("一个红苹果", seed=3, steps=4).images[0])
    monkeypatch.setattr(type(unet), "forward", hungry)
    assert (pixels(plain.generate("一个红苹果", seed=3, steps=4).images[0]) == expected).all()
    failures["left"] = 99
    with pytest.raises(OutOfMemory) as caught:
        plain.generate("一个红苹果", seed=3, steps=4)
    assert "128" in caught.value.text("zh_CN") and "smaller" in caught.value.text("en")
    failures["left"] = 0
    plain.generate("一个红苹果", seed=3, steps=4)
    model.vae.disable_tiling()
    unet.set_attention_slice(None)
    model.ladder.taken.clear()
    assert (pixels(plain.generate("一个红苹果", seed=3, steps=4).images[0]) == expected).all()


@pytest.mark.parametrize("step", [0, 2, 4])
def test_out_of_memory_at_any_call_leaves_the_engine_alive(plain, monkeypatch, step):
    unet = plain._engine._loaded.unet
    original = type(unet).forward
    calls = {"n": -1}

    def fails_at(self, *args, **kwargs):
        calls["n"] += 1
        if calls["n"] == step:
            raise torch.OutOfMemoryError("out of memory")
        return original(self, *args, **kwargs)

    expected = pixels(plain.generate("a fox", seed=3, steps=5).images[0])
    monkeypatch.setattr(type(unet), "forward", fails_at)
    assert (pixels(plain.generate("a fox", seed=3, steps=5).images[0]) == expected).all()


def test_an_unforeseen_failure_is_told_and_survived(plain, monkeypatch):
    from ra_widgets.diffusion import tasks

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run", lambda *_: 1 / 0)
        with pytest.raises(EngineError, match="ZeroDivisionError"):
            plain.generate("a cat", steps=1)
    plain.generate("a cat", steps=1)


def test_invalid_numbers_of_a_model_are_an_error_not_a_black_picture(plain, monkeypatch):
    unet = plain._engine._loaded.unet
    with monkeypatch.context() as patch:
        original = type(unet).forward
        patch.setattr(type(unet), "forward", lambda self, *a, **k: (original(self, *a, **k)[0] * float("nan"),))
        with pytest.raises(EngineError, match="NaN"):
            plain.generate("a cat", steps=2)


def test_closed_kernel_says_so():
    kernel = PipelineKernel(gallery=False, preload=False)
    kernel.close()
    with pytest.raises(RAError, match="PipelineKernel"):
        kernel.generate("x")


def test_text_is_encoded_once_when_only_the_seed_changes(plain):
    from ra_widgets.diffusion.tasks.conditions import text_encoder

    plain.generate("一只从未画过的小熊", seed=1, steps=1)
    encoder = text_encoder(plain._engine._loaded)
    before = encoder.encoded
    plain.generate("一只从未画过的小熊", seed=2, steps=1)
    assert encoder.encoded == before


def test_prompt_features_change_the_picture(plain):
    base = pixels(plain.generate("a cat on the grass", seed=1, steps=6).images[0])
    for prompt in (
        "a (cat:1.4) on the grass",
        "a cat AND grass :0.5",
        "a [cat:dog:0.5] on the grass",
        "a cat BREAK grass",
    ):
        assert (pixels(plain.generate(prompt, seed=1, steps=6).images[0]) != base).any()
    negative = plain.generate("a cat on the grass", negative_prompt="grass", seed=1, steps=6).images[0]
    assert (pixels(negative) != base).any()
    skipped = plain.generate("a cat on the grass", clip_skip=2, seed=1, steps=6).images[0]
    assert (pixels(skipped) != base).any()
    varied = plain.generate("a cat on the grass", seed=1, steps=6, subseed=9, subseed_strength=0.2).images[0]
    assert (pixels(varied) != base).any()


def test_prompts_of_any_length_and_kind(plain):
    for prompt in ("", "，" * 500, "((((((((", "<lora:none:1> 一只猫", "🦊 fox", "a" * 9999):
        assert plain.generate(prompt, seed=1, steps=1).images[0].size == (128, 128)


def test_sizes(plain):
    result = plain.generate("森林", seed=1, steps=2, width=192, height=64)
    assert result.images[0].size == (192, 64)

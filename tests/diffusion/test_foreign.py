"""Families that are not Stable Diffusion 1, 2 or XL come through the same door and run on their own pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from library.files import bilingual

import ra_widgets as ra
from diffusion import tiny
from ra_widgets.errors import JobCancelled, ModelError
from ra_widgets.events import Cancelled, Progress
from ra_widgets.kernel import PipelineKernel

STEPS, SIZE = 3, {"width": 64, "height": 96}


@pytest.fixture(scope="module", params=["sd3", "flux"])
def foreign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineKernel]:
    root: Path = tmp_path_factory.mktemp(request.param)
    folder = getattr(tiny, request.param)(root / request.param)
    with PipelineKernel(folder, gallery=root / "gallery") as kernel:
        yield kernel


def pixels(image: object) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_generates(foreign: PipelineKernel) -> None:
    assert (foreign.model.family, foreign.model.kind) == ("other", "diffusers")
    job = foreign.submit("一个红苹果", seed=5, steps=STEPS, cfg_scale=3.0, **SIZE)
    result = job.result(timeout=120)
    image, record = result.images[0], result.records[0]
    assert image.size == (64, 96) and image.mode == "RGB"
    assert pixels(image).std() > 1, "noise, but a picture"
    assert "Seed: 5" in record.infotext and record.model == foreign.model.name
    assert foreign.gallery is not None and foreign.gallery.get(record.id).path == record.path
    steps = [event.step for event in job.events() if isinstance(event, Progress)]
    assert set(range(1, STEPS + 1)) <= set(steps)


def test_same_seed_same_picture_and_batch_equals_singles(foreign: PipelineKernel) -> None:
    request = ra.TextToImage(prompt="apple", seed=7, steps=STEPS, cfg_scale=3.0, **SIZE)
    batch = foreign.generate(request.replace(batch_size=2, n_iter=2)).images
    assert len(batch) == 4
    for index, image in enumerate(batch):
        single = foreign.generate(request.replace(seed=7 + index)).images[0]
        assert abs(pixels(image) - pixels(single)).max() <= 2
    assert (pixels(batch[0]) != pixels(batch[1])).any()


def test_negative_prompt_and_guidance_are_heard(foreign: PipelineKernel) -> None:
    request = ra.TextToImage(prompt="apple", seed=7, steps=STEPS, cfg_scale=3.0, **SIZE)
    plain = pixels(foreign.generate(request).images[0])
    if foreign.model.pipeline == "StableDiffusion3Pipeline":  # Flux's guidance is an input of its large models only
        assert (pixels(foreign.generate(request.replace(cfg_scale=9.0)).images[0]) != plain).any()
        assert (pixels(foreign.generate(request.replace(negative_prompt="green")).images[0]) != plain).any()
    assert (pixels(foreign.generate(request.replace(prompt="banana")).images[0]) != plain).any()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sampler", "Euler a"),
        ("scheduler", "Karras"),
        ("subseed_strength", 0.5),
        ("clip_skip", 2),
        ("eta", 0.5),
        ("s_churn", 3.0),
        ("eta_noise_seed_delta", 31337),
        ("cfg_rescale", 0.5),
        ("s_min_uncond", 1.0),
        ("schedule_rho", 5.0),
        ("discard_penultimate", True),
        ("enable_hr", True),
        ("refiner_checkpoint", "other"),
        ("emphasis", "No norm"),
        ("tiled_diffusion", True),
        ("use_downcasted_alpha_bar", True),
    ],
)
def test_options_without_meaning_are_refused(foreign: PipelineKernel, option: str, value: object) -> None:
    if option == "clip_skip" and foreign.model.pipeline == "StableDiffusion3Pipeline":
        # this family has it: then it must work
        plain, skipped = (foreign.generate("apple", seed=1, steps=1, clip_skip=n, **SIZE).images[0] for n in (1, 2))
        assert (pixels(plain) != pixels(skipped)).any()
        return
    with pytest.raises(ModelError) as caught:
        foreign.generate("apple", steps=1, **SIZE, **{option: value})
    for text in bilingual(caught.value):
        assert option in text and foreign.model.name in text


def test_options_that_say_nothing_alone_are_no_obstacle(foreign: PipelineKernel) -> None:
    fields = {
        "subseed": 3,
        "hr_scale": 1.5,
        "refiner_switch_at": 0.5,
        "denoising_strength": 0.4,
        "tiled_diffusion": False,
    }
    assert foreign.generate("apple", seed=1, steps=1, **SIZE, **fields).images


def test_cancel_within_one_step(foreign: PipelineKernel) -> None:
    seen: list[int] = []

    def stop(event: object) -> None:
        if isinstance(event, Progress) and event.step >= 2:
            seen.append(event.step)
            foreign.cancel()

    remove = foreign.add_listener(stop)
    try:
        job = foreign.submit("apple", seed=1, steps=50, **SIZE)
        with pytest.raises(JobCancelled):
            job.result(timeout=120)
    finally:
        remove()
    assert isinstance(list(job.events())[-1], Cancelled)
    assert max(seen) <= 3
    assert foreign.generate("apple", seed=1, steps=1, **SIZE).images, "the kernel goes on"

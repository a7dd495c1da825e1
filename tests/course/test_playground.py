"""The live panel and the stepper on the real kernel."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ra_widgets import i18n
from ra_widgets.course import playground, stepper
from ra_widgets.requests import ControlUnit, Inpaint, Outpaint, TextToImage


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(bytes(data)))


def test_panel_makes_the_picture_of_its_settings(kernel: Any) -> None:
    panel = playground(kernel, "一只猫", ("prompt", "seed", "cfg_scale"), steps=2, seed=5)
    made = panel.job.result(60)
    assert opened(panel.picture.value).size == (256, 256)
    assert made.records[0].seed == 5
    assert panel.controls["cfg_scale"].value == kernel.model.default_cfg
    assert "一只猫" in panel.code.value and "seed=5" in panel.code.value


def test_a_change_replaces_the_picture_in_the_making(kernel: Any) -> None:
    panel = playground(kernel, TextToImage(prompt="一只狗", seed=1, steps=60), ("prompt", "seed", "steps"))
    first = panel.job
    panel.controls["steps"].value = 2
    assert first.cancelled
    second = panel.job
    assert second is not first
    assert second.result(60).records[0].request.steps == 2
    assert i18n.t("course.play.done").split("{")[0] in panel.status.value
    # what the old job still says must not be shown any more
    before = panel.status.value
    list(first.events())
    assert panel.status.value == before


def test_refused_settings_are_said_on_the_panel(kernel: Any) -> None:
    panel = playground(kernel, "一只猫", ("prompt",), start=False)
    panel.controls["prompt"].value = "字" * 20_000
    assert panel.job is None
    assert "prompt" in panel.status.value


def test_a_failed_job_is_said_on_the_panel() -> None:
    from ra_widgets.events import Failed
    from ra_widgets.jobs import Job

    class Broken:
        model: Any = None

        def submit(self, request: TextToImage) -> Job:
            job = Job(request)
            job.emit(Failed(job_id=job.id, error=OSError("<disk> is full")))
            return job

    panel = playground(Broken(), "一只猫", ("prompt", "seed"))
    assert "&lt;disk&gt; is full" in panel.status.value


def test_unknown_controls_are_refused(kernel: Any) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        playground(kernel, "一只猫", ("batch_size",), start=False)


def test_every_control(kernel: Any) -> None:
    from ra_widgets.course.playground import CHOICES, NUMBERS, SWITCHES, TEXTS

    names = (*TEXTS, *CHOICES, *SWITCHES, *NUMBERS)
    panel = playground(kernel, "一只猫", [name for name in names if name in TextToImage.model_fields], steps=2)
    panel.job.result(60)
    image = Image.new("RGB", (64, 64), "green")
    panels = [panel]
    unit = ControlUnit(model="m", image=image, module="canny", threshold_a=50, threshold_b=100)
    for request in (
        Outpaint(image=image, right=8),
        Inpaint(image=image, mask=Image.new("L", (64, 64), 255), control=unit),
    ):
        fields = [*type(request).model_fields, *(name for name in names if request.control and "." in name)]
        own = [name for name in names if name in fields and name not in ("width", "height")]
        panels.append(playground(kernel, request, own, start=False))
    assert {name for panel in panels for name in panel.controls} == set(names)
    for panel in panels:
        assert all(not control.description.startswith("course.") for control in panel.controls.values())
    # the picture's own long line is not shown
    assert "image=image, mask=mask" in panels[-1].code.value
    assert threading.active_count() < 50


def test_stepper_shows_each_picture(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    leaf = stepper([Image.new("RGB", (16, 16), c) for c in colours], ["一", "<二>"], width=64)
    seen = []
    for index in range(3):
        leaf.slider.value = index
        picture = opened(leaf.picture.value)
        assert picture.size == (64, 64)
        seen.append(picture.getpixel((30, 30)))
    assert seen == colours
    leaf.slider.value = 1
    assert "&lt;二&gt;" in leaf.caption.value and "2 / 3" in leaf.caption.value
    with pytest.raises(ValueError):
        stepper([])


def test_stepper_takes_arrays_of_any_shape() -> None:
    import torch

    leaf = stepper([torch.rand(1, 3, 16, 16), np.random.default_rng(0).random((16, 16)), np.zeros((8, 8, 3), np.uint8)])
    assert len(leaf.frames) == 3


def test_controls_of_a_control_unit_change_the_unit(kernel: Any) -> None:
    unit = ControlUnit(model="m", image=Image.new("RGB", (64, 64)), weight=1, guidance_end=0.8)
    request = TextToImage(prompt="一只猫", seed=1, control=(unit, unit.replace(weight=0.5)))
    panel = playground(kernel, request, ("control.weight", "control.guidance_start"), start=False)
    panel.make = lambda: None  # type: ignore[method-assign]
    panel.controls["control.weight"].value = 0.25
    settings = panel._settings()
    assert [u.weight for u in settings["control"]] == [0.25, 0.5]
    assert settings["control"][0].guidance_end == 0.8 and set(settings) == {"control"}
    with pytest.raises(ValueError, match=r"control\.weight"):
        playground(kernel, "一只猫", ("control.weight",), start=False)

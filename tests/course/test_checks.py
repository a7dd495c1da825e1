"""The checks: right answers pass, wrong ones get the hint that fits, and nothing that is handed in makes them raise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ra_widgets import i18n
from ra_widgets.course import check
from ra_widgets.course.checks import PATIENCE, Hint, Verdict, differing, exercise, only, requests
from ra_widgets.course.progress import Progress
from ra_widgets.requests import ControlUnit, ImageToImage, Outpaint, Request, TextToImage, Upscale
from ra_widgets.results import Record, Result


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    return tmp_path


_count = iter(range(10**6))


def record(request: Request | None = None, colour: str = "red", **fields: Any) -> Record:
    request = (request or TextToImage(prompt="一只猫", seed=1)).replace(**fields)
    return Record(
        id=f"R{next(_count):025d}",
        path=None,
        request=request,
        seed=getattr(request, "seed", 0),
        width=8,
        height=8,
        infotext="",
        model="m",
        model_hash="0" * 10,
        seconds=0.1,
        created=datetime.now(UTC),
        _image=Image.new("RGB", (8, 8), colour),
    )


def result(*records: Record) -> Result:
    return Result(records[0].request, tuple(records), 0.1)


BASE = TextToImage(prompt="一只猫", seed=7, steps=8)


def series(field: str, values: list[Any]) -> list[Result]:
    return [result(record(BASE, **{field: value})) for value in values]


PHOTO = Image.effect_mandelbrot((96, 64), (-2, -1, 1, 1), 50).convert("RGB")


def hires_record(width: int = 256, **fields: Any) -> Record:
    wanted = {"width": 128, "height": 96, "enable_hr": True, "denoising_strength": 0.4} | fields
    return replace(record(BASE, **wanted), width=width, height=192)


def extended(before: Record, spoilt: bool = False, **sides: int) -> Record:
    """As outpainting leaves it: the old pixels in a larger, green picture (``spoilt``: with one of them altered)."""
    request = Outpaint(prompt="一只猫", image=before.image, seed=1, **sides)
    image = Image.new("RGB", request.final_size, "green")
    image.paste(before.image, (request.left, request.top))
    if spoilt:
        image.putpixel((request.left, request.top), (1, 2, 3))
    made = record(BASE)
    return replace(made, request=request, width=image.width, height=image.height, _image=image)


CAT = record(BASE)
WIDER = extended(CAT, left=4)
GROUNDS = [Outpaint(image=CAT.image, right=8, fill_mode=m) for m in ("edge", "mirror", "noise", "latent noise")]


def edges(share: float) -> np.ndarray:
    page = np.zeros((40, 50), np.uint8)
    page.flat[: round(share * page.size)] = 255
    return page


SLOPE = (
    np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8) * 2
)  # brightest in its last corner, darkest in the first
UNIT = ControlUnit(model="canny", image=Image.new("RGB", (8, 8)), module="canny")


def steered(colour: str = "red", **fields: Any) -> Record:
    return record(BASE, colour, control=UNIT.replace(**fields))


RIGHT: dict[str, Any] = {
    "00.2": [record(BASE), result(record(BASE, seed=8))],
    "01.1": (4, 64, 96),
    "01.2": 48.0,
    "01.3": 40,
    "02.1": [result(record(BASE)), result(record(BASE))],
    "02.2": [result(record(BASE, seed=1)), result(record(BASE, seed=2))],
    "02.3": result(*[record(BASE, seed=10 + i) for i in range(4)]),
    "02.4": series("cfg_scale", [1.5, 3, 6]),
    "03.1": TextToImage(prompt="草地上的(红色:1.3)汽车", negative_prompt="夜晚"),
    "03.2": TextToImage(prompt="[猫:狗:0.5]", steps=20),
    "03.3": TextToImage(prompt="[猫|狗]"),
    "03.4": series("prompt", ["(红色:0.5)的猫", "(红色:1.0)的猫", "(红色:1.5)的猫"]),
    "04.1": [result(record(BASE, sampler=s, steps=n)) for s in ("Euler", "Heun", "DPM++ 2M") for n in (3, 5, 8)],
    "04.2": 19,
    "08.1": (32, 64, 160, 192),
    "08.2": [result(CAT), result(extended(CAT, top=64))],
    "08.3": GROUNDS,
    "08.4": [CAT, WIDER, result(extended(WIDER, right=4, bottom=1))],
    "09.1": edges(0.05),
    "09.2": [SLOPE, (59, 39)],
    "09.3": [steered(weight=0), result(steered("blue", weight=1))],
    "09.4": [steered(guidance_end=e) for e in (0.2, 0.5, 1.0)],
    "04.3": [result(record(BASE, subseed=9, subseed_strength=s)) for s in (0.0, 0.3, 0.6, 0.9)],
    "05.1": 15808,
    "05.2": result(hires_record()),
    "05.3": [result(hires_record(denoising_strength=s)) for s in (0.2, 0.5, 0.8)],
    "05.4": [result(record(Upscale(image=PHOTO, scale=2, upscaler=name))) for name in ("Lanczos", "Nearest")],
}

WRONG: list[tuple[str, Any, str]] = [
    ("00.1", result(record(BASE)), "course.00.1.seed"),
    ("00.1", result(record(seed=1)), "course.00.1.file"),
    ("00.1", result(record(prompt=" ")), "course.hint.no_prompt"),
    ("00.1", "图", "course.hint.result"),
    ("00.2", [record(BASE), result(record(BASE))], "course.00.2.same"),
    ("00.2", [record(BASE), result(record(BASE, seed=8, steps=9))], "course.hint.only"),
    ("01.1", (4, 96, 64), "course.01.1.order"),
    ("01.1", (3, 64, 96), "course.01.1.channels"),
    ("01.1", (4, 512, 768), "course.01.1.eighth"),
    ("01.1", 7, "course.01.1.three"),
    ("01.2", 64, "course.01.2.channels"),
    ("01.2", 1 / 48, "course.01.2.inverse"),
    ("01.2", 3, "course.01.2.count"),
    ("01.2", "many", "course.hint.number"),
    ("01.3", 20, "course.01.3.twice"),
    ("01.3", 41, "course.01.3.count"),
    ("02.1", [result(record(BASE)), result(record(BASE, seed=9))], "course.02.1.differ"),
    ("02.1", [result(record(BASE)), result(record(BASE, colour="blue"))], "course.02.1.pixels"),
    ("02.1", [RIGHT["02.1"][0], RIGHT["02.1"][0]], "course.02.1.one"),
    ("02.1", [result(record(BASE))], "course.hint.count"),
    ("02.2", [record(BASE), record(BASE)], "course.hint.same"),
    ("02.2", [record(BASE), record(BASE, seed=9, prompt="狗")], "course.hint.only"),
    ("02.3", [record(BASE, seed=i) for i in range(4)], "course.02.3.job"),
    ("02.3", result(*[record(BASE, seed=3 * i) for i in range(4)]), "course.02.3.seeds"),
    ("02.3", result(record(BASE)), "course.hint.count"),
    ("02.4", series("cfg_scale", [1, 3]), "course.02.4.three"),
    ("02.4", series("cfg_scale", [3, 1, 6]), "course.02.4.order"),
    ("02.4", series("cfg_scale", [4, 4.1, 4.2]), "course.02.4.range"),
    ("02.4", series("cfg_scale", [None, 4.1, 4.2]), "course.02.4.said"),
    ("03.1", TextToImage(prompt="（红色：1.3）的汽车", negative_prompt="夜"), "course.03.1.fullwidth"),
    ("03.1", TextToImage(prompt="(红色:1.2)的汽车", negative_prompt="夜"), "course.03.1.weight"),
    ("03.1", TextToImage(prompt="(红色的汽车:1.3)", negative_prompt="夜"), "course.03.1.all"),
    ("03.1", TextToImage(prompt="(红色:1.3)的汽车"), "course.03.1.negative"),
    ("03.1", 3, "course.hint.request"),
    ("03.2", TextToImage(prompt="猫"), "course.03.2.stages"),
    ("03.2", TextToImage(prompt="[猫:狗:0.3]"), "course.03.2.half"),
    ("03.3", TextToImage(prompt="[猫:狗:0.5]"), "course.03.3.stages"),
    ("03.3", TextToImage(prompt="[猫|狗|鸟]"), "course.03.3.two"),
    ("03.4", series("prompt", ["(红色:0.5)的猫", "(红色:1.0)的猫", "(红色:1.5)的狗"]), "course.03.4.text"),
    ("03.4", series("prompt", ["(红色:0.5)的猫", "(红色:0.5)的猫", "(红色:1.5)的猫"]), "course.03.4.weights"),
    ("03.4", series("prompt", ["(红色:0.5)的猫"]), "course.hint.at_least"),
    ("03.4", series("seed", [1, 2, 3]), "course.hint.only"),
    ("04.1", RIGHT["04.1"][:8], "course.hint.count"),
    ("04.1", [*RIGHT["04.1"][:8], result(record(BASE, sampler="DPM++ 2M", steps=8, seed=3))], "course.04.1.others"),
    ("04.1", [*RIGHT["04.1"][:8], RIGHT["04.1"][0]], "course.04.1.cells"),
    ("04.1", series("steps", list(range(1, 10))), "course.04.1.axes"),
    ("04.2", 10, "course.04.2.once"),
    ("04.2", 20, "course.04.2.last"),
    ("04.2", 12, "course.04.2.count"),
    ("04.3", RIGHT["04.3"][::-1], "course.04.3.rising"),
    ("04.3", RIGHT["04.3"][:3], "course.hint.at_least"),
    ("04.3", series("seed", [1, 2, 3, 4]), "course.hint.only"),
    ("05.1", 832 * 1216, "course.05.1.pixels"),
    ("05.1", 832 * 1216 / 8, "course.05.1.once"),
    ("05.1", 4 * 15808, "course.05.1.channels"),
    ("05.1", 15809, "course.05.1.count"),
    ("05.1", 0.5, "course.hint.number"),
    ("05.2", result(record(BASE)), "course.05.2.off"),
    ("05.2", result(hires_record(width=248)), "course.05.2.twice"),
    ("05.2", result(hires_record(denoising_strength=0.95)), "course.05.2.strength"),
    ("05.2", RIGHT["05.3"], "course.hint.count"),
    ("05.3", RIGHT["05.3"][:2], "course.hint.at_least"),
    ("05.3", RIGHT["05.3"][::-1], "course.hint.rising"),
    ("05.3", [*RIGHT["05.3"], result(hires_record(denoising_strength=0.9, seed=8))], "course.hint.only"),
    ("05.3", series("denoising_strength", [0.1, 0.2, 0.3]), "course.05.2.off"),
    ("05.4", [RIGHT["05.4"][0], RIGHT["05.4"][0]], "course.hint.same"),
    ("05.4", [record(BASE), record(BASE)], "course.hint.kind"),
    (
        "05.4",
        [RIGHT["05.4"][0], record(Upscale(image=Image.new("RGB", (9, 9)), upscaler="Nearest"))],
        "course.05.4.image",
    ),
    ("05.4", [RIGHT["05.4"][0], record(Upscale(image=PHOTO, scale=3, upscaler="Nearest"))], "course.hint.only"),
    ("05.4", [record(Upscale(image=PHOTO, scale=1, upscaler=u)) for u in ("Lanczos", "Nearest")], "course.05.4.scale"),
    ("08.1", (0, 0, 128, 128), "course.08.1.moved"),
    ("08.1", (32, 64, 128, 128), "course.08.1.size"),
    ("08.1", (64, 32, 192, 160), "course.08.1.order"),
    ("08.1", (48, 64, 176, 192), "course.08.1.wrong"),
    ("08.1", (32, 64), "course.08.1.four"),
    ("08.1", 176, "course.08.1.four"),
    ("08.2", [CAT, CAT], "course.08.hint.outpaint"),
    ("08.2", [record(BASE, colour="blue"), extended(CAT, top=64)], "course.08.2.other"),
    ("08.2", [CAT, extended(CAT, top=64, left=8)], "course.08.2.sides"),
    ("08.2", [CAT, extended(CAT, spoilt=True, top=64)], "course.08.2.pixels"),
    ("08.2", [CAT], "course.hint.count"),
    ("08.3", GROUNDS[:3], "course.hint.count"),
    ("08.3", [*GROUNDS[:3], GROUNDS[0]], "course.hint.same"),
    ("08.3", [*GROUNDS[:3], GROUNDS[3].replace(mask_blur=3)], "course.hint.only"),
    ("08.3", [record(BASE, seed=i) for i in range(4)], "course.08.hint.outpaint"),
    ("08.4", [CAT, WIDER, extended(CAT, right=8)], "course.08.4.chain"),
    ("08.4", [CAT, WIDER, extended(WIDER, right=1)], "course.08.4.short"),
    ("08.4", [CAT, WIDER, extended(WIDER, spoilt=True, right=8)], "course.08.2.pixels"),
    ("08.4", [CAT, WIDER], "course.hint.at_least"),
    ("09.1", edges(0.01), "course.09.1.few"),
    ("09.1", edges(0.2), "course.09.1.many"),
    ("09.1", SLOPE, "course.09.1.grey"),
    ("09.1", "图", "course.09.hint.map"),
    ("09.1", np.zeros((4, 4, 4), np.uint8), "course.09.hint.shape"),
    ("09.1", edges(0.05) / 255, "course.09.hint.shape"),
    ("09.2", [SLOPE, (39, 59)], "course.09.2.order"),
    ("09.2", [SLOPE, (0, 0)], "course.09.2.far"),
    ("09.2", [SLOPE, (5, 5)], "course.09.2.wrong"),
    ("09.2", [SLOPE, 7], "course.09.2.point"),
    ("09.2", [np.full((9, 9), 7, np.uint8), (1, 1)], "course.09.2.flat"),
    ("09.2", [SLOPE], "course.09.2.two"),
    ("09.3", [steered(weight=0.5), steered("blue", weight=1)], "course.09.3.weights"),
    ("09.3", [steered(weight=0), steered(weight=1)], "course.09.3.pixels"),
    ("09.3", [steered(weight=0), steered(weight=1, guidance_end=0.5)], "course.hint.only"),
    ("09.3", [steered(weight=0), steered(weight=0)], "course.hint.same"),
    ("09.3", [record(BASE), steered(weight=1)], "course.09.hint.unit"),
    ("09.4", RIGHT["09.4"][::-1], "course.09.4.rising"),
    ("09.4", [steered(guidance_end=e) for e in (0.2, 0.5, 0.9)], "course.09.4.last"),
    ("09.4", RIGHT["09.4"][:2], "course.hint.at_least"),
    ("09.4", [*RIGHT["09.4"][:2], record(BASE, seed=9, control=UNIT)], "course.hint.only"),
]


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_right_answers_pass_and_are_recorded(name: str) -> None:
    verdict = check(name, RIGHT[name])
    assert verdict.ok, verdict
    assert verdict.require() is verdict
    assert Progress().passed(name)
    assert "{" not in verdict.hint


@pytest.mark.parametrize(("name", "answer", "key"), WRONG)
def test_wrong_answers_get_the_fitting_hint(name: str, answer: Any, key: str) -> None:
    verdict = check(name, answer)
    assert verdict.state == "failed"
    start = i18n.t(key).split("{")[0]
    assert verdict.hint.startswith(start), verdict.hint
    assert "{" not in verdict.hint
    with pytest.raises(AssertionError):
        verdict.require()
    assert not Progress().passed(name)


def test_first_picture_on_the_real_kernel(kernel: Any) -> None:
    """00.1 reads the file that the kernel really wrote."""
    made = kernel.generate("一只猫", seed=1, steps=2)
    verdict = check("00.1", made)
    assert verdict.ok, verdict
    assert made.records[0].path.name in verdict.hint


def test_first_picture_without_metadata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.png"
    Image.new("RGB", (8, 8)).save(path)
    verdict = check("00.1", replace(record(seed=1), path=path))
    assert verdict.hint == i18n.t("course.00.1.metadata")


@pytest.mark.parametrize("answer", [None, ..., [], [...], (..., ..., ...), [1, None]])
def test_unanswered_is_not_an_attempt(answer: Any) -> None:
    verdict = check("01.1", answer)
    assert verdict.state == "empty" and not verdict
    assert Progress().attempts("01.1") == 0


class Strange:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("<script>")

    def __iter__(self) -> Any:
        raise RuntimeError("<script>alert(1)</script>")

    def __float__(self) -> float:
        raise OverflowError


@pytest.mark.parametrize("name", sorted({*RIGHT, "00.1"}))
@pytest.mark.parametrize(
    "answer", [Strange, object(), "文字", 3.5, float("nan"), {"a": 1}, b"\0", [[[[]], 1]], -(10**400)]
)
def test_nothing_makes_a_check_raise(name: str, answer: Any) -> None:
    # made here: pytest itself would trip over it
    verdict = check(name, answer() if answer is Strange else answer)
    assert not verdict.ok
    assert "<script>" not in verdict._repr_html_()


def test_patience_brings_the_larger_hint() -> None:
    for _ in range(PATIENCE - 1):
        assert i18n.t("course.01.3.more") not in check("01.3", 7).hint
    assert i18n.t("course.01.3.more") in check("01.3", 7).hint


def test_both_languages() -> None:
    assert "通过" in repr(check("01.2", 48))
    i18n.set_language("en")
    assert "solved" in repr(check("01.2", 48))


def test_unknown_exercise_names_the_known() -> None:
    with pytest.raises(KeyError, match=r"02\.1"):
        check("99.9", 1)


def test_hints_are_escaped() -> None:
    verdict = Verdict("01.1", "failed", "<b>", "<img src=x onerror=1>")
    assert "<img" not in verdict._repr_html_() and "<b>&lt;b&gt;</b>" in verdict._repr_html_()


def test_requests_of_every_kind_are_compared_by_what_they_show() -> None:
    image = Image.new("RGB", (64, 64), "red")
    one = ImageToImage(prompt="猫", image=image, seed=1, denoising_strength=0.3)
    assert differing([one, one.replace(image=image.copy(), denoising_strength=0.6)]) == ["denoising_strength"]
    assert differing([one, one.replace(image=Image.new("RGB", (64, 64), "blue"))]) == ["image"]
    assert "kind" in differing([one, TextToImage(prompt="猫", seed=1)])
    assert requests([one, record(TextToImage(seed=3))])[0] is one
    only([one, one.replace(denoising_strength=0.6)], "denoising_strength")
    with pytest.raises(Hint, match="same"):
        only([one, one.replace(image=image.copy())], "image")


def test_a_check_of_ones_own() -> None:
    @exercise("00.test")
    def is_seven(answer: Any) -> None:
        if answer != 7:
            raise Hint("course.hint.number")

    try:
        assert check("00.test", 7).ok
        assert not check("00.test", 8).ok
    finally:
        from ra_widgets.course.checks import EXERCISES

        del EXERCISES["00.test"]

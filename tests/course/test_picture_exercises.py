"""The exercises of the lessons that start from a picture (06, 07): right answers, usual mistakes, and what was handed in by mistake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ra_widgets import i18n
from ra_widgets.course import check
from ra_widgets.course.progress import Progress
from ra_widgets.imaging import masks
from ra_widgets.requests import ImageToImage, Inpaint, Request, TextToImage
from ra_widgets.results import Record, Result

SIZE = (96, 64)
PHOTO = Image.effect_mandelbrot(SIZE, (-2, -1, 1, 1), 50).convert("RGB")
GRAINY = Image.effect_noise(SIZE, 40).convert("RGB")
_count = iter(range(10**6))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path))


def made(request: Request, image: Image.Image) -> Result:
    """What a kernel would return for this request, with this picture."""
    record = Record(
        id=f"R{next(_count):025d}",
        path=None,
        request=request,
        seed=getattr(request, "seed", 0),
        width=image.width,
        height=image.height,
        infotext="",
        model="m",
        model_hash="0" * 10,
        seconds=0.1,
        created=datetime.now(UTC),
        _image=image,
    )
    return Result(request, (record,), 0.1)


def blended(amount: float) -> Image.Image:
    return Image.blend(PHOTO, Image.new("RGB", SIZE, "orange"), amount)


START = ImageToImage(prompt="一朵花", image=PHOTO, seed=4, steps=10)


def walk(strengths: list[float], amounts: list[float] | None = None, **fields: Any) -> list[Result]:
    amounts = amounts or strengths
    return [
        made(START.replace(denoising_strength=s, **fields), blended(a)) for s, a in zip(strengths, amounts, strict=True)
    ]


def sketch(colours: int) -> Image.Image:
    sheet = Image.new("RGB", SIZE, "#ffffff")
    pen = ImageDraw.Draw(sheet)
    for k, tone in enumerate(["#c2402d", "#2b7a6b", "#3f7fb5"][: colours - 1]):
        pen.rectangle((5 + 30 * k, 10, 25 + 30 * k, 50), fill=tone)
    return sheet


def from_sketch(colours: int = 4, strength: float = 0.6, prompt: str = "房子") -> Result:
    return made(ImageToImage(prompt=prompt, image=sketch(colours), denoising_strength=strength, seed=1), PHOTO)


def oval(share: str = "middle") -> Image.Image:
    boxes = {
        "middle": (20, 10, 70, 50),
        "dot": (40, 30, 52, 40),
        "all": (-60, -60, 160, 130),
        "speck": (40, 30, 44, 33),
    }
    sheet = Image.new("L", SIZE, 0)
    ImageDraw.Draw(sheet).ellipse(boxes[share], fill=255)
    return sheet


def painted(share: str = "middle", change: int = 90, spill: int = 0, **fields: Any) -> Result:
    """An inpainted picture: changed inside by ``change``, and beyond the soft edge by ``spill``."""
    mask = oval(share)
    request = Inpaint(prompt="一朵花", image=PHOTO, mask=mask, seed=2, **fields)
    pixels = np.asarray(PHOTO).astype(int)
    inside = np.asarray(mask) > 0
    pixels[inside] = (pixels[inside] + change) % 256 if change else pixels[inside]
    beyond = np.asarray(masks.blur(mask, request.mask_blur, request.mask_blur)) == 0
    pixels[beyond] = (pixels[beyond] + spill).clip(0, 255)
    return made(request, Image.fromarray(pixels.astype(np.uint8)))


def measured(result: Result) -> float:
    before, after = np.asarray(PHOTO, dtype=int), np.asarray(result.image, dtype=int)
    return float(np.abs(after - before).max(axis=2)[np.asarray(oval()) > 0].mean())


SHARP = painted(mask_blur=0)
SPILT = painted(mask_blur=0, spill=1)
GROUNDS = [painted(inpainting_fill=fill) for fill in ("original", "fill", "latent noise")]

RIGHT: dict[str, Any] = {
    "06.1": 13,
    "06.2": walk([0.2, 0.4, 0.6, 0.8]),
    "06.3": [made(START.replace(seed=s), PHOTO) for s in (1, 2, 3)],
    "06.4": from_sketch(),
    "07.1": [SHARP, 0, measured(SHARP)],
    "07.2": painted(),
    "07.3": GROUNDS,
    "07.4": painted("dot", inpaint_full_res=True, inpaint_full_res_padding=16),
}

WRONG: list[tuple[str, Any, str]] = [
    ("06.1", 12, "course.06.1.one"),
    ("06.1", 30, "course.06.1.all"),
    ("06.1", 18, "course.06.1.skipped"),
    ("06.1", 5, "course.06.1.count"),
    ("06.1", "many", "course.hint.number"),
    ("06.2", walk([0.2, 0.5, 0.8]), "course.hint.at_least"),
    ("06.2", walk([0.8, 0.6, 0.4, 0.2]), "course.hint.rising"),
    ("06.2", walk([0.4, 0.5, 0.6, 0.8]), "course.06.2.range"),
    ("06.2", walk([0.2, 0.4, 0.6, 0.8], [0.5, 0.5, 0.5, 0.1]), "course.06.2.distance"),
    ("06.2", [*walk([0.2, 0.4, 0.6]), *walk([0.8], seed=9)], "course.hint.only"),
    ("06.2", [made(TextToImage(seed=1), PHOTO)] * 4, "course.hint.kind"),
    ("06.3", RIGHT["06.3"][:2], "course.hint.at_least"),
    ("06.3", walk([0.2, 0.4, 0.6]), "course.hint.only"),
    ("06.4", from_sketch(2), "course.06.4.colours"),
    ("06.4", from_sketch(strength=0.95), "course.06.4.strength"),
    ("06.4", from_sketch(prompt=" "), "course.hint.no_prompt"),
    ("06.4", PHOTO, "course.hint.result"),
    (
        "06.4",
        made(ImageToImage(prompt="房子", image=GRAINY, denoising_strength=0.6, seed=1), PHOTO),
        "course.06.4.finished",
    ),
    ("07.1", SHARP, "course.07.1.three"),
    ("07.1", [painted(), 0, 90], "course.07.1.blur"),
    ("07.1", [SHARP, 3, measured(SHARP)], "course.07.1.outside"),
    ("07.1", [SPILT, 0, measured(SPILT)], "course.07.1.outside"),
    ("07.1", [SHARP, 0, 3], "course.07.1.inside"),
    ("07.1", [walk([0.5])[0], 0, 3], "course.hint.kind"),
    ("07.2", painted("speck"), "course.07.2.area"),
    ("07.2", painted("all"), "course.07.2.area"),
    ("07.2", painted(spill=1), "course.07.2.outside"),
    ("07.2", painted(change=0), "course.07.2.inside"),
    ("07.2", made(GROUNDS[0].request, PHOTO.resize((48, 32))), "course.07.size"),
    ("07.2", made(Inpaint(image=PHOTO, mask=Image.new("L", SIZE)), PHOTO), "course.07.mask"),
    ("07.3", GROUNDS[:2], "course.hint.at_least"),
    ("07.3", [*GROUNDS[:2], painted(inpainting_fill="latent nothing", steps=9)], "course.hint.only"),
    ("07.4", painted("dot"), "course.07.4.whole"),
    ("07.4", painted(inpaint_full_res=True), "course.07.4.area"),
    ("07.4", painted("dot", inpaint_full_res=True, inpaint_full_res_padding=2), "course.07.4.padding"),
]


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_right_answers_pass_and_are_recorded(name: str) -> None:
    verdict = check(name, RIGHT[name])
    assert verdict.ok, verdict
    assert Progress().passed(name)
    assert "{" not in verdict.hint


@pytest.mark.parametrize(("name", "answer", "key"), WRONG)
def test_wrong_answers_get_the_fitting_hint(name: str, answer: Any, key: str) -> None:
    verdict = check(name, answer)
    assert verdict.state == "failed"
    assert verdict.hint.startswith(i18n.t(key).split("{")[0]), verdict.hint
    assert "{" not in verdict.hint
    assert not Progress().passed(name)


@pytest.mark.parametrize("name", sorted(RIGHT))
@pytest.mark.parametrize(
    "answer", [object(), "文字", 3.5, float("nan"), {"a": 1}, b"\0", [[[[]], 1]], -(10**400), PHOTO, [PHOTO, 0, 1]]
)
def test_nothing_makes_a_check_raise(name: str, answer: Any) -> None:
    assert not check(name, answer).ok


def test_an_inverted_mask_counts_from_the_other_side() -> None:
    mask = oval("dot").point(lambda value: 255 - value)
    request = Inpaint(
        prompt="花", image=PHOTO, mask=mask, inpainting_mask_invert=True, mask_blur=0, inpaint_full_res=True
    )
    pixels = np.asarray(PHOTO).copy()
    pixels[np.asarray(oval("dot")) > 0] = (255, 0, 255)
    assert check("07.4", made(request, Image.fromarray(pixels))).ok

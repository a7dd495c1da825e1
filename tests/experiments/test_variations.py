"""Variations, seed travel, prompt travel, style mix: exact where they must be, and every picture proves itself."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import ra_widgets as ra
from ra_widgets.errors import GalleryError, InvalidRequest, JobCancelled
from ra_widgets.events import ImageDone
from ra_widgets.experiments import plans
from ra_widgets.experiments.styles import style_mix as plan_mix
from ra_widgets.gallery import carriers, infotext
from ra_widgets.prompt import Style, StyleBook

FAST = {"steps": 2}
CAT = "草地上的一只猫"


def same(record, result) -> bool:
    other = result.images[0] if hasattr(result, "images") else result.image
    return np.array_equal(np.asarray(record.image), np.asarray(other))


# ---------------------------------------------------------------------------------------------------------------- plans
@pytest.mark.parametrize(
    ("count", "frames", "loop"), [(2, 2, False), (2, 9, False), (3, 8, False), (3, 7, True), (2, 3, True)]
)
def test_a_way_meets_every_place_once(count, frames, loop):
    way = plans.stations(count, frames, loop)
    assert len(way) == frames
    assert [start for start, _, share in way if share == 0] == list(range(count))
    assert all(0 <= share < 1 for _, _, share in way)
    steps = [start + share for start, _, share in way]
    assert steps == sorted(set(steps))


def test_variations_are_laid_out_around_the_original():
    plan = plans.variations(CAT, seed=3, subseeds=8, strengths=0.25)
    assert [(cell.row, cell.column) for cell in plan.cells][4] == (1, 1)
    assert plan.cells[4].request == ra.TextToImage(prompt=CAT, seed=3)
    assert {cell.request.subseed_strength for cell in plan.cells} == {0.0, 0.25}
    assert len({cell.request.subseed for cell in plan.cells}) == 9
    grid = plans.variations(CAT, seed=3, subseeds=[5, 6], strengths=[0, 0.2, 1])
    assert len(grid.rows) == 2 and len(grid.columns) == 3 and len(grid.cells) == 6
    assert grid.request.images == 5  # strength 0 is the same picture in each row


def test_a_variation_of_a_variation_keeps_what_came_before():
    first = plans.varied(ra.TextToImage(prompt=CAT, seed=3), 5, 0.3)
    second = plans.varied(plans.varied(first, 6, 0.2), 7, 0.1)
    assert (second.seed, second.subseed, second.subseed_strength) == (3, 5, 0.3)
    assert second.further_variations == ((6, 0.2), (7, 0.1))
    assert plans.varied(second, 8, 0) is second
    text = infotext.format(second.replace(width=128, height=128, cfg_scale=4.0))
    assert "Further variations: 6@0.2 7@0.1" in text
    assert infotext.to_request(text).further_variations == second.further_variations


def test_the_corners_of_a_style_mix_are_plain():
    book = StyleBook([Style("水墨", "水墨画", "照片"), Style("油画", "{prompt}, 油画")])
    plan = plan_mix("一座房子", ["水墨", "油画", "像素画"], side=3, book=book, seed=1, negative_prompt="模糊")
    assert [(cell.row, cell.column) for cell in plan.cells] == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    corners = [plan.cells[index].request for index in (0, 3, 5)]
    assert [r.prompt for r in corners] == ["一座房子, 水墨画", "一座房子, 油画", "一座房子, 像素画"]
    assert [r.negative_prompt for r in corners] == ["模糊, 照片", "模糊", "模糊"]
    assert not any(r.prompt_blend for r in corners)
    middle = plan.cells[1].request
    assert middle.prompt == "一座房子, 水墨画" and middle.negative_prompt == "模糊, 照片"
    assert middle.prompt_blend == (ra.BlendPart(prompt="一座房子, 油画", weight=0.5, negative_prompt="模糊"),)
    square = plan_mix("一座房子", ["水墨画", "油画"], side=3, seed=1)
    assert len(square.cells) == 9 and square.request.images == 7  # nothing of both is the same three times
    own = plan_mix("一座房子", ["a", "b", "c", "d"], weights=[(0.1, 0.2, 0.3, 0.4), (0, 0, 0, 0)], seed=1)
    assert sum(part.weight for part in own.cells[0].request.prompt_blend) == pytest.approx(0.9)
    assert own.cells[1].request.prompt == "一座房子" and not own.cells[1].request.prompt_blend


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: plans.variations(CAT, strengths=1.2),
        lambda: plans.variations(CAT, strengths=[]),
        lambda: plans.variations(CAT, subseeds=0),
        lambda: plans.variations(CAT, subseeds=[-1]),
        lambda: plans.seed_travel(CAT, [1]),
        lambda: plans.seed_travel(CAT, [1, 2.5]),
        lambda: plans.seed_travel(CAT, [1, 2, 3], frames=2),
        lambda: plans.prompt_travel(["only one"]),
        lambda: plans.prompt_travel(["a", "b"], frames=500),
        lambda: plan_mix(CAT, []),
        lambda: plan_mix(CAT, ["a", "b", "c", "d"]),
        lambda: plan_mix(CAT, ["a"], weights=[(0.5, 0.6)]),
        lambda: plan_mix(CAT, ["a"], side=1),
        lambda: plans.variations(ra.Upscale(image=Image.new("RGB", (8, 8)), scale=2)),
        lambda: plans.variations(7),
        lambda: ra.Series(requests=()),
        lambda: ra.Series(requests=(ra.TextToImage(batch_size=2),)),
        lambda: ra.Series(requests=(ra.TextToImage(model="a"), ra.TextToImage())),
        lambda: ra.TextToImage(prompt_blend=(("a", 0.7), ("b", 0.7))),
        lambda: ra.TextToImage(prompt_blend=(("a", 2),)),
        lambda: ra.TextToImage(further_variations=((5, 0.0),)),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_any_work(wrong):
    with pytest.raises(InvalidRequest) as told:
        wrong()
    for lang in ("zh_CN", "en"):
        assert "{" not in told.value.text(lang) and "experiments." not in told.value.text(lang)


def test_a_sampler_that_adds_noise_is_told():
    assert not plans.seed_travel(CAT, [1, 2]).notes
    assert plans.seed_travel(CAT, [1, 2], sampler="Euler a").notes
    assert plans.seed_travel(CAT, [1, 2], sampler="DPM++ 2M SDE").notes
    assert not plans.seed_travel(CAT, [1, 2], sampler="Euler a", eta=0.0).notes


@pytest.mark.parametrize(
    "words",
    ['a "quoted", (b:1.2)', "line\nbreak: x, Steps: 7", "\\ back\\slash", "中文，“引号”", " [a:b:0.5] AND c ", ""],
)
def test_blends_survive_the_webui_s_text(words):
    made = ra.TextToImage(
        prompt=CAT, seed=3, width=128, height=128, cfg_scale=4.0, blend_mode="lerp",
        prompt_blend=(ra.BlendPart(prompt=words, weight=0.3), ra.BlendPart(prompt="x", weight=0.2, negative_prompt=words)),
    )  # fmt: skip
    text = infotext.format(made)
    assert (
        infotext.to_request(text).prompt_blend == made.prompt_blend and infotext.to_request(text).blend_mode == "lerp"
    )
    assert infotext.parse(text)["Steps"] == "20" and infotext.parse(text)["Prompt"] == CAT


@pytest.mark.parametrize(
    "value", ['"[[2, \\"a\\"]]"', "[]", "nonsense", '"[[0.9, \\"a\\"], [0.9, \\"b\\"]]"', '"[[]]"', '"{}"']
)
def test_a_damaged_blend_is_told_and_left_out(value):
    text = f"a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, Prompt blend: {value}, Further variations: 5@x"
    request, notes = infotext.convert(text)
    assert request.prompt_blend == () and request.further_variations == () and len(notes) == 2


# ------------------------------------------------------------------------------------------------------------- pictures
def test_seed_travel_meets_the_plain_pictures(kernel):
    travel = ra.experiments.seed_travel(kernel, CAT, [11, 12], frames=3, **FAST)
    assert travel.complete and len(travel.images) == 3
    for record, seed in ((travel.records[0], 11), (travel.records[2], 12)):
        assert same(record, kernel.generate(CAT, seed=seed, **FAST))
        assert record.request.subseed_strength == 0 and "Variation seed" not in record.infotext
    between = travel.records[1]
    assert (between.request.seed, between.request.subseed, between.request.subseed_strength) == (11, 12, 0.5)
    assert not same(between, travel.records[0]) and not same(between, travel.records[2])
    assert kernel.verify(between.path).max_difference == 0
    assert kernel.gallery.get(between.id).infotext == between.infotext


def test_prompt_travel_meets_the_plain_pictures(kernel, tmp_path):
    prompts = [(CAT, ""), ("夜空下的一座房子", "模糊")]
    travel = ra.experiments.prompt_travel(kernel, prompts, frames=3, seed=5, **FAST)
    for index, (prompt, negative) in ((0, prompts[0]), (2, prompts[1])):
        assert same(travel.records[index], kernel.generate(prompt, negative_prompt=negative, seed=5, **FAST))
    between = travel.records[1]
    distance = [
        np.abs(np.asarray(a.image, float) - np.asarray(b.image, float)).mean()
        for a, b in ((between, travel.records[0]), (between, travel.records[2]), (travel.records[0], travel.records[2]))
    ]
    assert 0 < distance[0] < distance[2] and 0 < distance[1] < distance[2]
    assert kernel.verify(between.path).max_difference == 0
    plain = tmp_path / "text.png"  # the webui's text alone, without our own JSON
    carriers.save(between.image, plain, between.infotext)
    assert kernel.verify(plain).max_difference == 0
    assert infotext.to_request(between.infotext).prompt_blend == between.request.prompt_blend


def test_variations_and_their_variations_verify(kernel):
    sheet = ra.experiments.variations(kernel, CAT, seed=5, subseeds=[1], strengths=0.4, **FAST)
    original, variation = sheet.records
    assert same(original, kernel.generate(CAT, seed=5, **FAST)) and not same(original, variation)
    again = ra.experiments.variations(kernel, variation, subseeds=[2], strengths=0.2)
    assert same(again.records[0], variation) and again.records[1].request.further_variations == ((2, 0.2),)
    assert not same(again.records[1], variation)
    assert kernel.verify(again.records[1].path).max_difference == 0


def test_a_mixture_verifies_and_the_style_alone_is_plain(kernel):
    sheet = ra.experiments.style_mix(
        kernel, "一座房子", ["水墨画", "像素画"], weights=[(1, 0), (0.3, 0.3)], seed=2, **FAST
    )
    assert same(sheet.records[0], kernel.generate("一座房子, 水墨画", seed=2, **FAST))
    mixed = sheet.records[1]
    assert mixed.request.prompt == "一座房子" and len(mixed.request.prompt_blend) == 2
    assert kernel.verify(mixed.path).max_difference == 0


def test_pictures_from_pictures_can_be_varied_too(kernel):
    picture = kernel.generate(CAT, seed=1, **FAST).images[0]
    request = ra.ImageToImage(prompt=CAT, image=picture, denoising_strength=0.9, seed=1, **FAST)
    sheet = ra.experiments.variations(kernel, request, subseeds=[9], strengths=0.5)
    assert sheet.records[1].request.kind == "img2img" and not same(*sheet.records)


def test_a_stopped_experiment_keeps_what_is_finished(kernel):
    plan = plans.seed_travel(CAT, [1, 2], frames=5, **FAST)
    job = plan.submit(kernel, keep=False)
    fractions = []
    for event in job.events():
        if isinstance(event, ImageDone):
            job.cancel()
        fractions.append(getattr(event, "fraction", None))
    with pytest.raises(JobCancelled) as stopped:
        job.result()
    sheet = plan.sheet(stopped.value.partial)
    assert not sheet.complete and 1 <= len(sheet.images) < 5
    assert sheet.records[0] is not None and sheet.records[4] is None
    assert sheet.sheet().size[0] > 0
    told = [fraction for fraction in fractions if fraction is not None]
    assert told == sorted(told) and told[-1] < 1


def test_prompts_with_and_need_as_many_members(kernel):
    ok = kernel.generate("a cat AND grass", prompt_blend=(("a dog AND sky :0.5", 0.5),), seed=1, **FAST)
    assert kernel.verify(ok.records[0].path).same
    with pytest.raises(InvalidRequest, match="AND"):
        kernel.generate("a cat AND grass", prompt_blend=(("a dog", 0.5),), seed=1, **FAST)


# ---------------------------------------------------------------------------------------------------- sheet, animation
@pytest.fixture(scope="module")
def travel(kernel):
    return plans.seed_travel(CAT, [1, 2], frames=3, **FAST).run(kernel, keep=False)


def test_the_sheet_holds_the_pictures_and_says_what_they_are(travel):
    zh, en = travel.sheet(lang="zh_CN"), travel.sheet(lang="en", dark=True)
    assert zh.mode == "RGB" and zh.size == en.size and zh.width < zh.height * 3
    side = travel.images[0].width
    found = [
        (x, y)
        for y in range(zh.height - side)
        for x in range(zh.width - side)
        if zh.getpixel((x, y)) == travel.images[0].getpixel((0, 0))
        and np.array_equal(np.asarray(zh.crop((x, y, x + side, y + side))), np.asarray(travel.images[0]))
    ]
    assert len(found) == 1
    x, y = found[0]
    below = np.asarray(zh.crop((x, y + side, x + side, y + side + 20)).convert("L"))
    assert below.min() < 140, "a label stands below"
    assert travel._repr_mimebundle_()[0]["image/png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png"])
def test_moving_pictures(travel, tmp_path, suffix):
    path = travel.animate(tmp_path / f"a{suffix}", fps=10, bounce=True)
    with Image.open(path) as moving:
        assert moving.n_frames == 4 and moving.size == travel.images[0].size
        assert moving.info["loop"] == 0
        moving.seek(1)
        moving.load()
        assert moving.info["duration"] == 100
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_moving_pictures_that_cannot_be(travel, tmp_path):
    with pytest.raises(GalleryError, match="webp"):
        travel.animate(tmp_path / "a.mp4")
    with pytest.raises(GalleryError, match=r"b\.gif"):
        travel.animate(tmp_path / "nowhere" / "b.gif")
    with pytest.raises(GalleryError):
        travel.plan.sheet(None).animate(tmp_path / "c.gif")

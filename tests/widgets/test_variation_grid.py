"""Variations to choose from: the widget of its own, and the button in the studio."""

from __future__ import annotations

import pytest

import ra_widgets as ra
from tests.widgets.conftest import SMALL


@pytest.fixture(scope="module")
def record(kernel):
    return kernel.generate("红苹果", seed=8, **SMALL).records[0]


def followed(grid):
    grid.job.result(timeout=60)
    for _ in grid.job.events():
        pass


def test_the_widget_makes_chooses_and_goes_on(kernel, record, browser_of):
    grid = ra.VariationGrid(kernel, record, strength=0.3, count=2, start=False)
    page, heard = browser_of(grid), []
    grid.on_pick(heard.append)
    grid.make()
    followed(grid)
    assert grid.job.request.images == 3
    made = grid.job.result().records
    grid.show(made)  # what the follower does, without waiting for its thread
    page.sets(selected=2)
    chosen = grid.picked
    assert chosen.id == made[2].id and chosen.request.subseed_strength == 0.3
    page.sets(strength=0.1)
    page.says("go_on")
    followed(grid)
    assert heard == [chosen]
    assert {r.request.further_variations for r in grid.job.result().records[1:]} != {()}
    assert all(r.request.subseed == chosen.request.subseed for r in grid.job.result().records)
    page.sets(strength=7)
    assert grid.strength == 1.0
    grid.close()


def test_it_takes_what_experiments_take_and_says_what_is_wrong(kernel, record):
    with pytest.raises(ra.InvalidRequest):
        ra.VariationGrid(kernel, 5)
    with pytest.raises(TypeError):
        ra.VariationGrid(kernel, record, colour="red", start=False)


def test_the_studio_varies_and_carries_the_chain_along(studio, kernel, record, browser_of):
    assert studio.info.can_vary
    studio.show_record(record)
    browser_of(studio.info).says("vary")
    job = next(iter(studio._mine.values()))
    result = job.result(timeout=60)
    assert len(result) == 9 and studio.shows == "result"
    again = studio.vary(result.records[0]).result(timeout=60)
    far = again.records[0]
    assert len(far.request.further_variations) == 1
    studio.reuse(far)
    request = studio.request()
    assert request.further_variations == far.request.further_variations and request.subseed == far.request.subseed
    studio.seed.seed = 99  # another picture: the chain belongs to the old one
    assert studio.request().further_variations == ()


def test_a_blend_is_carried_until_the_prompt_changes(studio, kernel):
    made = kernel.generate("红苹果", prompt_blend=(("绿树", 0.4),), seed=8, **SMALL).records[0]
    studio.reuse(made)
    assert studio.request().prompt_blend == made.request.prompt_blend
    studio.editor.prompt = "蓝天"
    assert studio.request().prompt_blend == ()

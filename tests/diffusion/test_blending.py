"""Mixtures of encoded prompts, by numbers."""

from __future__ import annotations

import pytest
import torch

from ra_widgets.diffusion import blending
from ra_widgets.diffusion.conditioning import Encoded, Part
from ra_widgets.diffusion.noise import ImageNoise, randn
from ra_widgets.diffusion.noise import slerp as noise_slerp
from ra_widgets.errors import InvalidRequest


def text(seed: int, rows: int = 77) -> Encoded:
    return Encoded(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)))


EMPTY = text(0)


def empty() -> Encoded:
    return EMPTY


def test_the_arc_keeps_lengths_and_turns_evenly():
    low, high = torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    middle = blending.slerp(low, high, 0.5)
    assert torch.allclose(middle[0], torch.tensor([2**0.5, 2**0.5]))
    assert torch.allclose(middle[1], torch.tensor([2.0, 0.0]))  # the same direction: straight
    third = blending.slerp(low, high, 1 / 3)[0]
    assert torch.allclose(third, 2 * torch.tensor([3**0.5 / 2, 0.5]), atol=1e-6)
    assert (
        torch.isfinite(blending.slerp(low, -low, 0.5)).all() and torch.isfinite(blending.slerp(low * 0, low, 0.5)).all()
    )


def test_straight_mixtures_know_no_order_and_half_precision_stays():
    members = [(text(1).embeds.half(), 0.2), (text(2).embeds.half(), 0.3), (text(3).embeds.half(), 0.5)]
    mixed = blending.mix_tensors(members, "lerp")
    assert mixed.dtype == torch.float16
    assert torch.allclose(mixed, blending.mix_tensors(members[::-1], "lerp"), atol=2e-3)
    exact = sum(tensor.float() * weight for tensor, weight in members)
    assert torch.allclose(mixed.float(), exact, atol=2e-3)


@pytest.mark.parametrize("mode", ["slerp", "lerp"])
def test_one_alone_is_itself_and_two_know_no_order(mode):
    a, b = text(1), text(2)
    assert blending.mix([(a, 1.0), (b, 0.0)], mode, empty) is a
    there = blending.mix([(a, 0.3), (b, 0.7)], mode, empty).embeds
    assert torch.allclose(there, blending.mix([(b, 0.7), (a, 0.3)], mode, empty).embeds, atol=1e-5)


def test_shorter_texts_are_lengthened_by_the_empty_prompt():
    short, long = text(1), text(2, rows=154)
    mixed = blending.mix([(short, 0.5), (long, 0.5)], "lerp", empty).embeds
    assert torch.allclose(mixed[77:], (EMPTY.embeds + long.embeds[77:]) / 2)


def test_schedules_are_mixed_wherever_one_changes():
    a, b, c = text(1), text(2), text(3)
    mixed = blending.mix_part([(Part(1.0, ((4, a), (10, b))), 0.5), (Part(3.0, ((7, c), (10, a))), 0.5)], "lerp", empty)
    assert mixed.weight == 2.0 and [end for end, _ in mixed.schedule] == [4, 7, 10]
    for (_, got), (x, y) in zip(mixed.schedule, ((a, c), (b, c), (b, a)), strict=True):
        assert torch.allclose(got.embeds, (x.embeds + y.embeds) / 2)
    with pytest.raises(InvalidRequest):
        blending.mix_parts([([Part(1.0, ((9, a),))] * 2, 0.5), ([Part(1.0, ((9, b),))], 0.5)], "lerp", empty)


def test_variations_of_variations_are_slerps_in_a_row():
    shape = (4, 8, 8)
    noise = ImageNoise([1], shape, subseeds=[2], subseed_strength=0.3, further=[(3, 0.2), (4, 0.5)]).first()[0]
    wanted = noise_slerp(0.3, randn(1, shape), randn(2, shape))
    wanted = noise_slerp(0.5, noise_slerp(0.2, wanted, randn(3, shape)), randn(4, shape))
    assert torch.equal(noise, wanted)

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ra_widgets.diffusion import tiles


@given(st.integers(1, 700), st.integers(8, 128), st.integers(0, 64), st.sampled_from([1, 8]))
def test_spans_cover_everything_with_the_overlap_asked_for(length, tile, overlap, step):
    tile, overlap, length = (
        max(tile, step) // step * step,
        min(overlap, tile // 2) // step * step,
        -(-length // step) * step,
    )
    spans = tiles.spans(length, tile, overlap, step)
    assert spans[0][0] == 0 and spans[-1][1] == length
    assert len({end - start for start, end in spans}) == 1
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert start % step == 0 and end - start >= overlap
    covered = sum(tiles.ramp(a, b, length, overlap).sum() for a, b in spans)
    assert covered > 0
    total = torch.zeros(length)
    for a, b in spans:
        total[a:b] += tiles.ramp(a, b, length, overlap)
    assert (total > 0).all()


def test_an_overlap_as_large_as_the_tile_is_refused():
    with pytest.raises(ValueError):
        tiles.spans(100, 32, 32)


@pytest.mark.parametrize("scale", [(1, 1), (2, 1), (1, 8)])
def test_work_on_points_is_the_same_in_tiles(scale):
    x = torch.rand(2, 3, 104, 152, generator=torch.Generator().manual_seed(1))

    def work(piece):
        if scale == (2, 1):
            return piece.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return torch.nn.functional.avg_pool2d(piece, 8) if scale == (1, 8) else piece * 2

    seen = []
    tiled = tiles.run(x, work, tile=48, overlap=16, scale=scale, done=lambda *now: seen.append(now))
    assert torch.allclose(tiled, work(x), atol=1e-6)
    assert seen[-1][0] == seen[-1][1] == len(seen) > 4


def test_convolutions_are_the_same_in_tiles_when_the_overlap_is_four_times_their_reach():
    torch.manual_seed(0)
    net = torch.nn.Sequential(*[torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)]).eval()
    x = torch.rand(1, 3, 100, 140)
    with torch.no_grad():
        tiled = tiles.run(x, net, tile=40, overlap=16)
        assert torch.allclose(tiled, net(x), atol=1e-5)


def test_what_done_raises_stops_the_work():
    calls = []

    def done(now, of):
        calls.append(now)
        if now == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiles.run(torch.zeros(1, 3, 100, 100), lambda x: x, tile=40, overlap=8, done=done)
    assert calls == [1, 2]

"""The UNet on overlapping tiles, alone and through the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ra_widgets as ra
from ra_widgets.diffusion import memory, tiled_diffusion
from ra_widgets.diffusion.denoiser import CondBatch
from ra_widgets.diffusion.tiled_diffusion import TiledCall, Tiling, cut
from ra_widgets.diffusion.tiles import Box
from ra_widgets.errors import InvalidRequest

COND = CondBatch(torch.zeros(2, 3, 4))
SMALL = Tiling(16, 16, 8, 4)


def latents(width: int, height: int) -> torch.Tensor:
    return torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(5))


def test_a_call_on_points_is_the_same_in_tiles():
    x = latents(44, 28)
    seen = []

    def call(piece, t, cond):
        seen.append(piece.shape[-2:])
        return piece * 3 + 1

    assert torch.allclose(TiledCall(call, SMALL)(x, torch.zeros(2), COND), x * 3 + 1, atol=1e-5)
    assert set(seen) == {(16, 16)} and len(seen) > 6


def test_tiles_equal_the_whole_where_they_overlap():
    """A network that looks 3 cells far: the quarter of an overlap that is thrown away hides every rim, the blend is exact."""
    torch.manual_seed(1)
    layers = [torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)]
    net = torch.nn.Sequential(*layers)
    tiling = Tiling(24, 24, 16, 4)
    x = latents(60, 44)

    def call(piece, t, cond):
        return net(piece)

    with torch.inference_mode():
        whole, tiled = net(x), TiledCall(call, tiling)(x, torch.zeros(2), COND)
        narrow = TiledCall(call, Tiling(24, 24, 4, 4))(x, torch.zeros(2), COND)
    assert len(tiling.boxes(60, 44)) > 8
    assert torch.allclose(tiled, whole, atol=1e-5)
    assert not torch.allclose(narrow, whole, atol=1e-3), "an overlap too narrow for the network does show"


def test_small_latents_are_not_cut():
    x = latents(16, 12)
    assert torch.equal(TiledCall(lambda piece, *_: piece.sum(-1), SMALL)(x, torch.zeros(2), COND), x.sum(-1))


@dataclass
class Hint:
    embedded: Any


@dataclass
class Steer:
    units: list[Hint]


def test_what_belongs_to_a_place_is_cut_with_it():
    x = latents(44, 28)
    places = torch.arange(28 * 44.0).reshape(1, 1, 28, 44)
    coarse = places[..., ::2, ::2]
    steer = Steer([Hint(places), Hint([places.repeat_interleave(2, -1).repeat_interleave(2, -2), coarse])])
    cond = CondBatch(torch.zeros(2, 3, 4), {"image_cond": places.expand(2, 1, 28, 44), "time_ids": torch.zeros(2, 6)})

    def call(piece, t, part):
        one, (fine, half) = steer.units[0].embedded, steer.units[1].embedded
        assert torch.equal(part.extras["image_cond"][:1], one)
        assert torch.equal(fine[..., ::2, ::2], one) and torch.equal(half, one[..., ::2, ::2])
        assert part.extras["time_ids"].shape == (2, 6)
        return one.expand(2, 4, -1, -1)

    blended = TiledCall(call, SMALL, steer)(x, torch.zeros(2), cond)
    assert torch.allclose(blended, places.expand(2, 4, 28, 44), rtol=1e-4)
    assert steer.units[0].embedded is places  # as it was


def test_hints_are_whole_again_after_a_failure():
    places = torch.zeros(1, 1, 28, 44)
    steer = Steer([Hint(places)])

    def call(*_):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        TiledCall(call, SMALL, steer)(latents(44, 28), torch.zeros(2), COND)
    assert steer.units[0].embedded is places


def test_cut_leaves_other_things_alone():
    box = Box(0, 0, 4, 4)
    for value in (3, None, torch.zeros(2, 6), torch.zeros(1, 2, 3, 5)):
        assert cut(value, box, (8, 8)) is value


def picture(kernel, **fields):
    base = {"prompt": "草地上的一只狗", "seed": 4, "steps": 3, "width": 192, "height": 128}
    return kernel.generate(ra.TextToImage(**base | fields))


def pixels(result) -> np.ndarray:
    return np.asarray(result.images[0]).astype(int)


def test_tiles_through_the_kernel(kernel):
    plain = picture(kernel)
    assert plain.request.tiled_diffusion is None
    tiled = picture(kernel, tiled_diffusion=True)
    assert tiled.images[0].size == (192, 128) and (pixels(tiled) != pixels(plain)).any()
    assert "Tiled diffusion: True" in tiled.records[0].infotext
    assert (pixels(picture(kernel, tiled_diffusion=True)) == pixels(tiled)).all()
    other = picture(kernel, tiled_diffusion=True, tile_size=96, tile_overlap=32)
    assert (pixels(other) != pixels(tiled)).any()
    # tiles as large as the picture: the ordinary way
    assert (pixels(picture(kernel, tiled_diffusion=True, tile_size=256)) == pixels(plain)).all()
    assert kernel.verify(tiled.records[0].path).same


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (ra.ImageToImage, {"denoising_strength": 0.5}),
        (ra.Inpaint, {"mask": Image.linear_gradient("L").resize((192, 128))}),
        (ra.Outpaint, {"right": 64}),
    ],
)
def test_tiles_in_every_task(kernel, kind, fields):
    """Small pictures that are begun from, in tiles: made, recorded, and made again."""
    start = Image.effect_noise((192, 128), 60).convert("RGB")
    shared = {"prompt": "草地", "image": start, "steps": 2, "seed": 3, "tile_size": 64, "tile_overlap": 16}
    made = kernel.generate(kind(**shared, **fields, tiled_diffusion=True))
    plain = kernel.generate(kind(**shared, **fields, tiled_diffusion=False))
    assert (pixels(made) != pixels(plain)).any() and made.images[0].size == plain.images[0].size
    assert "Tiled diffusion: True" in made.records[0].infotext and "Tile size: 64" in made.records[0].infotext
    assert kernel.verify(made.records[0].path).same


def test_every_part_of_the_picture_is_drawn(kernel):
    """No tile is left out, and none shows: neighbouring columns differ no more at the borders of tiles than elsewhere."""
    made = pixels(picture(kernel, tiled_diffusion=True, width=320, steps=6, tile_overlap=64))
    steps = np.abs(np.diff(made.mean((0, 2))))
    borders = np.arange(64, 320, 64) - 1
    assert np.median(steps[borders]) <= np.quantile(np.delete(steps, borders), 0.75) + 0.5
    other = pixels(picture(kernel, tiled_diffusion=True, width=320, steps=6, tile_overlap=64, prompt="夜空下的城堡"))
    heard = [np.abs(made[:, x : x + 32] - other[:, x : x + 32]).mean() for x in range(0, 320, 32)]
    assert min(heard) > 0.4 * np.median(heard), "where no tile has been, the prompt changes nothing"


def test_memory_switches_tiles_on_and_the_record_says_so(kernel, monkeypatch):
    picture(kernel)
    model = kernel._engine._loaded
    need = tiled_diffusion.estimate(model, 192, 128, 1)
    assert need == 4 * tiled_diffusion.estimate(model, 96, 64, 1)
    monkeypatch.setattr(memory, "available", lambda device: need)
    made = picture(kernel)
    assert made.request.tiled_diffusion is True and made.records[0].request.tiled_diffusion is True
    assert picture(kernel, tiled_diffusion=False).request.tiled_diffusion is False
    monkeypatch.undo()
    assert (pixels(picture(kernel, tiled_diffusion=True)) == pixels(made)).all()


def test_the_vae_in_tiles_by_request_gives_the_same_picture(kernel):
    fields = {"width": 512, "height": 384, "steps": 1}
    plain = picture(kernel, tiled_vae=False, **fields)
    tiled = picture(kernel, tiled_vae=True, **fields)
    assert np.abs(pixels(plain) - pixels(tiled)).max() <= 1
    assert kernel._engine._loaded.ladder.vae_budget is None


@pytest.mark.parametrize(
    "fields", [{"tile_size": 32}, {"tile_size": 100}, {"tile_overlap": -8}, {"tile_size": 128, "tile_overlap": 128}]
)
def test_wrong_tiles_are_refused(fields):
    with pytest.raises(InvalidRequest, match="tile"):
        ra.TextToImage(prompt="x", **fields)

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL

from ra_widgets.diffusion import memory, tiled_vae
from ra_widgets.errors import JobCancelled

SHAPES = {
    # two groups, no attention: as the embedded model's; and as Stable Diffusion's, with attention in the middle
    "ra": {"block_out_channels": (8, 8, 16, 16), "norm_num_groups": 2, "mid_block_add_attention": False},
    "sd": {"block_out_channels": (8, 16, 16), "norm_num_groups": 4, "layers_per_block": 2},
}


def make(name: str) -> AutoencoderKL:
    torch.manual_seed(1)
    shape = SHAPES[name]
    depth = len(shape["block_out_channels"])
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        latent_channels=4,
        **shape,
    )
    return vae.eval().requires_grad_(False)


def scene(width: int, height: int) -> torch.Tensor:
    """A picture whose parts differ in brightness, so that tiles on their own would come out in other tones."""
    x, y = torch.linspace(-1, 1, width)[None, :], torch.linspace(-1, 1, height)[:, None]
    noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(2)) * 0.2
    return (torch.stack([x * y, (6 * x).sin() * y, x.expand(height, width)]) + noise).clamp(-1, 1)[None]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("budget", [2_000_000, 500_000, 0])
def test_tiles_give_what_the_whole_gives(name, budget):
    vae, pixels = make(name), scene(232, 168)
    with torch.inference_mode():
        moments = vae.encode(pixels).latent_dist.mode()
        picture = vae.decode(moments, return_dict=False)[0]
        tiled = [
            tiled_vae.run(tiled_vae.encoder_units(vae), pixels, budget=budget, tile=64)[:, :4],
            tiled_vae.run(tiled_vae.decoder_units(vae), moments, budget=budget, tile=64),
        ]
    assert torch.allclose(tiled[0], moments, atol=2e-5)
    assert torch.allclose(tiled[1], picture, atol=2e-5)


def test_tiles_on_their_own_would_differ():
    """The norms are the point: without them the same tiles are far off."""
    vae, pixels = make("ra"), scene(232, 168)
    from ra_widgets.diffusion import tiles

    with torch.inference_mode():
        latents = vae.encode(pixels).latent_dist.mode()
        whole = vae.decode(latents, return_dict=False)[0]
        alone = tiles.run(latents, lambda z: vae.decode(z, return_dict=False)[0], tile=8, overlap=4, scale=(8, 1))
    assert (alone - whole).abs().max() > 1e-2


def test_within_the_budget_nothing_is_cut():
    vae = make("ra")
    units = tiled_vae.decoder_units(vae)
    shape = (1, 4, 16, 16)
    assert not any(cut for *_, cut in tiled_vae.segments(units, shape, 4, 10**9))
    cut = tiled_vae.segments(units, shape, 4, 0)
    # the middle sees everything, so it is never cut
    assert cut[0] == (0, 1, False) and all(tiled for *_, tiled in cut[1:])
    assert [first for first, _, _ in cut[1:]] == [last for _, last, _ in cut[:-1]] and cut[-1][1] == len(units)


def test_the_modules_are_left_as_they_were():
    vae = make("ra")
    with torch.inference_mode():
        latents = torch.randn(1, 4, 20, 20, generator=torch.Generator().manual_seed(0))
        before = vae.decode(latents, return_dict=False)[0]

        def stop(fraction: float) -> None:
            if fraction > 0.5:
                raise JobCancelled()

        with pytest.raises(JobCancelled):
            tiled_vae.run(tiled_vae.decoder_units(vae), latents, budget=0, tile=64, done=stop)
        assert torch.equal(vae.decode(latents, return_dict=False)[0], before)
    assert not any("forward" in vars(module) for module in vae.modules())


def test_progress_rises_to_one():
    seen: list[float] = []
    vae = make("ra")
    with torch.inference_mode():
        tiled_vae.run(tiled_vae.decoder_units(vae), torch.zeros(1, 4, 24, 24), budget=0, tile=64, done=seen.append)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1) and len(seen) > 10 and seen[0] < 0.1


def test_another_build_is_left_to_the_library():
    from diffusers import AutoencoderTiny

    vae = AutoencoderTiny(encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8))
    assert not tiled_vae.can_be_cut(vae)
    latents = torch.zeros(1, 4, 8, 8)
    with torch.inference_mode():
        assert tiled_vae.decode(vae, latents, 0).shape == (1, 3, 64, 64)


def test_the_budget_is_part_of_what_is_free(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(memory, "available", lambda device: 900_000_000)
    assert memory.vae_budget(cpu) == 300_000_000
    monkeypatch.setattr(memory, "available", lambda device: 64 * 2**30)
    assert memory.vae_budget(cpu) == memory.CPU_VAE_BUDGET
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    assert memory.vae_budget(cpu) == 64_000_000


def test_the_ladder_ends_in_tiles(kernel):
    kernel.generate("一只猫", steps=1, seed=1)
    model = kernel._engine._loaded
    latents = torch.randn(1, 4, 10, 12, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        whole = model.decode(latents)
        calls = []

        def greedy() -> torch.Tensor:
            calls.append(model.ladder.vae_budget)
            if model.ladder.vae_budget is None:
                raise RuntimeError("CUDA out of memory. Tried to allocate 8.00 GiB")
            return model.decode(latents)

        try:
            tiled = model.ladder.run(greedy, width=96, height=80, batch=1)
            assert calls == [None, None, memory.TIGHT]
            model.ladder.vae_budget = 1  # what this small picture needs is less than a tight budget
            assert torch.allclose(model.decode(latents), whole, atol=1e-4)
        finally:
            model.ladder.vae_budget = None
            model.ladder.taken.clear()
    assert torch.allclose(tiled, whole, atol=1e-4)

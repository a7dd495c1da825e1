"""Masks inside the denoiser: where they act in each family of samplers, soft masks, callbacks, the final blend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from ra_widgets.diffusion.denoiser import CondBatch, ModelDenoiser
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond
from ra_widgets.diffusion.masking import Blend, LatentMask, differential_blend, soft_blend
from ra_widgets.diffusion.plan import plan
from ra_widgets.diffusion.sampling import SAMPLERS
from ra_widgets.samplers import SAMPLERS_INFO

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
SHAPE = (1, 4, 8, 8)
MASK = torch.zeros(1, 1, 8, 8)
MASK[..., 4:] = 1
BEFORE = [name for name, info in SAMPLERS_INFO.items() if info.timestep_based]
AFTER = [name for name in SAMPLERS_INFO if name not in BEFORE]


def noise(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def predicted(x: torch.Tensor) -> torch.Tensor:
    """A network's noise, mixing neighbours so that the kept part matters to the painted one."""
    return 0.8 * x + 0.1 * x.roll(1, -1) - 0.05 * x.roll(2, -2)


class Net:
    """Predicts noise; keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[torch.Tensor] = []
        self.denoiser = ModelDenoiser(self, ALPHAS)

    def __call__(self, x: torch.Tensor, t: torch.Tensor, cond: CondBatch) -> torch.Tensor:
        self.shown.append(x)
        return predicted(x) * cond.context.mean((1, 2)).reshape(-1, 1, 1, 1)


def cond(value: float) -> Cond:
    return Cond.constant(torch.full((77, 8), value))


def run(sampler: str, mask: LatentMask | None, steps: int = 10, seen=None, **options):
    """(network, latents) of an image-to-image run at strength 0.7."""
    net, walk = Net(), plan(sampler, None, steps, ALPHAS, strength=0.7)
    model = CFGDenoiser(
        net.denoiser, [[(cond(1.0), 1.0)]], [cond(0.9)],
        cfg_scale=3.0, total_steps=walk.guidance_steps, mask=mask, seen=seen,
    )  # fmt: skip
    x = walk.start(noise(1), noise(2))
    made = SAMPLERS[sampler](model, x, walk.sigmas, noise_sampler=lambda *_: noise(3), **options)
    return net, made


@pytest.mark.parametrize("sampler", AFTER)
def test_sigma_samplers_blend_the_denoised(sampler: str):
    """Every denoised has the init in the kept part, and it is what the run ends in; the network sees noise there."""
    seen = []
    mask = LatentMask(MASK, noise(2))
    net, made = run(sampler, mask, seen=lambda model: seen.append(model.denoised))
    assert len(seen) == len(net.shown)
    assert all(torch.equal(denoised[..., :4], noise(2)[..., :4]) for denoised in seen)
    assert not torch.allclose(net.shown[0][:1, ..., :4], noise(2)[..., :4], atol=0.1)
    if sampler not in ("DPM fast", "DPM adaptive"):  # these end at the smallest sigma above zero
        assert torch.allclose(made[..., :4], noise(2)[..., :4], atol=1e-4)
    assert torch.equal(mask.final(made)[..., :4], noise(2)[..., :4])
    assert torch.equal(mask.final(made)[..., 4:], made[..., 4:])


@pytest.mark.parametrize("sampler", BEFORE)
def test_timestep_samplers_show_the_clean_init(sampler: str):
    """The network sees the init without noise in the kept part, at every call, and the sampler's own latents elsewhere."""
    shown = []
    mask = LatentMask(MASK, noise(2), before=SAMPLERS_INFO[sampler].timestep_based)
    net, _ = run(sampler, mask, seen=lambda model: shown.append(model.denoised))
    for x in net.shown:
        assert torch.allclose(x[..., :4], noise(2)[..., :4].expand(len(x), -1, -1, -1), atol=1e-5)
        assert not torch.allclose(x[..., 4:], noise(2)[..., 4:].expand(len(x), -1, -1, -1), atol=0.01)
    assert all(torch.equal(denoised[..., :4], noise(2)[..., :4]) for denoised in shown), "previews show the kept part"


@pytest.mark.parametrize("sampler", ["DDIM", "DDIM CFG++"])
def test_ddim_with_a_mask_against_the_formula(sampler: str):
    """DDIM written down on the network's own scale: noise predicted from the blend, steps taken with the unblended x."""
    walk = plan(sampler, None, 10, ALPHAS, strength=0.7)
    sigmas = [float(sigma) for sigma in walk.sigmas if sigma > 0]
    x = walk.start(noise(1), noise(2)).double() / (1 + sigmas[0] ** 2) ** 0.5
    init, mask = noise(2).double(), MASK.double()
    scale = 3.0 / 12.5 if sampler == "DDIM CFG++" else 3.0
    for sigma, sigma_next in pairwise(sigmas):
        a, a_next = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
        network = predicted(x * mask + init * (1 - mask))
        eps, negative = network * 0.9 + (network - network * 0.9) * scale, network * 0.9
        picture = (x - (1 - a) ** 0.5 * eps) / a**0.5
        x = a_next**0.5 * picture + (1 - a_next) ** 0.5 * (negative if sampler == "DDIM CFG++" else eps)
    _, made = run(sampler, LatentMask(MASK, noise(2), before=True))
    assert torch.allclose(made.double(), x, atol=2e-4), (made - x).abs().max()


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "UniPC"])
def test_a_mask_of_ones_changes_nothing(sampler: str):
    before = SAMPLERS_INFO[sampler].timestep_based
    _, free = run(sampler, None)
    _, masked = run(sampler, LatentMask(torch.ones_like(MASK), noise(2), before=before))
    assert torch.allclose(free, masked, atol=1e-4)


def test_callback_is_asked_once_a_call():
    """It gets the facts of each call, and its answer is what counts."""
    asked: list[Blend] = []

    def blending(facts: Blend) -> torch.Tensor:
        asked.append(facts)
        return facts.mixed()

    mask = LatentMask(MASK, noise(2), blending=blending)
    net, made = run("Heun", mask)
    assert [facts.step for facts in asked] == list(range(len(net.shown)))
    assert asked[0].progress == 0 and all(0 <= facts.progress < 1 for facts in asked)
    assert [float(facts.sigma) for facts in asked[:2]] == sorted((float(f.sigma) for f in asked[:2]), reverse=True)
    assert not any(facts.final for facts in asked)
    assert torch.equal(mask.final(made)[..., :4], noise(2)[..., :4])
    assert asked[-1].final and asked[-1].progress == 1 and float(asked[-1].sigma) == 0
    _, plain = run("Heun", LatentMask(MASK, noise(2)))
    assert torch.equal(plain, made)


def facts_at(mask: torch.Tensor, sigma: float = 1.0, progress: float = 0.0, final: bool = False) -> Blend:
    return Blend(noise(1), noise(2), mask, torch.full((1, 1, 1, 1), sigma), 0, progress, final)


def test_soft_blend():
    """0 keeps, 1 repaints, between them soft edges open up as the noise falls, and vectors keep their length."""
    soft = soft_blend()
    assert torch.allclose(soft(facts_at(torch.zeros_like(MASK))), noise(2), atol=1e-4)
    assert torch.allclose(soft(facts_at(torch.ones_like(MASK))), noise(1), atol=1e-4)
    half = torch.full_like(MASK, 0.5)
    distances = [float((soft(facts_at(half, sigma)) - noise(2)).norm()) for sigma in (10.0, 3.0, 1.0, 0.1)]
    assert distances == sorted(distances)
    mixed = soft(facts_at(half, 2.0))
    lengths = torch.stack([noise(1).norm(dim=1), noise(2).norm(dim=1)])
    assert (mixed.norm(dim=1) > facts_at(half).mixed().norm(dim=1) * 0.99).all(), "a linear mix would be shorter"
    assert (mixed.norm(dim=1) < lengths.max(0).values * 1.01).all()
    assert torch.equal(soft(facts_at(half, final=True)), noise(1))
    with pytest.raises(ValueError, match="detail"):
        soft_blend(detail=0)


def test_soft_blend_keeps_zero_latents_finite():
    blank = Blend(torch.zeros(SHAPE), torch.zeros(SHAPE), MASK * 0.5, torch.ones(1, 1, 1, 1))
    assert bool(torch.isfinite(soft_blend()(blank)).all())


def test_differential_blend():
    """A ramp of 0 to 1 is set free from its strong end, place by place; 0 never is."""
    ramp = torch.linspace(0, 1, 8).expand(1, 1, 8, 8)
    free = []
    for progress in (0.0, 0.5, 1.0):
        made = differential_blend(facts_at(ramp, progress=progress, final=progress == 1))
        new = (made == noise(1)).all(dim=(0, 1, 2))
        assert torch.equal(made[..., ~new], noise(2)[..., ~new])
        free.append(int(new.sum()))
    assert free == [1, 4, 7]


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="differ in size"):
        LatentMask(torch.ones(1, 1, 4, 4), noise(2))

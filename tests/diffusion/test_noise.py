"""Seeds, variations, seed resize, ENSD and Brownian noise."""

from __future__ import annotations

import logging
import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from ra_widgets.diffusion.brownian import BrownianNoise
from ra_widgets.diffusion.noise import Generator, ImageNoise, job_seeds, philox_randn, randn, slerp

SHAPE = (4, 8, 12)


def test_philox_is_normal():
    drawn = philox_randn(1, (4, 128, 128)).astype(np.float64)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn**4).mean() - 3) < 0.1
    assert philox_randn(1, (0, 3)).shape == (0, 3)
    with pytest.raises(ValueError, match="negative"):
        philox_randn(1, (2,), offset=-1)


@pytest.mark.parametrize("rng", ["NV", "CPU", "GPU"])
def test_batch_equals_singles(rng):
    options = {"rng": rng, "subseed_strength": 0.3, "seed_resize": (64, 48), "eta_noise_seed_delta": 5}
    batch = ImageNoise([1, 2, 3], SHAPE, subseeds=[7, 8, 9], **options)
    drawn = [batch.next() for _ in range(3)]
    for index in range(3):
        single = ImageNoise([index + 1], SHAPE, subseeds=[index + 7], **options)
        for step in drawn:
            assert torch.equal(step[index], single.next()[0])


def test_sources():
    generator = torch.Generator().manual_seed(5)
    cpu = ImageNoise([5], SHAPE, rng="CPU")
    for _ in range(3):
        assert torch.equal(cpu.next()[0], torch.randn(SHAPE, generator=generator))
    nv = ImageNoise([5], SHAPE)
    for offset in range(3):
        assert np.array_equal(nv.next()[0], philox_randn(5, SHAPE, offset))
    assert nv.first().dtype == torch.float32


def test_gpu_source_is_nv_and_says_so(caplog):
    with caplog.at_level(logging.INFO):
        drawn = Generator(5, "GPU")(SHAPE)
    assert "NV" in caplog.text
    assert torch.equal(drawn, randn(5, SHAPE, "NV"))


def test_job_seeds():
    """Seeds count up; with a variation they stand still and the subseeds count up."""
    assert job_seeds(10, 90, 3) == ([10, 11, 12], [90, 91, 92])
    assert job_seeds(10, 90, 3, 0.2) == ([10, 10, 10], [90, 91, 92])


def test_variation_strength():
    plain, other = randn(1, SHAPE), randn(2, SHAPE)
    mixed = [ImageNoise([1], SHAPE, subseeds=[2], subseed_strength=part).first()[0] for part in (0.0, 0.4, 1.0)]
    assert torch.equal(mixed[0], plain)
    assert torch.allclose(mixed[2], other, atol=1e-5)
    # the angle is taken along dimension 1, the height: one angle a channel and column
    low, high = plain.double().numpy(), other.double().numpy()
    cosine = (low * high).sum(1) / np.linalg.norm(low, axis=1) / np.linalg.norm(high, axis=1)
    omega = np.arccos(cosine)[:, None, :]
    expected = (np.sin(0.6 * omega) * low + np.sin(0.4 * omega) * high) / np.sin(omega)
    assert np.allclose(mixed[1].numpy(), expected, atol=1e-4)


def test_slerp_of_equal_noise_is_linear_with_exchanged_weights():
    low = randn(1, SHAPE)
    high = low * 1.001 + 0.001
    assert torch.allclose(slerp(0.2, low, high), low * 0.2 + high * 0.8)


@pytest.mark.parametrize("resize", [(64, 40), (128, 96), (64, 96), (72, 72)])
def test_seed_resize(resize):
    """The old size's noise stands in the middle; around it, noise of the new size."""
    width, height = resize[0] // 8, resize[1] // 8
    made = ImageNoise([3], SHAPE, seed_resize=resize).first()[0].numpy()
    old, expected = randn(3, (4, height, width)).numpy(), randn(3, SHAPE).numpy().copy()
    dx, dy = (SHAPE[2] - width) // 2, (SHAPE[1] - height) // 2
    rows = range(max(dy, 0), max(dy, 0) + (height if dy >= 0 else height + 2 * dy))
    columns = range(max(dx, 0), max(dx, 0) + (width if dx >= 0 else width + 2 * dx))
    for row in rows:
        for column in columns:
            expected[:, row, column] = old[:, row - dy, column - dx]
    assert np.array_equal(made, expected)


def test_seed_resize_to_the_same_size_changes_nothing():
    assert torch.equal(ImageNoise([3], SHAPE, seed_resize=(96, 64)).first(), ImageNoise([3], SHAPE).first())


def test_ensd_changes_only_later_noise():
    plain, shifted = ImageNoise([3], SHAPE), ImageNoise([3], SHAPE, eta_noise_seed_delta=31337)
    assert torch.equal(plain.next(), shifted.next())
    assert torch.equal(shifted.next()[0], randn(3 + 31337, SHAPE))


def test_seek_and_restart():
    noise = ImageNoise([3, 4], SHAPE, eta_noise_seed_delta=2)
    drawn = [noise.next() for _ in range(4)]
    noise.seek(2)
    assert torch.equal(noise.next(), drawn[2])
    noise.restart()
    assert torch.equal(noise.next(), drawn[0])
    noise.restart()
    sampler = noise.sampler(torch.zeros(1, dtype=torch.float64))
    assert torch.equal(sampler(None, None), drawn[0].double())


@pytest.mark.parametrize(
    "options",
    [
        {"rng": "TPU"},
        {"subseed_strength": 0.5},
        {"subseed_strength": 2.0, "subseeds": [1]},
        {"subseed_strength": float("nan")},
    ],
)
def test_bad_options(options):
    with pytest.raises(ValueError):
        ImageNoise([1], SHAPE, **options)


@pytest.mark.parametrize("rng", ["NV", "CPU"])
def test_brownian_batch_equals_singles(rng):
    x = torch.zeros(2, *SHAPE)
    batch = BrownianNoise(x, 0.03, 14.6, [1, 2], rng)
    for index, seed in enumerate((1, 2)):
        single = BrownianNoise(x[:1], 0.03, 14.6, [seed], rng)
        assert torch.equal(batch(5.0, 2.0)[index], single(5.0, 2.0)[0])


def test_brownian_is_one_path():
    """Two short stretches add up to the long one, in any order of asking; standard normal each."""
    x = torch.zeros(1, 4, 32, 32)
    tree = BrownianNoise(x, 0.03, 14.6, [9])
    first, second = tree(10.0, 4.0), tree(4.0, 1.0)
    whole = tree(10.0, 1.0)
    assert torch.allclose(first * 6**0.5 + second * 3**0.5, whole * 9**0.5, atol=1e-4)
    assert torch.equal(tree(10.0, 4.0), first)
    again = BrownianNoise(x, 0.03, 14.6, [9])
    again(2.0, 0.5)
    assert torch.allclose(again(10.0, 4.0), first, atol=1e-5)
    assert float(first.std()) == pytest.approx(1, abs=0.05)
    assert abs(float((first * second).mean())) < 0.05


def test_brownian_keeps_its_numbers_when_forgetting(monkeypatch):
    """The store of increments is bounded; what falls out of it is drawn again, the same."""
    from ra_widgets.diffusion import brownian

    x, stretches = torch.zeros(2, *SHAPE), [(14.6, 6.0), (6.0, 3.0), (3.0, 0.1)]
    roomy = BrownianNoise(x, 0.03, 14.6, [1, 2])
    expected = [roomy(*stretch) for stretch in stretches]
    monkeypatch.setattr(brownian, "KEPT_BYTES", 4 * SHAPE[0] * SHAPE[1] * SHAPE[2] * 4)
    tight = BrownianNoise(x, 0.03, 14.6, [1, 2])
    assert all(torch.equal(tight(*stretch), one) for stretch, one in zip(stretches, expected, strict=True))
    assert len(tight._known) <= 4 < len(roomy._known)


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 72, 64)])
@pytest.mark.parametrize("rng", ["NV", "CPU"])
@pytest.mark.filterwarnings("ignore:Should have:UserWarning")  # torchsde's own, about the unrounded ends
def test_brownian_is_torchsdes_tree_to_the_bit(monkeypatch, rng, shape):
    """In any order of asking, stretches inside each other, at the ends, and a millionth long."""
    import torchsde
    from torchsde._brownian import brownian_interval

    if rng == "NV":
        monkeypatch.setattr(
            brownian_interval, "_randn", lambda size, dtype, device, seed: randn(int(seed), size, "NV").to(dtype)
        )
    ends = (0.029167414, 14.614643)
    times = [14.614643, 9.1234567, 4.500001, 4.5, 2.0, 0.75, 0.3333333, 0.1, 0.029167414]
    stretches = [*pairwise(times), (9.1234567, 0.1), (14.614643, 0.029167414), (0.1, 0.75), *pairwise(times[::3])]
    random.Random(4).shuffle(stretches)
    x = torch.zeros(2, *shape)
    seeds = [7, 2**40 + 3]
    ours = BrownianNoise(x, *ends, seeds, rng)
    t0, t1 = torch.tensor(ends[0]), torch.tensor(ends[1])
    trees = [torchsde.BrownianTree(t0, torch.zeros(shape), t1, entropy=seed) for seed in seeds]
    for start, end in stretches:
        start, end = torch.tensor(start), torch.tensor(end)
        low, high, sign = (start, end, 1) if start < end else (end, start, -1)
        path = torch.stack([tree(low, high) for tree in trees]) * sign
        assert torch.equal(ours(start, end), path / (end - start).abs().sqrt())


def test_brownian_bad_options():
    x = torch.zeros(2, *SHAPE)
    with pytest.raises(ValueError, match="one seed an image"):
        BrownianNoise(x, 0.1, 1.0, [1])
    with pytest.raises(ValueError, match="random source"):
        BrownianNoise(x, 0.1, 1.0, [1, 2], rng="TPU")

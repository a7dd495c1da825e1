"""Noise against published numbers: Random123's known answers for Philox4x32-10 and a GPU's own draws."""

from __future__ import annotations

import numpy as np
import pytest

from ra_widgets.diffusion.noise import Generator, ImageNoise, _philox4x32_10, philox_randn

# Salmon et al. 2011, Random123, file kat_vectors: counter, key, answer
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Ten rounds in Python's own integers, by the paper's section 3.3."""
    c, k = counter, key
    for _ in range(10):
        high0, low0 = divmod(c[0] * 0xD2511F53, 2**32)
        high1, low1 = divmod(c[2] * 0xCD9E8D57, 2**32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, answer):
    words, keys, answers = ([int(word, 16) for word in text.split()] for text in (counter, key, answer))
    assert philox(words, keys) == answers


def test_ours_are_the_words_of_philox():
    """Our rounds leave out what noise does not need (counter words 1 and 3, answer words 2 and 3), and take rows."""
    seeds = [0, 42, 2**32 - 1, 0x299F31D0A4093822, 2**64 - 1]
    keys, index = np.array(seeds, dtype=np.uint64)[:, None], np.array([0, 1, 77, 0x13198A2E, 2**32 - 1], np.uint64)
    for offset in (0, 1, 0x243F6A88, 2**32 - 1):
        first, second = _philox4x32_10(keys, index, np.full_like(keys, offset))
        for i, seed in enumerate(seeds):
            for j, place in enumerate(index.tolist()):
                expected = philox([offset, 0, place, 0], [seed % 2**32, seed >> 32])
                assert [int(first[i, j]), int(second[i, j])] == expected[:2]


# torch.randn((3, 4), device="cuda") after manual_seed(0), as published
GPU_SEED_0 = [
    [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
    [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
    [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
]


def test_nv_noise_equals_the_gpu():
    assert np.abs(philox_randn(0, (3, 4)) - np.array(GPU_SEED_0)).max() < 1e-6
    assert philox_randn(0, (3, 4)).dtype == np.float32


def test_nv_noise_against_plain_integers():
    """The whole formula again, an element at a time, in Python's own integers and doubles."""
    import math

    def element(index: int, seed: int, offset: int) -> float:
        c = philox([offset, 0, index, 0], [seed & 0xFFFFFFFF, seed >> 32])
        scale = float(np.float32(2.3283064e-10))
        turn = float(np.float32(2.3283064e-10 * 6.2831855))
        return math.sqrt(-2 * math.log(c[0] * scale + scale / 2)) * math.sin(c[1] * turn + turn / 2)

    for seed, offset in [(0, 0), (42, 3), (4294967293, 1), (2**40 + 17, 20)]:
        drawn = philox_randn(seed, (5, 4000), offset).ravel()
        for index in (0, 1, 2, 777, 16383, 16384, 19999):
            assert drawn[index] == np.float32(element(index, seed, offset))


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 24, 24), (4, 48, 48)])
def test_draws_made_ahead_are_the_same(shape):
    """Small draws are made several at a time; sizes may change on the way."""
    generator = Generator(77)
    for draw in range(40):
        size = (4, 2, 2) if draw % 11 == 5 else shape
        assert np.array_equal(generator(size).numpy(), philox_randn(77, size, draw))


def test_the_second_draw_is_offset_one():
    noise = ImageNoise([42], (4, 8, 8))
    noise.first()
    assert np.array_equal(noise.next()[0].numpy(), philox_randn(42, (4, 8, 8), 1))

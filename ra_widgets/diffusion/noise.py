"""Noise that is the same everywhere: Philox "NV" noise, CPU noise, variations, seed resize, ENSD.

All of it follows webui (``rng.py``, ``rng_philox.py``) number for number, including its quirks, because a picture's
seed only means something if every machine draws the same noise from it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch

log = logging.getLogger(__name__)

SOURCES = ("NV", "CPU", "GPU")
_MASK64 = (1 << 64) - 1

# Philox4x32-10: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", table 2 and section 3.3
_MULTIPLIER_A, _MULTIPLIER_B = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_A, _WEYL_B = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW32, _SHIFT32 = np.uint64(0xFFFFFFFF), np.uint64(32)
# CUDA's own float32 constants for uint32 -> (0, 1) and (0, 2 pi); only then computed with in double
_TWO_POW32_INV = float(np.float32(2.3283064e-10))
_TWO_POW32_INV_2PI = float(np.float32(2.3283064e-10 * 6.2831855))
_AHEAD = 16
_BLOCK = 1 << 14  # elements at a time: what the ten rounds touch stays in the second-level cache


def philox_rows(seeds: Sequence[int], count: int, offsets: Sequence[int] | int = 0) -> np.ndarray:
    """Philox numbers of many generators, or of many draws, at once: float32 [len(seeds), count].

    Row i holds the numbers of seed i; ``offsets``: of all rows or one a row. See :func:`philox_randn`, whose numbers they are.
    """
    numbers = np.empty((len(seeds), count), dtype=np.float32)
    height = max(1, _BLOCK // max(count, 1))
    keys = np.array([int(seed) & _MASK64 for seed in seeds], dtype=np.uint64)[:, None]
    each = [offsets] * len(seeds) if isinstance(offsets, int) else offsets
    draws = np.array([offset & 0xFFFFFFFF for offset in each], dtype=np.uint64)[:, None]
    for row in range(0, len(seeds), height):
        rows = slice(row, row + height)
        for column in range(0, count, _BLOCK):
            index = np.arange(column, min(column + _BLOCK, count), dtype=np.uint64) & _LOW32
            numbers[rows, column : column + _BLOCK] = _normal(*_philox4x32_10(keys[rows], index, draws[rows]))
    return numbers


def _philox4x32_10(keys: np.ndarray, index: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words 0 and 1 of ten rounds over the counters (offset, 0, index, 0): uint32 in uint64 [rows, n].

    ``keys``, ``offsets``: uint64 [rows, 1]; ``index``: uint64 [n].

    A product of two words keeps its high half in 64 bits. Nothing is computed that the two words do not need: in the
    first round one product is the same for all, the last two rounds leave out half of the work.
    """
    low, shift = _LOW32, _SHIFT32
    k0, k1 = keys & low, keys >> shift

    def next_keys() -> None:
        nonlocal k0, k1
        k0, k1 = (k0 + _WEYL_A) & low, (k1 + _WEYL_B) & low

    # round 1: words 2 and 3 come out the same along a row; round 2: all words come to differ
    p, q = offsets * _MULTIPLIER_A, index * _MULTIPLIER_B
    c0, c1, c2 = (q >> shift) ^ k0, q & low, k1 ^ (p >> shift)
    next_keys()
    first, second = c0 * _MULTIPLIER_A, c2 * _MULTIPLIER_B
    c0 = (second >> shift) ^ k0 ^ c1
    c1 = np.broadcast_to(second & low, first.shape).copy()
    c2, c3 = (first >> shift) ^ ((p & low) ^ k1), first & low
    second = np.empty_like(first)
    for turn in range(2, 10):
        next_keys()
        if turn < 9:
            np.multiply(c0, _MULTIPLIER_A, out=first)
        np.multiply(c2, _MULTIPLIER_B, out=second)
        if turn != 8:
            np.right_shift(second, shift, out=c0)
            c0 ^= c1
            c0 ^= k0
        np.bitwise_and(second, low, out=c1)
        if turn < 9:
            np.right_shift(first, shift, out=c2)
            c2 ^= c3
            c2 ^= k1
        if turn < 8:
            np.bitwise_and(first, low, out=c3)
    return c0, c1


def _normal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The sine output of Box and Muller's transform, in double precision with CUDA's constants."""
    u, v = first.astype(np.float64), second.astype(np.float64)
    u *= _TWO_POW32_INV
    u += _TWO_POW32_INV / 2
    v *= _TWO_POW32_INV_2PI
    v += _TWO_POW32_INV_2PI / 2
    np.log(u, out=u)
    u *= -2.0
    np.sqrt(u, out=u)
    np.sin(v, out=v)
    u *= v
    return u


def philox_randn(seed: int, shape: Sequence[int], offset: int = 0) -> np.ndarray:
    """Standard normal float32 numbers as an NVIDIA GPU draws them ("RNG: NV"), from numpy alone.

    ``seed``: any integer, its low 64 bits are the key. ``offset``: how many draws this generator made before (0 for
    the first). Counter word 0 is the offset, word 2 the element's index; one Box-Muller sine output an element. Equal
    to torch's CUDA randn for tensors that fit one grid launch. Raises ValueError for a negative offset or shape.
    """
    shape = tuple(int(side) for side in shape)
    if offset < 0 or any(side < 0 for side in shape):
        raise ValueError(f"offset and shape must not be negative, got {offset} and {shape}")
    return philox_rows([seed], math.prod(shape), offset).reshape(shape)


class Generator:
    """One image's source of normal numbers: call it with a shape for the next float32 CPU tensor.

    ``rng``: "NV" (Philox) or "CPU" (torch's Mersenne twister). "GPU" means numbers of a CUDA device: they equal NV up
    to one grid launch, so NV is used and a note is logged.
    """

    def __init__(self, seed: int, rng: str = "NV") -> None:
        if rng not in SOURCES:
            raise ValueError(f"unknown random source {rng!r}; known: {', '.join(SOURCES)}")
        if rng == "GPU":
            log.info(
                "random source GPU is drawn as NV: the same numbers up to one grid launch (about 1024x1024 pictures)"
            )
        self.seed = int(seed)
        self.rng = "CPU" if rng == "CPU" else "NV"
        self.drawn = 0
        self._torch = torch.Generator("cpu").manual_seed(self.seed & _MASK64) if self.rng == "CPU" else None
        self._ahead = (0, np.empty((0, 0), dtype=np.float32))
        """Draws made ahead, a row each, and which draw the first of them is."""

    def __call__(self, shape: Sequence[int]) -> torch.Tensor:
        """The next float32 tensor of this shape."""
        self.drawn += 1
        if self._torch is not None:
            return torch.randn(tuple(shape), generator=self._torch, dtype=torch.float32)
        draw, count = self.drawn - 1, math.prod(shape)
        if draw == 0 or count * 2 > _BLOCK or count == 0:
            return torch.from_numpy(philox_randn(self.seed, shape, draw))
        # a sampler that draws again will draw often: small pictures are cheaper drawn several at a time
        first, rows = self._ahead
        if rows.shape[1] != count or not first <= draw < first + len(rows):
            first, size = draw, min(_AHEAD, _BLOCK // count)
            rows = philox_rows([self.seed] * size, count, range(draw, draw + size))
            self._ahead = (first, rows)
        return torch.from_numpy(rows[draw - first].reshape(shape).copy())


def randn(seed: int, shape: Sequence[int], rng: str = "NV") -> torch.Tensor:
    """The first float32 tensor a fresh generator of this seed draws."""
    return Generator(seed, rng)(shape)


def slerp(weight: float, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Spherical interpolation of two (C, H, W) noises, with webui's two quirks, which its pictures depend on.

    Angles are measured along dimension 1, which here is the height, not over the whole vector; and noises that are
    almost the same (mean cosine over 0.9995) are mixed linearly with the weights exchanged.
    """
    cosine = (low / torch.norm(low, dim=1, keepdim=True) * (high / torch.norm(high, dim=1, keepdim=True))).sum(1)
    if cosine.mean() > 0.9995:
        return low * weight + high * (1 - weight)
    omega = torch.acos(cosine)
    sine = torch.sin(omega)
    weight_low = (torch.sin((1.0 - weight) * omega) / sine).unsqueeze(1)
    weight_high = (torch.sin(weight * omega) / sine).unsqueeze(1)
    return weight_low * low + weight_high * high


def _paste_centred(base: torch.Tensor, patch: torch.Tensor) -> torch.Tensor:
    """Write the centre of ``patch`` into the centre of ``base`` (both C, H, W), as webui's seed resize does."""
    (_, height, width), (_, patch_height, patch_width) = base.shape, patch.shape
    dx, dy = (width - patch_width) // 2, (height - patch_height) // 2
    # dx, dy are floored before the sign is looked at: an odd difference of a larger patch rounds away from zero
    copy_width = patch_width if dx >= 0 else patch_width + 2 * dx
    copy_height = patch_height if dy >= 0 else patch_height + 2 * dy
    to_x, to_y, from_x, from_y = max(dx, 0), max(dy, 0), max(-dx, 0), max(-dy, 0)
    base[:, to_y : to_y + copy_height, to_x : to_x + copy_width] = patch[
        :, from_y : from_y + copy_height, from_x : from_x + copy_width
    ]
    return base


class ImageNoise:
    """The noise of one batch: a generator an image, so that a member of a batch equals the same image made alone, bit
    for bit.

    ``seeds``: one integer an image.  ``shape``: latent (C, H/8, W/8) of one image.  ``rng``: "NV", "CPU" or "GPU"
    (drawn as NV). ``subseeds`` and ``subseed_strength`` (0..1): variation. The caller follows webui's rule that all
    images of a job use the *same* seed when the strength is not 0 (see :func:`job_seeds`).  ``seed_resize``: (width,
    height) in pixels whose noise is pasted into the centre, or None.  ``eta_noise_seed_delta`` (ENSD): not 0 makes
    the draws after the first come from seed + ENSD.  ``further``: (seed, strength) of variations on top, in order.
    Raises ValueError for an unknown source, a strength outside 0..1
    or a wrong number of subseeds.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: Sequence[int],
        rng: str = "NV",
        subseeds: Sequence[int] | None = None,
        subseed_strength: float = 0.0,
        seed_resize: tuple[int, int] | None = None,
        eta_noise_seed_delta: int = 0,
        further: Sequence[tuple[int, float]] = (),
    ) -> None:
        if not 0.0 <= subseed_strength <= 1.0:
            raise ValueError(f"subseed_strength must be in 0..1, got {subseed_strength}")
        if subseed_strength and (subseeds is None or len(subseeds) != len(seeds)):
            raise ValueError("subseed_strength needs one subseed an image")
        self.seeds = [int(seed) for seed in seeds]
        self.shape = tuple(int(side) for side in shape)
        self.rng = rng
        self.subseeds = None if subseeds is None else [int(seed) for seed in subseeds]
        self.subseed_strength = float(subseed_strength)
        self.seed_resize = seed_resize if seed_resize and min(seed_resize) > 0 else None
        self.eta_noise_seed_delta = int(eta_noise_seed_delta)
        self.further = tuple((int(seed), float(strength)) for seed, strength in further)
        self.restart()

    def restart(self) -> None:
        """Forget all draws: the next :meth:`next` is the first again."""
        self._generators = [Generator(seed, self.rng) for seed in self.seeds]
        self._is_first = True
        self.drawn = 0

    def _first_of(self, index: int) -> torch.Tensor:
        seed, generator = self.seeds[index], self._generators[index]
        noise_shape = self.shape
        if self.seed_resize is not None:
            width, height = self.seed_resize
            noise_shape = (self.shape[0], int(height) // 8, int(width) // 8)
        resized = noise_shape != self.shape
        noise = randn(seed, noise_shape, self.rng) if resized else generator(self.shape)
        if self.subseeds is not None and self.subseed_strength != 0:
            noise = slerp(self.subseed_strength, noise, randn(self.subseeds[index], noise_shape, self.rng))
        for subseed, strength in self.further:
            noise = slerp(strength, noise, randn(subseed, noise_shape, self.rng))
        return _paste_centred(generator(self.shape), noise) if resized else noise

    def first(self) -> torch.Tensor:
        """The initial noise, float32 [B, C, H, W] on the CPU, standard normal."""
        noise = torch.stack([self._first_of(index) for index in range(len(self.seeds))])
        if self.eta_noise_seed_delta:
            self._generators = [Generator(seed + self.eta_noise_seed_delta, self.rng) for seed in self.seeds]
        self._is_first = False
        self.drawn += 1
        return noise

    def next(self) -> torch.Tensor:
        """The next noise of every image, float32 [B, C, H, W] on the CPU; the first call gives :meth:`first`."""
        if self._is_first:
            return self.first()
        self.drawn += 1
        return torch.stack([generator(self.shape) for generator in self._generators])

    def seek(self, drawn: int) -> None:
        """Continue as if exactly ``drawn`` draws had been made (for a run resumed from its latents)."""
        self.restart()
        while self.drawn < drawn:
            self.next()

    def sampler(self, like: torch.Tensor):
        """A ``noise_sampler(sigma, sigma_next)`` for :mod:`ra_widgets.diffusion.sampling`, on the device and dtype
        of ``like``.
        """
        return lambda sigma, sigma_next: self.next().to(like.device, like.dtype, non_blocking=True)


def job_seeds(seed: int, subseed: int, count: int, subseed_strength: float = 0.0) -> tuple[list[int], list[int]]:
    """Seeds and subseeds of a job's images: seed + i, but all the same seed when the variation strength is not 0;
    subseed + i.
    """
    seeds = [seed if subseed_strength != 0 else seed + index for index in range(count)]
    return seeds, [subseed + index for index in range(count)]

"""Brownian noise for the DPM++ SDE family: one path over sigma an image, however many steps look at it.

Li et al. 2020, "Scalable gradients for stochastic differential equations", arXiv:2001.01328 (a virtual Brownian tree), with the
numbers of torchsde's ``BrownianTree(tol=1e-6, pool_size=24)``, which k-diffusion and the webui use: an interval is halved
until the times asked for are ends of pieces (all times are rounded to six digits), and the middle of each is drawn
with a seed made of the image's seed and the piece's place in the tree.

A stretch of sigma needs about 18 new pieces, which are drawn together: the cost is a quarter of torchsde's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ra_widgets.diffusion.noise import SOURCES, philox_rows, randn

DIGITS = 6
POOL_SIZE = 24
KEPT_BYTES = 64 << 20


class _Piece:
    """An interval of the path. ``increment``: how far the path moves over it, float32, or None while unknown."""

    __slots__ = ("end", "increment", "left", "middle", "parent", "place", "right", "seed", "start")

    left: _Piece
    right: _Piece
    middle: float
    seed: int

    def __init__(self, start: float, end: float, parent: _Piece | None, place: tuple[int, int]) -> None:
        self.start = start
        self.end = end
        self.parent = parent
        self.place = place  # which of its level, from the left, and the level
        self.seed = -1  # of what is drawn for the middle; -1 while it is not split
        self.increment: np.ndarray | None = None


class Path:
    """One image's path between two times; see :class:`BrownianNoise`."""

    def __init__(self, start: float, end: float, entropy: int) -> None:
        self.entropy = entropy
        self.scale = math.sqrt(end - start)
        self.root = _Piece(round(start, DIGITS), round(end, DIGITS), None, (0, 0))
        self.first_seed = int(np.random.SeedSequence(entropy, pool_size=POOL_SIZE).generate_state(1)[0])

    def pieces(self, start: float, end: float) -> list[_Piece]:
        """The pieces that make up a stretch, from left to right."""
        root = self.root
        start, end = (round(min(max(time, root.start), root.end), DIGITS) for time in (start, end))
        found: list[_Piece] = []
        stack = [(root, start, end)] if start < end else []
        while stack:
            piece, start, end = stack.pop()
            if start == piece.start and end == piece.end:
                found.append(piece)
                continue
            if piece.seed < 0:
                self._split(piece)
            middle = piece.middle
            if end <= middle:
                stack.append((piece.left, start, end))
            elif start >= middle:
                stack.append((piece.right, start, end))
            else:
                stack += [(piece.right, middle, end), (piece.left, start, middle)]
        return found

    def _split(self, piece: _Piece) -> None:
        place, level = piece.place
        source = np.random.SeedSequence(self.entropy, spawn_key=piece.place, pool_size=POOL_SIZE)
        piece.seed = int(source.generate_state(1)[0])
        piece.middle = round(0.5 * (piece.end + piece.start), DIGITS)
        piece.left = _Piece(piece.start, piece.middle, piece, (2 * place, level + 1))
        piece.right = _Piece(piece.middle, piece.end, piece, (2 * place + 1, level + 1))


class BrownianNoise:
    """Noise of a Brownian path over sigma, one tree an image: the steps may change, the path stays (DPM++ SDE family).

    ``x``: [B, C, H, W], gives shape, dtype and device.  ``sigma_min``, ``sigma_max``: the positive range of the run's
    sigmas.  ``seeds``: one integer an image, or None for random ones.  ``rng``: "NV" draws the tree with Philox as
    webui does, "CPU" with torch's own generator (k-diffusion's numbers). Calling it with two different sigmas gives a
    standard normal tensor like x, the same for the same two sigmas however often and in whatever order it is asked.
    """

    def __init__(
        self,
        x: torch.Tensor,
        sigma_min: float | torch.Tensor,
        sigma_max: float | torch.Tensor,
        seeds: Sequence[int] | None = None,
        rng: str = "NV",
    ) -> None:
        if rng not in SOURCES:
            raise ValueError(f"unknown random source {rng!r}; known: {', '.join(SOURCES)}")
        if seeds is None:
            seeds = torch.randint(0, 2**62, (x.shape[0],)).tolist()
        if len(seeds) != x.shape[0]:
            raise ValueError(f"one seed an image: got {len(seeds)} seeds for {x.shape[0]} images")
        self._rng = rng
        self._like = (x.device, x.dtype)
        self._shape = tuple(x.shape[1:])
        start, end = (float(torch.as_tensor(sigma, dtype=torch.float32)) for sigma in (sigma_min, sigma_max))
        self.paths = [Path(start, end, int(seed)) for seed in seeds]
        self._known: list[_Piece] = []
        for path, first in zip(self.paths, self._draw([path.first_seed for path in self.paths]), strict=True):
            path.root.increment = first * path.scale

    def __call__(self, sigma: float | torch.Tensor, sigma_next: float | torch.Tensor) -> torch.Tensor:
        """Standard normal noise [B, C, H, W] for the step from ``sigma`` to ``sigma_next``."""
        t0, t1 = (torch.as_tensor(value, dtype=torch.float32).cpu() for value in (sigma, sigma_next))
        low, high, sign = (t0, t1, 1) if t0 < t1 else (t1, t0, -1)
        stretches = [path.pieces(float(low), float(high)) for path in self.paths]
        self._measure(stretches)
        moved = np.zeros((len(stretches), math.prod(self._shape)), dtype=np.float32)
        for row, pieces in zip(moved, stretches, strict=True):
            for piece in pieces:
                row += piece.increment  # type: ignore[arg-type]
        self._forget()
        path = torch.from_numpy(moved).reshape(-1, *self._shape) * sign
        device, dtype = self._like
        return (path / (t1 - t0).abs().sqrt()).to(device, dtype, non_blocking=True)

    def _measure(self, stretches: list[list[_Piece]]) -> None:
        """Find the increments of these pieces, and of all above them that are not known, from the top down."""
        wanted: dict[_Piece, None] = {}
        for pieces in stretches:
            for leaf in pieces:
                piece = leaf
                while piece.increment is None:
                    assert piece.parent is not None
                    piece = piece.parent
                    wanted[piece] = None
        # parents before children: a level lies wholly above the next
        parents = sorted(wanted, key=lambda piece: piece.place[1])
        for parent, noise in zip(parents, self._draw([parent.seed for parent in parents]), strict=True):
            assert parent.increment is not None
            left, right = parent.middle - parent.start, parent.end - parent.middle
            share = 1 / (parent.end - parent.start)
            # single precision, in torchsde's order of operations
            parent.left.increment = left * parent.increment * share + math.sqrt(left * right * share) * noise
            parent.right.increment = parent.increment - parent.left.increment
            self._known += [parent.left, parent.right]

    def _draw(self, seeds: list[int]) -> np.ndarray:
        """Standard normal numbers float32 [n, C * H * W], a row a seed."""
        count = math.prod(self._shape)
        if self._rng != "CPU":
            return philox_rows(seeds, count)
        rows = [randn(seed, (count,), "CPU").numpy() for seed in seeds]
        return np.stack(rows) if rows else np.empty((0, count), dtype=np.float32)

    def _forget(self) -> None:
        """Keep the store of known increments small; what is forgotten is drawn again, the same."""
        if len(self._known) * math.prod(self._shape) * 4 > KEPT_BYTES:
            for piece in self._known:
                piece.increment = None
            self._known.clear()

"""What all samplers share: the step report, the loop over sigmas with resuming, and the ancestral split of a step.

Sigmas stay float32 scalars on the CPU, and are combined in k-diffusion's order of operations: that makes results
bit-equal to it on the CPU, and on a GPU no step waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

Model = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
NoiseSampler = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass
class Step:
    """What a callback receives once a step; also readable as a mapping (``step["denoised"]``).

    ``i``: step from 0; ``total``: steps expected (0 when unknown).  ``x``: [B, C, H, W] at noise level ``sigma`` (a
    float), before the step.  ``sigma_hat``: the level the model saw (larger than sigma with churn).  ``denoised``:
    the model's picture of x. ``history``: what a multistep sampler remembers from before this step. A run is
    continued by calling the sampler again with ``x=step.x, resume=step`` and a noise sampler that stands where it
    stood; it repeats step i. A callback may raise to cancel.
    """

    i: int
    x: torch.Tensor
    sigma: float
    denoised: torch.Tensor
    sigma_hat: float
    total: int = 0
    history: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        if key not in self.__dataclass_fields__:
            raise KeyError(key)
        return getattr(self, key)


Callback = Callable[[Step], None]


def fresh_noise(x: torch.Tensor) -> NoiseSampler:
    """Unseeded noise like x, for callers that give no noise sampler."""
    return lambda sigma, sigma_next: torch.randn_like(x)


class Run:
    """One walk down the sigmas: ``for i, sigma, sigma_next in run``; the sigmas are float32 scalars on the CPU."""

    def __init__(
        self,
        model: Model,
        x: torch.Tensor,
        sigmas: torch.Tensor,
        callback: Callback | None = None,
        resume: Step | None = None,
        total: int | None = None,
    ) -> None:
        self.model = model
        self.sigmas = torch.as_tensor(sigmas).detach().cpu()
        if self.sigmas.dtype not in (torch.float32, torch.float64):
            self.sigmas = self.sigmas.float()
        self.steps = max(len(self.sigmas) - 1, 0)
        self.start = 0 if resume is None else resume.i
        self._callback = callback
        self._total = self.steps if total is None else total
        self._history: Mapping[str, Any] = {} if resume is None else resume.history
        # half-precision latents must not round sigma: the model always gets it in single precision or better
        self._dtype = torch.float64 if x.dtype == torch.float64 else torch.float32

    def __iter__(self) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        for i in range(self.start, self.steps):
            yield i, self.sigmas[i], self.sigmas[i + 1]

    def recall(self, key: str, default: Any = None) -> Any:
        """What an interrupted run remembered under this key."""
        return self._history.get(key, default)

    def denoise(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """One denoiser call: model(x, sigma[B])."""
        return self.model(x, torch.full((x.shape[0],), float(sigma), dtype=self._dtype, device=x.device))

    def report(
        self,
        i: int,
        x: torch.Tensor,
        sigma: torch.Tensor,
        denoised: torch.Tensor,
        sigma_hat: torch.Tensor | None = None,
        **history: Any,
    ) -> None:
        """Tell the callback about step i."""
        if self._callback is not None:
            hat = sigma if sigma_hat is None else sigma_hat
            self._callback(Step(i, x, float(sigma), denoised, float(hat), self._total, history))


def slope(x: torch.Tensor, sigma: torch.Tensor, denoised: torch.Tensor) -> torch.Tensor:
    """dx/dsigma of the probability flow ODE (Karras et al. 2022, eq. 3 with s = 1)."""
    return (x - denoised) / sigma


def ancestral(sigma: torch.Tensor, sigma_next: torch.Tensor, eta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Split a step into (sigma to go down to, sigma of the noise to add), so that the variances add up to
    sigma_next^2.
    """
    if not eta:
        return sigma_next, torch.zeros_like(sigma_next)
    variance = sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2
    up = torch.minimum(sigma_next, eta * variance**0.5)
    return (sigma_next**2 - up**2) ** 0.5, up


def positive_range(sigmas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Smallest sigma above zero, and the largest."""
    return sigmas[sigmas > 0].min(), sigmas.max()


def brownian_noise(x: torch.Tensor, sigmas: torch.Tensor) -> NoiseSampler:
    """A Brownian tree with random seeds over these sigmas, for callers that give no noise sampler."""
    from ra_widgets.diffusion.brownian import BrownianNoise

    return BrownianNoise(x, *positive_range(torch.as_tensor(sigmas).detach().cpu()))

"""Keeping a part of the picture while the rest is drawn anew: how a mask acts inside the denoiser, as webui does it.

Where it acts depends on the family of the sampler (``SamplerInfo.timestep_based``):

* samplers on sigmas (Euler, DPM++ ...): *after* each denoiser call the denoised picture is blended with the init;
* DDIM, DDIM CFG++, PLMS, UniPC: *before* each call the network is shown the clean init, without noise, in the kept
  part. The sampler's own latents are not blended, so the noise predicted there steers nothing but itself.

In both families the finished latents are blended once more (:meth:`LatentMask.final`). Blending is linear unless a
callback decides otherwise, call by call: :func:`soft_blend` (webui's soft inpainting) and :func:`differential_blend`
(a map of how much each place may change) are two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Blend:
    """What a blending callback gets; it answers with latents like ``current``.

    ``current``: [B, C, H, W] of the run.  ``init``: the kept picture, on the scale of ``current``.  ``mask``: 1 where
    to repaint, broadcastable.  ``sigma``: [B, 1, 1, 1] noise level of the call, 0 for the final blend.  ``step``:
    denoiser calls done before.  ``progress``: 0 at the first call, below 1 at the last, 1 for the final blend.  ``final``: the blend
    after the run.
    """

    current: torch.Tensor
    init: torch.Tensor
    mask: torch.Tensor
    sigma: torch.Tensor
    step: int = 0
    progress: float = 0.0
    final: bool = False

    def mixed(self, mask: torch.Tensor | None = None) -> torch.Tensor:
        """The plain blend, with this mask instead of the given one if one is named."""
        mask = self.mask if mask is None else mask.to(self.current)
        return self.current * mask + self.init * (1 - mask)


Blending = Callable[[Blend], torch.Tensor]


class LatentMask:
    """A mask for :class:`ra_widgets.diffusion.guidance.CFGDenoiser`.

    Args:
        mask: [B or 1, C or 1, H, W] in latent cells, 0..1, 1 where to repaint. webui rounds it to 0 and 1 unless told
            not to; values between act as a soft mask.
        init: [B or 1, C, H, W] latents that are kept where the mask is 0.
        before: blend before the network looks (give ``SamplerInfo.timestep_based``).
        blending: decides each blend; None: the plain one.

    Raises:
        ValueError: mask and init are of different sizes.
    """

    def __init__(
        self, mask: torch.Tensor, init: torch.Tensor, before: bool = False, blending: Blending | None = None
    ) -> None:
        if mask.shape[-2:] != init.shape[-2:]:
            raise ValueError(f"mask {tuple(mask.shape[-2:])} and init {tuple(init.shape[-2:])} differ in size")
        self.mask, self.init, self.before = mask, init, before
        self.blending = blending

    def of(self, image: int) -> LatentMask:
        """The mask of one image of the batch."""
        mask, init = (x[image : image + 1] if len(x) > 1 else x for x in (self.mask, self.init))
        return LatentMask(mask, init, self.before, self.blending)

    def blend(self, current: torch.Tensor, sigma: torch.Tensor, step: int = 0, progress: float = 0.0) -> torch.Tensor:
        """Blend latents [B, C, H, W] of a call at ``sigma`` [B]: noisy ones if ``before``, else denoised ones."""
        level = sigma.to(current).reshape(-1, 1, 1, 1)
        self.mask, self.init = self.mask.to(current), self.init.to(current)  # moved to the device once
        # a sampler's x is sqrt(1 + sigma^2) times what the network sees, and that is where the init goes in
        init = self.init * (1 + level**2) ** 0.5 if self.before else self.init
        return self._ask(Blend(current, init, self.mask, level, step, progress))

    def final(self, latents: torch.Tensor) -> torch.Tensor:
        """Blend the finished latents."""
        zero = latents.new_zeros((len(latents), 1, 1, 1))
        return self._ask(Blend(latents, self.init.to(latents), self.mask.to(latents), zero, 0, 1.0, final=True))

    def kept(self, denoised: torch.Tensor) -> torch.Tensor:
        """The plain blend, for previews."""
        mask = self.mask.to(denoised)
        return denoised * mask + self.init.to(denoised) * (1 - mask)

    def _ask(self, facts: Blend) -> torch.Tensor:
        return facts.mixed() if self.blending is None else self.blending(facts)


def soft_blend(power: float = 1.0, scale: float = 0.5, detail: float = 4.0) -> Blending:
    """webui's soft inpainting ("Schedule bias", "Preservation strength", "Transition contrast boost").

    The mask is raised to ``sigma ** power * scale``: at high noise soft edges keep the init, at low noise they let the
    new picture in. Between the two, lengths of the latent vectors are mixed by a power mean of exponent ``detail``, so
    that the seam is not washed out. The final blend leaves the latents as they are (pixels are composed afterwards).
    Raises ValueError for a detail of 0.
    """
    if detail == 0:
        raise ValueError("detail must not be 0")

    def blending(facts: Blend) -> torch.Tensor:
        if facts.final:
            return facts.current
        mask = facts.mask ** (facts.sigma**power * scale)
        mixed = facts.mixed(mask)
        lengths = (torch.linalg.vector_norm(side, dim=1, keepdim=True) for side in (facts.init, facts.current))
        kept, new = (length.clamp(min=1e-8) ** detail for length in lengths)
        wanted = (kept * (1 - mask) + new * mask) ** (1 / detail)
        return mixed * (wanted / (torch.linalg.vector_norm(mixed, dim=1, keepdim=True) + 1e-5))

    return blending


def differential_blend(facts: Blend) -> torch.Tensor:
    """Differential diffusion (Levin & Fried 2023, arXiv:2306.00950): the mask says how much each place may change.

    A cell of value v is set free once a share of 1 - v of the run is over: 1 is repainted from the start, 0 never.
    """
    return facts.mixed((facts.mask >= 1 - facts.progress) & (facts.mask > 0))

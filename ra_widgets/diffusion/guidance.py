"""Classifier-free guidance as webui does it: which conditioning a call sees, how calls are batched and combined.

Ho & Salimans 2022, arXiv:2207.12598, in denoised space: ``uncond + sum_i (cond_i - uncond) * weight_i * cfg_scale``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ra_widgets.diffusion.denoiser import CondBatch, ModelDenoiser
from ra_widgets.diffusion.masking import LatentMask

Entry = tuple[int, torch.Tensor, Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class Cond:
    """One prompt's conditioning over a run: ``schedule`` of (end_at_step, tensor [T, D], extras by name).

    Extras are per-image tensors without the batch dimension (``text_embeds`` [P], ``time_ids`` [6] for SDXL).
    """

    schedule: Sequence[Entry]

    @classmethod
    def constant(cls, context: torch.Tensor, **extras: torch.Tensor) -> Cond:
        """The same conditioning at every call."""
        return cls(((0, context, extras),))

    def index_at(self, call: int) -> int:
        """Which entry serves denoiser call number ``call`` (from 0).

        The first with ``call <= end_at_step``: one call more than the number says, as in webui; and the *first* entry
        again when the schedule has run out.
        """
        for index, (end_at_step, _, _) in enumerate(self.schedule):
            if call <= end_at_step:
                return index
        return 0


Weighted = tuple[Cond, float]


@dataclass
class GuidanceOptions:
    """Settings of one run, named as in webui's infotext where it has a name for them.

    ``cfg_scale``.  ``rescale`` 0..1: guidance rescale (Lin et al. 2023, arXiv:2305.08891, eq. 15-16).
    ``s_min_uncond``: NGMS: below this sigma every other call (``s_min_uncond_all``: every call) goes without the
    negative prompt; with ``counts_timesteps``, below this *timestep*, which is what webui compares for DDIM, PLMS and
    UniPC (so that it hardly ever acts there). ``skip_early_cond``: the same for the first part of the run, 0..1 of ``total_steps``.
    ``pad_empty``: [T0, D] encoding of the empty prompt, appended to the shorter of prompt and negative ("Pad conds").
    ``pad_v0``: instead repeat the negative's last vector, or cut it ("Pad conds v0"). ``batched``: both in one UNet
    call when their lengths agree; False halves the memory.
    """

    cfg_scale: float = 7.0
    rescale: float = 0.0
    s_min_uncond: float = 0.0
    s_min_uncond_all: bool = False
    counts_timesteps: bool = False
    skip_early_cond: float = 0.0
    pad_empty: torch.Tensor | None = None
    pad_v0: bool = False
    batched: bool = True


@dataclass
class Refiner:
    """A second model for the end of a run: ``make()`` gives (denoiser, conds, unconds) once ``switch_at`` of the
    timesteps are done, or, if ``by_calls``, of ``total_steps``.
    """

    switch_at: float
    make: Callable[[], tuple[ModelDenoiser, Sequence[Sequence[Weighted]], Sequence[Cond]]]
    by_calls: bool = False


@dataclass
class _Prepared:
    """Stacked conditioning of one call; kept between calls, since it seldom changes."""

    conds: CondBatch
    unconds: CondBatch | None
    together: CondBatch | None = field(default=None)


class CFGDenoiser:
    """``model(x, sigma[B]) -> denoised`` for samplers, out of a denoiser, prompts and negative prompts.

    ``conds``: for each image its prompts as (Cond, weight), more than one for AND.  ``unconds``: one Cond an image,
    or None for a model run without guidance.  ``total_steps``: denoiser calls of the whole run (for skip_early_cond).
    ``mask``: keeps a part of the picture (:mod:`ra_widgets.diffusion.masking` says how).  ``image_cond``
    [B, C', H, W]: more UNet input channels.  ``seen``: called after each call with this object (``step``,
    ``denoised``). Raises ValueError when the numbers of images disagree.

    The counter ``step`` counts denoiser calls, so second-order samplers count twice a step (see
    SamplerInfo.total_steps).
    """

    def __init__(
        self,
        denoiser: ModelDenoiser,
        conds: Sequence[Sequence[Weighted]],
        unconds: Sequence[Cond] | None = None,
        options: GuidanceOptions | None = None,
        *,
        total_steps: int = 0,
        mask: LatentMask | None = None,
        image_cond: torch.Tensor | None = None,
        refiner: Refiner | None = None,
        seen: Callable[[CFGDenoiser], None] | None = None,
        **settings: Any,
    ) -> None:
        self.options = options or GuidanceOptions(**settings)
        if options is not None and settings:
            raise TypeError(f"give options or settings, not both: {', '.join(settings)}")
        self.total_steps = total_steps
        self.mask, self.image_cond = mask, image_cond
        self.refiner, self.seen = refiner, seen
        self.step = 0
        self.unet_calls = 0
        """UNet calls and, below, pictures that went through it."""
        self.unet_images = 0
        self.denoised: torch.Tensor | None = None
        """The picture of the last call, to show: with a mask, the kept part is the init."""
        self.last_uncond: torch.Tensor | None = None
        """The unconditional denoised of the last call, kept while CFG++ asks for it."""
        self._cfgpp = False
        self._use(denoiser, conds, unconds)

    def _use(
        self, denoiser: ModelDenoiser, conds: Sequence[Sequence[Weighted]], unconds: Sequence[Cond] | None
    ) -> None:
        if unconds is not None and len(unconds) != len(conds):
            raise ValueError(f"{len(conds)} prompts but {len(unconds)} negative prompts")
        if not conds or any(not image for image in conds):
            raise ValueError("every image needs a prompt")
        self.denoiser, self.conds, self.unconds = denoiser, conds, unconds
        self._repeats = [len(image) for image in conds]
        self._prepared: dict[tuple, _Prepared] = {}

    def cfgpp(self, on: bool) -> None:
        """CFG++ mode: CFG scale / 12.5, and ``last_uncond`` kept. Called by the DDIM CFG++ sampler."""
        self._cfgpp = on
        if not on:
            self.last_uncond = None

    @property
    def scale(self) -> float:
        """The CFG scale in force."""
        return self.options.cfg_scale / 12.5 if self._cfgpp else self.options.cfg_scale

    def _skips_uncond(self, sigma: torch.Tensor) -> bool:
        """webui's two ways to save the negative's call at some steps."""
        options = self.options
        if (
            options.skip_early_cond != 0
            and self.total_steps
            and self.step / self.total_steps <= options.skip_early_cond
        ):
            return True
        if options.s_min_uncond > 0 and (self.step % 2 or options.s_min_uncond_all):
            # reads sigma back from the device: only with this option on
            level = self.denoiser.sigma_to_t(sigma) if options.counts_timesteps else sigma
            return float(level[0]) < options.s_min_uncond
        return False

    def _needs_no_uncond(self) -> bool:
        """True when the negative's share of the result is exactly nothing, as with CFG scale 1."""
        if self.unconds is None:
            return True
        return not self._cfgpp and all(self.scale * sum(weight for _, weight in image) == 1 for image in self.conds)

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Guided denoised, like x."""
        if len(x) != len(self.conds):
            raise ValueError(f"{len(x)} latents for {len(self.conds)} prompts")
        self._refine(sigma)
        shown = x if self.mask is None or not self.mask.before else self._blend(x, sigma)
        skipped = self.unconds is not None and self._skips_uncond(sigma)
        alone = skipped or self._needs_no_uncond()
        cond_out, uncond_out = self._predict(shown, sigma, self._prepare(alone, x.device))
        if uncond_out is None:
            # webui: the first prompt stands in for the negative, and the scale is 1
            scale = 1.0 if skipped or self.unconds is None else self.scale
            uncond_out = cond_out[self._firsts()]
        else:
            scale = self.scale
        denoised = self._combine(cond_out, uncond_out, scale)
        if self.options.rescale and not alone:
            denoised = self._rescale(shown, sigma, denoised, cond_out)
        if self.mask is None:
            self.denoised = denoised
        elif self.mask.before:
            self.denoised = self.mask.kept(denoised)
            # the sampler takes the noise seen in ``shown`` out of its own x: the same slope (x - denoised) / sigma
            denoised, uncond_out = denoised + (x - shown), uncond_out + (x - shown)
        else:
            self.denoised = denoised = self._blend(denoised, sigma)
        if self._cfgpp:
            self.last_uncond = uncond_out
        self.step += 1
        if self.seen is not None:
            self.seen(self)
        return denoised

    def _blend(self, latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        assert self.mask is not None
        progress = min(self.step / self.total_steps, 1.0) if self.total_steps else 0.0
        return self.mask.blend(latents, sigma, self.step, progress)

    def _refine(self, sigma: torch.Tensor) -> None:
        if self.refiner is None:
            return
        table = self.denoiser.table(sigma.device)
        timestep = int((table - sigma.max()).abs().argmin())
        done = (len(table) - 1 - timestep) / len(table)
        if self.refiner.by_calls and self.total_steps:
            done = self.step / self.total_steps
        if done >= self.refiner.switch_at:
            self._use(*self.refiner.make())
            self.refiner = None

    def _firsts(self) -> list[int]:
        """Index of each image's first prompt in the stacked conds."""
        return [sum(self._repeats[:image]) for image in range(len(self._repeats))]

    def _combine(self, cond_out: torch.Tensor, uncond_out: torch.Tensor, scale: float) -> torch.Tensor:
        if len(cond_out) == len(uncond_out):
            weights = [image[0][1] for image in self.conds]
            if all(weight == weights[0] for weight in weights):
                return uncond_out + (cond_out - uncond_out) * (weights[0] * scale)
        denoised = uncond_out.clone()
        for image, (first, prompts) in enumerate(zip(self._firsts(), self.conds, strict=True)):
            for offset, (_, weight) in enumerate(prompts):
                denoised[image] += (cond_out[first + offset] - uncond_out[image]) * (weight * scale)
        return denoised

    def _rescale(
        self, x: torch.Tensor, sigma: torch.Tensor, denoised: torch.Tensor, cond_out: torch.Tensor
    ) -> torch.Tensor:
        """Give the network's guided output the standard deviation of its conditional one, in part."""
        s = sigma.to(denoised).reshape(-1, *[1] * (x.ndim - 1))
        dims = tuple(range(1, x.ndim))
        guided = self.denoiser.to_output(x, s, denoised)
        plain = self.denoiser.to_output(x, s, cond_out[self._firsts()])
        scaled = guided * (plain.std(dim=dims, keepdim=True) / guided.std(dim=dims, keepdim=True))
        phi = self.options.rescale
        return self.denoiser.from_output(x, s, phi * scaled + (1 - phi) * guided)

    def _predict(
        self, x: torch.Tensor, sigma: torch.Tensor, prepared: _Prepared
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(denoised of all prompts, denoised of the negatives or None)."""
        index = [image for image, count in enumerate(self._repeats) for _ in range(count)]
        plain = index == list(range(len(x)))
        parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, CondBatch]] = []
        x_cond, sigma_cond = (x, sigma) if plain else (x[index], sigma[index])
        image = self.image_cond
        image_cond = image if plain or image is None else image[index]
        if prepared.together is not None:
            image_both = None if image is None or image_cond is None else torch.cat([image_cond, image])
            parts.append((torch.cat([x_cond, x]), torch.cat([sigma_cond, sigma]), image_both, prepared.together))
        else:
            parts.append((x_cond, sigma_cond, image_cond, prepared.conds))
            if prepared.unconds is not None:
                parts.append((x, sigma, image, prepared.unconds))
        outs = [self._call(*part) for part in parts]
        if prepared.together is not None:
            return outs[0][: len(index)], outs[0][len(index) :]
        return outs[0], outs[1] if len(outs) > 1 else None

    def _call(
        self, x: torch.Tensor, sigma: torch.Tensor, image_cond: torch.Tensor | None, cond: CondBatch
    ) -> torch.Tensor:
        self.unet_calls += 1
        self.unet_images += len(x)
        if image_cond is not None:
            cond = replace(cond, extras={**cond.extras, "image_cond": image_cond})
        return self.denoiser(x, sigma, cond)

    def _prepare(self, alone: bool, device: torch.device) -> _Prepared:
        """Stack the conditioning in force at this call; the stacks are reused while the schedules stand still."""
        chosen = [cond.index_at(self.step) for image in self.conds for cond, _ in image]
        chosen_un = None if alone or self.unconds is None else [cond.index_at(self.step) for cond in self.unconds]
        key = (tuple(chosen), None if chosen_un is None else tuple(chosen_un), device)
        if key not in self._prepared:
            if len(self._prepared) >= 4:  # alternation needs two or three; a long schedule must not hold all its stacks
                self._prepared.pop(next(iter(self._prepared)))
            flat = [cond for image in self.conds for cond, _ in image]
            conds = _stack([cond.schedule[i] for cond, i in zip(flat, chosen, strict=True)], device)
            conds = replace(conds, positive=len(conds.context))
            unconds = None
            if chosen_un is not None:
                unconds = _stack(
                    [cond.schedule[i] for cond, i in zip(self.unconds or (), chosen_un, strict=True)], device
                )
                unconds = replace(unconds, positive=0)
                conds, unconds = self._pad(conds, unconds)
            self._prepared[key] = _Prepared(conds, unconds, self._join(conds, unconds))
        return self._prepared[key]

    def _join(self, conds: CondBatch, unconds: CondBatch | None) -> CondBatch | None:
        if unconds is None or not self.options.batched or conds.context.shape[1] != unconds.context.shape[1]:
            return None
        extras = {key: torch.cat([value, unconds.extras[key]]) for key, value in conds.extras.items()}
        return CondBatch(torch.cat([conds.context, unconds.context]), extras, len(conds.context))

    def _pad(self, conds: CondBatch, unconds: CondBatch) -> tuple[CondBatch, CondBatch]:
        missing = conds.context.shape[1] - unconds.context.shape[1]
        if missing != 0 and self.options.pad_v0:
            context = _repeat_last(unconds.context, conds.context.shape[1])[:, : conds.context.shape[1]]
            return conds, replace(unconds, context=context)
        if missing == 0 or self.options.pad_empty is None:
            return conds, unconds
        empty = self.options.pad_empty.to(conds.context)
        shorter = unconds if missing > 0 else conds
        filling = empty.repeat(abs(missing) // len(empty), 1).expand(len(shorter.context), -1, -1)
        padded = replace(shorter, context=torch.cat([shorter.context, filling], dim=1))
        return (conds, padded) if missing > 0 else (padded, unconds)


def _repeat_last(context: torch.Tensor, length: int) -> torch.Tensor:
    """Lengthen [N, T, D] to at least ``length`` tokens by repeating the last vector."""
    missing = length - context.shape[1]
    return context if missing <= 0 else torch.cat([context, context[:, -1:].expand(-1, missing, -1)], dim=1)


def _stack(entries: Sequence[Entry], device: torch.device) -> CondBatch:
    """Stack per-image conditioning; shorter ones are lengthened by their last vector (webui's rule for AND)."""
    length = max(tensor.shape[0] for _, tensor, _ in entries)
    context = torch.cat([_repeat_last(tensor[None].to(device, non_blocking=True), length) for _, tensor, _ in entries])
    keys = entries[0][2].keys()
    extras = {key: torch.stack([extra[key].to(device, non_blocking=True) for _, _, extra in entries]) for key in keys}
    return CondBatch(context, extras)

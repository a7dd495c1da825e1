"""Encoded prompts mixed into one: what the UNet reads half way between several prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ra_widgets.diffusion.conditioning import Encoded, Part
from ra_widgets.errors import InvalidRequest

NOTHING = 1e-6
"""Weights below this are rounding, and left out."""

Empty = Callable[[], Encoded]
"""Gives the encoded empty prompt, which lengthens the shorter texts (as "Pad conds" does)."""


def slerp(low: torch.Tensor, high: torch.Tensor, share: float) -> torch.Tensor:
    """``share`` (0..1) of the way from ``low`` to ``high``, float32 [..., D], each vector along its own arc.

    Directions turn, lengths change evenly (Shoemake 1985, "Animating rotation with quaternion curves"); where the two point the
    same way or opposite ways, and no arc is given, the way is straight.
    """
    long_low, long_high = (torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1e-12) for x in (low, high))
    cosine = ((low / long_low) * (high / long_high)).sum(-1, keepdim=True).clamp(-1, 1)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    straight = torch.lerp(low, high, share)
    turned = (torch.sin((1 - share) * angle) * low / long_low + torch.sin(share * angle) * high / long_high) / sine
    return torch.where(sine < 1e-3, straight, turned * torch.lerp(long_low, long_high, share))


def mix_tensors(members: Sequence[tuple[torch.Tensor, float]], mode: str) -> torch.Tensor:
    """Tensors [..., D] of one shape with weights that add up to 1, in the dtype of the first.

    ``"lerp"``: their weighted mean. ``"slerp"``: from the first to the second along the arc, from there to the third, and so on,
    each by its share of what is already there; with two the order means nothing.
    """
    dtype = members[0][0].dtype
    mixed, there = members[0][0].float(), members[0][1]
    if mode == "lerp":
        mixed = mixed * there
    for tensor, weight in members[1:]:
        there += weight
        mixed = mixed + tensor.float() * weight if mode == "lerp" else slerp(mixed, tensor.float(), weight / there)
    return mixed.to(dtype)


def mix(members: Sequence[tuple[Encoded, float]], mode: str, empty: Empty) -> Encoded:
    """Encoded texts mixed; one alone is given back as it is. Raises nothing."""
    members = [(encoded, weight) for encoded, weight in members if weight > NOTHING]
    if len(members) == 1:
        return members[0][0]
    rows = max(len(encoded.embeds) for encoded, _ in members)
    embeds = [(_padded(encoded.embeds, rows, empty), weight) for encoded, weight in members]
    pooled = [(encoded.pooled, weight) for encoded, weight in members if encoded.pooled is not None]
    used = dict.fromkeys(embedding for encoded, _ in members for embedding in encoded.used)
    return Encoded(mix_tensors(embeds, mode), mix_tensors(pooled, mode) if pooled else None, tuple(used))


def _padded(embeds: torch.Tensor, rows: int, empty: Empty) -> torch.Tensor:
    if len(embeds) == rows:
        return embeds
    filler = empty().embeds
    return torch.cat([embeds, *[filler] * ((rows - len(embeds)) // len(filler))])


def mix_parts(members: Sequence[tuple[list[Part], float]], mode: str, empty: Empty) -> list[Part]:
    """Positive prompts mixed, their ``AND`` members one by one.

    Raises:
        InvalidRequest: they have different numbers of them.
    """
    members = [(parts, weight) for parts, weight in members if weight > NOTHING]
    counts = {len(parts) for parts, _ in members}
    if len(counts) > 1:
        raise InvalidRequest("invalid.blend_and", field="prompt_blend", counts=", ".join(map(str, sorted(counts))))
    return [
        mix_part([(parts[index], weight) for parts, weight in members], mode, empty) for index in range(counts.pop())
    ]


def mix_part(members: Sequence[tuple[Part, float]], mode: str, empty: Empty) -> Part:
    """One text each with its schedule: wherever any of them changes, the mixture does."""
    members = [(part, weight) for part, weight in members if weight > NOTHING]
    if len(members) == 1:
        return members[0][0]
    ends = sorted({end for part, _ in members for end, _ in part.schedule})
    schedule = tuple((end, mix([(_at(part, end), weight) for part, weight in members], mode, empty)) for end in ends)
    return Part(sum(part.weight * weight for part, weight in members), schedule)


def _at(part: Part, call: int) -> Encoded:
    """The text that serves a denoiser call (:meth:`ra_widgets.diffusion.guidance.Cond.index_at`)."""
    return next((encoded for end, encoded in part.schedule if call <= end), part.schedule[0][1])

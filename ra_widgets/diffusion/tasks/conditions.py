"""From prompts to conditionings: parts, schedules, blends, SDXL's further numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ra_widgets.diffusion.blending import mix_part, mix_parts
from ra_widgets.diffusion.conditioning import Encoded, Part, TextEncoder
from ra_widgets.diffusion.guidance import Cond
from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.requests import TextToImage

if TYPE_CHECKING:
    from ra_widgets.diffusion.tasks.passes import Pass

Prompts = list[list[tuple[Cond, float]]]


def text_encoder(model: LoadedModel) -> TextEncoder:
    """The model's text encoder with its cache, made once."""
    if "text_encoder" not in model.cache:
        model.cache["text_encoder"] = TextEncoder(model)
    found: TextEncoder = model.cache["text_encoder"]
    return found


def conditioning(model: LoadedModel, request: TextToImage, this: Pass, count: int) -> tuple[Prompts, list[Cond]]:
    """Prompts and negative prompts for ``count`` pictures."""
    encoder = text_encoder(model)
    sdxl = model.info.family == "sdxl"
    time_ids, negative_ids = (_time_ids(model, this, score) if sdxl else None for score in AESTHETIC_SCORES)
    how = (this.timeline, request.clip_skip, request.emphasis)
    positive, negative = encoder.parts(this.prompt, *how), encoder.negative(this.negative, *how)
    blend = request.prompt_blend
    if blend:
        own = max(0.0, 1.0 - sum(part.weight for part in blend))

        def empty() -> Encoded:
            return encoder.encode("", request.clip_skip)

        # a prompt of its own for the second pass is not mixed with those of the first
        if not (this.hires and request.hr_prompt):
            others = [(encoder.parts(part.prompt, *how), part.weight) for part in blend]
            positive = mix_parts([(positive, own), *others], request.blend_mode, empty)
        if not (this.hires and request.hr_negative_prompt):
            texts = [this.negative if part.negative_prompt is None else part.negative_prompt for part in blend]
            further = [(encoder.negative(text, *how), part.weight) for text, part in zip(texts, blend, strict=True)]
            negative = mix_part(_gathered([(negative, own), *further]), request.blend_mode, empty)
    prompts = [(_cond(part, time_ids), part.weight) for part in positive]
    return [prompts] * count, [_cond(negative, negative_ids)] * count


def _gathered(members: list[tuple[Part, float]]) -> list[tuple[Part, float]]:
    """Equal texts taken together, so that the same negative prompt everywhere is exactly that one."""
    found: list[tuple[Part, float]] = []
    for part, weight in members:
        same = next((i for i, (other, _) in enumerate(found) if _same(part, other)), None)
        if same is None:
            found.append((part, weight))
        else:
            found[same] = (found[same][0], found[same][1] + weight)
    return found


def _same(first: Part, second: Part) -> bool:
    # encoded texts come from the cache: the same text is the same object
    return len(first.schedule) == len(second.schedule) and all(
        a[0] == b[0] and a[1] is b[1] for a, b in zip(first.schedule, second.schedule, strict=True)
    )


def _cond(part: Part, time_ids: torch.Tensor | None) -> Cond:
    entries = []
    for end, encoded in part.schedule:
        extras = {}
        if time_ids is not None and encoded.pooled is not None:
            extras = {"text_embeds": encoded.pooled, "time_ids": time_ids}
        entries.append((end, encoded.embeds, extras))
    return Cond(tuple(entries))


AESTHETIC_SCORES = (6.0, 2.5)
"""What the SDXL refiner is told of the beauty of a picture with the prompt, and with the negative prompt."""


def _time_ids(model: LoadedModel, this: Pass, score: float) -> torch.Tensor:
    """SDXL's size conditioning: original size, crop corner, target size (height first); the refiner's score at its end."""
    height, width = float(this.height), float(this.width)
    config = model.unet.config
    room = config.projection_class_embeddings_input_dim - model.pipe.text_encoder_2.config.projection_dim
    last = [score] if room // config.addition_time_embed_dim == 5 else [height, width]
    return torch.tensor([height, width, 0.0, 0.0, *last])

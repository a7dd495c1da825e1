"""What a request needs to stand between others: a blend of prompts, a chain of variations; and many requests as one job."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, SerializeAsAny, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ra_widgets.request_base import MAX_PROMPT, MAX_SEED, Data, Generation, Request

MAX_SERIES = 400
"""Pictures of one series, at most."""
SLACK = 1e-6
"""Weights that add up to this much more than 1 are rounding."""


class BlendPart(Data):
    """A further prompt of a blend.

    Args:
        prompt: its text, in the webui's prompt language.
        weight: its share of the whole, 0..1.
        negative_prompt: its negative prompt; None: the request's own.
    """

    FIRST = ("prompt", "weight", "negative_prompt")

    prompt: str = Field(max_length=MAX_PROMPT)
    weight: float = Field(ge=0, le=1)
    negative_prompt: str | None = Field(None, max_length=MAX_PROMPT)

    @field_validator("prompt", "negative_prompt", mode="before")
    @classmethod
    def _clean_text(cls, value: Any) -> Any:
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "") if isinstance(value, str) else value


class VariationFields(BaseModel):
    """Fields of requests that can stand between others.

    Args:
        prompt_blend: further prompts; what their weights leave of 1 is the share of ``prompt``. A pair ``(text, weight)`` will do.
            The encoded prompts are mixed before the model reads them: ``AND`` adds up what several prompts steer to, a blend is
            one prompt half way between others.
        blend_mode: ``"slerp"``: token by token along the arc between them; ``"lerp"``: along the straight line.
        further_variations: ``((seed, strength), ...)``: variations of the variation, one after another, each as ``subseed`` and
            ``subseed_strength`` are one of ``seed``.
    """

    prompt_blend: tuple[BlendPart, ...] = Field((), max_length=16)
    blend_mode: Literal["slerp", "lerp"] = "slerp"
    further_variations: tuple[
        tuple[Annotated[int, Field(ge=0, le=MAX_SEED)], Annotated[float, Field(gt=0, le=1)]], ...
    ] = Field((), max_length=32)

    @field_validator("prompt_blend", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if isinstance(value, BlendPart):
            return (value,)
        if not isinstance(value, (tuple, list)):
            return value
        return tuple(
            BlendPart(prompt=item[0], weight=item[1]) if isinstance(item, (tuple, list)) and len(item) == 2 else item
            for item in value
        )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        total = sum(part.weight for part in self.prompt_blend)
        if total > 1 + SLACK:
            context = {"field": "prompt_blend", "total": f"{total:g}"}
            raise PydanticCustomError("invalid.blend_total", "more than the whole", context)
        return self


class Series(Request):
    """Several requests carried out as one job: one progress, one estimate, one stop. Each picture keeps the request that makes it alone.

    Args:
        requests: 1..400 requests of one picture each, for one model.
    """

    FIRST: ClassVar[tuple[str, ...]] = ("requests",)

    kind: Literal["series"] = "series"
    requests: tuple[SerializeAsAny[Generation], ...] = Field(min_length=1, max_length=MAX_SERIES)

    @model_validator(mode="after")
    def _alike(self) -> Self:
        if any(request.images != 1 for request in self.requests):
            raise PydanticCustomError("invalid.series_single", "one picture each", {"field": "requests"})
        if len({request.model for request in self.requests}) > 1:
            raise PydanticCustomError("invalid.series_model", "one model", {"field": "requests"})
        return self

    @property
    def model(self) -> str | None:
        """The model of all of them."""
        return self.requests[0].model

    @property
    def images(self) -> int:
        """How many pictures there will be."""
        return len(self.requests)

    @property
    def pixels(self) -> int:
        """Pixels of the largest."""
        return max(request.pixels for request in self.requests)

    def resolved(self, *, width: int, height: int, cfg_scale: float) -> Self:
        """All of them with every default and random number settled."""
        settled = tuple(r.resolved(width=width, height=height, cfg_scale=cfg_scale) for r in self.requests)
        return self.replace(requests=settled)

    def single(self, index: int) -> Any:
        """The request of picture ``index``."""
        return self.requests[index]

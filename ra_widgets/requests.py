"""What to make: frozen, validated data. Field names are the webui's.

A request knows nothing of models or devices. ``None`` in ``width``, ``height`` and ``cfg_scale`` means "the model's own
default"; the kernel fills it in (:meth:`TextToImage.resolved`) before the work begins, and records keep the numbers that were
really used.
"""

from __future__ import annotations

import math
import secrets
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ra_widgets import samplers
from ra_widgets.errors import InvalidRequest
from ra_widgets.request_fields import HiresFields, SamplingFields

MAX_SEED = 2**32 - 1
"""Seeds are 0..2**32-1, as in the webui; -1 asks for a random one."""
MAX_PIXELS = 4096 * 4096
MAX_PROMPT = 10_000

_KEYS = {
    "missing": "invalid.missing",
    "extra_forbidden": "invalid.extra",
    "greater_than_equal": "invalid.at_least",
    "greater_than": "invalid.more_than",
    "less_than_equal": "invalid.at_most",
    "less_than": "invalid.less_than",
    "multiple_of": "invalid.multiple",
    "finite_number": "invalid.finite",
    "literal_error": "invalid.choice",
    "string_too_long": "invalid.too_long",
}


def problems_of(error: ValidationError) -> list[InvalidRequest]:
    """Turn pydantic's report into our own problems, each naming the field and what is allowed."""
    found = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or str(item.get("ctx", {}).get("field", ""))
        context = {key: value for key, value in item.get("ctx", {}).items() if key not in ("field", "error")}
        got = repr(item.get("input"))[:80]
        key = item["type"] if item["type"].startswith("invalid.") else _KEYS.get(item["type"], "invalid.other")
        context.setdefault("detail", item["msg"])
        context.setdefault("got", got)
        found.append(InvalidRequest(key, field=field, **{k: v for k, v in context.items() if k != "key"}))
    return found


class Request(BaseModel):
    """Base of all requests: immutable, no unknown fields, versioned.

    Raises:
        InvalidRequest: at construction, naming every field that is wrong and what it allows, in both languages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=False)

    SCHEMA: ClassVar[int] = 1
    schema_version: Literal[1] = 1

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            problems = problems_of(error)
            first = problems[0]
            raise InvalidRequest(first.key, problems=list(problems), **first.values) from None  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated anew."""
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **changes})

    def to_code(self, variable: str = "kernel") -> str:
        """The one line of Python that makes this request: ``kernel.generate(ra.TextToImage(...))``."""
        infos = type(self).model_fields
        own = [name for name in type(self).__annotations__ if name in infos]
        fields = ", ".join(
            f"{name}={getattr(self, name)!r}"
            for name in dict.fromkeys([*own, *infos])
            if name not in ("kind", "schema_version") and getattr(self, name) != infos[name].default
        )
        return f"{variable}.generate(ra.{type(self).__name__}({fields}))"


def _unknown(field: str, prefix: str, allowed: tuple[str, ...], got: str) -> PydanticCustomError:
    context = {"field": prefix + field, "allowed": ", ".join(allowed), "got": repr(got)[:80]}
    return PydanticCustomError(f"invalid.{field}", f"unknown {field}", context)  # type: ignore[arg-type]


class TextToImage(SamplingFields, HiresFields, Request):
    """Text to image.

    Args:
        prompt: what to draw, in the webui's prompt language.
        negative_prompt: what to stay away from.
        steps: sampling steps, 1..150.
        sampler: webui sampler name, e.g. ``"DPM++ 2M"``; names with the schedule inside are split.
        scheduler: webui schedule name; ``"Automatic"`` is the sampler's own.
        cfg_scale: classifier-free guidance, 0..100; None: the model's default.
        seed: 0..2**32-1, or -1 for a random one. Picture ``i`` of a job uses ``seed + i``.
        subseed, subseed_strength: variation seed and its strength 0..1.
        width, height: pixels, multiples of 8, 64..4096; None: the model's default.
        batch_size: pictures made at once, 1..64; n_iter: batches in a row, 1..1000.
        clip_skip: stop at this layer of the text encoder, counted from its end, 1..12.
        model: name of a model to use for this request; None: the one that is loaded.

    Further fields: :class:`~ra_widgets.request_fields.SamplingFields`, :class:`~ra_widgets.request_fields.HiresFields`.
    """

    kind: Literal["txt2img"] = "txt2img"
    prompt: str = Field("", max_length=MAX_PROMPT)
    negative_prompt: str = Field("", max_length=MAX_PROMPT)
    steps: int = Field(20, ge=1, le=150)
    sampler: str = "DPM++ 2M"
    scheduler: str = "Automatic"
    cfg_scale: float | None = Field(None, ge=0, le=100)
    seed: int = Field(-1, ge=-1, le=MAX_SEED)
    subseed: int = Field(-1, ge=-1, le=MAX_SEED)
    subseed_strength: float = Field(0.0, ge=0, le=1)
    width: int | None = Field(None, ge=64, le=4096, multiple_of=8)
    height: int | None = Field(None, ge=64, le=4096, multiple_of=8)
    batch_size: int = Field(1, ge=1, le=64)
    n_iter: int = Field(1, ge=1, le=1000)
    clip_skip: int = Field(1, ge=1, le=12)
    model: str | None = None

    @field_validator("prompt", "negative_prompt", mode="before")
    @classmethod
    def _clean_text(cls, value: Any) -> Any:
        # lone surrogates and NUL can be typed into a page but stored in neither PNG nor SQLite
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "") if isinstance(value, str) else value

    @field_validator("steps", "seed", "subseed", "width", "height", "batch_size", "n_iter", "clip_skip", mode="before")
    @classmethod
    def _no_bool(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticCustomError("invalid.number", "a number is needed")
        return value

    @model_validator(mode="before")
    @classmethod
    def _sampler_names(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not ({"sampler", "scheduler", "hr_sampler", "hr_scheduler"} & set(data)):
            return data
        data = dict(data)
        for prefix in ("", "hr_"):
            sampler, scheduler = data.get(prefix + "sampler"), data.get(prefix + "scheduler")
            inside = None
            if isinstance(sampler, str):
                try:
                    data[prefix + "sampler"], inside = samplers.split_name(sampler)
                except KeyError:
                    raise _unknown("sampler", prefix, samplers.SAMPLER_NAMES, sampler) from None
            if isinstance(scheduler, str) or inside:
                try:
                    label = samplers.find_scheduler(scheduler)
                except KeyError:
                    raise _unknown("scheduler", prefix, samplers.SCHEDULER_NAMES, str(scheduler)) from None
                data[prefix + "scheduler"] = inside if inside and label == samplers.AUTOMATIC else label
        return data

    @model_validator(mode="after")
    def _size(self) -> Self:
        if self.width and self.height:
            if self.width * self.height > MAX_PIXELS:
                raise PydanticCustomError("invalid.pixels", "too many pixels", {"field": "width", "limit": MAX_PIXELS})
            if self.enable_hr:
                width, height = self.hires_size()
                if not (64 <= width <= 4096 and 64 <= height <= 4096):
                    context = {"field": "hr_scale", "width": width, "height": height}
                    raise PydanticCustomError("invalid.hires_size", "size out of range", context)
        return self

    def hires_size(self) -> tuple[int, int]:
        """Size (width, height) after hires fix, before rounding down to whole latent cells, by the webui's rule.

        Needs width and height. With both ``hr_resize_x`` and ``hr_resize_y`` the picture is cropped to that shape.
        """
        width, height = self.width or 0, self.height or 0
        if self.hr_resize_x == 0 and self.hr_resize_y == 0:
            return int(width * self.hr_scale), int(height * self.hr_scale)
        if self.hr_resize_y == 0:
            return self.hr_resize_x, self.hr_resize_x * height // width
        if self.hr_resize_x == 0:
            return self.hr_resize_y * width // height, self.hr_resize_y
        return self.hr_resize_x, self.hr_resize_y

    @property
    def images(self) -> int:
        """How many pictures the request asks for."""
        return self.batch_size * self.n_iter

    def resolved(self, *, width: int, height: int, cfg_scale: float) -> Self:
        """The request with every default and random number settled.

        A seed of -1 becomes a random one (as the webui draws it: 0..4294967293).
        """
        changes: dict[str, Any] = {}
        if self.width is None:
            changes["width"] = width
        if self.height is None:
            changes["height"] = height
        if self.cfg_scale is None:
            changes["cfg_scale"] = cfg_scale
        if self.seed == -1:
            changes["seed"] = secrets.randbelow(4294967294)
        if self.subseed == -1 and self.subseed_strength > 0:
            changes["subseed"] = secrets.randbelow(4294967294)
        return self.replace(**changes) if changes else self

    def image_seed(self, index: int) -> tuple[int, int]:
        """Seed and variation seed of picture ``index`` of a resolved request (webui's rule).

        Seeds count up by one per picture; with a variation strength the seed stays and the variation seed counts up.
        """
        fixed = self.subseed_strength > 0
        seed = self.seed if fixed else (self.seed + index) % (MAX_SEED + 1)
        subseed = (max(self.subseed, 0) + index) % (MAX_SEED + 1) if fixed else self.subseed
        return seed, subseed

    def single(self, index: int) -> Self:
        """The request that makes picture ``index`` of this (resolved) request alone."""
        seed, subseed = self.image_seed(index)
        return self.replace(seed=seed, subseed=subseed, batch_size=1, n_iter=1)


KINDS: dict[str, type[Request]] = {"txt2img": TextToImage}
"""Request kinds by the name in their ``kind`` field."""


def from_dict(data: dict[str, Any]) -> Request:
    """A request from plain data (our JSON in a PNG, the API).

    Raises:
        InvalidRequest: unknown ``kind`` or wrong fields.
    """
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        raise InvalidRequest("invalid.kind", field="kind", got=str(data.get("kind"))[:40], allowed=", ".join(KINDS))
    clean = {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in data.items()}
    return kind(**clean)

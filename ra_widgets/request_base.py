"""What all requests have in common: frozen, validated, versioned data that turns into JSON and into Python."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ra_widgets import samplers
from ra_widgets.errors import InvalidRequest, RAError
from ra_widgets.pictures import Picture, distrust
from ra_widgets.request_fields import RefinerFields, SamplingFields, TileFields

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
    "too_long": "invalid.too_many",
    "too_short": "invalid.too_few",
    "int_type": "invalid.number",
    "int_parsing": "invalid.number",
    "int_parsing_size": "invalid.number",
    "int_from_float": "invalid.whole",
    "float_type": "invalid.number",
    "float_parsing": "invalid.number",
    "bool_type": "invalid.switch",
    "bool_parsing": "invalid.switch",
    "string_type": "invalid.text",
}


def problems_of(error: ValidationError) -> list[InvalidRequest]:
    """Turn pydantic's report into our own problems, each naming the field and what is allowed."""
    found = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or str(item.get("ctx", {}).get("field", ""))
        context = {key: value for key, value in item.get("ctx", {}).items() if key not in ("field", "error")}
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, InvalidRequest):  # a part of the request (a control unit) that is wrong in itself
            found += [_within(field, problem) for problem in inner.problems or [inner]]
            continue
        key = item["type"] if item["type"].startswith("invalid.") else _KEYS.get(item["type"], "invalid.other")
        context.setdefault("detail", item["msg"])
        context.setdefault("got", _shown(item.get("input")))
        found.append(InvalidRequest(key, field=field, **{k: v for k, v in context.items() if k != "key"}))
    return found


def _within(field: str, problem: RAError) -> InvalidRequest:
    values = dict(problem.values)
    inner = str(values.pop("field", ""))
    return InvalidRequest(problem.key, field=".".join(part for part in (field, inner) if part), **values)  # type: ignore[arg-type]


def _shown(value: Any) -> str:
    """What was given, for a sentence; large things are named, not printed."""
    if isinstance(value, (str, bytes)):
        return repr(value[:80])[:80]
    return (
        repr(value)[:80]
        if isinstance(value, (int, float, bool, type(None), list, tuple, dict))
        else type(value).__name__
    )


class Data(BaseModel):
    """Base of requests and their parts: immutable, no unknown fields.

    Raises:
        InvalidRequest: at construction, naming every field that is wrong and what it allows, in both languages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=False)

    FIRST: ClassVar[tuple[str, ...]] = ()
    """Fields that stand first in :meth:`code`."""

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            problems = problems_of(error)
            first = problems[0]
            raise InvalidRequest(first.key, problems=list(problems), **first.values) from None  # type: ignore[arg-type]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """From plain data; texts in it are never taken for paths of files."""
        with distrust():
            return super().model_validate(obj, **options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """From JSON; texts in it are never taken for paths of files."""
        with distrust():
            return super().model_validate_json(json_data, **options)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated anew."""
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **changes})

    def code(self) -> str:
        """Python that makes this object: ``ra.TextToImage(prompt='...')``; fields at their defaults are left out."""
        infos = type(self).model_fields
        names = dict.fromkeys([*(name for name in self.FIRST if name in infos), *infos])
        fields = ", ".join(
            f"{name}={_code(getattr(self, name))}"
            for name in names
            if name not in ("kind", "schema_version") and getattr(self, name) != infos[name].default
        )
        return f"ra.{type(self).__name__}({fields})"

    def pictures(self) -> dict[str, Picture]:
        """All pictures in it by the field that holds them (``image``, ``mask``, ``control.0.image`` ...)."""
        return dict(_pictures(self, ""))


class Request(Data):
    """Base of all requests."""

    SCHEMA: ClassVar[int] = 1
    schema_version: Literal[1] = 1

    def to_code(self, variable: str = "kernel") -> str:
        """The one line of Python that makes this request: ``kernel.generate(ra.TextToImage(...))``."""
        return f"{variable}.generate({self.code()})"

    def portable(self) -> dict[str, Any]:
        """Plain JSON data that holds the input pictures themselves; :func:`~ra_widgets.requests.from_dict` reads it anywhere."""
        data: dict[str, Any] = self.model_dump(mode="json")
        for name, picture in self.pictures().items():
            place: Any = data
            *way, last = (int(part) if part.isdigit() else part for part in name.split("."))
            for part in way:
                place = place[part]
            place[last] = picture.to_dict(inline=True)
        return data

    @property
    def images(self) -> int:
        """How many pictures the request asks for."""
        return 1

    @property
    def pixels(self) -> int:
        """Pixels worked on at once, 0 if that is not known yet."""
        return (getattr(self, "width", None) or 0) * (getattr(self, "height", None) or 0)

    def resolved(self, *, width: int, height: int, cfg_scale: float) -> Self:
        """The request with every default and random number settled; the numbers are the model's defaults."""
        return self

    def single(self, index: int) -> Self:
        """The request that makes picture ``index`` of this (resolved) request alone."""
        return self


def _code(value: Any) -> str:
    if isinstance(value, Data):
        return value.code()
    if isinstance(value, Picture):
        return value.code()
    if isinstance(value, tuple):
        return "(" + "".join(f"{_code(item)}, " for item in value).rstrip(" ") + ")"
    return repr(value)


def _pictures(value: Any, name: str) -> Iterator[tuple[str, Picture]]:
    if isinstance(value, Picture):
        yield name, value
    elif isinstance(value, Data):
        for field in type(value).model_fields:
            yield from _pictures(getattr(value, field), f"{name}.{field}".lstrip("."))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _pictures(item, f"{name}.{index}")


def unknown(field: str, prefix: str, allowed: tuple[str, ...], got: object) -> PydanticCustomError:
    """The problem of a name that is none of ``allowed``."""
    context = {"field": prefix + field, "allowed": ", ".join(allowed), "got": repr(got)[:80]}
    return PydanticCustomError(f"invalid.{field}", f"unknown {field}", context)  # type: ignore[arg-type]


class Generation(SamplingFields, RefinerFields, TileFields, Request):
    """Fields of all requests that a model samples.

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

    Further fields: :class:`~ra_widgets.request_fields.SamplingFields`, :class:`~ra_widgets.request_fields.RefinerFields`,
    :class:`~ra_widgets.request_fields.TileFields`.
    """

    FIRST: ClassVar[tuple[str, ...]] = (
        *("prompt", "negative_prompt", "image", "mask", "depth_map", "left", "right", "top", "bottom"),
        *("denoising_strength", "steps", "sampler", "scheduler", "cfg_scale", "seed", "subseed", "subseed_strength"),
        *("width", "height", "batch_size", "n_iter", "clip_skip", "model"),
    )

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
        return no_bool(value)

    @model_validator(mode="before")
    @classmethod
    def _sampler_names(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not ({"sampler", "scheduler", "hr_sampler", "hr_scheduler"} & set(data)):
            return data
        data = dict(data)
        for prefix in ("", "hr_"):
            sampler, scheduler = data.get(prefix + "sampler"), data.get(prefix + "scheduler")
            inside = None
            if sampler is not None:
                try:
                    data[prefix + "sampler"], inside = samplers.split_name(str(sampler))
                except KeyError:
                    raise unknown("sampler", prefix, samplers.SAMPLER_NAMES, sampler) from None
            if scheduler is not None or inside:
                try:
                    label = samplers.find_scheduler(None if scheduler is None else str(scheduler))
                except KeyError:
                    raise unknown("scheduler", prefix, samplers.SCHEDULER_NAMES, scheduler) from None
                data[prefix + "scheduler"] = inside if inside and label == samplers.AUTOMATIC else label
        return data

    @model_validator(mode="after")
    def _area(self) -> Self:
        if self.width and self.height and self.width * self.height > MAX_PIXELS:
            raise PydanticCustomError("invalid.pixels", "too many pixels", {"field": "width", "limit": MAX_PIXELS})
        return self

    @property
    def images(self) -> int:
        """How many pictures the request asks for."""
        return self.batch_size * self.n_iter

    @property
    def final_size(self) -> tuple[int, int] | None:
        """Width and height of the result, None while the model's default is still to be filled in."""
        return (self.width, self.height) if self.width and self.height else None

    @property
    def sampled_size(self) -> tuple[int, int] | None:
        """Width and height that the model works on: the result's, if it does not work piece by piece."""
        return self.final_size

    def resolved(self, *, width: int, height: int, cfg_scale: float) -> Self:
        """The request with every default and random number settled.

        A seed of -1 becomes a random one (as the webui draws it: 0..4294967293).
        """
        changes: dict[str, Any] = self._own_size(width, height)
        if self.cfg_scale is None:
            changes["cfg_scale"] = cfg_scale
        if self.seed == -1:
            changes["seed"] = secrets.randbelow(4294967294)
        if self.subseed == -1 and self.subseed_strength > 0:
            changes["subseed"] = secrets.randbelow(4294967294)
        return self.replace(**changes) if changes else self

    def _own_size(self, width: int, height: int) -> dict[str, Any]:
        """Width and height where they are not given; the arguments are the model's."""
        given = {"width": (self.width, width), "height": (self.height, height)}
        return {name: default for name, (own, default) in given.items() if own is None}

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


def no_bool(value: Any) -> Any:
    """For whole numbers: True is no number."""
    if isinstance(value, bool):
        raise PydanticCustomError("invalid.number", "a number is needed")
    return value

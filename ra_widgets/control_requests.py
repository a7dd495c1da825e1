"""Pictures that steer a generation beside the prompt: ControlNet units and IP-Adapter units, as data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ra_widgets.pictures import Picture
from ra_widgets.request_base import Data


class _Span(Data):
    """A share of the sampling steps."""

    guidance_start: float = Field(0.0, ge=0, le=1)
    guidance_end: float = Field(1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.guidance_start > self.guidance_end:
            context = {"field": "guidance_start", "low": self.guidance_start, "high": self.guidance_end}
            raise PydanticCustomError("invalid.span", "ends before it begins", context)
        return self


class ControlUnit(_Span):
    """One ControlNet unit.

    Args:
        model: name of the ControlNet in the library.
        image: the picture, or with module ``"none"`` the control map itself; None in image requests: their own image.
        module: preprocessor that makes the map (``"none"``, ``"canny"``, ``"depth"`` ...).
        weight: strength, 0..2.
        guidance_start, guidance_end: the share of the steps in which it acts, 0..1.
        control_mode: ``"balanced"``; ``"prompt"``: the prompt is more important; ``"control"``: the map is.
        resize_mode: how the picture is brought to the size of the result.
        processor_res: shorter side at which the preprocessor works, pixels; None: the size of the result.
        threshold_a, threshold_b: what the preprocessor takes (for canny: low and high); None: its own defaults.
    """

    FIRST = ("model", "image", "module", "weight")

    model: str
    image: Picture | None = None
    module: str = "none"
    weight: float = Field(1.0, ge=0, le=2)
    control_mode: Literal["balanced", "prompt", "control"] = "balanced"
    resize_mode: Literal["Just resize", "Crop and resize", "Resize and fill"] = "Crop and resize"
    processor_res: int | None = Field(None, ge=64, le=4096)
    threshold_a: float | None = None
    threshold_b: float | None = None

    @field_validator("resize_mode", mode="before")
    @classmethod
    def _webui_number(cls, value: object) -> object:
        names = ("Just resize", "Crop and resize", "Resize and fill")
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        return next((name for name in names if isinstance(value, str) and value.lower() == name.lower()), value)


class IPAdapterUnit(_Span):
    """One IP-Adapter: the picture speaks as a prompt does.

    Args:
        model: name of the adapter in the library.
        image: the picture.
        weight: strength, 0..2.
        guidance_start, guidance_end: the share of the steps in which it acts, 0..1.
    """

    FIRST = ("model", "image", "weight")

    model: str
    image: Picture
    weight: float = Field(1.0, ge=0, le=2)


class ControlFields(BaseModel):
    """Fields of requests that can be steered by pictures.

    Args:
        control: ControlNet units, at most 8. ip_adapter: IP-Adapter units, at most 8.
    """

    control: tuple[ControlUnit, ...] = Field((), max_length=8)
    ip_adapter: tuple[IPAdapterUnit, ...] = Field((), max_length=8)

    @field_validator("control", "ip_adapter", mode="before")
    @classmethod
    def _one_is_a_tuple(cls, value: object) -> object:
        return (value,) if isinstance(value, (ControlUnit, IPAdapterUnit)) else value

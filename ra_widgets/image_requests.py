"""Requests that start from a picture. Names and meanings of their fields are the webui's."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ra_widgets.control_requests import ControlFields
from ra_widgets.pictures import Picture
from ra_widgets.request_base import MAX_PIXELS, MAX_SEED, Generation, Request, no_bool
from ra_widgets.variation_requests import VariationFields

RESIZE_MODES = ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
FILLS = ("fill", "original", "latent noise", "latent nothing")
CURVES = ("Aggressive", "Linear", "Lazy")
UPSCALED_PIXELS = 64 * 1024 * 1024
"""Largest result of :class:`Upscale`: 8192 x 8192 pixels, 192 MiB as RGB."""
ROOM = 16
"""Without a size in the request, work on at most so many times the area that the model was trained on."""


def choose(value: Any, names: tuple[str, ...]) -> Any:
    """A name from a webui number or from its letters in any case; anything else stays, to be refused."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    return next((name for name in names if isinstance(value, str) and value.lower() == name.lower()), value)


def whole_cells(width: float, height: float, area: int = MAX_PIXELS) -> tuple[int, int]:
    """The size in multiples of 8, 64..4096 a side, nearest to a shape, made smaller to at most ``area`` pixels."""
    shrink = min(1.0, math.sqrt(area / (width * height)), 4096 / max(width, height))
    sides = [min(max(round(side * shrink / 8) * 8, 64), 4096) for side in (width, height)]
    while sides[0] * sides[1] > area and max(sides) > 64:
        sides[sides.index(max(sides))] -= 8
    return sides[0], sides[1]


class ImageToImage(VariationFields, ControlFields, Generation):
    """A picture changed by a prompt.

    Args:
        image: where it starts from: a PIL image, path, bytes, numpy array, record or result. Transparent parts show white.
        denoising_strength: how much may change, 0..1; the work is that share of the steps, plus one.
        resize_mode: how the picture is brought to ``width`` x ``height``; a name or the webui's number 0..3.
        color_correction: give the result the colours of the original.
        initial_noise_multiplier: factor of the first noise, 0..1.5; extra_noise: noise on top, 0..1.
        img2img_fix_steps: do exactly ``steps`` steps, whatever the strength.
        loopback: make the picture so many times in a row, each from the one before (0 and 1: once); all are kept.
        loopback_final_strength: strength of the last; None: the same for all. loopback_strength_curve: how it gets there.
        width, height: None: the picture's own, in multiples of 8 and within what the model can do; one of them: from the other.

    Further fields: :class:`~ra_widgets.request_base.Generation`, :class:`~ra_widgets.control_requests.ControlFields`.
    """

    kind: Literal["img2img"] = "img2img"
    image: Picture
    denoising_strength: float = Field(0.75, ge=0, le=1)
    resize_mode: Literal["Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)"] = (
        "Just resize"
    )
    color_correction: bool = False
    initial_noise_multiplier: float = Field(1.0, ge=0, le=1.5)
    extra_noise: float = Field(0.0, ge=0, le=1)
    img2img_fix_steps: bool = False
    loopback: int = Field(0, ge=0, le=32)
    loopback_final_strength: float | None = Field(None, ge=0, le=1)
    loopback_strength_curve: Literal["Aggressive", "Linear", "Lazy"] = "Linear"

    @field_validator("resize_mode", mode="before")
    @classmethod
    def _resize_name(cls, value: Any) -> Any:
        return choose(value, RESIZE_MODES)

    @field_validator("loopback", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        return no_bool(value)

    @property
    def loops(self) -> int:
        """How many pictures of a chain are made one from another, at least 1."""
        return max(self.loopback, 1)

    @property
    def images(self) -> int:
        """How many pictures the request asks for."""
        return self.batch_size * self.n_iter * self.loops

    def loop_strength(self, loop: int) -> float:
        """Denoising strength of step ``loop`` of a chain (the webui's loopback script)."""
        first, last = self.denoising_strength, self.loopback_final_strength
        if self.loops == 1 or last is None:
            return first
        share = loop / (self.loops - 1)
        curve = {"Aggressive": math.sin(share * math.pi / 2), "Lazy": 1 - math.cos(share * math.pi / 2)}
        return first + (last - first) * curve.get(self.loopback_strength_curve, share)

    def image_seed(self, index: int) -> tuple[int, int]:
        """Seed and variation seed of picture ``index``; along a chain it is the seed that counts up."""
        if self.loops == 1:
            return super().image_seed(index)
        return (self.seed + index) % (MAX_SEED + 1), self.subseed

    def single(self, index: int) -> Self:
        """The request that makes picture ``index`` alone; along a chain its ``image`` must still be put in."""
        alone = super().single(index)
        if self.loops == 1:
            return alone
        strength = self.loop_strength(index % self.loops)
        return alone.replace(loopback=0, loopback_final_strength=None, denoising_strength=strength)

    def _own_size(self, width: int, height: int) -> dict[str, Any]:
        own = self.image.width, self.image.height
        if self.width is None and self.height is None:
            wide, high = whole_cells(*own, min(ROOM * width * height, MAX_PIXELS))
            return {"width": wide, "height": high}
        if self.width is None and self.height is not None:
            return {"width": _other_side(self.height, own[0] / own[1])}
        if self.height is None and self.width is not None:
            return {"height": _other_side(self.width, own[1] / own[0])}
        return {}


def _other_side(side: int, ratio: float) -> int:
    return min(max(round(side * ratio / 8) * 8, 64), 4096)


class Inpaint(ImageToImage):
    """A part of a picture painted anew. Outside the mask nothing changes, not by one bit.

    Args:
        mask: white where to paint anew, black where to keep; a mask with transparency counts by its opacity. None: the
            transparent parts of ``image`` are painted.
        mask_blur: softness of the mask's edge, pixels 0..64; mask_blur_x, mask_blur_y: None: the same.
        inpainting_mask_invert: paint outside the mask instead.
        inpainting_fill: what is under the mask at the start: a name or the webui's number 0..3.
        inpaint_full_res: "only masked": work on the masked region at ``width`` x ``height``, then put it back.
        inpaint_full_res_padding: pixels around that region, 0..256.
        inpainting_mask_weight: for inpainting models, how much they see of the mask, 0..1.
        soft_inpainting: mix old and new by the softness of the mask, step by step, instead of a hard edge; with
            soft_schedule_bias 0..8, soft_preservation_strength 0..8, soft_transition_contrast_boost 1..32,
            soft_mask_influence 0..1, soft_difference_threshold 0..8, soft_difference_contrast 0..8.

    Further fields: :class:`ImageToImage`.
    """

    kind: Literal["inpaint"] = "inpaint"  # type: ignore[assignment]
    mask: Picture | None = None
    mask_blur: int = Field(4, ge=0, le=64)
    mask_blur_x: int | None = Field(None, ge=0, le=64)
    mask_blur_y: int | None = Field(None, ge=0, le=64)
    inpainting_mask_invert: bool = False
    inpainting_fill: Literal["fill", "original", "latent noise", "latent nothing"] = "original"
    inpaint_full_res: bool = False
    inpaint_full_res_padding: int = Field(32, ge=0, le=256)
    inpainting_mask_weight: float = Field(1.0, ge=0, le=1)
    soft_inpainting: bool = False
    soft_schedule_bias: float = Field(1.0, ge=0, le=8)
    soft_preservation_strength: float = Field(0.5, ge=0, le=8)
    soft_transition_contrast_boost: float = Field(4.0, ge=1, le=32)
    soft_mask_influence: float = Field(0.0, ge=0, le=1)
    soft_difference_threshold: float = Field(0.5, ge=0, le=8)
    soft_difference_contrast: float = Field(2.0, ge=0, le=8)

    @field_validator("inpainting_fill", mode="before")
    @classmethod
    def _fill_name(cls, value: Any) -> Any:
        return choose(value, FILLS)

    @model_validator(mode="after")
    def _mask_fits(self) -> Self:
        if self.mask is None:
            if self.image.mode != "RGBA":
                raise PydanticCustomError("invalid.mask_missing", "no mask", {"field": "mask"})
            return self
        mask, image = self.mask, self.image
        # another size is only another scale, as long as the shape is the same to a pixel or two
        if abs(mask.width * image.height - mask.height * image.width) > 2 * max(*image.size, *mask.size):
            context = {"field": "mask", "mask": f"{mask.width}×{mask.height}", "image": f"{image.width}×{image.height}"}
            raise PydanticCustomError("invalid.mask_size", "another shape", context)
        return self

    def _own_size(self, width: int, height: int) -> dict[str, Any]:
        if self.inpaint_full_res and self.width is None and self.height is None:
            return {"width": width, "height": height}
        return super()._own_size(width, height)


class DepthToImage(ImageToImage):
    """A picture painted anew over the depth of another.

    Args:
        image: the picture; depth_map: its depth, bright is near; None: it is estimated.

    Further fields: :class:`ImageToImage`.
    """

    kind: Literal["depth2img"] = "depth2img"  # type: ignore[assignment]
    depth_map: Picture | None = None


class Outpaint(VariationFields, ControlFields, Generation):
    """A picture continued past its border. The old pixels stay as they are.

    Args:
        image: the picture. left, right, top, bottom: pixels to add on each side, 0..2048, at least one of them.
        mask_blur: over how many pixels beside the seam the new is drawn to the old, 0..64.
        fill_mode: what the new ground holds before it is painted: ``"edge"`` (colours of the border, running out),
            ``"mirror"``, ``"noise"`` (with the colours and texture of the picture), ``"latent noise"``.
        denoising_strength: how freely the new ground is painted, 0..1.

    ``width`` and ``height`` follow from the picture and the sides; they cannot be given.

    Further fields: :class:`~ra_widgets.request_base.Generation`, :class:`~ra_widgets.control_requests.ControlFields`.
    """

    kind: Literal["outpaint"] = "outpaint"
    image: Picture
    left: int = Field(0, ge=0, le=2048)
    right: int = Field(0, ge=0, le=2048)
    top: int = Field(0, ge=0, le=2048)
    bottom: int = Field(0, ge=0, le=2048)
    mask_blur: int = Field(8, ge=0, le=64)
    fill_mode: Literal["edge", "mirror", "noise", "latent noise"] = "edge"
    denoising_strength: float = Field(0.9, ge=0, le=1)

    @model_validator(mode="after")
    def _sides(self) -> Self:
        if not (self.left or self.right or self.top or self.bottom):
            raise PydanticCustomError("invalid.no_side", "nothing to add", {"field": "left, right, top, bottom"})
        if self.width is not None or self.height is not None:
            name = "width" if self.width is not None else "height"
            raise PydanticCustomError("invalid.outpaint_size", "size follows from the sides", {"field": name})
        width, height = self.final_size
        if max(width, height) > 4096:
            context = {"field": "left, right, top, bottom", "width": width, "height": height}
            raise PydanticCustomError("invalid.outpaint_large", "too large", context)
        return self

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height of the result."""
        return self.image.width + self.left + self.right, self.image.height + self.top + self.bottom

    @property
    def pixels(self) -> int:
        """Pixels of the result."""
        return self.final_size[0] * self.final_size[1]

    def _own_size(self, width: int, height: int) -> dict[str, Any]:
        return {}


class Upscale(Request):
    """A picture made larger.

    Args:
        image: the picture. scale: how many times, 1..8; or width, height: to this size instead (one of them: from the other).
        crop: with both width and height: cut off what is over; else the picture covers them and may be larger one way.
        upscaler: a name of ``kernel.upscalers``; None: what suits the model best, the kernel fills it in.
        upscaler_2, upscaler_2_visibility: a second one, mixed in by 0..1.
        tile_size: pixels of the small picture that a network sees at once, 64..2048; None: its own choice; 0: all.
        tile_overlap: by how many pixels neighbouring tiles overlap, 0..256.
    """

    FIRST: ClassVar[tuple[str, ...]] = ("image", "scale", "width", "height", "crop", "upscaler")

    kind: Literal["upscale"] = "upscale"
    image: Picture
    scale: float = Field(2.0, ge=1, le=8)
    width: int | None = Field(None, ge=8, le=16384)
    height: int | None = Field(None, ge=8, le=16384)
    crop: bool = True
    upscaler: str | None = Field(None, min_length=1, max_length=200)
    upscaler_2: str | None = Field(None, min_length=1, max_length=200)
    upscaler_2_visibility: float = Field(0.0, ge=0, le=1)
    tile_size: int | None = Field(None, ge=0, le=2048)
    tile_overlap: int = Field(32, ge=0, le=256)

    @field_validator("width", "height", "tile_size", "tile_overlap", mode="before")
    @classmethod
    def _no_bool(cls, value: Any) -> Any:
        return no_bool(value)

    @model_validator(mode="after")
    def _area(self) -> Self:
        width, height = self.covering_size
        if width * height > UPSCALED_PIXELS:
            name = "width" if self.width else "height" if self.height else "scale"
            raise PydanticCustomError("invalid.pixels", "too many pixels", {"field": name, "limit": UPSCALED_PIXELS})
        if self.tile_size is not None and 0 < self.tile_size < 64:
            raise PydanticCustomError("invalid.at_least", "too small", {"field": "tile_size", "ge": 64})
        return self

    @property
    def covering_size(self) -> tuple[int, int]:
        """Width and height before the crop."""
        wide, high = self.image.size
        if not self.width and not self.height:
            return max(1, round(wide * self.scale)), max(1, round(high * self.scale))
        grow = max((self.width or 0) / wide, (self.height or 0) / high)
        return max(1, self.width or 0, round(wide * grow)), max(1, self.height or 0, round(high * grow))

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height of the result."""
        return (self.width, self.height) if self.crop and self.width and self.height else self.covering_size

    @property
    def pixels(self) -> int:
        """Pixels of the result."""
        return self.final_size[0] * self.final_size[1]

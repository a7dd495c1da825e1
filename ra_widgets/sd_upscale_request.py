"""The request of SD upscale: a picture made larger and its tiles painted over by the prompt (the webui's script of that name)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ra_widgets.control_requests import ControlFields
from ra_widgets.image_requests import UPSCALED_PIXELS
from ra_widgets.pictures import Picture
from ra_widgets.request_base import MAX_SEED, Generation, no_bool
from ra_widgets.variation_requests import VariationFields

OVERLAP = 64
"""Pixels by which tiles overlap if nothing is said: the webui's number, but never more than a quarter of a tile."""
MAX_TILES = 4096
AS_IT_IS = "None"
"""The upscaler that leaves the size alone, as in the webui's script."""


class SDUpscale(VariationFields, ControlFields, Generation):
    """A picture made larger by an upscaler, then painted over tile by tile, so that the model adds the details.

    Args:
        image: the picture. Transparent parts show white.
        denoising_strength: how freely the tiles are painted, 0..1: 0.1 for the embedded model, 0.2 to 0.35 for large ones; with more, every tile
            begins to show the subject of the prompt.
        scale: how many times larger, 1..8; sides come out as multiples of 8, as in the webui.
        upscaler: a name of ``kernel.upscalers``; ``"None"``: the picture keeps its size; None: what suits the model best.
        overlap: pixels by which neighbouring tiles overlap and are blended, 0..256; None: 64, at most a quarter of a tile.
        width, height: size of a tile; None: what the model was trained on.
        batch_size: as in the webui, tiles of a batch have seeds that count up, and each batch begins one further; pictures do not
            become more by it. n_iter: how many pictures, each beginning at a seed one further.
        color_correction: give each tile the colours that it had. img2img_fix_steps: do exactly ``steps`` steps.

    Further fields: :class:`~ra_widgets.request_base.Generation`, :class:`~ra_widgets.control_requests.ControlFields`,
    :class:`~ra_widgets.variation_requests.VariationFields`.
    """

    FIRST: ClassVar[tuple[str, ...]] = ("prompt", "negative_prompt", "image", "scale", "upscaler", "denoising_strength")

    kind: Literal["sd_upscale"] = "sd_upscale"
    image: Picture
    denoising_strength: float = Field(0.2, ge=0, le=1)
    scale: float = Field(2.0, ge=1, le=8)
    upscaler: str | None = Field(None, min_length=1, max_length=200)
    overlap: int | None = Field(None, ge=0, le=256)
    color_correction: bool = False
    img2img_fix_steps: bool = False

    @field_validator("overlap", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        return no_bool(value)

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        width, height = self.final_size
        if width * height > UPSCALED_PIXELS:
            raise PydanticCustomError("invalid.pixels", "too many pixels", {"field": "scale", "limit": UPSCALED_PIXELS})
        sides = [side for side in (self.width, self.height) if side]
        if self.overlap is not None and sides and self.overlap >= min(sides):
            context = {"field": "overlap", "lt": min(sides), "got": self.overlap}
            raise PydanticCustomError("invalid.less_than", "overlap too large", context)
        if self.width and self.height:
            step = [side - (self.overlap or 0) for side in (self.width, self.height)]
            if -(-width // step[0]) * -(-height // step[1]) > MAX_TILES:
                context = {"field": "overlap", "lt": min(sides) // 2, "got": self.overlap or 0}
                raise PydanticCustomError("invalid.less_than", "too many tiles", context)
        return self

    @property
    def images(self) -> int:
        """How many pictures the request asks for."""
        return self.n_iter

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height of the result."""
        wide, high = self.image.size
        if self.upscaler == AS_IT_IS:
            return wide, high
        return max(8, int(wide * self.scale // 8 * 8)), max(8, int(high * self.scale // 8 * 8))

    @property
    def sampled_size(self) -> tuple[int, int] | None:
        """Width and height of a tile, None while the model's default is still to be filled in."""
        return (self.width, self.height) if self.width and self.height else None

    @property
    def pixels(self) -> int:
        """Pixels that are worked on at once: a tile's."""
        size = self.sampled_size
        return size[0] * size[1] if size else 0

    def _own_size(self, width: int, height: int) -> dict[str, Any]:
        changes = super()._own_size(width, height)
        tile = min(changes.get("width", self.width), changes.get("height", self.height))
        return changes | ({"overlap": min(OVERLAP, tile // 4)} if self.overlap is None else {})

    def image_seed(self, index: int) -> tuple[int, int]:
        """Where the seeds of picture ``index`` begin: one further each, whatever the variation."""
        return (self.seed + index) % (MAX_SEED + 1), max(self.subseed, 0) if self.subseed_strength else self.subseed

    def tile_seed(self, start: tuple[int, int], tile: int) -> tuple[int, int]:
        """Seed and variation seed of a tile of a picture whose seeds begin at ``start`` (the webui's rule)."""
        batch, inside = divmod(tile, self.batch_size)
        if self.subseed_strength > 0:
            return (start[0] + batch) % (MAX_SEED + 1), (start[1] + inside) % (MAX_SEED + 1)
        return (start[0] + batch + inside) % (MAX_SEED + 1), start[1]

    def single(self, index: int) -> Self:
        """The request that makes picture ``index`` of this (resolved) request alone."""
        seed, subseed = self.image_seed(index)
        return self.replace(seed=seed, subseed=subseed, n_iter=1)

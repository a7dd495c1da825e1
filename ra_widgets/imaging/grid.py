"""A picture cut into overlapping tiles and put together again, as the webui does it for SD upscale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one axis: as few as overlap by at least ``overlap``, evenly spread, the last ends with the picture."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    gap = (length - tile) / (count - 1)
    return [min(int(number * gap), length - tile) for number in range(count)]


@dataclass(frozen=True)
class Grid:
    """Tiles of ``tile`` (width, height) over a picture of ``size``, overlapping by at least ``overlap`` pixels."""

    size: tuple[int, int]
    tile: tuple[int, int]
    overlap: int

    @property
    def columns(self) -> list[int]:
        """Left edges."""
        return starts(self.size[0], self.tile[0], self.overlap)

    @property
    def rows(self) -> list[int]:
        """Upper edges."""
        return starts(self.size[1], self.tile[1], self.overlap)

    def boxes(self) -> Iterator[tuple[int, int, int, int]]:
        """The tiles, row by row: left, top, right, bottom."""
        for top in self.rows:
            for left in self.columns:
                yield left, top, left + self.tile[0], top + self.tile[1]

    def join(self, tiles: Iterator[Image.Image]) -> Image.Image:
        """The picture made of tiles in the order of :meth:`boxes`: each fades in over ``overlap`` pixels on what lies before it."""
        whole = Image.new("RGB", self.size)
        for top in self.rows:
            row = Image.new("RGB", (self.size[0], self.tile[1]))
            for left in self.columns:
                _lay(row, next(tiles), left, 0, self.overlap if left else 0, 0)
            _lay(whole, row, 0, top, 0, self.overlap if top else 0)
        return whole


def _lay(sheet: Image.Image, piece: Image.Image, left: int, top: int, across: int, down: int) -> None:
    """Put a piece down; its first ``across`` columns or ``down`` rows fade in."""
    fade = Image.new("L", piece.size, 255)
    if across:
        fade.paste(_ramp(across, piece.height, across=True), (0, 0))
    if down:
        fade.paste(_ramp(piece.width, down, across=False), (0, 0))
    sheet.paste(piece, (left, top), fade)


def _ramp(width: int, height: int, *, across: bool) -> Image.Image:
    length = width if across else height
    values = (np.arange(length) * 255 / length).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(values[None, :] if across else values[:, None], (height, width)).copy())


def padded(image: Image.Image, width: int, height: int) -> Image.Image:
    """At least this large: the border repeated to the right and below."""
    more = max(0, width - image.width), max(0, height - image.height)
    if more == (0, 0):
        return image
    return Image.fromarray(np.pad(np.asarray(image), ((0, more[1]), (0, more[0]), (0, 0)), mode="edge"))

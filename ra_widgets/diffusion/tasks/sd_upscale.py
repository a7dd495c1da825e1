"""SD upscale: an upscaler makes the picture larger, image to image paints over its tiles, their seams are blended.

Tiles, seeds and blending are those of the webui's script.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.tasks.canvas import Canvas
from ra_widgets.diffusion.tasks.image_to_image import Painter
from ra_widgets.diffusion.tasks.reading import readable
from ra_widgets.diffusion.tasks.upscale import TICKS, progress, tools
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.imaging.grid import Grid, padded
from ra_widgets.library import upscalers as registry
from ra_widgets.requests import ImageToImage, Picture, SDUpscale


def run(model: LoadedModel, request: SDUpscale, work: Work) -> None:
    """Make all pictures of a resolved request.

    Raises:
        InvalidRequest: the numbers leave nothing to do. ModelError: there is no such upscaler. OutOfMemory, EngineError,
            JobCancelled.
    """
    assert request.width and request.height and request.overlap is not None
    spoken, facts = readable(model, request)
    info = registry.resolve(request.upscaler)
    tile = request.width, request.height
    canvas = Canvas(Image.new("RGB", tile), *tile)
    steps = Painter(model, _tile_request(spoken, canvas.image), work, canvas).walk.run_steps
    large: Image.Image | None = None
    for index in range(request.images):
        grid = Grid(tuple(max(pair) for pair in zip(request.final_size, tile, strict=True)), tile, request.overlap)  # type: ignore[arg-type]
        tiles = len(list(grid.boxes()))
        enlarging = [] if large is not None else [TICKS]
        work.batch(1, passes=[*enlarging, *[steps] * tiles])
        if large is None:
            large = tools(model).resize(request.image.rgb(), info, request.final_size, done=progress(work))
            work.next_pass()
        painted = _Tiles(model, spoken, padded(large, *tile), grid, request.image_seed(index), work)
        whole = grid.join(painted.run()).crop((0, 0, *request.final_size))
        own = {"upscalers": {info.name: info.hash}} if info.hash else {}
        work.image(whole, painted.seconds, **painted.facts, tiles=tiles, **own, **facts)


class _Tiles:
    """Paints over the tiles of one picture, in their order."""

    def __init__(
        self, model: LoadedModel, request: SDUpscale, large: Image.Image, grid: Grid, start: tuple[int, int], work: Work
    ) -> None:
        self.model, self.request, self.large, self.grid, self.start, self.work = (
            model,
            request,
            large,
            grid,
            start,
            work,
        )
        self.seconds = 0.0
        self.facts: dict[str, Any] = {}

    def run(self) -> Iterator[Image.Image]:
        """The painted tiles."""
        for number, box in enumerate(self.grid.boxes()):
            if number:
                self.work.next_pass()
            piece = self.large.crop(box)
            canvas = Canvas(piece, *piece.size, whole=self.large, place=box)
            painter = Painter(self.model, _tile_request(self.request, piece), self.work, canvas)
            seed = self.request.tile_seed(self.start, number)
            ((image, seconds),) = painter.batch([seed], announce=False)
            self.seconds += seconds
            self.facts = painter.facts(1)
            yield image


def _tile_request(request: SDUpscale, piece: Image.Image) -> ImageToImage:
    """The image to image that paints over one tile."""
    known = ImageToImage.model_fields.keys() & SDUpscale.model_fields.keys() - {"kind", "image"}
    shared = {name: getattr(request, name) for name in known}
    shared |= {"width": piece.width, "height": piece.height, "batch_size": 1, "n_iter": 1}
    return ImageToImage(**shared, image=Picture(piece))

"""Control maps: run a module over a picture, bring the result to the size of the generation; results are kept.

Order as in the webui's extension: the module works on the whole picture at the processor's resolution, then the map is resized.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ra_widgets.diffusion.control.modules import Module, find_module
from ra_widgets.pictures import Picture

MAX_CACHE = 64 * 1024 * 1024
"""Bytes of maps that are kept."""

JUST, CROP, FILL = "Just resize", "Crop and resize", "Resize and fill"


@dataclass(frozen=True)
class Recipe:
    """How a map is made; the key under which it is kept, together with the picture's hash.

    Attributes:
        module: name of the preprocessor. width, height: of the generation, pixels. resize_mode: one of the three.
        processor_res: shorter side at which the module works, None: what the generation needs ("pixel perfect").
        a, b: the module's thresholds, None: its defaults. depth_model: which depth model, "" for the library's first.
    """

    module: str
    width: int
    height: int
    resize_mode: str = CROP
    processor_res: int | None = None
    a: float | None = None
    b: float | None = None
    depth_model: str = ""


class MapCache:
    """Maps by picture and recipe, the oldest given up first. Thread-safe."""

    def __init__(self, limit: int = MAX_CACHE) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[str, Recipe], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, Recipe], make: Callable[[], np.ndarray]) -> np.ndarray:
        """The map under ``key``, made if it is not there."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = make()
        found.setflags(write=False)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > 1 and sum(page.nbytes for page in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)
        return found


CACHE = MapCache()


def make_map(
    sha256: str,
    load: Callable[[], Image.Image],
    recipe: Recipe,
    depth: Callable[[Image.Image], np.ndarray] | None = None,
) -> np.ndarray:
    """The map of a picture.

    Args:
        sha256: what tells the picture from others. load: its pixels, RGB. recipe: how.
        depth: nearness uint8 [H, W] of a picture, for the modules that need it.

    Returns:
        uint8 [height, width, 3], read-only.

    Raises:
        InvalidRequest: no such module.
    """
    module = find_module(recipe.module)
    settled = replace(recipe, module=module.name, a=_value(module.a, recipe.a), b=_value(module.b, recipe.b))
    return CACHE.get((sha256, settled), lambda: _make(load(), module, settled, depth))


def _value(slider: object, given: float | None) -> float:
    default = getattr(slider, "default", 0.0)
    return float(default if given is None or given < 0 else given)


def _make(
    image: Image.Image, module: Module, recipe: Recipe, depth: Callable[[Image.Image], np.ndarray] | None
) -> np.ndarray:
    size = (recipe.width, recipe.height)
    if module.resizes:
        short = recipe.processor_res or pixel_perfect(image.size, size, recipe.resize_mode)
        image = at_resolution(image, short)
    if module.needs == "depth":
        assert depth is not None
        page = np.repeat(depth(image)[..., None], 3, axis=2)
    elif module.run is not None:
        page = module.run(np.ascontiguousarray(np.asarray(image)), recipe.a or 0.0, recipe.b or 0.0)
    else:
        page = np.asarray(image)
    return np.ascontiguousarray(fit(page, size, recipe.resize_mode))


def pixel_perfect(source: tuple[int, int], target: tuple[int, int], resize_mode: str) -> int:
    """The shorter side at which a picture of size ``source`` must be worked on so that its map has the target's pixels."""
    scales = (target[1] / source[1], target[0] / source[0])
    scale = min(scales) if resize_mode == FILL else max(scales)
    return max(16, round(scale * min(source)))


def at_resolution(image: Image.Image, short: int) -> Image.Image:
    """The picture with a shorter side of ``short`` pixels; smaller by averaging, larger by bicubic interpolation."""
    scale = short / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)


def fit(page: np.ndarray, size: tuple[int, int], resize_mode: str) -> np.ndarray:
    """Bring a map uint8 [H, W, C] to ``size`` (width, height): stretched, cropped to cover it, or filled up to it.

    Maps of only black and white stay so. What is filled up has the middle tone of the map's border.
    """
    height, width = page.shape[:2]
    if resize_mode == JUST:
        return _scaled(page, size)
    scales = (size[0] / width, size[1] / height)
    scale = max(scales) if resize_mode == CROP else min(scales)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    if resize_mode == CROP:
        inner = (max(inner[0], size[0]), max(inner[1], size[1]))
        grown = _scaled(page, inner)
        left, top = (inner[0] - size[0]) // 2, (inner[1] - size[1]) // 2
        return grown[top : top + size[1], left : left + size[0]]
    inner = (min(inner[0], size[0]), min(inner[1], size[1]))
    border = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
    sheet = np.empty((size[1], size[0], page.shape[2]), np.uint8)
    sheet[:] = np.median(border, axis=0).astype(np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    sheet[top : top + inner[1], left : left + inner[0]] = _scaled(page, inner)
    return sheet


def _scaled(page: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = page.shape[:2]
    if (width, height) == size:
        return page
    grows = size[0] * size[1] > width * height
    bands = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(page[..., k])).resize(
                size, Image.Resampling.BICUBIC if grows else Image.Resampling.BOX
            )
        )
        for k in range(page.shape[2])
    ]
    scaled = np.stack(bands, axis=2)
    values = np.unique(page)
    if len(values) <= 2 and set(values.tolist()) <= {0, 255}:
        # thin lines that are averaged away would leave an empty map: a quarter of a pixel is still a line
        return np.where(scaled > (127 if grows else 63), np.uint8(255), np.uint8(0))
    return scaled


def preview(picture: Picture, recipe: Recipe) -> Image.Image:
    """The map of a picture to look at; depth is estimated on the CPU. torch is imported only for that.

    Raises:
        InvalidRequest: no such module. ModelError: there is no depth model.
    """
    depth = None
    if find_module(recipe.module).needs == "depth":
        from ra_widgets.diffusion.control.depth import depth_model

        depth = depth_model()
    return Image.fromarray(make_map(picture.sha256, picture.rgb, recipe, depth))

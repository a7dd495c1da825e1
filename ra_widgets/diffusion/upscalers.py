"""Run upscalers: Pillow's filters, and networks of ESRGAN's family through spandrel, in tiles.

Sizes follow the webui: the wanted size is ``int(side * scale // 8 * 8)``; a network is applied up to three times until the picture
is large enough, then Lanczos brings it to the size.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from ra_widgets._vendor import spandrel
from ra_widgets.diffusion import memory, tiles
from ra_widgets.errors import EngineError, ModelError, OutOfMemory
from ra_widgets.library import upscalers as registry
from ra_widgets.library.headers import read_header
from ra_widgets.library.pickles import as_safetensors
from ra_widgets.library.upscalers import UpscalerInfo

log = logging.getLogger(__name__)

TILE, OVERLAP = 256, 32
"""Pixels of the small picture a tile has, and by how many neighbours overlap."""
SMALLEST_TILE = 64
MAX_PIXELS = 16384 * 16384 // 4
"""Larger results are refused: 67 million pixels, 200 MB as bytes and 800 MB while they are put together."""

Done = Callable[[float], None]
"""``done(fraction)``: reports how far it is; may raise :class:`~ra_widgets.errors.JobCancelled`."""

_FILTERS = {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}


@dataclass(eq=False)
class Network:
    """A loaded network: enlarges by ``scale`` (1, 2, 3, 4, 8 ...).

    Attributes:
        model: spandrel's descriptor. tile: pixels, 0: the whole picture at once.
    """

    info: UpscalerInfo
    model: Any
    device: torch.device
    dtype: torch.dtype
    tile: int = TILE

    @property
    def scale(self) -> int:
        """Sides grow by this."""
        return int(self.model.scale)

    @property
    def architecture(self) -> str:
        """What spandrel calls it, e.g. ``ESRGAN``."""
        return str(self.model.architecture.name)

    def __call__(
        self, pixels: torch.Tensor, tile: int | None = None, overlap: int = OVERLAP, done: Done | None = None
    ) -> torch.Tensor:
        """Enlarge float pixels [1, 3, H, W] in 0..1: float32 [1, 3, sH, sW] on the CPU.

        Args:
            tile, overlap: pixels of the small picture; None: the network's own choice; 0: no tiles.

        Raises:
            OutOfMemory: not even the smallest tiles fit. EngineError: the network answers with no numbers.
        """
        side = self.tile if tile is None else tile
        while True:
            try:
                return self._tiled(pixels, side or max(pixels.shape[-2:]), overlap, done)
            except (RuntimeError, MemoryError) as error:
                if not memory.is_out_of_memory(error):
                    raise
                smaller = min(side or max(pixels.shape[-2:]), *pixels.shape[-2:]) // 2
                if smaller < SMALLEST_TILE and self.device.type == "cpu":
                    sizes = {"width": pixels.shape[-1], "height": pixels.shape[-2], "batch": 1}
                    raise OutOfMemory("error.memory", device=memory.device_name(self.device), **sizes) from error
            # outside the handler, or the exception's frames would keep the tensors alive
            memory.empty_cache(self.device)
            if smaller < SMALLEST_TILE:
                log.warning("out of memory; %s goes on on the CPU", self.info.name)
                self.device, self.dtype = torch.device("cpu"), torch.float32
                self.model.to(self.device, self.dtype)
            else:
                side = smaller
                log.warning("out of memory; %s tries again with tiles of %d", self.info.name, side)

    def _tiled(self, pixels: torch.Tensor, side: int, overlap: int, done: Done | None) -> torch.Tensor:
        def count(now: int, of: int) -> None:
            if done is not None:
                done(now / of)

        overlap = min(overlap, side // 2)
        return tiles.run(
            pixels, self._once, tile=side, overlap=overlap, scale=(self.scale, 1), done=count, collect_on="cpu"
        ).clamp_(0, 1)

    @torch.inference_mode()
    def _once(self, piece: torch.Tensor) -> torch.Tensor:
        out = self.model(piece.to(self.device, self.dtype))
        if not bool(torch.isfinite(out).all()):
            if self.dtype == torch.float32:
                raise EngineError("error.nan")
            # some networks overflow in float16
            log.warning("%s does not work in %s; using fp32", self.info.name, memory.dtype_name(self.dtype))
            self.dtype = torch.float32
            self.model.to(self.device, self.dtype)
            return self._once(piece)
        return out.float()


def load(info: UpscalerInfo, device: torch.device) -> Network:
    """Load a network's file onto a device: float16 on a GPU where the architecture allows it, else float32.

    Raises:
        ModelError: the file is damaged, holds a program, or no upscaler that spandrel knows.
    """
    if info.path is None:
        raise ModelError("upscaler.unknown", name=info.name, allowed=", ".join(registry.names()), folder="ESRGAN")
    from safetensors.torch import load_file

    pickled = info.path.suffix.lower() != ".safetensors"
    # what a file is, its content decides: a safetensors file with another suffix is one all the same
    if pickled:
        with contextlib.suppress(ModelError):
            read_header(info.path)
            pickled = False
    path = as_safetensors(info.path) if pickled else info.path
    read_header(path)
    library = spandrel()
    try:
        weights = library.canonicalize_state_dict(load_file(path))
        model = library.ModelLoader().load_from_state_dict({key: value.float() for key, value in weights.items()})
    except (library.UnsupportedModelError, NotImplementedError) as error:
        raise ModelError("upscaler.unsupported", path=str(info.path)) from error
    except Exception as error:
        detail = " ".join(str(error).split())[:240] or type(error).__name__
        raise ModelError("upscaler.damaged", path=str(info.path), detail=detail) from error
    usable = isinstance(model, library.ImageModelDescriptor) and model.input_channels == model.output_channels == 3
    if not usable or model.purpose == "FaceSR":
        raise ModelError("upscaler.unsupported", path=str(info.path))
    if any(not bool(torch.isfinite(value).all()) for value in model.model.state_dict().values()):
        raise ModelError("upscaler.damaged", path=str(info.path), detail="NaN")
    dtype = torch.float32
    if device.type in ("cuda", "mps"):
        dtype = torch.float16 if model.supports_half else torch.bfloat16 if model.supports_bfloat16 else dtype
    model.to(device, dtype).eval()
    tile = {"INTERNAL": 0, "DISCOURAGED": 2 * TILE}.get(model.tiling.name, TILE)
    return Network(info, model, device, dtype, tile)


class Upscalers:
    """Loads networks when they are asked for and keeps the last two (an Upscale may blend two)."""

    KEPT = 2

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._loaded: dict[str, Network] = {}

    def network(self, info: UpscalerInfo) -> Network:
        """The loaded network of a file."""
        key = str(info.path)
        if info.path is not None and info.path.exists():
            key += f":{info.path.stat().st_mtime_ns}"
        network = self._loaded.pop(key, None) or load(info, self.device)
        self._loaded[key] = network
        while len(self._loaded) > self.KEPT:
            self._loaded.pop(next(iter(self._loaded)))
        return network

    def scale(
        self,
        image: Image.Image,
        info: UpscalerInfo,
        scale: float,
        *,
        tile: int | None = None,
        overlap: int = OVERLAP,
        done: Done | None = None,
    ) -> Image.Image:
        """An RGB picture enlarged by ``scale``, as the webui's upscalers do it.

        Raises:
            ModelError, OutOfMemory, EngineError; whatever ``done`` raises.
        """
        width, height = wanted_size(image.size, scale)
        if info.kind != "network":
            # the filters know nothing of multiples of 8 until the end, and make nothing smaller
            if info.name in _FILTERS and scale > 1:
                image = image.resize((int(image.width * scale), int(image.height * scale)), _FILTERS[info.name])
        else:
            network = self.network(info)
            rounds = _rounds(image.size, (width, height), network.scale, scale)
            for number in range(rounds):
                if image.width * image.height * network.scale**2 > MAX_PIXELS:
                    raise ModelError("upscaler.too_large", width=image.width * network.scale, height=image.height * network.scale)  # fmt: skip
                image = _apply(network, image, tile, overlap, _part(done, number, rounds))
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        if done is not None:
            done(1.0)
        return image

    def resize(self, image: Image.Image, info: UpscalerInfo, size: tuple[int, int], **options: Any) -> Image.Image:
        """An RGB picture brought to ``size`` exactly, as the webui's resize does: the upscaler only where it must grow."""
        scale = max(size[0] / image.width, size[1] / image.height)
        if info.name != "None" and scale > 1:
            image = self.scale(image, info, scale, **options)
        return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def wanted_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Width and height after enlarging by ``scale``: multiples of 8, at least 8."""
    width, height = (max(8, int((side * scale) // 8 * 8)) for side in size)
    return width, height


def _rounds(size: tuple[int, int], wanted: tuple[int, int], factor: int, scale: float) -> int:
    """How often a network of this factor is applied: until the picture is large enough, 3 times at most, once if it
    does not enlarge at all."""
    count, (width, height) = 0, size
    while count < 3 and not (width >= wanted[0] and height >= wanted[1] and (count > 0 or scale != 1)):
        count += 1
        if factor == 1:
            break
        width, height = width * factor, height * factor
    return count


def _part(done: Done | None, number: int, of: int) -> Done | None:
    return None if done is None else lambda fraction: done((number + fraction) / of)


def _apply(network: Network, image: Image.Image, tile: int | None, overlap: int, done: Done | None) -> Image.Image:
    data = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
    pixels = data.reshape(1, image.height, image.width, 3).permute(0, 3, 1, 2).float() / 255
    out = network(pixels, tile, overlap, done)[0]
    array = out.mul_(255).round_().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array)

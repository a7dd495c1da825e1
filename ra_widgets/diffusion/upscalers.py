"""Run upscalers: Pillow's filters, and networks of ESRGAN's family through spandrel, in tiles.

As in the webui a network is applied up to three times until the picture is large enough, then Lanczos brings it to the size.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from ra_widgets._vendor import spandrel
from ra_widgets.diffusion import memory, tiles
from ra_widgets.diffusion.tiles import Done
from ra_widgets.errors import EngineError, ModelError, OutOfMemory
from ra_widgets.library import upscalers as registry
from ra_widgets.library.headers import read_header
from ra_widgets.library.pickles import as_safetensors
from ra_widgets.library.upscalers import UpscalerInfo

log = logging.getLogger(__name__)

TILE, OVERLAP = 256, 32
"""Pixels of the small picture a tile has, and by how many neighbours overlap."""
SMALLEST_TILE = 64
MAX_PIXELS = 64 * 1024 * 1024
"""Larger pictures are refused, on the way too: 8192 x 8192, 200 MB as bytes and 800 MB while they are put together."""

_LANCZOS = Image.Resampling.LANCZOS
_FILTERS = {"None": _LANCZOS, "Lanczos": _LANCZOS, "Nearest": Image.Resampling.NEAREST}


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

    def resize(
        self,
        image: Image.Image,
        info: UpscalerInfo,
        size: tuple[int, int],
        *,
        tile: int | None = None,
        overlap: int = OVERLAP,
        done: Done | None = None,
    ) -> Image.Image:
        """An RGB picture brought to ``size``: by the upscaler where it must grow, by Lanczos the rest of the way.

        Raises:
            ModelError, OutOfMemory, EngineError; whatever ``done`` raises.
        """
        if size[0] * size[1] > MAX_PIXELS:
            raise ModelError("upscaler.too_large", width=size[0], height=size[1])
        scale = max(size[0] / image.width, size[1] / image.height)
        if info.kind == "network" and scale > 1:
            image = self._grow(image, self.network(info), size, tile, overlap, done)
        if image.size != size:
            image = image.resize(size, _FILTERS[info.name] if scale > 1 and info.kind == "filter" else _LANCZOS)
        if done is not None:
            done(1.0)
        return image

    def _grow(
        self,
        image: Image.Image,
        network: Network,
        size: tuple[int, int],
        tile: int | None,
        overlap: int,
        done: Done | None,
    ) -> Image.Image:
        """Apply a network until the picture covers ``size``: 3 times at most, once if it does not enlarge at all."""
        sizes = [image.size]
        while len(sizes) <= 3 and (sizes[-1][0] < size[0] or sizes[-1][1] < size[1]):
            sizes.append((sizes[-1][0] * network.scale, sizes[-1][1] * network.scale))
            if network.scale == 1:
                break
        width, height = sizes[-1]
        if width * height > MAX_PIXELS:
            raise ModelError("upscaler.too_large", width=width, height=height)
        # most of the time goes into the last round
        areas = [w * h for w, h in sizes[:-1]]
        for number in range(len(areas)):
            part = _part(done, sum(areas[:number]) / sum(areas), areas[number] / sum(areas))
            image = _apply(network, image, tile, overlap, part)
        return image


def _part(done: Done | None, start: float, share: float) -> Done | None:
    return None if done is None else lambda fraction: done(start + fraction * share)


def _apply(network: Network, image: Image.Image, tile: int | None, overlap: int, done: Done | None) -> Image.Image:
    data = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
    pixels = data.reshape(1, image.height, image.width, 3).permute(0, 3, 1, 2).float() / 255
    out = network(pixels, tile, overlap, done)[0]
    array = out.mul_(255).round_().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array)

"""IP-Adapters (Ye et al. 2023, arXiv:2308.06721): a picture that speaks as a prompt does, through diffusers' own classes.

The adapter's attention processors stand in the UNet only while a pass runs; afterwards the UNet is what it was. The picture's
embedding is made once and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open

from ra_widgets.diffusion.control.nets import cached
from ra_widgets.diffusion.pipeline import LoadedModel, quiet
from ra_widgets.errors import ModelError, RAError
from ra_widgets.library.cards import read_json
from ra_widgets.library.control import ControlInfo, controls, find_control

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
State = dict[str, dict[str, torch.Tensor]]


@dataclass(frozen=True)
class AdapterUnit:
    """One adapter at work: ``embeds`` [1, ...] of its picture, ``zero`` of no picture; strength; share of the steps."""

    embeds: torch.Tensor
    zero: torch.Tensor
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0


class Adapters:
    """The adapters of a pass, ready to be put into the UNet.

    Args:
        unet: the UNet that they belong to. processors: its attention processors with the adapters. projection: the module
            that turns the pictures' embeddings into tokens. units: in the order of the adapters.
    """

    def __init__(self, unet: Any, processors: dict[str, Any], projection: Any, units: Sequence[AdapterUnit]) -> None:
        self.unet, self.processors, self.projection, self.units = unet, processors, projection, units

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While this runs, the UNet reads ``image_embeds``."""
        unet = self.unet
        before = unet.attn_processors, unet.encoder_hid_proj, unet.config.encoder_hid_dim_type
        unet.set_attn_processor(dict(self.processors))
        unet.encoder_hid_proj = self.projection
        unet.config.encoder_hid_dim_type = "ip_image_proj"
        try:
            yield
        finally:
            unet.set_attn_processor(dict(before[0]))
            unet.encoder_hid_proj = before[1]
            unet.config.encoder_hid_dim_type = before[2]

    def image_embeds(self, rows: int, positive: int | None, share: float) -> list[torch.Tensor]:
        """For each adapter [rows, 1, ...]: its picture for the prompts' rows, nothing for the others. Sets the strengths."""
        scale = [u.weight if u.start <= share <= u.end else 0.0 for u in self.units]
        for processor in self.processors.values():
            if hasattr(processor, "to_k_ip"):
                processor.scale = list(scale)
        positive = rows if positive is None else positive
        return [
            torch.cat([u.embeds.expand(positive, *u.embeds.shape), u.zero.expand(rows - positive, *u.zero.shape)])
            for u in self.units
        ]


def adapters(model: LoadedModel, wanted: Sequence[tuple[str, str, Any, float, float, float]]) -> Adapters | None:
    """Adapters for (name, hash of the picture, its pixels as a function, weight, start, end); None for none that acts.

    Raises:
        ModelError: no such adapter, made for another family, damaged, or its image encoder is missing.
    """
    wanted = [unit for unit in wanted if unit[3] != 0]
    if not wanted:
        return None
    infos = [find_control(unit[0], "ip-adapter", model.info) for unit in wanted]
    states = [cached(model, "adapters", str(info.path), lambda of=info: _read(of), 4) for info in infos]
    key = "|".join(str(info.path) for info in infos)
    processors, projection = cached(model, "processors", key, lambda: _build(model, states), 2)
    units = []
    for (_, sha256, pixels, weight, start, end), info, state in zip(wanted, infos, states, strict=True):
        embeds, zero = cached(
            model,
            "image embeds",
            f"{info.path}|{sha256}",
            lambda i=info, s=state, p=pixels: _embed(model, i, s, p()),
            16,
        )
        units.append(AdapterUnit(embeds, zero, weight, start, end))
    return Adapters(model.unet, processors, projection, units)


def _read(info: ControlInfo) -> State:
    state: State = {"image_proj": {}, "ip_adapter": {}}
    try:
        with safe_open(str(info.path), framework="pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118 (not a dict)
                part, _, rest = name.partition(".")
                if part in state:
                    state[part][rest] = file.get_tensor(name)
    except SafetensorError as error:
        raise ModelError("model.damaged", path=str(info.path), tensor=str(error)[:120]) from error
    return state


def _build(model: LoadedModel, states: Sequence[State]) -> tuple[dict[str, Any], Any]:
    from diffusers.models.embeddings import MultiIPAdapterImageProjection

    unet = model.unet
    states = [
        {part: {name: tensor.to(model.dtype) for name, tensor in weights.items()} for part, weights in state.items()}
        for state in states
    ]
    try:
        with quiet():
            # diffusers' own reading of the weights, without touching the UNet
            processors = unet._convert_ip_adapter_attn_to_diffusers(states, low_cpu_mem_usage=False)
            layers = [
                unet._convert_ip_adapter_image_proj_to_diffusers(state["image_proj"], low_cpu_mem_usage=False)
                for state in states
            ]
    except Exception as error:
        detail = " ".join(str(error).split())[:240] or type(error).__name__
        raise ModelError("model.load_failed", name="IP-Adapter", detail=detail) from error
    projection = (
        MultiIPAdapterImageProjection(layers).to(device=model.device, dtype=model.dtype).eval().requires_grad_(False)
    )
    for processor in processors.values():
        if isinstance(processor, torch.nn.Module):
            processor.to(device=model.device, dtype=model.dtype).requires_grad_(False)
    return processors, projection


def _embed(
    model: LoadedModel, info: ControlInfo, state: State, image: Image.Image
) -> tuple[torch.Tensor, torch.Tensor]:
    """(embedding of the picture, of no picture), each without the batch's dimension but with that of the pictures [1, ...]."""
    projection = state["image_proj"]
    hidden = "proj.weight" not in projection  # the "plus" kinds read the encoder's last but one layer
    width = next(
        (t.shape[-1] for name, t in projection.items() if name in ("proj.weight", "proj_in.weight", "proj.0.weight")), 0
    )
    encoder, size = _encoder(model, info, width, hidden)
    pixels = clip_pixels(image, size).to(device=model.device, dtype=next(encoder.parameters()).dtype)
    if hidden:
        states = encoder(torch.cat([pixels, torch.zeros_like(pixels)]), output_hidden_states=True).hidden_states[-2]
        return states[:1].to(model.dtype), states[1:].to(model.dtype)
    embeds = encoder(pixels).image_embeds.to(model.dtype)
    return embeds, torch.zeros_like(embeds)


def _encoder(model: LoadedModel, info: ControlInfo, width: int, hidden: bool) -> tuple[Any, int]:
    """The image encoder whose output has ``width``: beside the adapter (``image_encoder``), else anywhere in the library."""
    beside = [folder / "image_encoder" for folder in (info.path.parent, info.path.parent.parent)]
    places = [place for place in beside if (place / "config.json").is_file()] + [
        found.path for found in controls("vision")
    ]
    for place in places:
        config = read_json(place / "config.json")
        if width in (config.get("hidden_size" if hidden else "projection_dim"), 0):
            return cached(model, "encoders", str(place), lambda at=place: _load_encoder(model, at), 2), int(
                config.get("image_size", 224)
            )
    raise ModelError("control.no_image_encoder", name=info.name, width=width)


def _load_encoder(model: LoadedModel, path: Any) -> Any:
    from transformers import CLIPVisionModelWithProjection

    try:
        with quiet():
            encoder = CLIPVisionModelWithProjection.from_pretrained(
                str(path), local_files_only=True, use_safetensors=True, dtype=model.dtype
            )
    except RAError:
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:240] or type(error).__name__
        raise ModelError("model.load_failed", name=path.name, detail=detail) from error
    return encoder.to(device=model.device, dtype=model.dtype).eval().requires_grad_(False)


def clip_pixels(image: Image.Image, size: int) -> torch.Tensor:
    """A picture as CLIP sees it: [1, 3, size, size], shorter side scaled to ``size``, the middle cut out, normalised."""
    image = image.convert("RGB")
    scale = size / min(image.size)
    image = image.resize(
        (max(size, int(image.width * scale)), max(size, int(image.height * scale))), Image.Resampling.BICUBIC
    )
    left, top = (image.width - size) // 2, (image.height - size) // 2
    pixels = np.asarray(image.crop((left, top, left + size, top + size)), np.float32) / 255
    pixels = (pixels - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_STD, np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]

"""Models that steer other models: ControlNets, T2I-Adapters, IP-Adapters, and the estimators that make their maps.

They lie in the model folders or in the webui's subfolders of them (``ControlNet`` ...), as diffusers or transformers folders or
as single ``.safetensors`` files. What each is, is decided by its content. Knows data only, never torch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ra_widgets import paths
from ra_widgets.errors import ModelError
from ra_widgets.library.cards import read_card, read_json
from ra_widgets.library.headers import Header, read_header
from ra_widgets.library.identify import ModelInfo, resolve

SUBFOLDERS = (
    "controlnet", "control_net", "control", "t2i-adapter", "t2iadapter", "ip-adapter", "ipadapter", "ip_adapter", "depth",
    "clip_vision", "clip-vision", "annotators", "preprocessors",
)  # fmt: skip
"""Subfolders of the model folders that are searched too, in any case."""

FAMILIES = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""Families by the width of the text that their attention reads."""

HINTS = {
    "canny": "canny", "edge": "canny", "depth": "depth", "scribble": "scribble_xdog", "lineart": "lineart_standard",
    "softedge": "softedge", "hed": "softedge", "inpaint": "inpaint_only", "tile": "tile_resample",
}  # fmt: skip
"""Which preprocessor a model wants, by words of its name; its card's ``hint`` says it surely."""

_BLOCKS = "input_blocks."


@dataclass(frozen=True)
class ControlInfo:
    """What is known of a control model before it is loaded.

    Attributes:
        name: file or folder stem, or its card's. path: file or folder.
        kind: ``controlnet``, ``t2i-adapter``, ``ip-adapter``, ``depth`` (an estimator) or ``vision`` (an image encoder).
        layout: ``diffusers`` (folder), ``ldm`` (the webui's file), ``flat`` (a file with diffusers' names), ``transformers``.
        family: of the models that it steers: ``sd1``, ``sd2``, ``sdxl``, ``ra-mini``, "" if that does not matter.
        width, channels: what must agree with the model's UNet: the text's width and the blocks' channels.
        hint: the preprocessor that makes its maps, "" if unknown. license, size_bytes.
    """

    name: str
    path: Path
    kind: str
    layout: str
    family: str = ""
    width: int = 0
    channels: tuple[int, ...] = ()
    hint: str = ""
    license: str = ""
    size_bytes: int = 0
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def weights(self) -> Path | None:
        """The (first) file with its weights."""
        return self.path if self.path.is_file() else next(iter(sorted(self.path.glob("*.safetensors"))), None)

    @property
    def label(self) -> str:
        """Name and short hash, as the webui's ControlNet extension writes them: ``control_v11p_sd15_canny [d14c016b]``."""
        file = self.weights
        if file is None:
            return self.name
        with file.open("rb") as data:
            data.seek(0x100000)
            return f"{self.name} [{hashlib.sha256(data.read(0x10000)).hexdigest()[:8]}]"

    def fits(self, model: ModelInfo) -> bool:
        """Whether it can steer this model."""
        width, channels = unet_shape(model)
        if self.kind in ("depth", "vision"):
            return True
        return (not self.width or self.width == width) and (not self.channels or self.channels == channels)


def unet_shape(model: ModelInfo) -> tuple[int, tuple[int, ...]]:
    """(width of the text, channels of the blocks) of a model's UNet; (0, ()) if it has none."""
    if model.kind == "diffusers":
        file = model.path / "unet" / "config.json"
    else:
        folder = resolve(None).path if model.base else paths.package() / "diffusion" / "configs" / model.family
        file = folder / "unet" / "config.json"
    if not file.is_file():
        return 0, ()
    config = read_json(file)
    return _width(config.get("cross_attention_dim")), tuple(config.get("block_out_channels") or ())


def _width(value: Any) -> int:
    if isinstance(value, list) and value:
        value = value[0]
    return value if type(value) is int else 0


def _family(width: int, channels: tuple[int, ...] = ()) -> str:
    if width == unet_shape(resolve(None))[0]:
        return paths.EMBEDDED
    return FAMILIES.get(width, "")


# -- what a file or folder is ------------------------------------------------------------------------------------------
def identify_control(path: Path | str) -> ControlInfo:
    """Tell what the control model at ``path`` is.

    Raises:
        ModelError: nothing there, damaged, a pickle, or no control model.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        found = _folder(path)
    elif path.is_file():
        found = _file(path)
    else:
        raise ModelError("model.missing", path=str(path))
    if found is None:
        raise ModelError("control.not_one", path=str(path))
    return found


def _folder(path: Path) -> ControlInfo | None:
    if not (path / "config.json").is_file() or (path / "model_index.json").is_file():
        return None
    config = read_json(path / "config.json")
    kind = _kind_of_config(config)
    if kind is None:
        return None
    files = sorted(path.glob("*.safetensors"))
    if not files:
        pickle = next((f for pattern in ("*.bin", "*.pt", "*.pth") for f in path.glob(pattern)), None)
        if pickle is not None:
            raise ModelError("model.pickle", path=str(pickle))
        raise ModelError("model.part_missing", path=str(path), part="*.safetensors")
    for file in files:
        read_header(file)
    card = read_card(path / "ra.json")
    width, channels = 0, ()
    if kind == "controlnet":
        width, channels = _width(config.get("cross_attention_dim")), tuple(config.get("block_out_channels") or ())
        family = _family(width)
    elif kind == "t2i-adapter":
        channels = tuple(dict.fromkeys(config.get("channels") or ()))
        family = _family_of_channels(channels)
        channels = ()
    else:
        family = ""
    name = str(card.get("name") or path.name)
    return ControlInfo(
        name, path, kind, "transformers" if kind in ("depth", "vision") else "diffusers", family, width, channels,
        str(card.get("hint") or _hint(name)), str(card.get("license", "")), sum(f.stat().st_size for f in files), card,
    )  # fmt: skip


def _kind_of_config(config: dict[str, Any]) -> str | None:
    cls = config.get("_class_name")
    if cls in ("ControlNetModel", "T2IAdapter"):
        return {"ControlNetModel": "controlnet", "T2IAdapter": "t2i-adapter"}[cls]
    names = config.get("architectures")
    first = str(names[0]) if isinstance(names, list) and names else ""
    if first.endswith("ForDepthEstimation"):
        return "depth"
    return "vision" if first == "CLIPVisionModelWithProjection" else None


def _family_of_channels(channels: tuple[int, ...]) -> str:
    if channels and channels[0] == unet_shape(resolve(None))[1][0]:
        return paths.EMBEDDED
    return ""


def _file(path: Path) -> ControlInfo | None:
    header = read_header(path)
    names = header.tensors
    kind, layout, width = "", "ldm", 0
    channels: tuple[int, ...] = ()
    if any(n.startswith(("control_model.", "input_hint_block.")) for n in names):
        kind, (width, channels) = "controlnet", _ldm_shape(header)
    elif "controlnet_cond_embedding.conv_in.weight" in names:
        kind, layout = "controlnet", "flat"
        width, channels = _flat_shape(header)
    elif any(n.startswith("ip_adapter.") for n in names) and any(n.startswith("image_proj.") for n in names):
        kind = "ip-adapter"
        width = next(((header.shape(n) or (0, 0))[-1] for n in names if n.endswith("to_k_ip.weight")), 0)
    elif any(re.match(r"(adapter\.)?body\.0\.", n) for n in names) and any(n.endswith("conv_in.weight") for n in names):
        kind = "t2i-adapter"
        layout = "flat" if any(n.startswith("adapter.") for n in names) else "ldm"
    else:
        return None
    card = read_card(path.with_name(path.stem + ".ra.json"))
    name = str(card.get("name") or path.stem)
    family = str(card.get("family") or "") if kind == "t2i-adapter" else _family(width)
    return ControlInfo(
        name, path, kind, layout, family, width, channels, str(card.get("hint") or _hint(name)),
        str(card.get("license") or header.metadata.get("modelspec.license", ""))[:200], path.stat().st_size, card,
    )  # fmt: skip


def _ldm_shape(header: Header) -> tuple[int, tuple[int, ...]]:
    """(width, channels) of a ControlNet in the webui's layout, whose blocks are not told apart by name."""
    prefix = "control_model." if any(n.startswith("control_model.") for n in header.tensors) else ""
    width = next(
        (
            (header.shape(n) or (0, 0))[-1]
            for n in header.tensors
            if n.startswith(prefix + _BLOCKS) and n.endswith("attn2.to_k.weight")
        ),
        0,
    )
    channels: tuple[int, ...] = {2048: (320, 640, 1280)}.get(width, (320, 640, 1280, 1280))
    first = header.shape(f"{prefix}{_BLOCKS}0.0.weight")
    return width, channels if first and first[0] == channels[0] else ()


def _flat_shape(header: Header) -> tuple[int, tuple[int, ...]]:
    width, channels = 0, {}
    for name in header.tensors:
        shape = header.shape(name) or ()
        if name.endswith("attn2.to_k.weight") and name.startswith("down_blocks."):
            width = width or shape[-1]
        found = re.match(r"down_blocks\.(\d+)\.resnets\.0\.conv1\.weight$", name)
        if found:
            channels[int(found[1])] = shape[0]
    return width, tuple(channels[k] for k in sorted(channels))


def _hint(name: str) -> str:
    text = name.lower()
    return next((module for word, module in HINTS.items() if word in text), "")


# -- the library --------------------------------------------------------------------------------------------------------
def controls(kind: str | None = None, model: ModelInfo | None = None) -> list[ControlInfo]:
    """Control models in the library, broken ones left out; only of one ``kind``, only those that fit ``model``."""
    found: dict[tuple[str, str], ControlInfo] = {}
    for path in _candidates():
        try:
            info = identify_control(path)
        except ModelError:
            continue
        if (kind is None or info.kind == kind) and (model is None or info.fits(model)):
            found.setdefault((info.kind, info.name), info)
    return list(found.values())


def _candidates() -> Iterator[Path]:
    for folder in paths.models_dirs():
        for place in [folder, *sorted(p for p in folder.iterdir() if p.is_dir() and p.name.lower() in SUBFOLDERS)]:
            for path in sorted(place.iterdir()):
                if path.suffix.lower() == ".safetensors" or (path / "config.json").is_file():
                    yield path


def find_control(name: str, kind: str | tuple[str, ...], model: ModelInfo | None = None) -> ControlInfo:
    """The control model of this name (also ``name [hash]``) or path.

    Args:
        name: what the user calls it. kind: what it must be (one of several). model: what it must fit.

    Raises:
        ModelError: there is none of this name (the sentence lists those that fit), it is something else, or made for another
            family of models.
    """
    kinds = (kind,) if isinstance(kind, str) else kind
    text = name.strip()
    wanted = re.sub(r"\s*\[[0-9a-fA-F]{8,}\]$", "", text).lower().removesuffix(".safetensors")
    info = None
    if ("/" in text or "\\" in text) and Path(text).expanduser().exists():
        info = identify_control(text)
    else:
        for path in _candidates():
            if wanted in (path.name.lower().removesuffix(".safetensors"), path.stem.lower()):
                info = identify_control(path)  # of a broken one, say what is wrong with it
                break
        info = info or next((found for found in controls() if found.name.lower() == wanted), None)
    if info is None:
        known = ", ".join(found.name for k in kinds for found in controls(k, model)) or "-"
        raise ModelError(
            "control.unknown", name=text[:80], known=known, folder=str(paths.home() / "models" / "ControlNet")
        )
    if info.kind not in kinds:
        raise ModelError("control.wrong_kind", name=info.name, kind=info.kind, wanted=", ".join(kinds))
    if model is not None and not info.fits(model):
        fitting = ", ".join(found.name for k in kinds for found in controls(k, model)) or "-"
        raise ModelError(
            "control.wrong_family",
            name=info.name,
            family=info.family or str(info.width),
            model=model.name,
            known=fitting,
        )
    return info

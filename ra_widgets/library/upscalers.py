"""Which upscalers there are: the plain filters, the webui's latent modes, and files of ESRGAN's family in the model folders.

A file's upscaler has the name that the webui gives it: the file's stem, or for the files that the webui itself fetches, its
label (``R-ESRGAN 4x+``). Nothing is opened here; what a file holds is found out when it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ra_widgets import paths
from ra_widgets.errors import ModelError
from ra_widgets.library.hashes import sha256_of
from ra_widgets.library.headers import read_header
from ra_widgets.request_fields import LATENT_UPSCALERS, PIXEL_UPSCALERS, add_upscalers

FOLDERS = (
    "ESRGAN", "RealESRGAN", "BSRGAN", "SwinIR", "ScuNET", "DAT", "HAT", "SPAN", "upscalers", "upscale_models", "Upscaler",
)  # fmt: skip
"""Folders below a model folder that hold upscalers: the webui's, and those of ComfyUI and others. Case does not matter."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")

WEBUI_LABELS = {
    "RealESRGAN_x4plus": "R-ESRGAN 4x+",
    "RealESRGAN_x4plus_anime_6B": "R-ESRGAN 4x+ Anime6B",
    "RealESRGAN_x2plus": "R-ESRGAN 2x+",
    "realesr-general-x4v3": "R-ESRGAN General 4xV3",
    "realesr-general-wdn-x4v3": "R-ESRGAN General WDN 4xV3",
    "realesr-animevideov3": "R-ESRGAN AnimeVideo",
    "SwinIR_4x": "SwinIR 4x",
    "DAT_x2": "DAT x2",
    "DAT_x3": "DAT x3",
    "DAT_x4": "DAT x4",
}
"""File stems of the upscalers that the webui fetches by itself, and what its menus call them."""

EMBEDDED = "RA x2"
"""The upscaler that ships with the embedded model."""


@dataclass(frozen=True)
class UpscalerInfo:
    """An upscaler that can be asked for by ``name``.

    Attributes:
        kind: ``"filter"`` (None, Lanczos, Nearest), ``"latent"`` (hires fix only) or ``"network"`` (a file).
        path: of the file.
    """

    name: str
    kind: str
    path: Path | None = None

    @property
    def hash(self) -> str:
        """First 10 hex digits of the file's sha256, "" for what has no file."""
        return sha256_of(self.path)[:10] if self.path is not None else ""


def _shipped() -> Path:
    return paths.shipped("models") / "ra-mini-x2" / "ra-mini-x2.safetensors"


def _files() -> Iterator[tuple[str, Path]]:
    shipped = _shipped()
    if shipped.is_file():
        yield EMBEDDED, shipped
    wanted = {name.casefold() for name in FOLDERS}
    for root in paths.models_dirs():
        for folder in sorted(root.iterdir()):
            if folder.name.casefold() not in wanted or not folder.is_dir():
                continue
            found = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file()]
            # safetensors first: of two files of one name the safe one counts
            for file in sorted(found, key=lambda file: SUFFIXES.index(file.suffix.lower())):
                yield WEBUI_LABELS.get(file.stem, file.stem), file


def available(latent: bool = False) -> list[UpscalerInfo]:
    """All upscalers, in the webui's order: None, Lanczos, Nearest, then the networks by name; ours first among them.

    Args:
        latent: the latent modes too (they make sense in hires fix only), before all others.
    """
    found = {name: UpscalerInfo(name, "latent") for name in LATENT_UPSCALERS} if latent else {}
    found |= {name: UpscalerInfo(name, "filter") for name in PIXEL_UPSCALERS}
    networks: dict[str, UpscalerInfo] = {}
    for name, path in _files():
        if name not in found:
            networks.setdefault(name, UpscalerInfo(name, "network", path))
    ordered = sorted(networks, key=lambda name: (name != EMBEDDED, name.casefold()))
    return [*found.values(), *(networks[name] for name in ordered)]


def names(latent: bool = False) -> list[str]:
    """Names of all upscalers, see :func:`available`."""
    return [info.name for info in available(latent)]


def resolve(name: str, latent: bool = False) -> UpscalerInfo:
    """The upscaler of this name; case does not matter, and a file's stem is as good as the webui's label.

    Raises:
        ModelError: there is none; the sentence lists those that there are.
    """
    all_of_them = available(latent)
    wanted = name.strip().casefold()
    for info in all_of_them:
        if wanted in (info.name.casefold(), info.path.stem.casefold() if info.path else info.name.casefold()):
            return info
    if not latent and any(wanted == mode.casefold() for mode in LATENT_UPSCALERS):
        raise ModelError("upscaler.latent_only", name=name[:80])
    allowed = ", ".join(info.name for info in all_of_them)
    raise ModelError("upscaler.unknown", name=name[:80], allowed=allowed[:400], folder=FOLDERS[0])


def card(info: UpscalerInfo) -> dict[str, object]:
    """What the file's own metadata says (``title``, ``license``, ``scale``), {} if nothing or not readable."""
    if info.path is None or info.path.suffix.lower() != ".safetensors":
        return {}
    try:
        metadata = read_header(info.path).metadata
        ours = json.loads(metadata.get("ra_upscaler", "{}"))
    except (ModelError, ValueError):
        return {}
    facts: dict[str, object] = {
        key: metadata[f"modelspec.{key}"] for key in ("title", "license") if metadata.get(f"modelspec.{key}")
    }
    return facts | ({"scale": ours["scale"]} if isinstance(ours, dict) and type(ours.get("scale")) is int else {})


def default(model: str) -> str:
    """The upscaler that suits a model's pictures best: ours for the embedded model's, else Lanczos."""
    return EMBEDDED if model == paths.EMBEDDED and _shipped().is_file() else "Lanczos"


add_upscalers(names)

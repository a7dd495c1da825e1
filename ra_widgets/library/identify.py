"""Find models by name or path and tell what they are, without loading them.

A model is a diffusers folder (``model_index.json``) or a single-file ``.safetensors`` checkpoint in the layout that the
webui uses. What a file is, is decided by its content, never by its suffix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ra_widgets import paths
from ra_widgets.errors import ModelError
from ra_widgets.library.cards import read_card, read_json
from ra_widgets.library.checkpoints import facts_of, family_of, require_parts
from ra_widgets.library.folders import check_folder
from ra_widgets.library.hashes import sha256_of
from ra_widgets.library.headers import read_header

_DEFAULTS: dict[str, tuple[tuple[int, int], float]] = {
    "sd1": ((512, 512), 7.0),
    "sd2": ((768, 768), 7.0),
    "sdxl": ((1024, 1024), 5.0),
    "other": ((1024, 1024), 4.0),
}


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model before it is loaded.

    Attributes:
        name: short name, as in the webui's ``Model`` field (file or folder stem).
        path: folder or file. kind: ``"diffusers"`` or ``"single-file"``.
        family: ``"sd1"``, ``"sd2"``, ``"sdxl"`` run on our engine; ``"other"`` on the family's own diffusers pipeline.
        pipeline: diffusers class name of a folder (``"StableDiffusionPipeline"``), else "".
        default_size: (width, height) in pixels; default_cfg, default_steps: what the studio starts with.
        languages: prompt languages it reads. license: as its card says. size_bytes: of its weights.
        base: for a single file with ``ra_base`` in its metadata, the embedded model whose configuration it shares.
        extra: what else its card, metadata or marker tensors say (``prediction_type``, ``zero_snr`` ...).
    """

    name: str
    path: Path
    kind: str = "diffusers"
    family: str = "sd1"
    pipeline: str = ""
    default_size: tuple[int, int] = (512, 512)
    default_cfg: float = 7.0
    default_steps: int = 20
    languages: tuple[str, ...] = ("en",)
    license: str = ""
    size_bytes: int = 0
    base: str = ""
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def hash(self) -> str:
        """First 10 hex digits of the sha256 of the weights (of the UNet's file for a folder), as the webui writes
        it."""
        file = self.weights_file()
        if file is None:
            return ""
        return sha256_of(file)[:10]

    def weights_file(self) -> Path | None:
        """The file whose hash names the model."""
        if self.kind == "single-file":
            return self.path
        for part in ("unet", "transformer"):
            files = sorted((self.path / part).glob("*.safetensors"))
            if files:
                return files[0]
        return None


def identify(path: Path | str) -> ModelInfo:
    """Tell what the model at ``path`` is, from its content.

    Raises:
        ModelError: nothing there, not a model, damaged, or a kind of file that is not opened for safety (pickles).
    """
    path = Path(path).expanduser()
    try:
        path = path.resolve()
        if path.is_dir():
            return _identify_folder(path)
        if path.is_file():
            return _identify_file(path)
    except OSError as error:
        raise ModelError("model.unreadable", path=str(path), detail=error.strerror or str(error)) from error
    raise ModelError("model.missing", path=str(path))


def _identify_folder(path: Path) -> ModelInfo:
    if not (path / "model_index.json").is_file():
        raise ModelError("model.not_a_model", path=str(path))
    index = read_json(path / "model_index.json")
    check_folder(path, index)
    card = read_card(path / "ra.json")
    unet = _config(path, "unet")
    family = str(card.get("family") or _family_of_unet(unet))
    size, cfg = _DEFAULTS.get(family, _DEFAULTS["other"])
    sample = (unet or _config(path, "transformer")).get("sample_size")
    sample = sample[0] if isinstance(sample, list) and sample else sample
    # pixels: every Stable Diffusion VAE makes 8 of a latent cell; other families only where that gives a usual size
    if isinstance(sample, int) and (8 if family != "other" else 32) <= sample <= 256:
        size = (sample * 8, sample * 8)
    return ModelInfo(
        name=str(card.get("name") or path.name),
        path=path,
        family=family,
        pipeline=str(index["_class_name"]),
        default_size=card.get("default_size", size),
        default_cfg=float(card.get("default_cfg", cfg)),
        default_steps=int(card.get("default_steps", 20)),
        languages=card.get("languages", ("en",)),
        license=card.get("license", ""),
        size_bytes=sum(file.stat().st_size for file in path.rglob("*.safetensors")),
        extra=card,
    )


def _config(path: Path, part: str) -> dict[str, Any]:
    file = path / part / "config.json"
    return read_json(file) if file.is_file() else {}


def _family_of_unet(config: dict[str, Any]) -> str:
    if not config or config.get("_class_name") not in (None, "UNet2DConditionModel"):
        return "other"
    if config.get("addition_embed_type") == "text_time":
        return "sdxl"
    if config.get("addition_embed_type") or config.get("encoder_hid_dim_type") or config.get("class_embed_type"):
        return "other"
    return "sd2" if config.get("cross_attention_dim") == 1024 else "sd1"


def _identify_file(path: Path) -> ModelInfo:
    header = read_header(path)
    base = header.metadata.get("ra_base", "")
    parent: ModelInfo | None = None
    if base:
        # a name out of a file: only the embedded model can be meant, never a path
        if base != paths.EMBEDDED:
            raise ModelError("model.unknown_base", path=str(path), base=base[:80])
        parent = resolve(None)
        require_parts(header, path)
    family = parent.family if parent else family_of(header, path)
    facts = facts_of(header, path, family)
    size, cfg = _DEFAULTS[family] if parent is None else (parent.default_size, parent.default_cfg)
    if family == "sd2" and facts.get("prediction_type") == "epsilon":
        size = (512, 512)
    return ModelInfo(
        name=path.stem,
        path=path,
        kind="single-file",
        family=family,
        default_size=facts.get("default_size", size),
        default_cfg=float(facts.get("default_cfg", cfg)),
        default_steps=int(facts.get("default_steps", parent.default_steps if parent else 20)),
        languages=facts.get("languages", parent.languages if parent else ("en",)),
        license=facts.get("license", ""),
        size_bytes=path.stat().st_size,
        base=base,
        extra=facts,
    )


def available() -> list[ModelInfo]:
    """All models in the library folders that can be loaded by name, the embedded one first; broken ones are left
    out."""
    found: dict[str, ModelInfo] = {}
    for path in _candidates():
        try:
            info = identify(path)
        except ModelError:
            continue
        found.setdefault(info.name, info)
    return list(found.values())


def _candidates() -> Iterator[Path]:
    yield paths.embedded_model()
    for folder in paths.models_dirs():
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() == ".safetensors" or (path / "model_index.json").is_file():
                yield path


def resolve(name: str | Path | None) -> ModelInfo:
    """The model of this name (in the library folders) or path; None is the embedded model.

    Raises:
        ModelError: there is none; the sentence lists the names that there are.
    """
    if name is None:
        return identify(paths.embedded_model())
    text = str(name)
    if isinstance(name, Path) or "/" in text or "\\" in text or Path(text).expanduser().exists():
        path = Path(text).expanduser()
        if path.exists():
            return identify(path)
    wanted = text.lower().removesuffix(".safetensors")
    for path in _candidates():
        if path.name.lower().removesuffix(".safetensors") == wanted:
            return identify(path)
    for info in available():
        if info.name.lower() == wanted:
            return info
    names = ", ".join(info.name for info in available())
    raise ModelError("model.unknown", name=text, known=names)

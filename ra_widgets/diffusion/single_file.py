"""Open single-file checkpoints of the webui's layout, and write them.

The file is read tensor by tensor from a memory map into models that were made without weights, so that a checkpoint
needs no more memory than its model, and a tensor that is missing or of a wrong shape is named. Configurations and the
tokenizer come from the project itself (``configs/``): nothing is ever looked up on the network.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ra_widgets import paths
from ra_widgets.diffusion import ldm_names
from ra_widgets.diffusion.clip_tokenizer import make_tokenizer
from ra_widgets.errors import ModelError
from ra_widgets.library.cards import read_json
from ra_widgets.library.identify import ModelInfo, identify, resolve

PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
"""Parts with weights that the layout has places for."""

ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-512",
    "sd2-v": "stable-diffusion-v2-768-v",
    "sdxl": "stable-diffusion-xl-v1-base",
}
"""Names of the ModelSpec metadata standard."""


def config_folder(info: ModelInfo) -> Path:
    """The folder with the configuration of a single-file checkpoint.

    Raises:
        ModelError: there is none for this family.
    """
    if info.base:
        return resolve(None).path
    folder = paths.package() / "diffusion" / "configs" / info.family
    if not (folder / "model_index.json").is_file():
        raise ModelError("model.no_config", name=info.name, family=info.family)
    return folder


def read_single_file(info: ModelInfo, dtype: torch.dtype) -> Any:
    """A diffusers pipeline with the weights of ``info.path`` in ``dtype``, on the CPU.

    Raises:
        ModelError: a tensor is missing or has a shape that does not fit the family; the file is damaged.
    """
    import diffusers

    folder = config_folder(info)
    index = read_json(folder / "model_index.json")
    parts: dict[str, Any] = {}
    try:
        with safe_open(str(info.path), framework="pt", device="cpu") as weights:
            names = set(weights.keys())
            for part in PARTS:
                if isinstance(index.get(part), list) and index[part][0]:
                    config = read_json(folder / part / "config.json")
                    model = empty_model(folder / part, *index[part], config)
                    _fill(model, info, part, config, weights, names, dtype)
                    parts[part] = model
    except SafetensorError as error:
        raise ModelError("model.damaged", path=str(info.path), tensor=str(error)[:120]) from error
    parts["scheduler"] = _scheduler(folder, index, info)
    for name in ("tokenizer", "tokenizer_2"):
        if isinstance(index.get(name), list) and index[name][0]:
            parts[name] = _tokenizer(folder, name, index[name][1], parts)
    pipeline = getattr(diffusers, index["_class_name"])
    if index["_class_name"] == "StableDiffusionXLPipeline":
        return pipeline(**parts, add_watermarker=False)
    return pipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def empty_model(folder: Path, library: str, kind: str, config: dict[str, Any]) -> torch.nn.Module:
    """The model of a part without memory for its weights (torch's meta device)."""
    import diffusers
    import transformers

    cls = getattr({"diffusers": diffusers, "transformers": transformers}[library], kind)
    with torch.device("meta"):
        if library == "diffusers":
            return cls.from_config({k: v for k, v in config.items() if k != "_name_or_path"})
        return cls(cls.config_class.from_pretrained(str(folder), local_files_only=True))


def _fill(
    model: torch.nn.Module,
    info: ModelInfo,
    part: str,
    config: dict[str, Any],
    weights: Any,
    names: set[str],
    dtype: torch.dtype,
) -> None:
    state: dict[str, torch.Tensor] = {}
    for name, empty in model.state_dict().items():
        place = ldm_names.place(info.family, part, name, config)
        found = next((n for n in (place.name, *place.others) if n in names), None)
        if found is None:
            raise ModelError("model.incomplete", path=str(info.path), tensor=place.name)
        tensor = weights.get_tensor(found)
        if place.third is not None and tensor.shape[:1] == (3 * empty.shape[0],):
            tensor = tensor.chunk(3)[place.third]
        if place.turned:
            tensor = tensor.T.contiguous()
        if tensor.shape != empty.shape:
            # the same numbers as a 1x1 convolution or as a linear layer
            if _squeezed(tensor.shape) != _squeezed(empty.shape):
                raise ModelError(
                    "model.wrong_shape",
                    path=str(info.path),
                    tensor=found,
                    got=list(tensor.shape),
                    wanted=list(empty.shape),
                )
            tensor = tensor.reshape(empty.shape)
        state[name] = tensor.to(dtype)
    model.load_state_dict(state, strict=True, assign=True)
    for name, buffer in list(model.named_buffers()):
        if buffer.is_meta:
            owner, _, leaf = name.rpartition(".")
            if leaf != "position_ids":
                raise ModelError("model.incomplete", path=str(info.path), tensor=name)
            positions = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            model.get_submodule(owner).register_buffer(leaf, positions, persistent=False)


def _squeezed(shape: torch.Size) -> tuple[int, ...]:
    sizes = list(shape)
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)


def _scheduler(folder: Path, index: dict[str, Any], info: ModelInfo) -> Any:
    import diffusers

    cls = getattr(diffusers, index["scheduler"][1])
    config = read_json(folder / "scheduler" / "scheduler_config.json")
    if "prediction_type" in info.extra:
        config["prediction_type"] = info.extra["prediction_type"]
    if info.extra.get("zero_snr"):
        config["rescale_betas_zero_snr"] = True
    return cls.from_config(config)


def _tokenizer(folder: Path, name: str, kind: str, parts: dict[str, Any]) -> Any:
    import transformers

    if (folder / name).is_dir():
        return getattr(transformers, kind).from_pretrained(str(folder / name), local_files_only=True)
    config = parts[name.replace("tokenizer", "text_encoder")].config
    pad = config.pad_token_id
    return make_tokenizer(None if pad == config.eos_token_id else pad, config.max_position_embeddings)


# -- what the file does not say --------------------------------------------------------------------------------------
@torch.inference_mode()
def settle_prediction(info: ModelInfo, pipe: Any) -> ModelInfo:
    """Find out whether an SD 2 checkpoint without any note predicts noise or velocity, and set its scheduler
    accordingly.

    All SD 2 files have the same shapes. The webui's way is taken: the UNet is asked once, at the last timestep, about a
    constant grey latent of 0.5. At pure noise a network that predicts noise gives back about what it was given, while
    one that predicts velocity gives back the negative of a picture: a mean difference below -1 means velocity. Models
    of 512 pixels predict noise, so the default size follows.

    Returns:
        ``info`` with the default size that belongs to it.
    """
    if info.kind != "single-file" or info.base or info.family != "sd2" or "prediction_type" in info.extra:
        return info
    unet = pipe.unet
    latent = torch.full((1, 4, 8, 8), 0.5, device=unet.device, dtype=unet.dtype)
    text = torch.full((1, 2, unet.config.cross_attention_dim), 0.5, device=unet.device, dtype=unet.dtype)
    answer = unet(latent, torch.tensor([999], device=unet.device), encoder_hidden_states=text, return_dict=False)[0]
    velocity = float((answer.float() - latent.float()).mean()) < -1
    kind = "v_prediction" if velocity else "epsilon"
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, prediction_type=kind)
    if velocity or "default_size" in info.extra:
        return info
    return replace(info, default_size=(512, 512))


# -- writing ---------------------------------------------------------------------------------------------------------
def export_single_file(
    model: ModelInfo | Path | str, path: Path | str, *, dtype: torch.dtype | None = None, license: str = ""
) -> Path:
    """Write a diffusers folder as one ``.safetensors`` checkpoint that the webui (and we) can open.

    A model with the architecture of the embedded one gets ``ra_base`` in the metadata, so that it opens here with the
    embedded model's configuration and tokenizer. The metadata follow ModelSpec (prediction type, resolution, licence).
    The file appears whole or not at all.

    Args:
        model: a diffusers folder (or what :func:`ra_widgets.library.resolve` found) of SD 1, SD 2, SDXL or ra-mini.
        path: the file to write; an existing one is replaced.
        dtype: number format of the weights; None: as they are.
        license: for the metadata; default: the model card's.

    Returns:
        The absolute path of the file.

    Raises:
        ModelError: another family, a damaged folder, or a file that cannot be written.
    """
    info = model if isinstance(model, ModelInfo) else identify(model)
    path = Path(path).expanduser().resolve()
    base = _base_of(info)
    if info.kind != "diffusers" or info.family not in ldm_names.TEXT_PREFIXES or not (base or _is_standard(info)):
        raise ModelError("model.export_family", name=info.name)
    tensors: dict[str, torch.Tensor] = {}
    thirds: dict[str, list[torch.Tensor | None]] = {}
    for part, name, tensor in _weights_of(info):
        config = read_json(info.path / part / "config.json")
        try:
            place = ldm_names.place(info.family, part, name, config)
        except KeyError as error:
            raise ModelError("model.export_family", name=info.name) from error
        tensor = tensor if dtype is None else tensor.to(dtype)
        if part == "vae" and ".mid.attn_" in place.name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        if place.third is not None:
            thirds.setdefault(place.name, [None] * 3)[place.third] = tensor
            continue
        if place.name in tensors:
            raise ModelError("model.export_family", name=info.name)
        tensors[place.name] = (tensor.T if place.turned else tensor).contiguous()
    for name, rows in thirds.items():
        if any(row is None for row in rows):
            raise ModelError("model.incomplete", path=str(info.path), tensor=name)
        tensors[name] = torch.cat([row for row in rows if row is not None])
    _write(path, tensors, _metadata(info, base, license or info.license))
    return path


def _weights_of(info: ModelInfo) -> Iterator[tuple[str, str, torch.Tensor]]:
    """All tensors of the folder's parts: (part, diffusers name, tensor)."""
    for part in PARTS:
        files = sorted((info.path / part).glob("*.safetensors"))
        # a folder may hold the same weights twice, as .fp16. and in full
        plain = [file for file in files if ".fp16." not in file.name] or files
        for file in plain:
            with safe_open(str(file), framework="pt", device="cpu") as weights:
                for name in weights.keys():  # noqa: SIM118 (not a dict)
                    if not name.endswith(("position_ids", "logit_scale")):
                        yield part, name, weights.get_tensor(name)


def _same_config(first: Path, second: Path, parts: tuple[str, ...]) -> bool:
    keys = (
        "block_out_channels", "layers_per_block", "cross_attention_dim", "down_block_types", "up_block_types",
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "attention_head_dim", "max_position_embeddings",
        "use_linear_projection", "transformer_layers_per_block", "in_channels", "scaling_factor", "hidden_act",
    )  # fmt: skip
    for part in parts:
        one, two = ((folder / part / "config.json") for folder in (first, second))
        if one.is_file() != two.is_file():
            return False
        if one.is_file():
            a, b = read_json(one), read_json(two)
            if any(k in a and k in b and a[k] != b[k] for k in keys):
                return False
    return True


def _base_of(info: ModelInfo) -> str:
    embedded = paths.embedded_model()
    return paths.EMBEDDED if _same_config(info.path, embedded, ("unet", "vae", "text_encoder")) else ""


def _is_standard(info: ModelInfo) -> bool:
    folder = paths.package() / "diffusion" / "configs" / info.family
    return _same_config(info.path, folder, ("unet", "vae", "text_encoder", "text_encoder_2"))


def _metadata(info: ModelInfo, base: str, license: str) -> dict[str, str]:
    prediction = "epsilon"
    scheduler = info.path / "scheduler" / "scheduler_config.json"
    config = read_json(scheduler) if scheduler.is_file() else {}
    if config.get("prediction_type") == "v_prediction":
        prediction = "v"
    variant = "sd2-v" if info.family == "sd2" and prediction == "v" else info.family
    architecture = "ra-mini" if base else ARCHITECTURES[variant]
    width, height = info.default_size
    found = {
        "format": "pt",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": architecture,
        "modelspec.title": info.name,
        "modelspec.prediction_type": prediction,
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.license": license,
        "ss_zero_terminal_snr": "True" if config.get("rescale_betas_zero_snr") else "",
        "ra_base": base,
    }
    return {key: value for key, value in found.items() if value}


def _write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".tmp")
        os.close(handle)
        save_file(tensors, temporary, metadata=metadata)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = ""
    except (OSError, SafetensorError) as error:
        detail = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise ModelError("model.export_write", path=str(path), detail=detail) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)

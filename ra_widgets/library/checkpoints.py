"""What a single ``.safetensors`` file holds, judged by the names and shapes of its tensors alone.

Facts used: the layout of the LDM training code (``model.diffusion_model``, ``first_stage_model``, ``cond_stage_model``,
SDXL's ``conditioner``), the ModelSpec metadata standard (``modelspec.*``), and the marker tensors ``v_pred`` and
``ztsnr`` that v-prediction and zero-terminal-SNR checkpoints carry.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ra_widgets.errors import ModelError
from ra_widgets.library.cards import read_card
from ra_widgets.library.headers import Header

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = ("cond_stage_model.", "conditioner.embedders.")
FIRST_KEY = UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
CONV_IN = UNET + "input_blocks.0.0.weight"

PREDICTIONS = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
"""Spellings of the prediction type in the wild and what diffusers calls them."""


def family_of(header: Header, path: Path) -> str:
    """``sd1``, ``sd2`` or ``sdxl``.

    The family follows from the width of the text that the first cross attention reads: 768, 1024 or 2048 channels.

    Raises:
        ModelError: not a whole text-to-image checkpoint; the sentence says what it is instead.
    """
    names = header.tensors
    if not any(name.startswith(UNET) for name in names):
        raise ModelError(_part_kind(header), path=str(path))
    width = (header.shape(FIRST_KEY) or (0,))[-1]
    if any(name.startswith("conditioner.embedders.1.") for name in names):
        width = 2048
    family = {768: "sd1", 1024: "sd2", 2048: "sdxl"}.get(width)
    if family is None:
        raise ModelError("model.unknown_layout", path=str(path))
    require_parts(header, path)
    return family


def require_parts(header: Header, path: Path) -> None:
    """Check that UNet, VAE and text encoder are all in the file and that the UNet begins with plain latents.

    Raises:
        ModelError: a part is missing, or it is an inpainting, depth or editing model (more than 4 input channels).
    """
    for part, prefixes in (("unet", (UNET,)), ("vae", (VAE,)), ("text_encoder", TEXT)):
        if not any(name.startswith(prefixes) for name in header.tensors):
            raise ModelError("model.part_missing", path=str(path), part=part)
    shape = header.shape(CONV_IN)
    if shape is None or len(shape) != 4:
        raise ModelError("model.incomplete", path=str(path), tensor=CONV_IN)
    if shape[1] != 4:
        raise ModelError("model.extra_channels", path=str(path), channels=shape[1])


def _part_kind(header: Header) -> str:
    """The catalogue key for a file that holds some other thing than a checkpoint."""
    names = list(header.tensors)
    if any(re.search(r"^lora_(unet|te)|\.lora_(up|down|A|B)\b|\.hada_w1_a|\.lokr_w1|\.oft_blocks", n) for n in names):
        return "model.is_lora"
    if any(n.startswith(("control_model.", "input_hint_block.", "controlnet_")) for n in names):
        return "model.is_controlnet"
    if any(n in ("emb_params", "clip_l", "clip_g", "*") or n.startswith("string_to_param") for n in names):
        return "model.is_embedding"
    if any(n.startswith(("decoder.", VAE)) for n in names) and not any(n.startswith(TEXT) for n in names):
        return "model.is_vae"
    return "model.not_a_checkpoint"


def facts_of(header: Header, path: Path, family: str) -> dict[str, Any]:
    """What file, metadata and sidecar say of ``prediction_type``, ``zero_snr`` and ``default_size``; only what is
    known.

    In order of precedence: the sidecar ``<stem>.ra.json`` (fields as in ``ra.json``); the marker tensors ``v_pred`` and
    ``ztsnr``; the ``modelspec.*`` metadata; a webui sidecar ``<stem>.yaml`` with ``parameterization``. What is still
    unknown of an SD 2 checkpoint is found out by a probe of its UNet when it is loaded.
    """
    facts: dict[str, Any] = {}
    sidecar = path.with_suffix(".yaml")
    if sidecar.is_file():
        with sidecar.open(encoding="utf-8", errors="replace") as file:
            text = file.read(1 << 20)
        found = re.search(r"^\s*parameterization:\s*[\"']?(\w+)", text, re.M)
        if found or family == "sd2":
            # the LDM code's own default is epsilon
            facts["prediction_type"] = PREDICTIONS.get(found.group(1) if found else "eps", "epsilon")
        if re.search(r"^\s*(zero_terminal_snr|ztsnr|rescale_betas_zero_snr):\s*[Tt]rue", text, re.M):
            facts["zero_snr"] = True
    facts.update(_from_metadata(header.metadata))
    if "v_pred" in header.tensors:
        facts["prediction_type"] = "v_prediction"
    if "ztsnr" in header.tensors:
        facts["zero_snr"] = True
    facts.update(read_card(path.with_name(path.stem + ".ra.json")))
    return facts


def _from_metadata(metadata: dict[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    architecture = metadata.get("modelspec.architecture", "").split("/")[0]
    if architecture == "stable-diffusion-v2-768-v":
        facts.update(prediction_type="v_prediction", default_size=(768, 768))
    elif architecture == "stable-diffusion-v2-512":
        facts.update(prediction_type="epsilon", default_size=(512, 512))
    prediction = PREDICTIONS.get(metadata.get("modelspec.prediction_type", "").strip().lower())
    if prediction:
        facts["prediction_type"] = prediction
    size = re.fullmatch(r"(\d{2,4})(?:x(\d{2,4}))?", metadata.get("modelspec.resolution", "").strip())
    if size:
        width, height = int(size.group(1)), int(size.group(2) or size.group(1))
        if all(64 <= n <= 4096 and n % 8 == 0 for n in (width, height)):
            facts["default_size"] = (width, height)
    if metadata.get("ss_zero_terminal_snr", "").lower() == "true":
        facts["zero_snr"] = True
    if metadata.get("modelspec.license"):
        facts["license"] = metadata["modelspec.license"][:200]
    return facts

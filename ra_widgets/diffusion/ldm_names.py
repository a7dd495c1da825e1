"""Where each tensor of a diffusers model sits in a single-file checkpoint of the LDM layout that the webui uses.

One table for both directions: it is derived from the diffusers names and the block counts of the configuration, so it
serves SD 1, SD 2, SDXL and small models alike. Layout facts: the module tree of CompVis' ``latent-diffusion`` (UNet,
VAE), Hugging Face's CLIP and OpenCLIP (text encoders). Pure names, no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

UNET, VAE = "model.diffusion_model.", "first_stage_model."


@dataclass(frozen=True)
class Place:
    """Where a tensor is: ``name`` in the file; ``third`` 0, 1, 2 if it is that third of its rows (q, k, v kept as one
    tensor); ``turned`` if it is stored transposed; ``others``: names that some files use instead."""

    name: str
    third: int | None = None
    turned: bool = False
    others: tuple[str, ...] = ()


_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def unet_place(name: str, config: dict[str, Any]) -> Place:
    """Place of a ``UNet2DConditionModel`` tensor.

    Raises:
        KeyError: the LDM layout has no such tensor.
    """
    layers = int(config.get("layers_per_block") or 2)
    stem, leaf = name.rsplit(".", 1)
    if stem in _UNET_ENDS:
        return Place(f"{UNET}{_UNET_ENDS[stem]}.{leaf}")
    found = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)$", name)
    if found:
        side, block, kind, layer = found[1], int(found[2]), found[3], int(found[4])
        place = (
            f"input_blocks.{1 + block * (layers + 1) + layer}"
            if side == "down"
            else (f"output_blocks.{block * (layers + 1) + layer}")
        )
        return Place(f"{UNET}{place}.{_inner(kind, found[5])}")
    found = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)$", name)
    if found:
        index = 2 * int(found[2]) + (found[1] == "attentions")
        return Place(f"{UNET}middle_block.{index}.{_inner(found[1], found[3])[2:]}")
    found = re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(weight|bias)$", name)
    if found:
        return Place(f"{UNET}input_blocks.{(int(found[1]) + 1) * (layers + 1)}.0.op.{found[2]}")
    found = re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(weight|bias)$", name)
    if found:
        block = int(found[1])
        after = 2 if "CrossAttn" in config["up_block_types"][block] else 1
        return Place(f"{UNET}output_blocks.{block * (layers + 1) + layers}.{after}.conv.{found[2]}")
    raise KeyError(name)


def _inner(kind: str, rest: str) -> str:
    if kind == "attentions":
        return f"1.{rest}"
    part, leaf = rest.rsplit(".", 1)
    return f"0.{_RESNET[part]}.{leaf}"


_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
    # how older diffusers folders call them
    "query": "q",
    "key": "k",
    "value": "v",
    "proj_attn": "proj_out",
}


def vae_place(name: str, config: dict[str, Any]) -> Place:
    """Place of an ``AutoencoderKL`` tensor. Attention is stored as 1x1 convolutions there (same numbers, two more
    axes).

    Raises:
        KeyError: the LDM layout has no such tensor.
    """
    blocks = len(config["block_out_channels"])
    block_name = r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(resnets\.(\d+)|(?:down|up)samplers\.0)\.(.+)$"
    found = re.match(block_name, name)
    if found:
        half, side, block = found[1], found[2], int(found[3])
        block = blocks - 1 - block if side == "up" else block
        rest = found[6].replace("conv_shortcut", "nin_shortcut")
        inner = f"block.{found[5]}.{rest}" if found[5] else f"{side}sample.{rest}"
        return Place(f"{VAE}{half}.{side}.{block}.{inner}")
    found = re.match(r"(encoder|decoder)\.mid_block\.(resnets|attentions)\.(\d+)\.(.+)\.(weight|bias)$", name)
    if found:
        half, kind, index, rest, leaf = found[1], found[2], int(found[3]) + 1, found[4], found[5]
        if kind == "attentions":
            return Place(f"{VAE}{half}.mid.attn_{index}.{_VAE_ATTENTION[rest]}.{leaf}")
        return Place(f"{VAE}{half}.mid.block_{index}.{rest.replace('conv_shortcut', 'nin_shortcut')}.{leaf}")
    found = re.match(r"(encoder|decoder)\.(conv_in|conv_out|conv_norm_out)\.(weight|bias)$", name)
    if found:
        return Place(f"{VAE}{found[1]}.{found[2].replace('conv_norm_out', 'norm_out')}.{found[3]}")
    if re.match(r"(post_)?quant_conv\.(weight|bias)$", name):
        return Place(f"{VAE}{name}")
    raise KeyError(name)


def clip_place(name: str, prefix: str) -> Place:
    """Place of a tensor of a CLIP text encoder that the file keeps in Hugging Face's own names.

    Args:
        name: with or without the leading ``text_model.``. prefix: ``cond_stage_model.transformer.`` or
            ``conditioner.embedders.0.transformer.``.
    """
    bare = name.removeprefix("text_model.")
    if bare.startswith("text_projection"):
        raise KeyError(name)
    return Place(f"{prefix}text_model.{bare}", others=(f"{prefix}{bare}",))


_OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def open_clip_place(name: str, prefix: str) -> Place:
    """Place of a tensor of a text encoder that the file keeps in OpenCLIP's names (SD 2, SDXL's second).

    Args:
        name: with or without the leading ``text_model.``. prefix: ``cond_stage_model.model.`` or
            ``conditioner.embedders.1.model.``.

    Raises:
        KeyError: OpenCLIP has no such tensor.
    """
    bare = name.removeprefix("text_model.")
    if bare == "text_projection.weight":
        return Place(f"{prefix}text_projection", turned=True)
    if bare in _OPEN_CLIP:
        return Place(prefix + _OPEN_CLIP[bare])
    found = re.match(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$", bare)
    if not found:
        raise KeyError(name)
    layer = f"{prefix}transformer.resblocks.{found[1]}."
    third = re.match(r"self_attn\.([qkv])_proj$", found[2])
    if third:
        return Place(f"{layer}attn.in_proj_{found[3]}", third="qkv".index(third[1]))
    return Place(f"{layer}{_OPEN_CLIP_LAYER[found[2]]}.{found[3]}")


TEXT_PREFIXES = {
    "sd1": {"text_encoder": "cond_stage_model.transformer."},
    "sd2": {"text_encoder": "cond_stage_model.model."},
    "sdxl": {
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
}
"""Where each family keeps its text encoders."""


def place(family: str, part: str, name: str, config: dict[str, Any]) -> Place:
    """Place of tensor ``name`` of the diffusers part ``unet``, ``vae``, ``text_encoder`` or ``text_encoder_2``.

    Args:
        family: ``sd1``, ``sd2``, ``sdxl``. config: the part's ``config.json``.

    Raises:
        KeyError: the layout has no such tensor.
    """
    if part == "unet":
        return unet_place(name, config)
    if part == "vae":
        return vae_place(name, config)
    prefix = TEXT_PREFIXES[family][part]
    return open_clip_place(name, prefix) if prefix.endswith(".model.") else clip_place(name, prefix)

"""Load ControlNets and T2I-Adapters for a model: once, and kept with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from ra_widgets.diffusion.ldm_names import UNET, unet_place
from ra_widgets.diffusion.pipeline import LoadedModel, quiet
from ra_widgets.errors import ModelError, RAError
from ra_widgets.library.control import ControlInfo, find_control

KEPT = 4
"""Networks kept in memory for one model; the one that rested longest goes first."""


class Net:
    """A ControlNet or T2I-Adapter in memory.

    Attributes:
        info: what it is. module: the diffusers model. adapter: True for a T2I-Adapter.
    """

    def __init__(self, info: ControlInfo, module: Any) -> None:
        self.info, self.module = info, module
        self.adapter = info.kind == "t2i-adapter"
        self.pooled = bool(getattr(module.config, "global_pool_conditions", False))
        if not self.adapter:
            # the picture's embedding is the same at every step: it is made once (see embed) and then only passed through
            self._embed = module.controlnet_cond_embedding
            self._turned = module.config.controlnet_conditioning_channel_order == "bgr"
            module.register_to_config(controlnet_conditioning_channel_order="rgb")
            module.controlnet_cond_embedding = torch.nn.Identity()

    def embed(self, hint: torch.Tensor) -> Any:
        """What :meth:`residuals` needs of a hint [1, 3, H, W] in 0..1: an embedding, for an adapter its residuals."""
        weight = next(self.module.parameters())
        hint = hint.to(weight)
        if self.adapter:
            gray = hint.mean(1, keepdim=True) if self.module.config.in_channels == 1 else hint
            return self.module(gray)
        return self._embed(hint.flip(1) if self._turned else hint)

    def residuals(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        context: torch.Tensor,
        added: dict[str, torch.Tensor],
        embedded: torch.Tensor,
    ) -> list[torch.Tensor]:
        """A ControlNet's residuals for x [N, 4, h, w]: of the down path, and of the middle as the last."""
        dtype = next(self.module.parameters()).dtype
        down, middle = self.module(
            x[:, : self.module.config.in_channels].to(dtype),
            t,
            encoder_hidden_states=context.to(dtype),
            controlnet_cond=embedded.expand(len(x), -1, -1, -1),
            added_cond_kwargs={key: value.to(dtype) for key, value in added.items()} or None,
            return_dict=False,
        )
        return [*down, middle]


def net(model: LoadedModel, name: str) -> Net:
    """The network of this name for a model, from memory if it was used before.

    Raises:
        ModelError: there is none, it is made for another family, or its file is damaged.
    """
    info = find_control(name, ("controlnet", "t2i-adapter"), model.info)
    return cached(model, "nets", str(info.path), lambda: load(model, info), KEPT)


def cached(model: LoadedModel, shelf: str, key: str, make: Callable[[], Any], kept: int) -> Any:
    """Something kept with a model; at most ``kept`` a shelf."""
    store: dict[str, Any] = model.cache.setdefault(f"control {shelf}", {})
    found = store.pop(key, None)
    if found is None:
        while len(store) >= kept:
            store.pop(next(iter(store)))
        found = make()
    store[key] = found
    return found


def load(model: LoadedModel, info: ControlInfo) -> Net:
    """Read a network from its files into the model's format and device.

    Raises:
        ModelError: its files are damaged or do not fit the model.
    """
    try:
        with quiet():
            module = _from_folder(info) if info.layout == "diffusers" else _from_file(model, info)
    except RAError:
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:240] or type(error).__name__
        raise ModelError("model.load_failed", name=info.name, detail=detail) from error
    module = module.to(device=model.device, dtype=model.dtype).eval().requires_grad_(False)
    _check(model, info, module)
    return Net(info, module)


def _from_folder(info: ControlInfo) -> Any:
    import diffusers

    cls = diffusers.T2IAdapter if info.kind == "t2i-adapter" else diffusers.ControlNetModel
    return cls.from_pretrained(str(info.path), local_files_only=True, use_safetensors=True)


def _check(model: LoadedModel, info: ControlInfo, module: Any) -> None:
    """The residuals must have the shapes of the UNet's blocks."""
    channels = list(model.unet.config.block_out_channels)
    own = list(module.config.channels if info.kind == "t2i-adapter" else module.config.block_out_channels)
    layers = getattr(module.config, "layers_per_block", None)
    if own != channels[: len(own)] or (layers is not None and layers != model.unet.config.layers_per_block):
        raise ModelError(
            "control.wrong_family", name=info.name, family=info.family or str(own), model=model.info.name, known="-"
        )
    for name, tensor in module.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError("model.not_finite", name=info.name, part=info.kind, tensor=name)


# -- single files --------------------------------------------------------------------------------------------------------
def _from_file(model: LoadedModel, info: ControlInfo) -> Any:
    try:
        with safe_open(str(info.path), framework="pt", device="cpu") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ModelError("model.damaged", path=str(info.path), tensor=str(error)[:120]) from error
    if info.kind == "t2i-adapter":
        return _adapter(info, weights)
    weights = {name.removeprefix("control_model."): tensor for name, tensor in weights.items()}
    module = _empty(model, info, weights)
    state = {}
    for name, empty in module.state_dict().items():
        place = name if info.layout == "flat" else ldm_name(name, dict(module.config))
        if place not in weights:
            raise ModelError("model.incomplete", path=str(info.path), tensor=place)
        tensor = weights[place]
        if tensor.shape != empty.shape:
            if tensor.numel() != empty.numel():
                raise ModelError(
                    "model.wrong_shape",
                    path=str(info.path),
                    tensor=place,
                    got=list(tensor.shape),
                    wanted=list(empty.shape),
                )
            tensor = tensor.reshape(empty.shape)  # the same numbers as a 1x1 convolution or as a linear layer
        state[name] = tensor.float()
    module.load_state_dict(state, strict=True, assign=True)
    return module


def _empty(model: LoadedModel, info: ControlInfo, weights: dict[str, torch.Tensor]) -> Any:
    """A ControlNet without memory for its weights, of the shape of the model's UNet; what may differ is read off the file."""
    from diffusers import ControlNetModel

    prefix, count = ("controlnet_cond_embedding.", 0) if info.layout == "flat" else ("input_hint_block.", 0)
    if info.layout == "flat":
        names = [f"{prefix}conv_in.weight", *(f"{prefix}blocks.{i}.weight" for i in range(1, 64, 2))]
    else:
        names = [f"{prefix}{i}.weight" for i in (0, *range(4, 128, 4))]
    count = next(i for i, name in enumerate(names) if name not in weights)
    if info.layout != "flat":
        count -= int(f"{prefix}{4 * count - 2}.weight" not in weights)  # the last one is the exit, not a block
    hint = tuple(int(weights[name].shape[0]) for name in names[:count])
    first = weights.get("conv_in.weight" if info.layout == "flat" else "input_blocks.0.0.weight")
    config = model.unet.config
    keys = (
        "flip_sin_to_cos", "freq_shift", "down_block_types", "mid_block_type", "only_cross_attention", "block_out_channels",
        "layers_per_block", "downsample_padding", "mid_block_scale_factor", "act_fn", "norm_num_groups", "norm_eps",
        "cross_attention_dim", "transformer_layers_per_block", "attention_head_dim", "num_attention_heads",
        "use_linear_projection", "class_embed_type", "addition_embed_type", "addition_time_embed_dim", "num_class_embeds",
        "upcast_attention", "resnet_time_scale_shift", "projection_class_embeddings_input_dim",
    )  # fmt: skip
    with torch.device("meta"):
        return ControlNetModel(
            **{key: config[key] for key in keys},
            in_channels=4 if first is None else int(first.shape[1]),
            conditioning_channels=int(weights[names[0]].shape[1]) if hint else 3,
            conditioning_embedding_out_channels=hint or (16, 32, 96, 256),
        )


_HINT_LAST = re.compile(r"controlnet_cond_embedding\.conv_out\.(weight|bias)$")


def ldm_name(name: str, config: dict[str, Any]) -> str:
    """Where a ``ControlNetModel`` tensor is in the webui's layout, without ``control_model.``.

    Raises:
        KeyError: that layout has no such tensor.
    """
    if found := re.match(r"controlnet_down_blocks\.(\d+)\.(weight|bias)$", name):
        return f"zero_convs.{found[1]}.0.{found[2]}"
    if found := re.match(r"controlnet_mid_block\.(weight|bias)$", name):
        return f"middle_block_out.0.{found[1]}"
    if found := re.match(r"controlnet_cond_embedding\.conv_in\.(weight|bias)$", name):
        return f"input_hint_block.0.{found[1]}"
    if found := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)\.(weight|bias)$", name):
        return f"input_hint_block.{2 * int(found[1]) + 2}.{found[2]}"
    if found := _HINT_LAST.match(name):
        blocks = 2 * (len(config["conditioning_embedding_out_channels"]) - 1)
        return f"input_hint_block.{2 * blocks + 2}.{found[1]}"
    return unet_place(name, config).name.removeprefix(UNET)


def _adapter(info: ControlInfo, weights: dict[str, torch.Tensor]) -> Any:
    """A T2I-Adapter (the full kind of SD 1) from a single file in its authors' or in diffusers' names."""
    from diffusers import T2IAdapter

    state = {}
    for name, tensor in weights.items():
        bare = name.removeprefix("adapter.")
        found = re.match(r"body\.(\d+)\.(block\d|in_conv)\.(weight|bias)$", bare)
        if found and info.layout != "flat":
            block, layer = divmod(int(found[1]), 2)
            inner = found[2] if found[2] == "in_conv" else f"resnets.{layer}.{found[2]}"
            bare = f"body.{block}.{inner}.{found[3]}"
        state[f"adapter.{bare}"] = tensor.float()
    levels = 1 + max(int(found[1]) for name in state if (found := re.match(r"adapter\.body\.(\d+)\.", name)))
    channels = [int(state[f"adapter.body.{i}.resnets.0.block2.weight"].shape[0]) for i in range(levels)]
    module = T2IAdapter(
        in_channels=int(state["adapter.conv_in.weight"].shape[1]) // 64, channels=channels, num_res_blocks=2
    )
    module.load_state_dict(state, strict=True)
    return module

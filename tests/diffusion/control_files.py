"""Small control models with random weights, in the layouts in which they come, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ra_widgets.diffusion.control.nets import ldm_name

HINT = (4, 8, 8, 16)


def controlnet(unet: Any, *, seed: int = 0, zero: bool = False) -> Any:
    """A ControlNet of the UNet's shape; its closing convolutions are random too, unless ``zero``."""
    from diffusers import ControlNetModel

    torch.manual_seed(seed)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINT).float()
    if not zero:
        with torch.no_grad():
            for conv in (*net.controlnet_down_blocks, net.controlnet_mid_block):
                torch.nn.init.normal_(conv.weight, std=0.06)
                torch.nn.init.normal_(conv.bias, std=0.02)
            # strong enough that the map is seen through the random layers
            hint = net.controlnet_cond_embedding
            for conv in (hint.conv_in, *hint.blocks, hint.conv_out):
                torch.nn.init.kaiming_normal_(conv.weight)
                torch.nn.init.zeros_(conv.bias)
    return net


def save_ldm(net: Any, path: Path, prefix: str = "control_model.") -> Path:
    """A ControlNet as the webui's single file."""
    config = dict(net.config)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({prefix + ldm_name(name, config): t.contiguous() for name, t in net.state_dict().items()}, path)
    return path


def save_flat(net: Any, path: Path) -> Path:
    """A ControlNet as a single file with diffusers' names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, path)
    return path


def t2i_adapter(channels: tuple[int, ...], *, seed: int = 0) -> Any:
    """A T2I-Adapter for UNets that begin with a plain block, as SDXL's and ra-mini's do."""
    from diffusers import T2IAdapter

    torch.manual_seed(seed)
    return T2IAdapter(
        in_channels=3, channels=list(channels), num_res_blocks=2, downscale_factor=16, adapter_type="full_adapter_xl"
    ).float()


def ip_adapter(unet: Any, folder: Path, *, seed: int = 0) -> Path:
    """An IP-Adapter ``<folder>/random.safetensors`` with its image encoder beside it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    width, hidden, seen = unet.config.cross_attention_dim, 24, 16
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=hidden, intermediate_size=32, projection_dim=seen, num_hidden_layers=2, num_attention_heads=2,
            image_size=32, patch_size=8,
        )
    )  # fmt: skip
    encoder.save_pretrained(folder / "image_encoder")
    state = {}
    state["image_proj.proj.weight"] = torch.randn(4 * width, seen) * 0.3
    state["image_proj.proj.bias"] = torch.randn(4 * width) * 0.1
    state["image_proj.norm.weight"], state["image_proj.norm.bias"] = torch.ones(width), torch.zeros(width)
    index = 1
    for name in unet.attn_processors:
        if name.endswith("attn1.processor"):
            continue
        block = name.split(".")
        channels = unet.config.block_out_channels
        size = channels[-1]
        if block[0] == "down_blocks":
            size = channels[int(block[1])]
        elif block[0] == "up_blocks":
            size = channels[::-1][int(block[1])]
        for kind in ("k", "v"):
            state[f"ip_adapter.{index}.to_{kind}_ip.weight"] = torch.randn(size, width) * 0.1
        index += 2
    path = folder / "random.safetensors"
    save_file(state, path)
    return path


def depth_estimator(folder: Path, *, seed: int = 0) -> Path:
    """A tiny GLPN with random weights."""
    from transformers import GLPNConfig, GLPNForDepthEstimation

    torch.manual_seed(seed)
    config = GLPNConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, mlp_ratios=[1] * 4, num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=8, max_depth=1,
    )  # fmt: skip
    GLPNForDepthEstimation(config).save_pretrained(folder)
    settings = {"size": {"height": 64, "width": 64}, "keep_aspect_ratio": True, "ensure_multiple_of": 32}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


def depth_model(unet: Any, pipe: Any, folder: Path, *, seed: int = 0) -> Path:
    """A depth model: the embedded UNet with a fifth input channel of random weights, and a tiny DPT as its estimator."""
    from diffusers import StableDiffusionDepth2ImgPipeline, UNet2DConditionModel
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    torch.manual_seed(seed)
    wide = UNet2DConditionModel.from_config({**unet.config, "in_channels": 5})
    state = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    first = state["conv_in.weight"]
    state["conv_in.weight"] = torch.cat([first, torch.randn_like(first[:, :1]) * 0.2], dim=1)
    wide.load_state_dict(state)
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False,
        readout_type="project", reassemble_factors=[4, 2, 1, 0.5],
    )  # fmt: skip
    processor = DPTImageProcessor(size={"height": 32, "width": 32})
    made = StableDiffusionDepth2ImgPipeline(
        pipe.vae, pipe.text_encoder, pipe.tokenizer, wide, pipe.scheduler, DPTForDepthEstimation(config), processor
    )
    made.save_pretrained(folder)
    return folder

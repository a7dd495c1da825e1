"""Small models with random weights in the layout of the large families, for tests of loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from ra_widgets import paths

DDIM = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "steps_offset": 1,
    "set_alpha_to_one": False,
}


def tokenizer() -> Any:
    """The embedded model's tokenizer."""
    return transformers.PreTrainedTokenizerFast.from_pretrained(paths.embedded_model() / "tokenizer")


def text_encoder(hidden: int, *, projection: bool = False, activation: str = "quick_gelu", layers: int = 3) -> Any:
    words = tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=hidden, intermediate_size=2 * hidden, projection_dim=hidden, num_hidden_layers=layers,
        num_attention_heads=2, max_position_embeddings=words.model_max_length, hidden_act=activation, bos_token_id=1, eos_token_id=3,
        pad_token_id=0,
    )  # fmt: skip
    cls = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return cls(config).eval()


def vae(latent_channels: int = 4, **options: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 16, 16), down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, latent_channels=latent_channels, **options,
    ).eval()  # fmt: skip


def sd(family: str, folder: Path, seed: int = 0, channels: int = 4) -> Path:
    """Save a tiny ``sd1``, ``sd2`` or ``sdxl`` as a diffusers folder; 9 input channels make it an inpainting model."""
    torch.manual_seed(seed)
    blocks: dict[str, Any] = {
        "sample_size": 8, "block_out_channels": (16, 32), "layers_per_block": 2, "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "attention_head_dim": 2,
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "in_channels": channels,
    }  # fmt: skip
    scheduler = diffusers.DDIMScheduler(**DDIM)
    if family == "sdxl":
        unet = diffusers.UNet2DConditionModel(
            **blocks, cross_attention_dim=80, use_linear_projection=True, transformer_layers_per_block=(1, 2),
            addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=48 + 6 * 8,
        )  # fmt: skip
        second = text_encoder(48, projection=True, activation="gelu")
        cls = diffusers.StableDiffusionXLPipeline if channels == 4 else diffusers.StableDiffusionXLInpaintPipeline
        pipe = cls(vae(), text_encoder(32), second, tokenizer(), tokenizer(), unet, scheduler, add_watermarker=False)
    else:
        # real width of the text: it is what tells the families apart
        width = 1024 if family == "sd2" else 768
        blocks["down_block_types"] = ("CrossAttnDownBlock2D", "DownBlock2D")
        blocks["up_block_types"] = ("UpBlock2D", "CrossAttnUpBlock2D")
        unet = diffusers.UNet2DConditionModel(
            **blocks, cross_attention_dim=width, use_linear_projection=family == "sd2"
        )
        encoder = text_encoder(width, activation="gelu" if family == "sd2" else "quick_gelu", layers=2)
        cls = diffusers.StableDiffusionPipeline if channels == 4 else diffusers.StableDiffusionInpaintPipeline
        pipe = cls(vae(), encoder, tokenizer(), unet, scheduler, None, None, requires_safety_checker=False)
    pipe.save_pretrained(folder)
    return folder


def sd3(folder: Path) -> Path:
    """Save a tiny Stable Diffusion 3: a flow model with two text encoders and without the third."""
    torch.manual_seed(0)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=32, patch_size=2, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, joint_attention_dim=64, caption_projection_dim=32, pooled_projection_dim=64,
    ).eval()  # fmt: skip
    pipe = diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae(shift_factor=0.06, scaling_factor=1.5),
        text_encoder=text_encoder(32, projection=True),
        tokenizer=tokenizer(),
        text_encoder_2=text_encoder(32, projection=True),
        tokenizer_2=tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )
    pipe.save_pretrained(folder)
    return folder


def flux(folder: Path) -> Path:
    """Save a tiny Flux: CLIP and T5, packed latents, no size in its configuration."""
    torch.manual_seed(0)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8),
    ).eval()  # fmt: skip
    t5 = transformers.T5Config(vocab_size=len(tokenizer()), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    pipe = diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae(1, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=text_encoder(32),
        tokenizer=tokenizer(),
        text_encoder_2=transformers.T5EncoderModel(t5).eval(),
        tokenizer_2=tokenizer(),
        transformer=transformer,
    )
    pipe.save_pretrained(folder)
    return folder

"""Stage ``export``: the diffusers folder that ships, in float16 safetensors, with its card and its defaults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline
from transformers import PreTrainedTokenizerFast

from . import stage_diffusion
from .config import Config
from .schedule import scheduler_config
from .tokenizer import fix_class_name

LIMIT_MB = 36.0
LICENCES = "Apache-2.0 (weights); art: Microsoft fluentui-emoji, MIT; Google Noto Emoji, Apache-2.0"


def _edit(path: Path, **values: Any) -> None:
    data = json.loads(path.read_text("utf8"))
    data.update(values)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf8")


def folder_size(folder: Path) -> float:
    """Megabytes of all files below ``folder``."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def export(config: Config, out: Path, card: str | None = None, name: str = "ra-mini") -> float:
    """Write the pipeline to ``out`` (replaced as a whole; a README.md there stays unless ``card`` is given).

    Returns its size in MB. Raises ``ValueError`` if that is over the limit.
    """
    unet, text = stage_diffusion.averaged(config)
    vae = AutoencoderKL.from_pretrained(config.state / "vae", torch_dtype=torch.float32)
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=PreTrainedTokenizerFast.from_pretrained(config.state / "tokenizer"),
        unet=unet,
        scheduler=DPMSolverMultistepScheduler(**scheduler_config()),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(torch.float16)
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    pipe.save_pretrained(draft)
    fix_class_name(draft / "tokenizer")
    index = draft / "model_index.json"
    index.write_text(index.read_text("utf8").replace('"TokenizersBackend"', '"PreTrainedTokenizerFast"'), "utf8")
    # schedulers made from this one by from_config must not clip latents, and DDIM and PNDM need their own offsets
    _edit(
        draft / "scheduler" / "scheduler_config.json",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        skip_prk_steps=True,
    )
    # transformers 5 loads in the dtype of the config, diffusers in float32: a plain from_pretrained is all float32
    _edit(draft / "text_encoder" / "config.json", dtype="float32")
    for part in ("vae", "unet", "text_encoder"):
        path = draft / part / "config.json"
        data = json.loads(path.read_text("utf8"))
        data.pop("_name_or_path", None)
        path.write_text(json.dumps(data, indent=2) + "\n", "utf8")
    defaults = {
        "name": name,
        "family": "sd1",
        "default_size": [config.size, config.size],
        "default_cfg": 4,
        "default_steps": 20,
        "languages": ["zh", "en"],
        "license": LICENCES,
    }
    (draft / "ra.json").write_text(json.dumps(defaults, indent=2, ensure_ascii=False) + "\n", "utf8")
    if card is not None:
        (draft / "README.md").write_text(card, "utf8")
    elif (out / "README.md").exists():
        shutil.copy(out / "README.md", draft / "README.md")
    size = folder_size(draft)
    if size > LIMIT_MB:
        raise ValueError(f"{size:.1f} MB is more than {LIMIT_MB} MB (left in {draft})")
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return size

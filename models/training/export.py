"""Stage ``export``: the diffusers folder that ships, in float16 safetensors, with its card and its defaults; and stage ``restore``,
its inverse: a run that goes on from a folder, where its own state is lost."""

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
from .networks import build_unet
from .runtime import read_meta, save_state
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
        scheduler=DPMSolverMultistepScheduler(**scheduler_config(), steps_offset=1),  # for PNDM, made from this one
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
    # schedulers made from this one by from_config must not clip latents, and DDIM needs its own end
    _edit(
        draft / "scheduler" / "scheduler_config.json",
        clip_sample=False,
        set_alpha_to_one=False,
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
        "samples": read_meta(config.state / stage_diffusion.STATE)["samples"],
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


def restore(config: Config, folder: Path) -> int:
    """Make the state of a diffusion run from a folder that :func:`export` wrote; the number of samples it has seen.

    Autoencoder, tokenizer, text encoder and UNet come back (rounded to float16); the optimiser begins anew, with its warm-up.
    Raises ``FileExistsError`` if there is a state, ``ValueError`` if the folder has another noise schedule or shape.
    """
    target = config.state / stage_diffusion.STATE
    if target.exists():
        raise FileExistsError(f"{target} is there: a run goes on from its own state")
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    ours = torch.tensor(scheduler_config()["trained_betas"])
    betas = pipe.scheduler.config.trained_betas
    if betas is None or not torch.allclose(torch.tensor(betas), ours):
        raise ValueError(f"{folder} was trained on another noise schedule: begin from it with diffusion --warm")
    unet = build_unet(config.unet, config.text.width, config.size // 8)
    try:
        unet.load_state_dict(pipe.unet.state_dict())
    except RuntimeError as error:
        raise ValueError(f"{folder} has a UNet of another shape: {str(error).splitlines()[0]}") from None
    pipe.vae.save_pretrained(config.state / "vae")
    pipe.text_encoder.save_pretrained(config.state / "text_encoder")
    pipe.tokenizer.save_pretrained(config.state / "tokenizer")
    fix_class_name(config.state / "tokenizer")
    facts = json.loads((folder / "ra.json").read_text("utf8"))
    samples = int(facts.get("samples", 0))
    nets = {"unet": unet, "text": pipe.text_encoder, "unet_ema": unet, "text_ema": pipe.text_encoder}
    save_state(target, nets, None, {"step": 0, "samples": samples})
    return samples

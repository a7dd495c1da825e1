"""Stage ``clip``: a small ``CLIPModel`` whose text side is the pipeline's own text encoder, kept as it is.

Only the image tower and the two projections learn, with the symmetric contrastive loss of CLIP (Radford et al. 2021,
arXiv:2103.00020) on the compositions that the judge is trained on (rendered once and kept, at 64 pixels) and captions in
either language, drawn anew each time.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, PreTrainedTokenizerFast

from . import classifier, stage_diffusion
from .captions import caption
from .compose import Composer, draw_specs, held_out, of_run
from .config import Config
from .networks import text_config
from .runtime import Log, Stop, autocast, device, launch, load_state, save_state, seeded, to_tensor
from .tokenizer import fix_class_name

WIDTH, LAYERS, SIZE, PATCH, PROJECTION = 128, 6, classifier.SIZE, 8, 128


def build(config: Config, vocabulary: int) -> CLIPModel:
    """The two towers; the image tower is a ViT with patches of 8 pixels of 64."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH * 4,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
        projection_dim=PROJECTION,
    )
    text = text_config(config.text, vocabulary)
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=PROJECTION))


def train(config: Config, steps: int = 4000, batch: int = 128, quiet: bool = False) -> None:
    """Train or resume; the state is ``state/clip.safetensors``."""
    launch(_train, 1, config, steps, batch, quiet)


def _train(rank: int, world: int, config: Config, steps: int, batch: int, quiet: bool) -> None:
    dev = device()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(config.state / "tokenizer")
    torch.manual_seed(config.seed)
    model = build(config, len(tokenizer)).to(dev)
    for p in model.text_model.parameters():
        p.requires_grad_(False)
    params = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(params, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05)
    stack, kept = classifier.pictures(config, Composer(config.data, config.size))
    free = [i for i, spec in enumerate(kept) if not held_out(spec)]  # the judge's pictures show what is held out, too
    path, step, last = config.state / "clip.safetensors", 0, time.monotonic()
    if path.exists():
        step = load_state(path, {"clip": model}, optimiser)["step"]
    _, text = stage_diffusion.averaged(config)
    _share(model, text)  # also when resumed: the pipeline's text encoder may have learned in between
    log, stop, mean = Log(config.logs, "clip", steps, step, quiet), Stop(), 0.0
    while step < steps:
        r = seeded(config.seed + 4, 0, step)
        for g in optimiser.param_groups:
            g["lr"] = 1e-3 * min(1.0, (step + 1) / 100) * max(0.01, 1 - step / steps)
        chosen = r.sample(free, min(batch, len(free)))
        specs = [kept[i] for i in chosen]
        x = to_tensor([stack[i] for i in chosen]).to(dev)
        x = torch.roll(x, (r.randint(-2, 2), r.randint(-2, 2)), (2, 3))  # the same picture never comes twice alike
        ids = tokenizer([caption(s, r) for s in specs], padding=True, truncation=True, return_tensors="pt").to(dev)
        with autocast():
            out = model(input_ids=ids.input_ids, attention_mask=ids.attention_mask, pixel_values=x)
        logits, y = out.logits_per_text.float(), torch.arange(len(chosen), device=dev)
        loss = (F.cross_entropy(logits, y) + F.cross_entropy(logits.t(), y)) / 2
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)
        step += 1
        mean = loss.item() if mean == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 25 == 0:
            log.report(step, loss=mean)
        if stop.asked or step == steps or time.monotonic() - last > config.save_seconds:
            save_state(path, {"clip": model}, optimiser, {"step": step})
            last = time.monotonic()
        if stop.asked:
            return


def _share(model: CLIPModel, text: torch.nn.Module) -> None:
    """Copy the pipeline's text encoder into the model's text tower."""
    state = {k.removeprefix("text_model."): v for k, v in text.state_dict().items()}
    missing, extra = model.text_model.load_state_dict(state, strict=False)
    if missing or extra:
        raise RuntimeError(f"the text encoders differ: missing {missing}, unexpected {extra}")


@torch.no_grad()
def retrieval(config: Config, rounds: int = 5, seed: int = 31) -> dict[str, float]:
    """Text-to-image top-1 of 100 held-out compositions, averaged over ``rounds``, for each language."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(config.state / "tokenizer")
    model = build(config, len(tokenizer)).eval()
    load_state(config.state / "clip.safetensors", {"clip": model})
    composer = Composer(config.data, config.size)
    curriculum, r = of_run(config.tiers, composer.subjects), random.Random(seed)
    hits = {"zh": 0, "en": 0}
    for _ in range(rounds):
        specs = draw_specs(r, curriculum, 100, config.places)
        pixels = to_tensor([composer.render(s).resize((SIZE, SIZE), Image.Resampling.BILINEAR) for s in specs])
        for language in hits:
            ids = tokenizer(
                [caption(s, r, language) for s in specs], padding=True, truncation=True, return_tensors="pt"
            )
            out = model(input_ids=ids.input_ids, attention_mask=ids.attention_mask, pixel_values=pixels)
            hits[language] += int((out.logits_per_text.argmax(1) == torch.arange(100)).sum())
    return {k: v / (100 * rounds) for k, v in hits.items()}


def export(config: Config, out: Path) -> None:
    """Write the float16 ``CLIPModel`` folder with tokenizer and image settings."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(config.state / "tokenizer")
    model = build(config, len(tokenizer))
    load_state(config.state / "clip.safetensors", {"clip": model})
    readme = (out / "README.md").read_text("utf8") if (out / "README.md").exists() else None
    shutil.rmtree(out, ignore_errors=True)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    fix_class_name(out)
    path = out / "config.json"
    data = json.loads(path.read_text("utf8"))
    data["dtype"] = "float32"
    path.write_text(json.dumps(data, indent=2) + "\n", "utf8")
    (out / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "CLIPImageProcessor",
                "do_resize": True,
                "size": {"shortest_edge": SIZE},
                "do_center_crop": True,
                "crop_size": {"height": SIZE, "width": SIZE},
                "do_rescale": True,
                "do_normalize": True,
                "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3,
                "do_convert_rgb": True,
                "resample": 2,
            },
            indent=2,
        )
        + "\n"
    )
    if readme:
        (out / "README.md").write_text(readme, "utf8")

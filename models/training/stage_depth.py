"""Stage ``depth``: a small estimator of depth (``GLPNForDepthEstimation`` of transformers) that learns from known layers.

Its output is depth (far is large) in 0..1, one minus :func:`~models.training.depth.nearness`. The network has no positions, so
it learns on halved pictures first, which is four times cheaper, and on full ones at the end.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import GLPNConfig, GLPNForDepthEstimation

from .config import Config, DepthShape
from .control_data import Pictures
from .runtime import Log, Stop, autocast, device, load_state, read_module, save_grid, save_state, seeded, to_tensor

STATE = "depth.safetensors"
MEAN, STD = 0.5, 0.5


def build_depth(shape: DepthShape) -> GLPNForDepthEstimation:
    """A fresh estimator."""
    n = len(shape.channels)
    return GLPNForDepthEstimation(
        GLPNConfig(
            num_encoder_blocks=n,
            hidden_sizes=list(shape.channels),
            depths=[1] * n,
            patch_sizes=[7, 3, 3, 3][:n],
            strides=[4, 2, 2, 2][:n],
            sr_ratios=[8, 4, 2, 1][-n:],
            num_attention_heads=[1, 2, 4, 4][:n],
            mlp_ratios=[shape.mlp] * n,
            decoder_hidden_size=shape.decoder,
            drop_path_rate=0.0,
            max_depth=1,
        )
    )


def depth_loss(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 and twice the L1 of neighbour differences (outlines) of [N, H, W] in 0..1."""
    e = out.float() - target
    return e.abs().mean() + 2 * ((e[..., 1:] - e[..., :-1]).abs().mean() + (e[:, 1:] - e[:, :-1]).abs().mean())


def predict(net: GLPNForDepthEstimation, images: np.ndarray, batch: int = 32) -> torch.Tensor:
    """Nearness float32 [N, H, W] in 0..1 of uint8 pictures [N, H, W, 3]."""
    parts = []
    with torch.no_grad():
        for i in range(0, len(images), batch):
            parts.append(
                1 - net(pixel_values=to_tensor(images[i : i + batch]).to(device())).predicted_depth.float().cpu()
            )
    return torch.cat(parts)


def train(config: Config, quiet: bool = False) -> float:
    """Run or resume the stage until ``config.depth_steps``; the mean absolute error on pictures kept back."""
    torch.set_num_threads(1 if device().type == "cpu" else torch.get_num_threads())
    dev, path = device(), config.state / STATE
    torch.manual_seed(config.seed)
    net = build_depth(config.depth).to(dev)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.depth_lr, betas=(0.9, 0.98), weight_decay=0.01)
    step = load_state(path, {"depth": net}, optimiser)["step"] if path.exists() else 0
    data, stop, total = Pictures(config.data / "control"), Stop(), config.depth_steps
    known, kept = data.split()
    log = Log(config.logs, "depth", total, step, quiet)
    last, mean = time.monotonic(), 0.0
    net.train()
    while step < total:
        r = seeded(config.seed + 5, 0, step)
        for g in optimiser.param_groups:
            g["lr"] = config.depth_lr * min(1.0, (step + 1) / 50) * max(0.02, min(1.0, 3 * (1 - step / total)))
        picks = [r.choice(known) for _ in range(config.depth_batch)]
        x = to_tensor(data.images[picks]).to(dev)
        y = 1 - torch.from_numpy(data.depth[picks]).float().to(dev) / 255
        if r.random() < 0.5:
            x, y = x.flip(-1), y.flip(-1)
        x = (x * r.uniform(0.8, 1.15) + r.uniform(-0.15, 0.15)).clamp(-1, 1)
        if step < 0.7 * total and config.size >= 64:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y[:, None], 2)[:, 0]
        with autocast():
            out = net(pixel_values=x).predicted_depth
        loss = depth_loss(out, y)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        mean = loss.item() if mean == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            log.report(step, loss=mean)
        if stop.asked or step == total or time.monotonic() - last > config.save_seconds:
            save_state(path, {"depth": net}, optimiser, {"step": step})
            last = time.monotonic()
        if stop.asked:
            break
    net.eval()
    images, truth = data.images[kept], torch.from_numpy(data.depth[kept]).float() / 255
    found = predict(net, images)
    error = float((found - truth).abs().mean())
    log.say(f"mean absolute error {error:.4f} on {len(kept)} pictures kept back")
    rows = min(10, len(images))
    pages = [(d[:rows, None] * 2 - 1).expand(-1, 3, -1, -1) for d in (found, truth)]
    save_grid(config.logs / "depth.png", [to_tensor(images[:rows]), *pages])
    return error


def trained(config: Config) -> GLPNForDepthEstimation:
    """The estimator of the state file, in eval mode."""
    net = build_depth(config.depth).eval()
    net.load_state_dict(read_module(config.state / STATE, "depth"))
    return net


def export(config: Config, out: Path, card: str | None = None) -> float:
    """Write the estimator (float16) as a transformers folder to ``out``; its size in MB."""
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    trained(config).to(torch.float16).save_pretrained(draft)
    file = draft / "config.json"
    settings = json.loads(file.read_text("utf8")) | {"dtype": "float32"}
    file.write_text(json.dumps(settings, indent=2) + "\n", "utf8")
    size = config.size
    processor = {
        "do_resize": True,
        "size": {"height": size, "width": size},
        "keep_aspect_ratio": True,
        "ensure_multiple_of": 32,
        "do_normalize": True,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
    }
    (draft / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n", "utf8")
    facts = {"name": out.name, "hint": "depth", "license": "Apache-2.0"}
    (draft / "ra.json").write_text(json.dumps(facts, indent=1) + "\n", "utf8")
    text = card if card is not None else (out / "README.md").read_text("utf8") if (out / "README.md").exists() else None
    if text is not None:
        (draft / "README.md").write_text(text, "utf8")
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e6

"""Stage ``control``: a small ControlNet for the embedded UNet, which stays as it is; steered by edges or by depth.

The net has the UNet's encoder blocks without attention (the prompt is the UNet's business), starts from the UNet's weights and
ends in zero convolutions (Zhang et al. 2023, arXiv:2302.05543). diffusers' ``ControlNetModel`` loads it as it is: 2.2 M parameters,
half of the usual copy, half of its time. Noise is drawn higher than for the UNet: that is where the layout is decided.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, SchedulerMixin, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from scipy import ndimage
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from ra_widgets.diffusion.control.canny import canny

from .captions import caption
from .compose import Spec
from .config import Config
from .control_data import Pictures
from .networks import for_compiling
from .runtime import (
    Log,
    Stop,
    autocast,
    average_gradients,
    device,
    follow,
    launch,
    load_state,
    read_module,
    save_grid,
    save_state,
    seeded,
    to_tensor,
)
from .stage_depth import predict
from .stage_diffusion import LENGTHS
from .tiers import of_tiers

KINDS = ("edges", "depth")
HINT = {"edges": "canny", "depth": "depth"}
MEDIAN, DEVIATION = 3.0, 1.3
"""Log-normal noise levels (sigma): high, for there it is decided where a thing stands. From a median of 1.1 (4,400 steps) to 3.0 (1,100
more) depth gained 0.47 -> 0.50 and edges nothing (0.53); a UNet that paints all in the middle is not moved by either."""
EMA = 0.995
"""The rate falls at the end, so the average may be short."""


def build_control(unet: UNet2DConditionModel, hint: tuple[int, ...]) -> ControlNetModel:
    """A ControlNet of plain blocks for a UNet, with the UNet's weights where both have them."""
    config = unet.config
    n = len(config.block_out_channels)
    net = ControlNetModel(
        in_channels=4,
        down_block_types=("DownBlock2D",) * n,
        mid_block_type="UNetMidBlock2D",
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_num_groups,
        cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=config.attention_head_dim,
        conditioning_embedding_out_channels=hint,
    )
    known = unet.state_dict()
    state = net.state_dict()
    state.update({k: known[k].clone() for k, v in state.items() if k in known and known[k].shape == v.shape})
    net.load_state_dict(state)
    return net


def edge_map(image: np.ndarray, r: random.Random) -> np.ndarray:
    """Edges of a picture at random thresholds: uint8 [H, W]."""
    low = r.uniform(40, 160)
    return canny(image, low, low * r.uniform(1.5, 2.6))


def stretched(page: np.ndarray) -> np.ndarray:
    """A depth map over the whole of 0..255, as estimators give it at use."""
    low, high = int(page.min()), int(page.max())
    return page if high <= low else ((page.astype(np.float32) - low) * (255 / (high - low))).round().astype(np.uint8)


def to_hint(pages: list[np.ndarray]) -> torch.Tensor:
    """Maps uint8 [H, W] as a hint float32 [N, 3, H, W] in 0..1."""
    return (torch.from_numpy(np.stack(pages)).float() / 255)[:, None].expand(-1, 3, -1, -1)


def unplaced(spec: Spec, r: random.Random) -> Spec:
    """The spec, four times out of five with nothing to say of size and place: these are for the map to tell."""
    return {**spec, "size": "m", "pos": "c"} if r.random() < 0.8 else spec


class Frozen:
    """The published pipeline that is steered; none of its weights change."""

    def __init__(self, model: Path) -> None:
        dev = device()
        load: dict[str, Any] = {"torch_dtype": torch.float32}
        self.unet = UNet2DConditionModel.from_pretrained(model / "unet", **load).to(
            dev, memory_format=torch.channels_last
        )
        self.text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(dev)
        self.vae = AutoencoderKL.from_pretrained(model / "vae", **load).to(dev)
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(model / "tokenizer")
        for part in (self.unet, self.text, self.vae):
            part.eval().requires_grad_(False)
        import diffusers

        settings = json.loads((model / "scheduler" / "scheduler_config.json").read_text("utf8"))
        scheduler: SchedulerMixin = getattr(diffusers, settings["_class_name"]).from_config(settings)
        self.abar = scheduler.alphas_cumprod.float().to(dev)
        self.log_sigmas = ((1 - self.abar) / self.abar).sqrt().log()

    def read(self, texts: list[str], length: int = 77) -> torch.Tensor:
        """Hidden states of texts, padded to ``length`` tokens or to as many as the encoder has places for."""
        length = min(length, self.text.config.max_position_embeddings)
        ids = self.tokenizer(
            texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        return self.text(input_ids=ids.to(device())).last_hidden_state

    def timesteps(self, n: int, r: random.Random) -> torch.Tensor:
        """``n`` timesteps, stratified and log-normal in sigma."""
        normal = [math.log(MEDIAN) + DEVIATION * _quantile((k + r.random()) / n) for k in range(n)]
        wanted = torch.tensor(normal, device=self.log_sigmas.device)
        return (wanted[:, None] - self.log_sigmas[None]).abs().argmin(1)

    def answer(
        self,
        net: ControlNetModel,
        x: torch.Tensor,
        t: torch.Tensor,
        context: torch.Tensor,
        hint: torch.Tensor,
        scale: float = 1.0,
    ) -> torch.Tensor:
        """The steered UNet's v."""
        down, middle = net(x, t, context, hint, scale, return_dict=False)
        return self.unet(
            x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample

    def learner(self, net: ControlNetModel, compiled: bool) -> Callable[..., torch.Tensor]:
        """:meth:`answer` of ``net`` for training: with plain attention on a CPU (its backward pass is faster), compiled if asked."""
        if device().type == "cpu":
            self.unet.set_attn_processor(AttnProcessor())
        if compiled:
            for_compiling(self.unet)

        def answer(x: torch.Tensor, t: torch.Tensor, context: torch.Tensor, hint: torch.Tensor) -> torch.Tensor:
            return self.answer(net, x, t, context, hint)

        return torch.compile(answer, dynamic=False) if compiled else answer

    @torch.no_grad()
    def generate(
        self,
        net: ControlNetModel,
        texts: list[str],
        hints: torch.Tensor,
        scale: float = 1.0,
        steps: int = 12,
        cfg: float = 3.0,
    ) -> torch.Tensor:
        """Pictures [N, 3, H, W] in -1..1 drawn along hints (DDIM), seeds 0..N-1."""
        n, side = len(texts), hints.shape[-1] // 8
        context = torch.cat([self.read([""] * n), self.read(texts)])
        x = torch.stack([torch.randn(4, side, side, generator=torch.Generator().manual_seed(s)) for s in range(n)]).to(
            device()
        )
        hint = torch.cat([hints, hints]).to(device())
        times = np.round(np.linspace(len(self.abar) - 1, 0, steps + 1)[:-1]).astype(int)
        for j, time_ in enumerate(times):
            a = self.abar[time_]
            b = self.abar[times[j + 1]] if j + 1 < len(times) else torch.ones((), device=a.device)
            t = torch.full((2 * n,), int(time_), device=a.device)
            with autocast():
                v = self.answer(net, torch.cat([x, x]), t, context, hint, scale)
            low, high = v.float().chunk(2)
            v = low + cfg * (high - low)
            clean, noise = a.sqrt() * x - (1 - a).sqrt() * v, a.sqrt() * v + (1 - a).sqrt() * x
            x = b.sqrt() * clean + (1 - b).sqrt() * noise
        return self.vae.decode(x / self.vae.config.scaling_factor).sample.float().clamp(-1, 1).cpu()


def _quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(min(max(share, 1e-4), 1 - 1e-4))


def state_name(kind: str) -> str:
    """Name of the state file of a kind."""
    return f"control-{kind}.safetensors"


def train(config: Config, kind: str, model: Path, estimator: Path | None = None, quiet: bool = False) -> None:
    """Run or resume the stage until ``config.control_steps``.

    Args:
        kind: ``edges`` or ``depth``. model: the pipeline's folder. estimator: folder of the depth estimator; half of the depth
            maps are what it answers, so that the net knows its faults.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "depth" and estimator is not None:
        _estimate(config, estimator)
    launch(_train, config.workers, config, kind, model, quiet)


def _estimate(config: Config, estimator: Path) -> None:
    """``data/control/estimated.npy``: what the estimator sees in all pictures, made once."""
    target = config.data / "control" / "estimated.npy"
    data = Pictures(config.data / "control")
    if target.exists() and len(np.load(target, mmap_mode="r")) == len(data):
        return
    from transformers import GLPNForDepthEstimation

    torch.set_num_threads(1)
    net = GLPNForDepthEstimation.from_pretrained(estimator, dtype=torch.float32).eval().to(device())
    found = predict(net, data.images).clamp(0, 1)
    draft = target.with_suffix(".draft")
    with draft.open("wb") as file:
        np.save(file, (found * 255).round().byte().numpy())
    draft.replace(target)


class Maps:
    """The maps of a kind for the pictures."""

    def __init__(self, config: Config, kind: str, data: Pictures) -> None:
        self.kind, self.data = kind, data
        file = config.data / "control" / "estimated.npy"
        self.estimated = np.load(file, mmap_mode="r") if kind == "depth" and file.exists() else None

    def of(self, index: int, r: random.Random) -> np.ndarray:
        """The map of a picture, varied by ``r``: uint8 [H, W]."""
        if self.kind == "edges":
            return edge_map(self.data.images[index], r)
        if self.estimated is not None and r.random() < 0.5:
            return stretched(self.estimated[index])
        return stretched(self.data.depth[index])


def _train(rank: int, world: int, config: Config, kind: str, model: Path, quiet: bool) -> None:
    dev, path = device(), config.state / state_name(kind)
    torch.manual_seed(config.seed)
    frozen, data, stop = Frozen(model), Pictures(config.data / "control"), Stop()
    net = build_control(frozen.unet, config.hint).to(dev, memory_format=torch.channels_last)
    ema = build_control(frozen.unet, config.hint).to(dev).eval().requires_grad_(False)
    ema.load_state_dict(net.state_dict())
    params, averages = list(net.parameters()), list(ema.parameters())
    optimiser = torch.optim.AdamW(params, lr=config.control_lr, betas=(0.9, 0.99), weight_decay=0.01)
    step = load_state(path, {"net": net, "ema": ema}, optimiser)["step"] if path.exists() else 0
    total, maps = config.control_steps, Maps(config, kind, data)
    answer = frozen.learner(net, config.compile)
    known, kept = data.split(of_tiers(config.tiers))
    log = Log(config.logs, f"control-{kind}", total, step, quiet) if rank == 0 else None
    if log:
        log.say(f"{sum(p.numel() for p in params) / 1e6:.2f} M parameters, {len(known)} pictures, from step {step}")
    last, mean = time.monotonic(), 0.0
    while step < total:
        r = seeded(config.seed + 7, rank, step)
        for g in optimiser.param_groups:
            g["lr"] = config.control_lr * min(1.0, (step + 1) / 50) * max(0.05, min(1.0, 3 * (1 - step / total)))
        picks = [r.choice(known) for _ in range(config.control_batch)]
        x = torch.from_numpy(data.latents[picks]).float().to(dev)
        hint = to_hint([maps.of(i, r) for i in picks]).to(dev)
        texts = ["" if r.random() < 0.3 else caption(unplaced(data.specs[i], r), r) for i in picks]
        t = frozen.timesteps(len(picks), r)
        a = frozen.abar[t].view(-1, 1, 1, 1)
        e = torch.randn_like(x)
        noisy, v = a.sqrt() * x + (1 - a).sqrt() * e, a.sqrt() * e - (1 - a).sqrt() * x
        with autocast():
            with torch.no_grad():
                context = frozen.read(texts, r.choice(LENGTHS))
            out = answer(noisy.to(memory_format=torch.channels_last), t, context, hint)
        loss = ((out.float() - v) ** 2).mean()
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        average_gradients(params, world)
        optimiser.step()
        step += 1
        if rank == 0:
            follow(averages, params, min(config.ema, EMA), step)
        mean = loss.item() if mean == 0 else 0.99 * mean + 0.01 * loss.item()
        leave = stop.agreed(world)
        if log:
            if step % 50 == 0:
                log.report(step, v_mse=mean)
            if leave or step == total or time.monotonic() - last > config.save_seconds:
                save_state(path, {"net": net, "ema": ema}, optimiser, {"step": step, "v_mse": mean})
                last = time.monotonic()
            if kept and (step % config.grid_steps == 0 or step == total):  # few pictures may leave none to judge with
                found = judge(config, kind, frozen, ema, data, kept)
                log.say(json.dumps({"step": step, **found}))
        if leave:
            return


def overlap(found: np.ndarray, wanted: np.ndarray) -> float:
    """F1 of two edge maps with a tolerance of one pixel, 0..1."""
    found, wanted = found > 0, wanted > 0
    if not found.any() or not wanted.any():
        return float(found.any() == wanted.any())
    square = np.ones((3, 3), bool)
    precision = (found & ndimage.binary_dilation(wanted, square)).sum() / found.sum()
    recall = (wanted & ndimage.binary_dilation(found, square)).sum() / wanted.sum()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def judge(
    config: Config, kind: str, frozen: Frozen, net: ControlNetModel, data: Pictures, kept: list[int], count: int = 24
) -> dict[str, float]:
    """How well pictures follow the maps of pictures that were kept back, steered and not; a grid goes to the logs.

    For edges the F1 with the edges that were asked for; for depth the correlation of the true depth's outlines with the edges
    of the picture would say little, so both kinds are judged by the picture's edges along the map's own edges.
    """
    picks = kept[:count]
    r = random.Random(3)
    maps = Maps(config, kind, data)
    pages = [maps.of(i, r) for i in picks]
    texts = [caption({**data.specs[i], "size": "m", "pos": "c"}, random.Random(i), "en") for i in picks]
    hints = to_hint(pages)
    wanted = pages if kind == "edges" else [canny(page, 60, 120) for page in pages]
    scores, rows = {}, [hints * 2 - 1]
    for name, scale in (("steered", 1.0), ("free", 0.0)):
        images = frozen.generate(net, texts, hints, scale)
        rows.append(images)
        arrays = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
        found = [canny(a, 100, 200) for a in arrays]
        if kind == "edges":
            scores[name] = float(np.mean([overlap(f, w) for f, w in zip(found, wanted, strict=True)]))
        else:
            scores[name] = float(np.mean([_recall(f, w) for f, w in zip(found, wanted, strict=True)]))
    width = min(12, len(picks))
    truth = to_tensor(data.images[picks])
    save_grid(config.logs / f"control-{kind}.png", [page[:width] for page in (truth, *rows)])
    return scores


def _recall(found: np.ndarray, wanted: np.ndarray) -> float:
    """The share of the outlines that the picture has too, within one pixel."""
    if not wanted.any():
        return 1.0
    return float(((wanted > 0) & ndimage.binary_dilation(found > 0, np.ones((3, 3), bool))).sum() / (wanted > 0).sum())


def export(config: Config, kind: str, model: Path, out: Path, card: str | None = None) -> float:
    """Write the averaged net (float16) as a diffusers folder to ``out``; its size in MB."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32)
    net = build_control(unet, config.hint)
    net.load_state_dict(read_module(config.state / state_name(kind), "ema"))
    draft = out.with_name(out.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    net.to(torch.float16).save_pretrained(draft)
    file = draft / "config.json"
    settings = json.loads(file.read_text("utf8"))
    settings.pop("_name_or_path", None)
    file.write_text(json.dumps(settings, indent=2) + "\n", "utf8")
    facts = {"name": out.name, "hint": HINT[kind], "license": "Apache-2.0"}
    (draft / "ra.json").write_text(json.dumps(facts, indent=1) + "\n", "utf8")
    text = card if card is not None else (out / "README.md").read_text("utf8") if (out / "README.md").exists() else None
    if text is not None:
        (draft / "README.md").write_text(text, "utf8")
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e6

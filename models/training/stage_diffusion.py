"""Stage ``diffusion``: train the UNet and the text encoder on the pool of latents; v-prediction.

The rate is constant after a short warm-up and the weights that count are an exponential average, so the run can go on
for ever and be stopped at any step; ``cooldown`` lets the rate fall to zero over the last steps for a release.
Timesteps are drawn where there is most to learn (:func:`~models.training.schedule.draw_timesteps`), the loss on v is
unweighted there. Classifier-free guidance: a tenth of the captions is empty.
"""

from __future__ import annotations

import copy
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from . import muon, schedule
from .captions import caption
from .chatter import sentence
from .compose import Spec
from .config import Config
from .networks import build_unet, for_compiling, unmoved
from .pool import Pool
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
)
from .sample import PROMPTS, generate
from .tiers import of_tiers

STATE = "diffusion.safetensors"
#: context lengths seen in training (77 is what pipelines pad to; short ones are cheaper and as good).
LENGTHS = (32, 77)


def tokenise(texts: list[str], tokenizer: PreTrainedTokenizerFast, r: random.Random) -> torch.Tensor:
    """Token ids padded to one of :data:`LENGTHS`, so that the amount of padding means nothing; to the longest if one needs it."""
    length = r.choices(LENGTHS, (0.7, 0.3))[0]
    if any(len(ids) > LENGTHS[0] for ids in tokenizer(texts).input_ids):
        length = LENGTHS[-1]
    ids = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    return ids


def refit_time(unet: UNet2DConditionModel, steps: int = 600) -> float:
    """Move a UNet that was trained on SD's schedule to ours: its time embedding learns, for each of our timesteps,
    what it used to answer at the old timestep of the same noise. Returns the remaining relative error."""
    old_t = torch.from_numpy(schedule.old_timestep(schedule.sigmas())).float()
    new_t = torch.arange(schedule.STEPS).float()
    with torch.no_grad():
        inputs = unet.time_proj(new_t)
        target = unet.time_embedding(unet.time_proj(old_t))
    optimiser = torch.optim.Adam(unet.time_embedding.parameters(), lr=3e-3)
    for i in range(steps):
        optimiser.param_groups[0]["lr"] = 3e-3 * (1 - i / steps)
        loss = ((unet.time_embedding(inputs) - target) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (loss.detach() / target.var()).sqrt().item()


def v_loss(
    unet: UNet2DConditionModel,
    x: torch.Tensor,
    context: torch.Tensor,
    abar: torch.Tensor,
    median: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared error of v for each sample [N] and the timesteps [N], whose noise levels lie around ``median``."""
    t = schedule.draw_timesteps(len(x), median).to(x.device)
    a = abar[t].view(-1, 1, 1, 1)
    e = torch.randn_like(x)
    noisy = a.sqrt() * x + (1 - a).sqrt() * e
    v = a.sqrt() * e - (1 - a).sqrt() * x
    out = unet(noisy.to(memory_format=torch.channels_last), t, encoder_hidden_states=context).sample
    return ((out.float() - v) ** 2).mean((1, 2, 3)), t


@dataclass
class Networks:
    """The live networks and their averages."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    unet_ema: UNet2DConditionModel
    text_ema: CLIPTextModel

    def modules(self) -> dict[str, torch.nn.Module]:
        """By the names that they have in the state file."""
        return {"unet": self.unet, "text": self.text, "unet_ema": self.unet_ema, "text_ema": self.text_ema}


def build(config: Config, warm: Path | None) -> tuple[Networks, str]:
    """Networks at their start: the pre-trained text encoder, a fresh or a warm UNet; and a line for the log."""
    torch.manual_seed(config.seed)
    text = CLIPTextModel.from_pretrained(config.state / "text_encoder", dtype=torch.float32)
    unet = build_unet(config.unet, config.text.width, config.size // 8)
    note = "fresh UNet"
    if warm is not None:
        unet.load_state_dict(UNet2DConditionModel.from_pretrained(warm, torch_dtype=torch.float32).state_dict())
        note = f"warm UNet, time embedding refitted to {refit_time(unet):.3f}"
    dev = device()
    if dev.type == "cpu":  # the fused attention's backward pass is slow on CPUs: the plain one trains 18 % faster
        unet.set_attn_processor(AttnProcessor())
    unet, text = unet.to(dev, memory_format=torch.channels_last), text.to(dev)
    return Networks(unet, text, copy.deepcopy(unet).eval(), copy.deepcopy(text).eval()), note


def train(config: Config, warm: Path | None = None, quiet: bool = False) -> None:
    """Run or resume the stage until ``config.steps``, SIGTERM or kill; ``warm`` is a UNet of the same shape."""
    launch(_train, config.workers, config, warm, quiet)


def _train(rank: int, world: int, config: Config, warm: Path | None, quiet: bool) -> None:
    dev, path = device(), config.state / STATE
    tokenizer = PreTrainedTokenizerFast.from_pretrained(config.state / "tokenizer")
    nets, note = build(config, None if path.exists() else warm)
    groups = [*muon.groups(nets.unet, config.unet_share, 0.5), *muon.groups(nets.text, 0.5, 0.5)]
    params = [*nets.unet.parameters(), *nets.text.parameters()]
    averages = [*nets.unet_ema.parameters(), *nets.text_ema.parameters()]
    optimiser = muon.Muon(groups, config.lr, rank, world)
    step, samples = 0, 0
    if path.exists():
        meta = load_state(path, nets.modules(), optimiser)
        step, samples = meta["step"], meta["samples"]
        note = f"resumed after {samples} samples"
    pool, stop = Pool(config.data / "pool", of_tiers(config.tiers)), Stop()
    abar = torch.from_numpy(schedule.alphas_cumprod()).float().to(dev)
    vae = AutoencoderKL.from_pretrained(config.state / "vae", torch_dtype=torch.float32).to(dev).eval()
    forward = torch.compile(for_compiling(nets.unet), dynamic=False) if config.compile else nets.unet
    log = Log(config.logs, "diffusion", config.steps, step, quiet) if rank == 0 else None
    if log:
        log.say(f"{note}; {sum(p.numel() for p in params) / 1e6:.2f} M parameters, {pool.refresh()} pictures")
    last_save = time.monotonic()
    mean, began, first = 0.0, time.monotonic(), samples
    while step < config.steps:
        r = seeded(config.seed + 2, rank, step)
        rate = config.lr * min(1.0, (step + 1) / config.warmup)
        if config.cooldown:
            rate *= min(1.0, (config.steps - step) / config.cooldown)
        for g in optimiser.param_groups:
            g["lr"] = rate * g["share"]
        if step % 200 == 0:
            pool.refresh()
        x, specs = pool.draw(config.batch, r)
        texts = [_words(s, config, r) for s in specs]
        ids = tokenise(texts, tokenizer, r).to(dev)
        with autocast():
            context = nets.text(input_ids=ids).last_hidden_state
            losses, _ = v_loss(forward, x.to(dev), context, abar, config.median)
        loss = losses.mean()
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        norm = average_gradients(params, world)
        if config.compile and samples == first + 20 * config.batch * world:
            silent = unmoved({"unet": nets.unet, "text": nets.text})
            if silent:  # seen with inductor, see for_compiling: the run would look healthy and learn next to nothing
                raise RuntimeError(f"the compiled UNet gives no gradient to {len(silent)} tensors, {silent[0]} for one")
        optimiser.step()
        step += 1
        samples += config.batch * world
        if rank == 0:  # the other workers' averages are never used
            follow(averages, params, config.ema, step)
        mean = loss.item() if mean == 0 else 0.99 * mean + 0.01 * loss.item()
        leave = stop.agreed(world)
        if log:
            if step % 50 == 0:
                speed = (samples - first) / (time.monotonic() - began)
                log.report(step, v_mse=mean, norm=norm, rate=rate, samples=samples, per_second=speed)
            if leave or step == config.steps or time.monotonic() - last_save > config.save_seconds:
                save_state(path, nets.modules(), optimiser, {"step": step, "samples": samples, "v_mse": mean})
                last_save = time.monotonic()
            if step % config.grid_steps == 0:
                _grid(config, nets, tokenizer, vae, samples)
        if leave:
            return


def _words(spec: Spec, config: Config, r: random.Random) -> str:
    """What is said of a picture: nothing, a sentence with words of no consequence, or a caption."""
    if r.random() < config.drop_caption:
        return ""
    return sentence(spec, r) if r.random() < config.chatter else caption(spec, r)


def _grid(config: Config, nets: Networks, tokenizer: PreTrainedTokenizerFast, vae: AutoencoderKL, samples: int) -> None:
    images = generate(
        PROMPTS,
        list(range(len(PROMPTS))),
        nets.unet_ema,
        nets.text_ema,
        tokenizer,
        vae,
        steps=14,
        latent=config.size // 8,
    )
    save_grid(config.logs / f"grid_{samples:08d}.png", [images[i : i + 8] for i in range(0, len(images), 8)])


def averaged(config: Config) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The averaged networks of the state file, float32, in eval mode."""
    path = config.state / STATE
    text = CLIPTextModel.from_pretrained(config.state / "text_encoder", dtype=torch.float32).eval()
    unet = build_unet(config.unet, config.text.width, config.size // 8).eval()
    unet.load_state_dict(read_module(path, "unet_ema"))
    text.load_state_dict(read_module(path, "text_ema"))
    return unet, text

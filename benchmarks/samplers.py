"""Our sampling engine against diffusers' StableDiffusionPipeline: same weights, same steps, same UNet calls, in pairs.

    python benchmarks/samplers.py [--pairs 9] [--steps 20] [--samplers "Euler,DPM++ 2M"]

Both sides go from prompt to PIL image in one thread of one process, texts kept on both sides (``prompt_embeds`` on theirs),
previews and gallery off. Shown are the median ratios of CPU time, ours over theirs: below 1 we are faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import diffusers
import torch

import ra_widgets as ra
from ra_widgets.diffusion import memory, pipeline, tasks
from ra_widgets.diffusion.tasks.conditions import text_encoder
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.jobs import Job
from ra_widgets.library import resolve

KARRAS = {"use_karras_sigmas": True, "timestep_spacing": "linspace"}
LINSPACE = {"timestep_spacing": "linspace"}
PAIRS: dict[str, tuple[str, dict[str, Any], int]] = {
    # ours: (theirs, options, steps to add to theirs so that the UNet calls agree)
    "Euler": ("EulerDiscreteScheduler", LINSPACE, 0),
    "Euler a": ("EulerAncestralDiscreteScheduler", LINSPACE, 0),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {**KARRAS, "algorithm_type": "dpmsolver++"}, 0),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {**KARRAS, "algorithm_type": "sde-dpmsolver++"}, 0),
    "Heun": ("HeunDiscreteScheduler", LINSPACE, 0),
    "LMS": ("LMSDiscreteScheduler", LINSPACE, 0),
    "DPM2": ("KDPM2DiscreteScheduler", LINSPACE, 0),
    "DDIM": ("DDIMScheduler", {"timestep_spacing": "leading", "clip_sample": False}, -1),
    "UniPC": ("UniPCMultistepScheduler", {"solver_type": "bh1", "solver_order": 3, **LINSPACE}, 0),
    "LCM": ("LCMScheduler", {}, 0),
}


class Counter:
    """Counts the calls of a UNet."""

    def __init__(self, unet: torch.nn.Module) -> None:
        self.calls = 0
        unet.register_forward_pre_hook(lambda *_: setattr(self, "calls", self.calls + 1))


def ours(model: pipeline.LoadedModel, sampler: str, steps: int, prompt: str) -> Callable[[int], object]:
    """One picture by our engine, without kernel, gallery and previews."""
    width, height = model.info.default_size
    fields: dict[str, Any] = {"width": width, "height": height, "cfg_scale": model.info.default_cfg, "steps": steps}
    request = ra.TextToImage(prompt=prompt, sampler=sampler, **fields)

    @torch.inference_mode()
    def run(seed: int) -> object:
        made: list[object] = []
        work = Work(Job(request), 1, lambda image, *_: made.append(image))  # type: ignore[arg-type, return-value]
        tasks.run(model, request.replace(seed=seed), work)
        return made[0]

    return run


def theirs(model: pipeline.LoadedModel, sampler: str, steps: int, prompt: str) -> Callable[[int], object]:
    """One picture by diffusers' pipeline on the same parts."""
    name, options, more = PAIRS[sampler]
    scheduler = getattr(diffusers, name).from_config(model.pipe.scheduler.config, **options)
    parts = {**model.pipe.components, "scheduler": scheduler}
    pipe = diffusers.StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    width, height = model.info.default_size
    encoder = text_encoder(model)
    embeds = {
        "prompt_embeds": encoder.encode(prompt).embeds[None],
        "negative_prompt_embeds": encoder.encode("").embeds[None],
    }

    def run(seed: int) -> object:
        return pipe(
            **embeds,
            num_inference_steps=steps + more,
            guidance_scale=model.info.default_cfg,
            width=width,
            height=height,
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]

    return run


def timed(work: Callable[[int], object], seed: int) -> float:
    """CPU seconds of the process."""
    began = time.process_time()
    work(seed)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--model", default=None)
    parser.add_argument("--prompt", default="森林里的一只狐狸")
    parser.add_argument("--samplers", default=",".join(PAIRS))
    args = parser.parse_args()
    info = resolve(args.model)
    model = pipeline.load(info, memory.choose_device())
    torch.set_num_threads(1)
    counter = Counter(model.unet)
    print(f"{info.name}, {model.device}, {model.precision}, 1 thread, {args.steps} steps, {args.pairs} pairs")
    print(f"{'':16}{'ours ms':>9}{'theirs ms':>11}{'calls':>12}{'ratio':>8}")
    for sampler in args.samplers.split(","):
        sides = [ours(model, sampler, args.steps, args.prompt), theirs(model, sampler, args.steps, args.prompt)]
        calls = []
        for side in sides:
            counter.calls = 0
            timed(side, 0)
            calls.append(counter.calls)
        rows: list[list[float]] = [[], []]
        for pair in range(args.pairs):
            for k in (0, 1) if pair % 2 else (1, 0):
                rows[k].append(timed(sides[k], pair + 1))
        # where the two walk a different number of calls, compare the time of a call
        ratio = statistics.median(a / calls[0] / (b / calls[1]) for a, b in zip(*rows, strict=True))
        first, second = (statistics.median(row) * 1000 for row in rows)
        print(f"{sampler:16}{first:9.0f}{second:11.0f}{calls[0]:6}{calls[1]:6}{ratio:8.3f}")


if __name__ == "__main__":
    main()

"""What the workbench costs: the same picture through PipelineKernel and through a bare diffusers loop, in pairs.

    python benchmarks/overhead.py [--pairs 15] [--steps 20] [--model PATH]

Both sides use the same weights, the same number of UNet calls, the same threads and one process; the order alternates from
pair to pair. The ratio of each pair is taken, then the median, so that a machine that drifts does not decide. Time is the
CPU time of the process where one thread works (other programs cannot falsify it), wall time is shown beside it.

Kernel, full: previews, progress events, gallery (file + index) on. Kernel, plain: previews and gallery off.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
from diffusers import DPMSolverMultistepScheduler
from PIL import Image

import ra_widgets as ra
from ra_widgets.diffusion import memory, pipeline
from ra_widgets.library import resolve


def bare(model: pipeline.LoadedModel, prompt: str, steps: int, cfg: float) -> Callable[[int], Image.Image]:
    """A diffusers loop with nothing around it: text, noise, scheduler, UNet, decoder, PIL image."""
    pipe, size = model.pipe, model.info.default_size
    scheduler = DPMSolverMultistepScheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace", algorithm_type="dpmsolver++"
    )
    embedded: list[torch.Tensor] = []

    def texts() -> torch.Tensor:
        # both sides keep the text: a run that changes only the seed encodes nothing
        if not embedded:
            ids = pipe.tokenizer([prompt, ""], padding="max_length", truncation=True, return_tensors="pt").input_ids
            embedded.append(pipe.text_encoder(input_ids=ids.to(model.device)).last_hidden_state)
        return embedded[0]

    @torch.inference_mode()
    def run(seed: int) -> Image.Image:
        states = texts()
        scheduler.set_timesteps(steps, device=model.device)
        generator = torch.Generator("cpu").manual_seed(seed)
        shape = (1, model.unet.config.in_channels, size[1] // model.latent_scale, size[0] // model.latent_scale)
        x = torch.randn(shape, generator=generator).to(model.device, model.dtype) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            both = scheduler.scale_model_input(torch.cat([x, x]), t)
            out, out_un = model.unet(both, t, encoder_hidden_states=states, return_dict=False)[0].chunk(2)
            x = scheduler.step(out_un + cfg * (out - out_un), t, x, return_dict=False)[0]
        pixels = model.vae.decode(x / model.vae.config.scaling_factor, return_dict=False)[0]
        array = ((pixels[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
        return Image.fromarray(array)

    return run


def timed(work: Callable[[int], object], seed: int) -> tuple[float, float]:
    """(CPU seconds of the process, wall seconds)."""
    cpu, wall = time.process_time(), time.perf_counter()
    work(seed)
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--model", default=None)
    parser.add_argument("--prompt", default="森林里的一只狐狸")
    args = parser.parse_args()

    info = resolve(args.model)
    device = memory.choose_device()
    reference = pipeline.load(info, device)
    threads = memory.choose_threads(device, info.size_bytes, info.default_size[0] * info.default_size[1])
    torch.set_num_threads(threads)
    loop = bare(reference, args.prompt, args.steps, info.default_cfg)

    with tempfile.TemporaryDirectory() as folder:
        full = ra.PipelineKernel(args.model, gallery=folder)
        plain = ra.PipelineKernel(args.model, gallery=False, previews=False)
        # Karras, as the sampler's default is: the same walk as the scheduler of the bare loop
        request = ra.TextToImage(prompt=args.prompt, steps=args.steps)
        sides: dict[str, Callable[[int], object]] = {
            "bare diffusers loop": loop,
            "kernel, full": lambda seed: full.submit(request, seed=seed).result(),
            "kernel, plain": lambda seed: plain.submit(request, seed=seed).result(),
        }
        for work in sides.values():
            timed(work, 0)
            timed(work, 1)
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for pair in range(args.pairs):
            names = list(sides)
            names = names[pair % 3 :] + names[: pair % 3]
            for name in names:
                rows[name].append(timed(sides[name], 100 + pair))
        full.close()
        plain.close()

    print(f"{info.name}, {device}, {reference.precision}, {threads} thread(s), {args.steps} steps, {args.pairs} rounds")
    print(f"{'':22}{'CPU ms':>9}{'wall ms':>9}{'ratio CPU':>11}{'ratio wall':>12}")
    base = rows["bare diffusers loop"]
    for name, values in rows.items():
        cpu, wall = (statistics.median(column) * 1000 for column in zip(*values, strict=True))
        ratios = [statistics.median(v[k] / b[k] for v, b in zip(values, base, strict=True)) for k in (0, 1)]
        print(f"{name:22}{cpu:9.0f}{wall:9.0f}{ratios[0]:11.3f}{ratios[1]:12.3f}")


if __name__ == "__main__":
    main()

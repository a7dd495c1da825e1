"""Tasks that start from a picture against diffusers' pipelines for them: same weights, steps and UNet calls, in pairs.

    python benchmarks/image_tasks.py [--pairs 7] [--steps 20] [--tasks "img2img,inpaint"] [--preprocessing]

Both sides go from PIL image and prompt to PIL image in one thread of one process, texts kept on both sides, gallery and previews off.
Shown are CPU times and the median of their ratios, ours over theirs (below 1 we are faster); where the two walk a different number of
UNet calls, the time of a call is compared. Then the memory that each side needs at most beyond the loaded model, for its first picture, in a
process of its own.

Depth and control networks have random weights, as the embedded model has none yet: that costs the same. Outpainting and SD upscale have
no pipeline in diffusers; outpainting is set against their inpainting of a picture of the size of its result, SD upscale against their
image to image on every tile. Upscale is set against spandrel's network alone, on the whole picture.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets.diffusion import memory, pipeline, tasks
from ra_widgets.diffusion.control import modules
from ra_widgets.diffusion.control.maps import Recipe, make_map
from ra_widgets.diffusion.tasks.canvas import prepare
from ra_widgets.diffusion.tasks.conditions import text_encoder
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.jobs import Job
from ra_widgets.library import resolve
from ra_widgets.library import upscalers as registry
from ra_widgets.pictures import Picture

PROMPT = "森林里的一只狐狸"
STRENGTH = 0.75
SCHEDULER = {"use_karras_sigmas": True, "timestep_spacing": "linspace", "algorithm_type": "dpmsolver++"}
Side = Callable[[int], object]


def photo(side: int) -> Image.Image:
    """Something with edges, colours and noise."""
    image = Image.effect_noise((side, side), 40).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, side * 2 // 3, side, side), fill=(90, 160, 70))
    draw.ellipse((side // 4, side // 4, side * 3 // 4, side * 3 // 4), fill=(200, 120, 80))
    return image


def spot(side: int) -> Image.Image:
    """A mask: a disc."""
    sheet = Image.new("L", (side, side))
    ImageDraw.Draw(sheet).ellipse((side // 4, side // 4, side * 3 // 4, side * 3 // 4), fill=255)
    return sheet


class Bench:
    """The models and the two sides of every task."""

    def __init__(self, name: str | None, steps: int, folder: Path) -> None:
        info = resolve(name)
        self.model = pipeline.load(info, memory.choose_device())
        self.steps, self.folder = steps, folder
        self.side = info.default_size[0]
        self.image, self.mask = photo(self.side), spot(self.side)
        self.counter = Counter()
        self.counter.watch(self.model.unet)
        encoder = text_encoder(self.model)
        self.texts = {
            "prompt_embeds": encoder.encode(PROMPT).embeds[None],
            "negative_prompt_embeds": encoder.encode("").embeds[None],
        }

    # -- ours ------------------------------------------------------------------------------------------------------
    def ours(self, kind: type[ra.Request], model: pipeline.LoadedModel | None = None, **fields: Any) -> Side:
        """A request, carried out by the engine."""
        used = model or self.model
        request: Any = kind(**fields)
        width, height = used.info.default_size
        request = request.resolved(width=width, height=height, cfg_scale=used.info.default_cfg)

        @torch.inference_mode()
        def run(seed: int) -> object:
            made: list[object] = []
            work = Work(Job(request), 1, lambda image, *_: made.append(image))  # type: ignore[arg-type, return-value]
            tasks.run(used, request if request.kind == "upscale" else request.replace(seed=seed), work)
            return made[0]

        return run

    # -- theirs ----------------------------------------------------------------------------------------------------
    def theirs(self, name: str, parts: dict[str, Any] | None = None, **call: Any) -> Side:
        """A pipeline of diffusers on the same parts; ``strength`` such that the UNet calls agree with ours."""
        scheduler = diffusers.DPMSolverMultistepScheduler.from_config(self.model.pipe.scheduler.config, **SCHEDULER)
        own = {**self.model.pipe.components, "scheduler": scheduler, **(parts or {})}
        cls = getattr(diffusers, name)
        if name == "StableDiffusionDepth2ImgPipeline":
            own = {k: own[k] for k in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")}
            pipe = cls(**own, depth_estimator=None, feature_extractor=None)
        else:
            pipe = cls(**own, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)

        def run(seed: int) -> object:
            return pipe(
                **self.texts,
                num_inference_steps=self.steps,
                guidance_scale=self.model.info.default_cfg,
                generator=torch.Generator("cpu").manual_seed(seed),
                **call,
            ).images[0]

        return run

    # -- the pairs -------------------------------------------------------------------------------------------------
    def pair(self, task: str) -> tuple[Side, Side]:
        """Ours and theirs."""
        made: tuple[Side, Side] = getattr(self, f"_{task}")()
        return made

    @property
    def _more(self) -> float:
        """The webui walks one step more than diffusers at a strength."""
        return min(1.0, (int(STRENGTH * self.steps) + 1) / self.steps)

    @property
    def _common(self) -> dict[str, Any]:
        return {"prompt": PROMPT, "image": self.image, "steps": self.steps, "denoising_strength": STRENGTH}

    def _img2img(self) -> tuple[Side, Side]:
        theirs = self.theirs("StableDiffusionImg2ImgPipeline", image=self.image, strength=self._more)
        return self.ours(ra.ImageToImage, **self._common), theirs

    def _inpaint(self) -> tuple[Side, Side]:
        size = {"width": self.side, "height": self.side}
        call = {"image": self.image, "mask_image": self.mask, "strength": self._more, **size}
        return self.ours(ra.Inpaint, mask=self.mask, **self._common), self.theirs(
            "StableDiffusionInpaintPipeline", **call
        )

    def _outpaint(self) -> tuple[Side, Side]:
        more = self.side // 2
        wide = Image.new("RGB", (self.side + more, self.side))
        wide.paste(self.image)
        mask = Image.new("L", wide.size)
        mask.paste(255, (self.side, 0, *wide.size))
        call = {"image": wide, "mask_image": mask, "strength": self._more, "width": wide.width, "height": wide.height}
        return self.ours(ra.Outpaint, right=more, **self._common), self.theirs("StableDiffusionInpaintPipeline", **call)

    def _depth2img(self) -> tuple[Side, Side]:
        torch.manual_seed(0)
        config = {**self.model.unet.config, "in_channels": self.model.unet.config.in_channels + 1}
        unet = type(self.model.unet).from_config(config).eval().to(self.model.device, self.model.dtype)
        if self.model.cache.get("channels_last"):
            unet = unet.to(memory_format=torch.channels_last)
        unet.set_attn_processor(next(iter(self.model.unet.attn_processors.values())))
        self.counter.watch(unet)
        pipe = diffusers.StableDiffusionPipeline(
            **{**self.model.pipe.components, "unet": unet}, requires_safety_checker=False
        )
        model = pipeline.LoadedModel(
            self.model.info, pipe, self.model.device, self.model.dtype, self.model.alphas_cumprod, self.model.prediction_type,
            cache={"channels_last": True} if self.model.cache.get("channels_last") else {},
        )  # fmt: skip
        depth = Image.linear_gradient("L").resize(self.image.size)
        given = torch.from_numpy(np.asarray(depth, np.float32) / 255)[None]
        call = {"image": self.image, "depth_map": given, "strength": self._more}
        theirs = self.theirs("StableDiffusionDepth2ImgPipeline", {"unet": unet}, **call)
        return self.ours(ra.DepthToImage, model, depth_map=depth, **self._common), theirs

    def _controlnet(self) -> tuple[Side, Side]:
        torch.manual_seed(0)
        net = diffusers.ControlNetModel.from_unet(self.model.unet).eval()
        place = self.folder / "ControlNet" / "random-edges"
        if not place.exists():
            net.save_pretrained(place)
        os.environ["RA_MODELS"] = str(self.folder)
        net = net.to(self.model.device, self.model.dtype)
        if self.model.cache.get("channels_last"):
            net = net.to(memory_format=torch.channels_last)
        unit = ra.ControlUnit(model="random-edges", image=self.image, module="none")
        fields = {"prompt": PROMPT, "steps": self.steps, "width": self.side, "height": self.side}
        call = {"image": self.image, "width": self.side, "height": self.side}
        return self.ours(ra.TextToImage, control=unit, **fields), self.theirs(
            "StableDiffusionControlNetPipeline", {"controlnet": net}, **call
        )

    def _upscale(self) -> tuple[Side, Side]:
        from ra_widgets.diffusion.upscalers import load

        info = registry.resolve(registry.default(self.model.info.name))
        network = load(info, self.model.device)
        large = photo(384)

        @torch.inference_mode()
        def theirs(_: int) -> object:
            pixels = torch.from_numpy(np.array(large)).permute(2, 0, 1)[None].to(network.device, network.dtype) / 255
            answer = network.model(pixels).clamp(0, 1)[0].permute(1, 2, 0)
            return Image.fromarray((answer.float().cpu().numpy() * 255).round().astype(np.uint8))

        return self.ours(ra.Upscale, image=large, scale=2, upscaler=info.name), theirs

    def _sd_upscale(self) -> tuple[Side, Side]:
        from ra_widgets.imaging.grid import Grid

        fields = {**self._common, "scale": 2, "upscaler": "Lanczos", "overlap": self.side // 4}
        large = self.image.resize((2 * self.side, 2 * self.side), Image.Resampling.LANCZOS)
        grid = Grid(large.size, (self.side, self.side), self.side // 4)
        pieces = [large.crop(box) for box in grid.boxes()]
        sides = [self.theirs("StableDiffusionImg2ImgPipeline", image=piece, strength=self._more) for piece in pieces]

        def theirs(seed: int) -> object:
            return grid.join(iter([side(seed + k) for k, side in enumerate(sides)]))  # type: ignore[misc]

        return self.ours(ra.SDUpscale, **fields), theirs


TASKS = ("img2img", "inpaint", "outpaint", "depth2img", "controlnet", "upscale", "sd_upscale")


class Counter:
    """Counts the calls of UNets."""

    def __init__(self) -> None:
        self.calls = 0

    def watch(self, unet: torch.nn.Module) -> None:
        """Count this one's, too."""
        unet.register_forward_pre_hook(lambda *_: setattr(self, "calls", self.calls + 1))


def timed(work: Side, seed: int) -> float:
    """CPU seconds of the process."""
    began = time.process_time()
    work(seed)
    return time.process_time() - began


def compare(bench: Bench, task: str, pairs: int) -> tuple[float, float, list[int], float]:
    """Median CPU milliseconds of both sides, their UNet calls, and the median ratio."""
    sides = bench.pair(task)
    calls = []
    for side in sides:
        bench.counter.calls = 0
        timed(side, 0)
        calls.append(bench.counter.calls)
    rows: list[list[float]] = [[], []]
    for number in range(pairs):
        for k in (0, 1) if number % 2 else (1, 0):
            rows[k].append(timed(sides[k], number + 1))
    share = calls[0] / calls[1] if calls[1] else 1.0
    ratio = statistics.median(a / b / share for a, b in zip(*rows, strict=True))
    first, second = (statistics.median(row) * 1000 for row in rows)
    return first, second, calls, ratio


def grown(work: Side) -> int:
    """Bytes by which the memory of this process grows while it works, at most (Linux: VmHWM, set back before)."""

    def status(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    work(0)
    return status("VmHWM") - before


def alone(args: argparse.Namespace, task: str, side: int) -> float:
    """Megabytes that one side needs beyond the loaded model, in a process of its own."""
    words = ["--tasks", task, "--side", str(side), "--steps", "3", *(["--model", args.model] if args.model else [])]
    answer = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(json.loads(answer.splitlines()[-1])["peak"]) / 1e6


def preprocessing(bench: Bench) -> None:
    """CPU milliseconds per picture of what comes before the first step, for a 1024 x 1024 photo worked on at the model's size."""
    image = photo(1024)
    path = bench.folder / "photo.png"
    image.save(path)
    size = {"width": bench.side, "height": bench.side}
    kept, mask = Picture(image), Picture(spot(1024))
    canvas = {"prompt": "", "image": kept, **size}
    works: dict[str, Callable[[], object]] = {
        "read a PNG, hash its pixels": lambda: Picture(path).rgb(),
        "resize (image to image)": lambda: prepare(ra.ImageToImage(**canvas)),
        "mask, blur, overlay (inpaint)": lambda: prepare(ra.Inpaint(**canvas, mask=mask)),
        "the same, only masked": lambda: prepare(ra.Inpaint(**canvas, mask=mask, inpaint_full_res=True)),
        "the same, fill": lambda: prepare(ra.Inpaint(**canvas, mask=mask, inpainting_fill="fill")),
    }
    for module in modules.MODULES.values():
        if not module.needs and module.name != "none":
            recipe = Recipe(module.name, bench.side, bench.side, "Just resize", 512)
            works[f"control map: {module.name}"] = lambda recipe=recipe: make_map(os.urandom(8).hex(), kept.rgb, recipe)
    print(f"\npreprocessing of a 1024 x 1024 picture{'':8}{'CPU ms':>9}")
    for name, work in works.items():
        work()
        spent = []
        for _ in range(5):
            began = time.process_time()
            work()
            spent.append(time.process_time() - began)
        print(f"  {name:42}{statistics.median(spent) * 1000:9.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--model", default=None)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--preprocessing", action="store_true", help="only the cost of preprocessing")
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    diffusers.utils.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.model, args.steps, Path(folder))
        torch.set_num_threads(1)
        if args.side is not None:
            print(json.dumps({"peak": grown(bench.pair(args.tasks)[args.side])}))
            return
        if not args.preprocessing:
            head = f"{bench.model.info.name}, {bench.model.device}, {bench.model.precision}, 1 thread"
            print(f"{head}, {args.steps} steps, {args.pairs} pairs")
            print(f"{'':12}{'ours ms':>9}{'theirs ms':>11}{'calls':>12}{'ratio':>8}{'ours MB':>9}{'theirs MB':>11}")
            for task in args.tasks.split(","):
                first, second, calls, ratio = compare(bench, task, args.pairs)
                ours, theirs = alone(args, task, 0), alone(args, task, 1)
                line = f"{task:12}{first:9.0f}{second:11.0f}{calls[0]:6}{calls[1]:6}{ratio:8.3f}"
                print(f"{line}{ours:9.0f}{theirs:11.0f}", flush=True)
        preprocessing(bench)


if __name__ == "__main__":
    main()

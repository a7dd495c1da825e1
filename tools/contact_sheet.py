"""Draw docs/images/samplers.webp: every sampler with every schedule, the same prompt, seed and number of steps.

    python tools/contact_sheet.py [--model ra-mini] [--prompt ...] [--seed 7] [--steps 20] [-o docs/images/samplers.webp]

About four minutes on one idle CPU core. Run it again when the embedded model changes. Schedules that are the same by
definition (Normal and Uniform, Polyexponential and Exponential) are drawn once and shown twice.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

import ra_widgets as ra
from ra_widgets import paths
from ra_widgets.diffusion import memory, pipeline, tasks
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.jobs import Job
from ra_widgets.library import resolve
from ra_widgets.samplers import AUTOMATIC, SAMPLERS_INFO, SCHEDULER_NAMES, SamplerInfo

ROOT = Path(__file__).resolve().parent.parent
PAPER, INK, MUTED, ACCENT = "#f7f3ea", "#2b2a27", "#8a857a", "#c8402f"
CELL, GAP, LEFT, TOP = 96, 4, 188, 44
LIMIT = 600_000
"""Largest file, in bytes."""
SCHEDULES = [name for name in SCHEDULER_NAMES if name != AUTOMATIC]
SAME = {"Normal": "Uniform", "Polyexponential": "Exponential"}
"""With default options the left is the right."""
NOTES = {
    "timesteps": "自己的时间表，调度不起作用 · its own timesteps; schedules change nothing",
    "levels": "自己定噪声水平，调度几乎不起作用 · chooses its own levels; schedules change next to nothing",
}


def note(info: SamplerInfo) -> str:
    """Why a sampler has one picture only, or ""."""
    return NOTES["timesteps"] if info.timestep_based else NOTES["levels"] if info.own_levels else ""


def make(model: pipeline.LoadedModel, request: ra.TextToImage) -> Image.Image:
    """One picture by the engine alone, without kernel and gallery."""
    made: list[Image.Image] = []
    work = Work(Job(request), 1, lambda image, *_: made.append(image))  # type: ignore[arg-type, return-value]
    with torch.inference_mode():
        tasks.run(model, request, work)
    return made[0]


def sheet(pictures: dict[tuple[str, str], Image.Image], title: str) -> Image.Image:
    """The pictures in a table with names; the default schedule of each sampler is framed."""
    font = ImageFont.truetype(paths.package() / "fonts" / "RASansSC-Regular.otf", 14)
    small = ImageFont.truetype(paths.package() / "fonts" / "RASansSC-Regular.otf", 12)
    step = CELL + GAP
    size = (LEFT + step * len(SCHEDULES) + 12, TOP + step * len(SAMPLERS_INFO) + 34)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for column, schedule in enumerate(SCHEDULES):
        draw.text((LEFT + column * step + CELL / 2, TOP - 12), schedule, INK, small, anchor="ms")
    for row, (name, info) in enumerate(SAMPLERS_INFO.items()):
        y = TOP + row * step
        draw.text((LEFT - 12, y + CELL / 2), name, INK, font, anchor="rm")
        default = info.default_scheduler if info.default_scheduler != AUTOMATIC else "Uniform"
        for column, schedule in enumerate(SCHEDULES):
            picture = pictures.get((name, schedule))
            x = LEFT + column * step
            if picture is None:
                continue
            if schedule == default and not note(info):
                draw.rectangle((x - 3, y - 3, x + CELL + 2, y + CELL + 2), ACCENT)
            page.paste(picture.resize((CELL, CELL), Image.Resampling.LANCZOS), (x, y))
        if note(info):
            draw.text((LEFT + step + 12, y + CELL / 2), note(info), MUTED, small, anchor="lm")
    draw.text((LEFT, size[1] - 12), title, MUTED, small, anchor="ls")
    return page


def save(page: Image.Image, path: Path) -> int:
    """Save as WebP below :data:`LIMIT`; returns the number of bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in (88, 82, 76, 70, 62, 54, 45):
        page.save(path, "WEBP", quality=quality, method=6)
        if path.stat().st_size < LIMIT:
            break
    return path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--prompt", default="草地上的一只狐狸")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "images" / "samplers.webp")
    args = parser.parse_args()
    info = resolve(args.model)
    model = pipeline.load(info, memory.choose_device())
    width, height = info.default_size
    request = ra.TextToImage(
        prompt=args.prompt, seed=args.seed, steps=args.steps, width=width, height=height, cfg_scale=info.default_cfg
    )
    began = time.monotonic()
    pictures: dict[tuple[str, str], Image.Image] = {}
    for done, (name, sampler) in enumerate(SAMPLERS_INFO.items(), 1):
        for schedule in SCHEDULES[:1] if note(sampler) else SCHEDULES:
            known = pictures.get((name, SAME.get(schedule, "")))
            pictures[name, schedule] = known or make(model, request.replace(sampler=name, scheduler=schedule))
        rest = (time.monotonic() - began) / done * (len(SAMPLERS_INFO) - done)
        print(f"{done}/{len(SAMPLERS_INFO)} {name}, about {rest:.0f} s to go", flush=True)
    title = f"{info.name} · {args.prompt} · {args.steps} steps · CFG {info.default_cfg:g} · seed {args.seed}"
    page = sheet(pictures, title)
    print(f"{args.output}: {page.width}x{page.height}, {save(page, args.output) / 1000:.0f} kB")


if __name__ == "__main__":
    main()

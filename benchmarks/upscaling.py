"""Memory and time of large pictures: painted, coded and enlarged by the embedded model, each in a process of its own.

    python benchmarks/upscaling.py [--side 2048] [--limit 2.5] [--steps 1] [--rows "start,paint tiles"]

Shown are the wall time and the peak of the process's memory (VmHWM, else ru_maxrss), with everything in it: Python, torch, the model,
the picture. Ends with 1 if a peak is above the limit (GB, 10^9 bytes).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = {
    "start": "Python, torch and the model, nothing else",
    "paint": "TextToImage at full size, the UNet on the whole",
    "paint tiles": "the same, UNet in tiles (tiled_diffusion)",
    "hires": "hires fix from a quarter of the side by RA x2, two passes",
    "upscale": "Upscale by RA x2 from half the side",
    "code": "encode and decode a picture",
    "code whole": "the same without tiles (tiled_vae=False)",
}


def peak() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def work(row: str, side: int, steps: int) -> float:
    """Do one thing in this process; the seconds it took."""
    import torch
    from PIL import Image

    import ra_widgets as ra

    def shown(width: int) -> Image.Image:
        return Image.effect_noise((width, width), 60).convert("RGB")

    with tempfile.TemporaryDirectory() as folder, ra.PipelineKernel(gallery=folder, previews=False) as kernel:
        kernel.generate(ra.TextToImage(prompt="一只猫", steps=1, seed=1))
        model = kernel._engine._loaded  # type: ignore[attr-defined]
        base = {"prompt": "草地上的一只狗", "seed": 1, "steps": steps}
        began = time.perf_counter()
        if row.startswith("paint"):
            tiles = row == "paint tiles"
            cut = {"tiled_diffusion": True, "tile_size": side // 4, "tile_overlap": side // 32} if tiles else {}
            kernel.generate(ra.TextToImage(**base, width=side, height=side, **({"tiled_diffusion": False} | cut)))
        elif row == "hires":
            first = {"width": side // 4, "height": side // 4, "enable_hr": True, "hr_scale": 4}
            kernel.generate(ra.TextToImage(**base, **first, hr_upscaler="RA x2", denoising_strength=0.5))
        elif row == "upscale":
            kernel.generate(ra.Upscale(image=shown(side // 2), scale=2, upscaler="RA x2"))
        elif row.startswith("code"):
            with torch.inference_mode(), model.ladder.vae_tiles(False if row == "code whole" else None):
                model.decode(model.encode(torch.rand(1, 3, side, side)))
        return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--limit", type=float, default=2.5)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        seconds = work(args.row, args.side, args.steps)
        print(json.dumps({"seconds": seconds, "peak": peak()}))
        return 0
    print(f"{args.side} x {args.side} pixels\n{'':13}{'seconds':>9}{'peak GB':>9}")
    above = False
    for row in args.rows.split(","):
        command = [sys.executable, __file__, "--side", str(args.side), "--steps", str(args.steps), "--row", row]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(answer.splitlines()[-1])
        over = row != "code whole" and found["peak"] > args.limit * 1e9
        above = above or over
        print(
            f"{row:13}{found['seconds']:9.1f}{found['peak'] / 1e9:9.2f}  {ROWS[row]}{'  ABOVE' if over else ''}",
            flush=True,
        )
    return int(above)


if __name__ == "__main__":
    sys.exit(main())

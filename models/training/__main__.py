"""``python -m models.training STAGE``: one command a stage, each resumable after a kill at any moment."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from .config import PLACES, PRESETS, REPOSITORY, Config
from .tiers import TIERS

PACKAGES = ("@lobehub/fluent-emoji-3d@1.1.0", "@iconify-json/fluent-emoji-flat@1.2.6", "@iconify-json/noto@1.2.9")
ORDER = (
    "data (sprites) -> vae -> text -> data (pool) -> diffusion -> sharpen -> judge -> evaluate -> export; "
    "clip after diffusion; x2 after vae"
)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m models.training", description=f"Train the embedded model. {ORDER}.")
    p.add_argument("--preset", choices=sorted(PRESETS), default="cpu", help="sizes and rates (default: cpu)")
    p.add_argument("--root", type=Path, help="folder of data, state and logs (default: .training)")
    p.add_argument("--workers", type=int, help="worker processes")
    p.add_argument("--quiet", action="store_true", help="write to the log files only")
    stages = p.add_subparsers(dest="stage", required=True)

    s = stages.add_parser("data", help="pack the sprites; with --shards, render and encode the pool")
    s.add_argument("--npm", action="store_true", help="install the npm packages with the art first")
    s.add_argument("--shards", type=int, default=0, help="number of shards that the pool shall have")
    _tiers(s)
    _places(s)

    s = stages.add_parser("vae", help="train the autoencoder")
    s.add_argument("--steps", type=int, dest="vae_steps")
    s.add_argument("--lr", type=float, dest="vae_lr")
    s.add_argument("--batch", type=int, dest="vae_batch")
    s.add_argument("--start", type=Path, help="begin from this AutoencoderKL folder")
    s.add_argument("--decoder-only", action="store_true", help="keep the latents: train the decoder of state/vae")

    s = stages.add_parser("sharpen", help="train the decoder of state/vae against a discriminator; the latents stay")
    s.add_argument("--steps", type=int, dest="sharpen_steps", default=4000)

    s = stages.add_parser("text", help="pre-train the text encoder on captions, build the tokenizer")
    s.add_argument("--steps", type=int, dest="text_steps")
    s.add_argument("--teacher", type=Path, help="folder of an older text encoder whose states are kept")
    s.add_argument("--teacher-tokenizer", type=Path)

    s = stages.add_parser("diffusion", help="train UNet and text encoder on the pool")
    s.add_argument("--steps", type=int)
    s.add_argument("--lr", type=float)
    s.add_argument("--batch", type=int)
    s.add_argument("--ema", type=float)
    _tiers(s)
    s.add_argument("--cooldown", type=int, help="let the rate fall to zero over the last N steps")
    _compile(s)
    s.add_argument("--warm", type=Path, help="begin from this UNet folder (trained on SD's schedule)")
    s.add_argument("--chatter", type=float, help="share of captions that are sentences with words of no consequence")
    s.add_argument("--median", type=float, help="of the noise levels (sigma; default 1.0)")
    s.add_argument("--unet-share", type=float, help="of the rate for the UNet; 0: only the text encoder learns")

    s = stages.add_parser("judge", help="train the classifier that the evaluation uses")
    s.add_argument("--steps", type=int, dest="judge_steps", default=9000)
    s.add_argument("--pictures", type=int, dest="judge_pictures")
    _tiers(s)
    _places(s)

    s = stages.add_parser("clip", help="train the small CLIP on the pipeline's text encoder")
    s.add_argument("--steps", type=int, dest="clip_steps", default=4000)
    s.add_argument("--pictures", type=int, dest="judge_pictures")
    _tiers(s)
    _places(s)
    s.add_argument("--out", type=Path, help="export here afterwards")

    s = stages.add_parser("x2", help="train the network that doubles pictures, or go on with it")
    s.add_argument("--steps", type=int, dest="x2_steps")
    s.add_argument("--out", type=Path, help="export here afterwards")

    s = stages.add_parser("evaluate", help="ask held-out questions and judge the answers")
    s.add_argument("--count", type=int, default=96, help="questions of each kind and language")
    _tiers(s)
    _places(s)
    s.add_argument("--model", type=Path, help="ask this pipeline folder instead of the run's networks")

    s = stages.add_parser("strangers", help="draw two hundred ordinary sentences for a person to judge")
    s.add_argument("--count", type=int, help="only the first sentences")
    s.add_argument("--model", type=Path, help="ask this pipeline folder instead of the run's networks")

    s = stages.add_parser("depth", help="train the depth estimator on pictures with known depth")
    s.add_argument("--shards", type=int, help="pictures to make first, in shards")
    s.add_argument("--steps", type=int, dest="depth_steps")
    s.add_argument(
        "--model", type=Path, default=REPOSITORY / "models" / "ra-mini", help="the pipeline whose VAE codes them"
    )
    s.add_argument("--out", type=Path, help="export here afterwards")

    s = stages.add_parser("control", help="train a ControlNet for the published model, which stays as it is")
    s.add_argument("kind", choices=("edges", "depth"))
    s.add_argument("--shards", type=int, help="pictures to make first, in shards")
    s.add_argument("--steps", type=int, dest="control_steps")
    s.add_argument("--lr", type=float, dest="control_lr")
    s.add_argument("--batch", type=int, dest="control_batch")
    s.add_argument("--model", type=Path, default=REPOSITORY / "models" / "ra-mini", help="the pipeline to steer")
    s.add_argument("--estimator", type=Path, help="depth: folder of the estimator whose maps are learned from too")
    _tiers(s)
    _places(s)
    _compile(s)
    s.add_argument("--out", type=Path, help="export here afterwards")

    s = stages.add_parser("restore", help="make the state of a run, where it is lost, from a folder that export wrote")
    s.add_argument("--model", type=Path, default=REPOSITORY / "models" / "ra-mini", help="the folder")

    s = stages.add_parser("export", help="write the diffusers folder")
    s.add_argument("--out", type=Path, default=REPOSITORY / "models" / "ra-mini")
    return p


def _tiers(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--tiers", choices=TIERS, help="which subjects (second: the first two tiers, third: 258 subjects; default: all)"
    )


def _places(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--places", choices=PLACES, help="free, or coarse: three sizes in few places, learned much sooner"
    )


def _compile(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="torch.compile the networks: twice the speed, also on a CPU, after minutes",
    )


def configure(args: argparse.Namespace) -> Config:
    """The preset with what the command line says."""
    config = PRESETS[args.preset]
    named = {k: v for k, v in vars(args).items() if v is not None and k in Config.__dataclass_fields__}
    named.pop("shards", None)
    return replace(config, **named)


def install_art(root: Path) -> None:
    """Install the npm packages with the art under ``root/npm``."""
    folder = root / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "package.json").exists():
        (folder / "package.json").write_text("{}")
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed to install the art")
    subprocess.run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES], cwd=folder, check=True)


def main(argv: list[str] | None = None) -> None:
    """Run one stage."""
    args = parser().parse_args(argv)
    config, quiet = configure(args), args.quiet
    # a stage imports what it needs: --help answers at once
    if args.stage == "data":
        from . import pool, sprites

        if args.npm:
            install_art(config.root)
        if not (config.data / "sprites.npy").exists():
            print(json.dumps(sprites.pack(config.node_modules, config.data), ensure_ascii=False))
        if args.shards:
            pool.fill(config, args.shards, quiet)
    elif args.stage == "vae":
        from . import stage_vae

        stage_vae.train(config, args.start, args.decoder_only, quiet)
    elif args.stage == "sharpen":
        from . import stage_sharpen

        stage_sharpen.train(config, args.sharpen_steps, quiet)
    elif args.stage == "text":
        from . import stage_text

        stage_text.train(config, args.teacher, args.teacher_tokenizer, quiet)
    elif args.stage == "diffusion":
        from . import stage_diffusion

        stage_diffusion.train(config, args.warm, quiet)
    elif args.stage == "judge":
        from . import classifier

        classifier.train(config, args.judge_steps, quiet=quiet)
    elif args.stage == "clip":
        from . import stage_clip

        stage_clip.train(config, args.clip_steps, quiet=quiet)
        print(json.dumps(stage_clip.retrieval(config)))
        if args.out:
            stage_clip.export(config, args.out)
    elif args.stage == "x2":
        from . import stage_x2

        stage_x2.train(config, quiet)
        if args.out:
            print(json.dumps(stage_x2.export(config, args.out)))
    elif args.stage in ("depth", "control"):
        from . import control_data, stage_control, stage_depth

        if args.shards:
            control_data.fill(config, args.model, args.shards, quiet)
        if args.stage == "depth":
            stage_depth.train(config, quiet)
            size = stage_depth.export(config, args.out) if args.out else 0.0
        else:
            stage_control.train(config, args.kind, args.model, args.estimator, quiet)
            size = stage_control.export(config, args.kind, args.model, args.out) if args.out else 0.0
        if args.out:
            print(f"{size:.1f} MB in {args.out}")
    elif args.stage == "evaluate":
        from . import evaluate

        print(json.dumps(evaluate.evaluate(config, args.count, config.tiers, args.model, quiet), indent=1))
    elif args.stage == "strangers":
        from . import strangers

        print(json.dumps(strangers.run(config, args.model, args.count)))
    elif args.stage == "restore":
        from . import export

        print(f"{export.restore(config, args.model)} samples seen")
    else:
        from . import export

        print(f"{export.export(config, args.out):.1f} MB in {args.out}")


if __name__ == "__main__":
    main()

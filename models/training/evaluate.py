"""Stage ``evaluate``: what the averaged model draws, judged by :mod:`~models.training.classifier`.

Prompts name combinations that were never trained (held-out colour or scene of the subject, held-out ordered pairs),
in both languages, each with its own seed. Every score stands beside the judge's own accuracy. Results go to
``state/evaluation.json`` and sheets to ``logs/eval_*.png``.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from . import classifier, stage_diffusion
from .captions import SUBJECTS, plural
from .compose import COARSE_STYLES, Composer, Curriculum, draw_specs
from .config import Config
from .effects import main_colours
from .runtime import Log, read_meta, save_grid, to_tensor
from .sample import generate
from .sprites import ART
from .stage_vae import psnr, reconstruct, validation_set
from .tiers import held_colour, held_pair, held_scene, of_tiers
from .vocabulary import COLOURS, SCENE_KEYS, SCENES, STYLE_KEYS, STYLES


@dataclass
class Question:
    """A prompt and what the judge must find in the picture."""

    text: str
    language: str
    want: dict[str, int] = field(default_factory=dict)
    natural: bool = False  # the colour asked for is that of the thing's own art, too


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" and not words.startswith(("uni", "ufo")) else "a ") + words


def single(
    r: random.Random, names: list[str], index: dict[str, int], language: str, styles: tuple[str, ...] = STYLE_KEYS
) -> Question:
    """A held-out (subject, colour, background): one subject, a colour, a scene or plain background, maybe one of ``styles``."""
    while True:
        s, c, scene = r.choice(names), r.randrange(len(COLOURS)), r.choice(SCENES)
        if held_colour(s, c) or held_scene(s, scene.key):
            break
    style = r.choice(("", "", *styles))
    plain = r.random() < 0.35 and held_colour(s, c)
    ground = r.randrange(len(COLOURS))
    if plain:  # a thing of the colour of its background cannot be seen
        ground = next(g for g in (ground, (ground + 4) % 9) if g != c)
    subject, colour = SUBJECTS[s], COLOURS[c]
    coloured = style != "sketch"
    if language == "en":
        text = _article(f"{colour.key} {subject.en[0]}" if coloured else subject.en[0])
        text += f" on {_article(COLOURS[ground].key)} background" if plain else " " + scene.en[0]
        text += f", {STYLES[style][0][0]}" if style else ""
    else:
        text = "一个" + (f"{colour.zh[0]}的" if coloured else "") + subject.zh[0]
        text += f"，{COLOURS[ground].zh[0]}背景" if plain else scene.zh[0]
        text += f"，{STYLES[style][1][0]}" if style else ""
    want = {"subject": index[s], "style": STYLE_KEYS.index(style or "3d")}
    if coloured:
        want["colour"] = c
    if style != "sketch" or not plain:  # a pencil drawing has no coloured background
        want["background"] = 1 + ground if plain else 1 + len(COLOURS) + SCENE_KEYS.index(scene.key)
    return Question(text, language, want)


def pair(r: random.Random, names: list[str], index: dict[str, int], language: str) -> Question:
    """Two subjects whose order was never trained, the left one named as being on the left."""
    while True:
        a, b = r.sample(names, 2)
        if held_pair(a, b):
            break
    x, y = SUBJECTS[a], SUBJECTS[b]
    text = (
        f"{_article(x.en[0])} on the left and {_article(y.en[0])} on the right"
        if language == "en"
        else f"左边是一个{x.zh[0]}，右边是一个{y.zh[0]}"
    )
    return Question(text, language, {"left": index[a], "right": index[b]})


def several(r: random.Random, names: list[str], index: dict[str, int], language: str) -> Question:
    """Two or three of one subject on a scene that it was never seen in."""
    while True:
        s, scene = r.choice(names), r.choice(SCENES)
        if held_scene(s, scene.key):
            break
    n = r.choice((2, 3))
    noun = SUBJECTS[s]
    words = noun.en[0].split(" ")
    words[-1] = plural(words[-1])
    text = (
        f"{('two', 'three')[n - 2]} {' '.join(words)} {scene.en[0]}"
        if language == "en"
        else f"{'两三'[n - 2]}个{noun.zh[0]}{scene.zh[0]}"
    )
    return Question(text, language, {"number": n, "subject": index[s]})


KINDS: dict[str, Callable[..., Question]] = {"single": single, "pair": pair, "several": several}


def mark_natural(questions: list[Question], composer: Composer, subjects: list[str]) -> None:
    """Set ``natural`` where the colour asked for is a main colour of the subject's own 3D art; ``subjects`` as the judge counts them."""
    for q in questions:
        if "colour" in q.want:
            art = composer.sprites[composer.index[subjects[q.want["subject"]]], ART.index("3d")]
            q.natural = q.want["colour"] in main_colours(np.asarray(art))


def score(question: Question, logits: dict[str, torch.Tensor]) -> dict[str, bool]:
    """Which of the wanted things the judge found (``logits`` of one picture).

    ``colour`` is strict: the judge must name it. ``colour_or_own`` also takes "its own colour" for an answer where that is the
    colour asked for: an orange lion that looks like any lion is orange.
    """
    got = {k: int(v.argmax()) for k, v in logits.items()}
    out: dict[str, bool] = {}
    for k, y in question.want.items():
        if k == "subject":
            out[k] = y in (got["left"], got["right"])
        elif k not in ("left", "right"):
            out[k] = got[k] == y
    if "colour" in question.want:
        out["colour_or_own"] = out["colour"] or (question.natural and got["colour"] == len(COLOURS))
    if "left" in question.want:
        a, b = question.want["left"], question.want["right"]
        out["left_right"] = got["left"] == a and got["right"] == b
        out["both"] = out["left_right"] or (got["left"] == b and got["right"] == a)
    return out


def frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    """Fréchet distance of two feature sets [N, D] taken as Gaussians (Heusel et al. 2017, arXiv:1706.08500)."""
    a, b = a.double(), b.double()
    ca, cb = torch.cov(a.t()), torch.cov(b.t())
    # trace of the root of ca cb from the eigenvalues of the symmetric root(ca) cb root(ca)
    values, vectors = torch.linalg.eigh(ca)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.t()
    cross = torch.linalg.eigvalsh(root @ cb @ root).clamp(min=0).sqrt().sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + ca.trace() + cb.trace() - 2 * cross)


@dataclass
class Painter:
    """The networks that are asked, and their noise schedule (None: ours)."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    tokenizer: PreTrainedTokenizerFast
    vae: AutoencoderKL
    abar: torch.Tensor | None = None

    @classmethod
    def trained(cls, config: Config) -> Painter:
        """The averaged networks of the run."""
        unet, text = stage_diffusion.averaged(config)
        vae = AutoencoderKL.from_pretrained(config.state / "vae", torch_dtype=torch.float32).eval()
        return cls(unet, text, PreTrainedTokenizerFast.from_pretrained(config.state / "tokenizer"), vae)

    @classmethod
    def published(cls, folder: Path) -> Painter:
        """A ``StableDiffusionPipeline`` folder."""
        pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
        return cls(
            pipe.unet.eval(), pipe.text_encoder.eval(), pipe.tokenizer, pipe.vae.eval(), pipe.scheduler.alphas_cumprod
        )

    def paint(self, texts: list[str], seeds: list[int], latent: int) -> torch.Tensor:
        """Pictures [N, 3, H, W] in -1..1 at 20 steps and CFG 4."""
        return generate(texts, seeds, self.unet, self.text, self.tokenizer, self.vae, latent=latent, abar=self.abar)


@torch.no_grad()
def evaluate(
    config: Config, count: int = 96, tiers: str = "all", model: Path | None = None, quiet: bool = False
) -> dict[str, object]:
    """Ask ``count`` questions of each kind and language.

    Args:
        tiers: which subjects, see :func:`~models.training.vocabulary.of_tiers`.
        model: the folder of a pipeline to ask instead of the averaged networks of the run; it has its own noise schedule.
    """
    judge, own = classifier.load(config)
    painter = Painter.published(model) if model else Painter.trained(config)
    index = {s: i for i, s in enumerate(judge.subjects)}
    only = of_tiers(tiers)
    names = [s for s in judge.subjects if only is None or s in only]
    name = f"_{model.name}" if model else ""
    composer = Composer(config.data, config.size)
    log = Log(config.logs, "evaluate", 2 * len(KINDS), 0, quiet)
    scores: dict[str, dict[str, list[bool]]] = {"en": {}, "zh": {}}
    features, seconds, pictures, done = [], 0.0, 0, 0
    for kind, make in KINDS.items():
        for language in ("en", "zh"):
            r = random.Random(f"{kind}:{count}")  # the same questions in both languages
            if kind == "single" and config.places == "coarse":
                make = partial(single, styles=COARSE_STYLES)
            questions = [make(r, names, index, language) for _ in range(count)]
            mark_natural(questions, composer, judge.subjects)
            began = time.perf_counter()
            x = painter.paint([q.text for q in questions], [1000 + i for i in range(count)], config.size // 8)
            seconds, pictures = seconds + time.perf_counter() - began, pictures + count
            logits = [judge(x[i : i + 32]) for i in range(0, count, 32)]
            merged = {k: torch.cat([part[k] for part in logits]) for k in logits[0]}
            features.append(judge.features(x))
            for i, q in enumerate(questions):
                for k, hit in score(q, {h: v[i] for h, v in merged.items()}).items():
                    key = f"{kind}_{k}" if kind == "several" else k
                    scores[language].setdefault(key, []).append(hit)
            save_grid(
                config.logs / f"eval{name}_{kind}_{language}.png",
                [x[i : i + 12] for i in range(0, count // 12 * 12, 12)],
            )
            done += 1
            log.report(done)
    r, curriculum = random.Random(5), Curriculum(names)
    real = torch.cat(
        [
            judge.features(to_tensor([composer.render(s) for s in draw_specs(r, curriculum, 50, config.places)]))
            for _ in range(12)
        ]
    )
    val, _ = validation_set(composer, 64)
    table = {k: {lang: round(sum(v[k]) / len(v[k]), 4) for lang, v in scores.items()} for k in scores["en"]}
    result = {
        "scores": table,
        "judge": own,
        "questions_per_kind_and_language": count,
        "subjects": len(names),
        "frechet_judge_features": round(frechet(real, torch.cat(features)), 3),
        "vae_psnr_db": round(psnr(reconstruct(painter.vae, val), val).mean().item(), 2),
        "seconds_a_picture": round(seconds / pictures, 3),
        **(
            {}
            if model
            else {k: v for k, v in read_meta(config.state / stage_diffusion.STATE).items() if k in ("samples", "v_mse")}
        ),
    }
    (config.state / f"evaluation{name}.json").write_text(json.dumps(result, indent=1))
    log.say(json.dumps(result))
    return result


__all__ = ["KINDS", "Question", "evaluate", "frechet", "pair", "score", "several", "single"]

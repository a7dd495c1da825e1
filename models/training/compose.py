"""The composer: a random, JSON-able *spec* of a picture, and the picture that it describes.

A spec is a plain dict::

    {"style": "3d", "kind": "one" | "pair" | "many" | "empty", "objects": [{"s": subject, "c": colour index or -1,
     "x": centre 0..1, "y": bottom 0..1, "h": height 0..1, "flip": bool, "rot": degrees}, ...],
     "n": 1..3, "size": "s" | "m" | "l", "pos": "l" | "c" | "r", "bg": [kind, value], "time": "" | "dusk" | "night",
     "seed": int}

Positions and sizes are free (a seed matters), named only when they are clear. Held-out combinations
(:func:`~models.training.vocabulary.held_colour` and its sisters) never occur.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .backgrounds import PASTELS, Backgrounds
from .effects import grade, light, pencil, recolour
from .sprites import ART
from .tiers import CAMP, KNOWN, SECOND, THIRD, held_colour, held_pair, held_scene, of_tiers
from .vocabulary import COLOURS, SCENES, read_subjects

Spec = dict[str, Any]
SCENE_BY_KEY = {s.key: s for s in SCENES}
CATEGORY = {s.key: s.category for s in read_subjects()}
FIXED_FACING = frozenset({"red_envelope", "alarm_clock", "watch", "fire_truck", "ambulance"})
STYLE_WEIGHTS = {"3d": 0.72, "flat": 0.12, "cartoon": 0.09, "sketch": 0.07}
#: sizes and places are whole cells of this grid, the latent's at 128 pixels: an object that moves is the same latent
#: pattern moved, which is learned several times faster than one that lies differently in its cells each time.
GRID = 16


class Curriculum:
    """How often each subject is drawn: the known, the second tier and the rest, with shares that move with ``progress`` (0: start, 1: end)."""

    def __init__(self, subjects: Sequence[str], progress: float = 1.0) -> None:
        known = [s for s in subjects if s in KNOWN]
        second = [s for s in subjects if s in SECOND]
        rest = [s for s in subjects if s not in KNOWN and s not in SECOND]
        # per-subject weights: what a warm start knows is kept fresh, the second tier leads, the rest catches up
        p = min(1.0, max(0.0, progress))
        weights = ((known, 0.7), (second, 1.0), (rest, 0.3 + 0.5 * p))
        self.names = [s for tier, _ in weights for s in tier]
        self.weights = [w for tier, w in weights for _ in tier]

    def pick(self, r: random.Random) -> str:
        """One subject."""
        return r.choices(self.names, self.weights)[0]


#: runs that go on from a model which knows the tiers before: what is new, and how much oftener it is drawn than what is known
LEADS = {"camp": (CAMP, 1.4), "third": (THIRD, 2.0)}


def of_run(tiers: str, subjects: Sequence[str], progress: float = 1.0) -> Curriculum:
    """The curriculum of those of ``subjects`` that ``tiers`` names."""
    only = of_tiers(tiers)
    curriculum = Curriculum([s for s in subjects if only is None or s in only], progress)
    if tiers in LEADS:
        new, weight = LEADS[tiers]
        curriculum.weights = [weight if s in new else 1.0 for s in curriculum.names]
    return curriculum


def random_spec(
    r: random.Random,
    curriculum: Curriculum,
    style: str | None = None,
    kind: str | None = None,
    styles: Mapping[str, float] = STYLE_WEIGHTS,
    coloured: float = 0.28,
    held: bool = False,
) -> Spec:
    """Draw a spec. Never a held-out (subject, colour), (subject, scene) or (left, right) combination, unless ``held``.

    Args:
        style, kind: fixed instead of drawn. styles: how often each style is drawn. coloured: share of things in a colour not their own.
        held: draw held-out combinations like all others. For the judge, which must know what the painter is asked for.
    """
    spec: Spec = {
        "style": style or r.choices(list(styles), list(styles.values()))[0],
        "n": 1,
        "size": "m",
        "pos": "c",
        "time": "",
    }
    spec["kind"] = kind or r.choices(("one", "pair", "many", "empty"), (0.76, 0.12, 0.095, 0.025))[0]
    subjects: list[str] = []
    if spec["kind"] != "empty":
        subjects.append(curriculum.pick(r))
    if spec["kind"] == "pair":
        while len(subjects) < 2:
            other = curriculum.pick(r)
            if other != subjects[0] and (held or not held_pair(subjects[0], other)):
                subjects.append(other)
    u = r.random()
    if spec["kind"] == "empty" or u >= 0.48:
        while True:
            scene = r.choice(SCENES)
            if held or not any(held_scene(s, scene.key) for s in subjects):
                break
        spec["bg"] = ["scene", scene.key]
        if scene.timed and r.random() < 0.2:
            spec["time"] = r.choice(("dusk", "night"))
    else:
        spec["bg"] = ["none", r.randrange(len(PASTELS))] if u < 0.26 else ["plain", r.randrange(len(COLOURS))]

    def colour(subject: str) -> int:
        if r.random() < coloured:
            free = [c for c in range(len(COLOURS)) if held or not held_colour(subject, c)]
            return r.choice(free)
        return -1

    spec["objects"] = [{"s": s, "c": colour(s)} for s in subjects]
    spec["seed"] = r.randrange(1 << 30)
    _place(spec, r)
    return spec


def _place(spec: Spec, r: random.Random) -> None:
    """Fill in sizes, places, mirrors and tilts; repeats of one subject become separate objects."""
    grounded = spec["bg"][0] == "scene" and not SCENE_BY_KEY[spec["bg"][1]].floats
    kind = spec["kind"]
    if kind == "many":
        spec["n"] = r.choice((2, 2, 3))
        spec["objects"] = [dict(spec["objects"][0]) for _ in range(spec["n"])]
    if kind == "one":
        spec["size"] = r.choices("msl", (0.66, 0.14, 0.20))[0]
        if spec["size"] != "l":
            spec["pos"] = r.choices("clr", (0.68, 0.16, 0.16))[0]
    flip, tilt = r.random() < 0.5, r.random() < 0.12
    for i, o in enumerate(spec["objects"]):
        if kind == "one":
            cells = r.choice({"m": (9, 10, 11), "l": (12, 13, 14), "s": (6, 7)}[spec["size"]])
            lo, hi = {"c": (0.41, 0.59), "l": (0.25, 0.34), "r": (0.66, 0.75)}[spec["pos"]]
            centre = r.uniform(0.46, 0.54) if spec["size"] == "l" else r.uniform(lo, hi)
        elif kind == "pair" or spec["n"] == 2:
            cells, centre = r.choice((6, 7, 8)), (0.27, 0.73)[i] + r.uniform(-0.03, 0.03)
        else:
            cells, centre = 5, (0.18, 0.5, 0.82)[i] + r.uniform(-0.02, 0.02)
        h = cells / GRID
        if grounded:
            bottom = min(0.97, max(0.80, 0.72 + 0.25 * h) + r.uniform(-0.04, 0.06))
        else:
            bottom = min(0.97, 0.5 + h / 2 + r.uniform(-0.09, 0.09))
        o["h"], o["x"], o["y"] = h, round(centre * GRID - cells / 2) / GRID + h / 2, round(bottom * GRID) / GRID
        o["flip"] = bool(flip and o["s"] not in FIXED_FACING)
        o["rot"] = round(r.uniform(-14, 14), 1) if tilt and CATEGORY.get(o["s"]) != "place" else 0.0
        for k in ("h", "x", "y"):
            o[k] = round(o[k], 5)


#: the coarse places: for each size a height, a bottom (scene with a ground, else) and the centres of left, middle and right, in
#: pixels of 128
COARSE = {
    "s": (56, 108, 92, {"l": 32, "c": 64, "r": 96}),
    "m": (80, 116, 108, {"l": 40, "c": 64, "r": 88}),
    "l": (104, 120, 112, {"c": 64}),
}
COARSE_STYLES = ("3d", "flat", "sketch")
#: of pictures in coarse places: words that change a picture come often enough for a run of hours
COARSE_WEIGHTS = {"3d": 0.64, "flat": 0.18, "sketch": 0.18}
COARSE_COLOURED = 0.5


def coarse(spec: Spec, r: random.Random) -> Spec:
    """The spec with one of three sizes in one of few places, a quarter of the time moved by two cells; nothing is mirrored or
    tilted, it is day, and no style is cartoon. A short run on CPUs learns these well, where free places become blots.
    Two cells are one of the UNet's second level, to which a thing that moved looks the same.
    """
    spec["time"] = ""
    if spec["style"] not in COARSE_STYLES:
        spec["style"] = "3d"
    ground = spec["bg"][0] == "scene" and not SCENE_BY_KEY[spec["bg"][1]].floats
    n, moved = len(spec["objects"]), r.random() < 0.25
    for i, o in enumerate(spec["objects"]):
        if spec["kind"] == "one":
            h, low, high, centres = COARSE[spec["size"]]
            x, y = centres[spec["pos"]], low if ground else high
            if moved:
                x += r.choice((-16, 0, 16))
                y += r.choice((-16, 0))
        else:
            h, y = (56, 108 if ground else 92) if n == 2 else (40, 108 if ground else 84)
            x = ((32, 96) if n == 2 else (20, 64, 108))[i]
        x = min(128 - h // 2, max(h // 2, x))
        o.update(h=round(h / 128, 5), x=round(x / 128, 5), y=round(max(y, h) / 128, 5), flip=False, rot=0.0)
    return spec


def held_out(spec: Spec) -> bool:
    """True if a picture of ``spec`` shows what is never trained: a colour or scene of a subject, or an ordered pair."""
    names, (ground, value) = [o["s"] for o in spec["objects"]], spec["bg"]
    return (
        any(held_colour(o["s"], o["c"]) for o in spec["objects"] if o["c"] >= 0)
        or (ground == "scene" and any(held_scene(s, value) for s in names))
        or (spec["kind"] == "pair" and held_pair(*names))
    )


def draw_specs(r: random.Random, curriculum: Curriculum, n: int, places: str, held: bool = False) -> list[Spec]:
    """``n`` random specs with ``free`` or ``coarse`` places; ``held``: with held-out combinations."""
    if places != "coarse":
        return [random_spec(r, curriculum, held=held) for _ in range(n)]
    return [
        coarse(random_spec(r, curriculum, styles=COARSE_WEIGHTS, coloured=COARSE_COLOURED, held=held), r)
        for _ in range(n)
    ]


class Composer:
    """Renders specs with the packed sprites of ``folder`` at ``size`` pixels."""

    def __init__(self, folder: Path, size: int = 128) -> None:
        info = json.loads((folder / "sprites.json").read_text())
        self.sprites = np.load(folder / "sprites.npy", mmap_mode="r")
        self.index = {k: i for i, k in enumerate(info["subjects"])}
        self.subjects: list[str] = info["subjects"]
        self.size = size
        self.backgrounds = Backgrounds(size)
        self._kept: dict[tuple[str, str, int], Image.Image] = {}
        shade = Image.new("L", (96, 32))
        ImageDraw.Draw(shade).ellipse([14, 8, 82, 24], fill=120)
        self._shade = shade.filter(ImageFilter.GaussianBlur(4))

    def sprite(self, subject: str, style: str, colour: int) -> Image.Image:
        """The sprite, premultiplied RGBa, recoloured if ``colour`` >= 0."""
        art = style if style in ART else "3d"
        key = (subject, art, colour)
        image = self._kept.get(key)
        if image is None:
            pixels = np.array(self.sprites[self.index[subject], ART.index(art)])
            image = Image.fromarray(pixels if colour < 0 else recolour(pixels, colour)).convert("RGBa")
            if len(self._kept) > 4000:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = image
        return image

    def placed(self, spec: Spec, o: dict[str, Any]) -> tuple[Image.Image, float, float]:
        """An object of the spec as a square RGBA sprite of its size in the picture, its centre and its bottom in pixels."""
        w = self.size
        h = max(8, round(o["h"] * w))
        x, bottom = o["x"] * w, o["y"] * w
        s = self.sprite(o["s"], spec["style"], o["c"])
        if o["flip"]:
            s = s.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if o["rot"]:
            s = s.rotate(o["rot"], Image.Resampling.BICUBIC, expand=True)
            h = round(h * s.width / self.sprites.shape[2])
            bottom += 0.06 * h * abs(o["rot"]) / 14
        return s.resize((h, h), Image.Resampling.BICUBIC, reducing_gap=2.0).convert("RGBA"), x, bottom

    def render(self, spec: Spec) -> Image.Image:
        """The picture of a spec: RGB, ``size`` x ``size``."""
        r = random.Random(spec["seed"])
        kind, value = spec["bg"]
        page = self.backgrounds.draw((kind, value), r)
        if spec["time"]:
            page = grade(page, spec["time"])
        floating = kind == "scene" and SCENE_BY_KEY[value].floats
        side = r.choice((-1, 1))
        page = page.convert("RGBA")
        for o in spec["objects"]:
            s, x, bottom = self.placed(spec, o)
            h = s.height
            if spec["time"]:
                tint = (0.72, 0.76, 0.95) if spec["time"] == "night" else (1.0, 0.9, 0.82)
                bands = list(s.split())
                bands[:3] = [b.point([int(i * t) for i in range(256)]) for b, t in zip(bands[:3], tint, strict=True)]
                s = Image.merge("RGBA", bands)
            if not floating:
                sw = int(h * 1.05)
                shade = self._shade.resize((sw, max(4, int(h * 0.3))))
                page.paste((0, 0, 0, 255), (int(x - sw / 2 - side * h * 0.04), int(bottom - h * 0.17)), shade)
            page.alpha_composite(
                s,
                (max(0, int(x - h / 2)), max(0, int(bottom - h))),
                (max(0, -int(x - h / 2)), max(0, -int(bottom - h))),
            )
        image = page.convert("RGB")
        if spec["style"] == "sketch":
            return pencil(image)
        if r.random() < 0.6:
            image = light(image, -side, r.uniform(0, 0.10), r.uniform(-0.03, 0.03))
        return image

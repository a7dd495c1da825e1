"""Procedural backgrounds: sixteen scenes, plain colours and pastels. Every drawing comes from a ``random.Random``."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .vocabulary import COLOURS, SCENE_KEYS

#: scenes are drawn on a canvas of this many units (and pixels), then scaled down.
N = 256
RGB = tuple[int, int, int]
PASTELS: tuple[RGB, ...] = (
    (248, 244, 236),
    (226, 240, 250),
    (250, 230, 236),
    (230, 246, 232),
    (240, 234, 250),
    (255, 246, 220),
)


def gradient(top: RGB, bottom: RGB, size: int = N) -> Image.Image:
    """A vertical gradient as an RGB image."""
    t = np.linspace(0, 1, size)[:, None, None]
    rows = (1 - t) * np.array(top) + t * np.array(bottom)
    return Image.fromarray(np.broadcast_to(rows, (size, size, 3)).astype(np.uint8))


def plain(rgb: RGB, size: int, r: random.Random) -> Image.Image:
    """A studio background of one colour, a little lighter above."""
    k = r.uniform(0.15, 0.4)
    c = tuple(max(0, min(255, int(v + r.uniform(-7, 7)))) for v in rgb)
    top = tuple(int(v + (255 - v) * k) for v in c) if sum(c) > 200 else tuple(v + 14 for v in c)
    return gradient(top, c, size)


def _near(c: RGB, r: random.Random, a: float = 12) -> RGB:
    return tuple(max(0, min(255, int(v + r.uniform(-a, a)))) for v in c)


def _cloud(d: ImageDraw.ImageDraw, x: float, y: float, s: float, c: RGB) -> None:
    for dx, dy, q in ((-1, 0, 0.55), (-0.3, -0.35, 0.65), (0.45, -0.15, 0.6), (1.05, 0.05, 0.45), (0, 0.1, 0.6)):
        d.ellipse([x + dx * s - q * s, y + dy * s - q * s, x + dx * s + q * s, y + dy * s + q * s], fill=c)


def _hill(d: ImageDraw.ImageDraw, y: float, amp: float, r: random.Random, c: RGB, freq: float | None = None) -> None:
    ph, f = r.uniform(0, 6.28), freq or r.uniform(0.5, 1.2)
    ridge = [(x, y + amp * math.sin(f * x / N * 6.28 + ph)) for x in range(0, N + 9, 8)]
    d.polygon([(0, N), *ridge, (N, N)], fill=c)


def _dots(
    d: ImageDraw.ImageDraw,
    r: random.Random,
    n: int,
    top: float,
    bottom: float,
    sizes: tuple[float, float],
    colours: list[RGB],
) -> None:
    for _ in range(n):
        x, y, s = r.uniform(0, N), r.uniform(top, bottom), r.uniform(*sizes)
        d.ellipse([x - s, y - s, x + s, y + s], fill=r.choice(colours))


def _pine(d: ImageDraw.ImageDraw, x: float, y: float, s: float, c: RGB, trunk: RGB | None = None) -> None:
    if trunk:
        d.rectangle([x - s * 0.16, y - s * 1.2, x + s * 0.16, y + s * 0.5], fill=trunk)
    for k in range(3):
        w = s * (1 - 0.21 * k)
        d.polygon(
            [(x - w, y - s * 0.4 - k * s * 0.7), (x + w, y - s * 0.4 - k * s * 0.7), (x, y - s * 1.7 - k * s * 0.7)],
            fill=c,
        )


def _sky(r: random.Random, top: RGB, bottom: RGB) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    im = gradient(_near(top, r), _near(bottom, r))
    return im, ImageDraw.Draw(im)


def _grass(r: random.Random) -> Image.Image:
    im, d = _sky(r, (120, 196, 250), (214, 240, 255))
    for _ in range(r.randint(1, 3)):
        _cloud(d, r.uniform(20, 236), r.uniform(20, 70), r.uniform(12, 26), (255, 255, 255))
    y = r.uniform(132, 166)
    _hill(d, y, r.uniform(4, 14), r, _near((140, 206, 110), r))
    _hill(d, y + r.uniform(20, 36), 6, r, _near((104, 184, 84), r))
    _dots(d, r, r.randint(0, 14), 196, 252, (2, 4), [(255, 240, 150), (255, 255, 255), (255, 180, 200)])
    return im


def _clouds(r: random.Random) -> Image.Image:
    im, d = _sky(r, (86, 170, 246), (196, 230, 255))
    for _ in range(r.randint(3, 7)):
        _cloud(d, r.uniform(0, N), r.uniform(20, 236), r.uniform(14, 32), (255, 255, 255))
    return im


def _night(r: random.Random) -> Image.Image:
    im, d = _sky(r, (18, 24, 70), (58, 64, 130))
    _dots(d, r, r.randint(24, 44), 0, 190, (1.2, 3), [(255, 248, 200), (255, 255, 255)])
    x, y, s = r.choice([40, 216]) + r.uniform(-20, 20), r.uniform(26, 60), r.uniform(13, 24)
    d.ellipse([x - s, y - s, x + s, y + s], fill=(255, 240, 180))
    _hill(d, r.uniform(170, 200), 9, r, _near((34, 52, 86), r))
    return im


def _sunset(r: random.Random) -> Image.Image:
    im, d = _sky(r, (246, 120, 110), (255, 206, 120))
    x, s, y = r.uniform(36, 220), r.uniform(24, 40), r.uniform(150, 172)
    d.ellipse([x - s, y - s, x + s, y + s], fill=(255, 240, 170))
    for _ in range(r.randint(1, 3)):
        _cloud(d, r.uniform(10, 246), r.uniform(24, 90), r.uniform(10, 20), (255, 170, 150))
    _hill(d, r.uniform(164, 182), 6, r, _near((170, 84, 110), r))
    _hill(d, r.uniform(196, 212), 5, r, _near((120, 60, 96), r))
    return im


def _beach(r: random.Random) -> Image.Image:
    im, d = _sky(r, (130, 206, 250), (220, 244, 255))
    for _ in range(r.randint(0, 2)):
        _cloud(d, r.uniform(20, 236), r.uniform(20, 64), r.uniform(12, 22), (255, 255, 255))
    y = r.uniform(96, 124)
    d.rectangle([0, y, N, N], fill=_near((58, 164, 214), r))
    d.rectangle([0, y + 26, N, N], fill=_near((92, 196, 222), r))
    shore, freq, ph = y + r.uniform(48, 62), r.uniform(0.7, 1.3), r.uniform(0, 6)
    for off, c in ((0, (255, 255, 255)), (8, _near((246, 222, 164), r))):
        ridge = [(x, shore + off + 5 * math.sin(freq * x / N * 6.28 + ph)) for x in range(0, N + 9, 8)]
        d.polygon([(0, N), *ridge, (N, N)], fill=c)
    return im


def _sea(r: random.Random) -> Image.Image:
    im, d = _sky(r, (60, 176, 226), (16, 76, 150))
    _hill(d, r.uniform(206, 228), 6, r, _near((214, 190, 140), r))
    for _ in range(r.randint(3, 7)):
        x, h = r.choice([r.uniform(4, 70), r.uniform(186, 252)]), r.uniform(26, 90)
        d.line(
            [(x + 5 * math.sin(k / 3), 236 - k * h / 12) for k in range(12)],
            fill=_near((48, 160, 110), r),
            width=8,
            joint="curve",
        )
    for _ in range(r.randint(6, 14)):
        x, y, s = r.uniform(0, N), r.uniform(0, 200), r.uniform(3, 8)
        d.ellipse([x - s, y - s, x + s, y + s], outline=(200, 236, 255), width=2)
    return im


def _snow(r: random.Random) -> Image.Image:
    im, d = _sky(r, (150, 200, 240), (226, 240, 252))
    y = r.uniform(170, 190)
    for _ in range(r.randint(2, 5)):
        _pine(d, r.choice([r.uniform(0, 80), r.uniform(176, N)]), y + 6, r.uniform(20, 34), _near((86, 140, 130), r))
    _hill(d, y, 7, r, (250, 252, 255))
    _dots(d, r, r.randint(18, 34), 0, N, (2, 4), [(255, 255, 255)])
    return im


def _forest(r: random.Random) -> Image.Image:
    im, d = _sky(r, (196, 230, 190), (150, 204, 140))
    shift = r.uniform(-20, 20)
    for row, (c, y) in enumerate((((122, 180, 124), 150), ((72, 140, 86), 184))):
        for i in range(7):
            _pine(d, i * 42 + r.uniform(-12, 12) + row * 14 + shift, y, r.uniform(24, 35), _near(c, r), (120, 88, 62))
    _hill(d, r.uniform(180, 192), 5, r, _near((92, 150, 72), r))
    return im


def _space(r: random.Random) -> Image.Image:
    im = gradient(_near((12, 10, 36), r, 6), _near((44, 22, 84), r))
    glow = Image.new("RGB", (N, N))
    gd = ImageDraw.Draw(glow)
    for _ in range(3):
        x, y, s = r.uniform(0, N), r.uniform(0, N), r.uniform(40, 80)
        gd.ellipse([x - s, y - s, x + s, y + s], fill=r.choice([(70, 20, 90), (20, 40, 100), (80, 20, 60)]))
    glow = glow.resize((64, 64)).filter(ImageFilter.GaussianBlur(8)).resize((N, N))
    im = Image.fromarray(np.clip(np.asarray(im, np.int16) + np.asarray(glow, np.int16), 0, 255).astype(np.uint8))
    d = ImageDraw.Draw(im)
    _dots(d, r, r.randint(30, 55), 0, N, (1, 2.8), [(255, 255, 255), (200, 220, 255), (255, 240, 200)])
    x, y, s = r.choice([34, 222]) + r.uniform(-16, 16), r.choice([38, 216]) + r.uniform(-16, 16), r.uniform(12, 24)
    d.ellipse([x - s, y - s, x + s, y + s], fill=r.choice([(230, 130, 90), (110, 160, 230), (200, 180, 120)]))
    return im


def _city(r: random.Random) -> Image.Image:
    im, d = _sky(r, (150, 206, 250), (236, 240, 250))
    x = r.uniform(-30, 0)
    while x < N:
        w, h = r.uniform(30, 50), r.uniform(60, 160)
        d.rectangle(
            [x, 200 - h, x + w, 210],
            fill=_near(r.choice([(150, 160, 190), (180, 150, 160), (130, 150, 180), (200, 180, 160)]), r),
        )
        for yy in range(int(200 - h) + 10, 190, 20):
            for xx in (x + 7, x + w - 17):
                d.rectangle([xx, yy, xx + 10, yy + 10], fill=(255, 240, 190))
        x += w + 2
    d.rectangle([0, 196, N, N], fill=_near((110, 112, 124), r))
    d.rectangle([0, 196, N, 206], fill=(190, 190, 196))
    return im


def _room(r: random.Random) -> Image.Image:
    wall = _near(r.choice([(250, 228, 196), (214, 232, 240), (240, 214, 214), (224, 236, 210)]), r)
    im = gradient(wall, tuple(max(0, v - 14) for v in wall))
    d = ImageDraw.Draw(im)
    d.rectangle([0, 184, N, N], fill=_near((190, 136, 90), r))
    d.rectangle([0, 178, N, 186], fill=(250, 246, 238))
    for y in (206, 230):
        d.line([0, y, N, y], fill=(160, 110, 70), width=3)
    x, y = r.choice([20, 176]) + r.uniform(-14, 14), r.uniform(16, 34)
    d.rectangle([x, y, x + 60, y + 70], fill=(255, 255, 255))
    d.rectangle([x + 6, y + 6, x + 54, y + 64], fill=(150, 210, 250))
    d.line([x + 30, y + 6, x + 30, y + 64], fill=(255, 255, 255), width=5)
    d.line([x + 6, y + 34, x + 54, y + 34], fill=(255, 255, 255), width=5)
    return im


def _desert(r: random.Random) -> Image.Image:
    im, d = _sky(r, (110, 190, 240), (250, 236, 200))
    x, y, s = r.uniform(30, 226), r.uniform(28, 52), r.uniform(16, 25)
    d.ellipse([x - s, y - s, x + s, y + s], fill=(255, 236, 130))
    _hill(d, r.uniform(136, 156), 14, r, _near((236, 190, 120), r))
    _hill(d, r.uniform(172, 188), 9, r, _near((222, 164, 92), r))
    return im


def _mountain(r: random.Random) -> Image.Image:
    im, d = _sky(r, (196, 216, 226), (244, 240, 228))
    x, y, s = r.uniform(50, 206), r.uniform(30, 60), r.uniform(14, 22)
    d.ellipse([x - s, y - s, x + s, y + s], fill=(240, 128, 104))
    for base, c, top in ((150, (158, 184, 196), 64), (178, (112, 150, 164), 44), (206, (74, 116, 122), 30)):
        peaks: list[tuple[float, float]] = []
        px = -30.0
        while px < N + 40:
            peaks += [(px, base + r.uniform(-6, 6)), (px + r.uniform(18, 30), base - r.uniform(0.4, 1) * top)]
            px += r.uniform(44, 70)
        d.polygon([(-30, N), *peaks, (N + 60, N)], fill=_near(c, r, 8))
    _hill(d, r.uniform(206, 220), 5, r, _near((96, 134, 104), r))
    return im


def _lake(r: random.Random) -> Image.Image:
    im, d = _sky(r, (140, 200, 244), (230, 242, 250))
    _hill(d, 120, r.uniform(8, 20), r, _near((120, 170, 150), r), r.uniform(1.2, 2))
    d.rectangle([0, 136, N, N], fill=_near((96, 170, 206), r))
    for _ in range(r.randint(10, 18)):
        x, y, w = r.uniform(0, N), r.uniform(144, 250), r.uniform(14, 46)
        d.line([x, y, x + w, y], fill=(178, 220, 238), width=3)
    for _ in range(r.randint(1, 4)):
        x, y = r.choice([r.uniform(6, 60), r.uniform(196, 250)]), r.uniform(200, 246)
        d.ellipse([x - 18, y - 6, x + 18, y + 6], fill=_near((90, 170, 100), r))
    return im


def _bamboo(r: random.Random) -> Image.Image:
    im, d = _sky(r, (214, 240, 196), (170, 216, 150))
    for c, n, w in (((150, 200, 130), 8, 9), ((92, 160, 84), 6, 13)):
        for i in range(n):
            x, tilt, cc = (i + r.uniform(0.1, 0.9)) * N / n, r.uniform(-10, 10), _near(c, r)
            d.line([x, -5, x + tilt, 230], fill=cc, width=w)
            for k in range(5):
                y = 20 + k * 46 + r.uniform(-8, 8)
                d.line(
                    [x - w / 2 - 1 + tilt * y / 230, y, x + w / 2 + 1 + tilt * y / 230, y],
                    fill=(222, 240, 196),
                    width=3,
                )
    for _ in range(18):
        x, y, s = r.uniform(0, N), r.uniform(-5, 80), r.choice([-1, 1])
        d.polygon(
            [(x, y), (x + 12 * s, y + 4), (x + 30 * s, y + 18), (x + 10 * s, y + 12)], fill=_near((76, 148, 70), r)
        )
    _hill(d, r.uniform(196, 212), 4, r, _near((122, 158, 84), r))
    return im


def _rain(r: random.Random) -> Image.Image:
    im, d = _sky(r, (112, 128, 150), (182, 194, 206))
    for _ in range(r.randint(3, 5)):
        _cloud(d, r.uniform(0, N), r.uniform(6, 46), r.uniform(22, 34), _near((150, 160, 178), r))
    _hill(d, r.uniform(184, 198), 5, r, _near((92, 112, 116), r))
    lean = r.uniform(-8, 8)
    for _ in range(46):
        x, y, h = r.uniform(-10, N + 10), r.uniform(30, 240), r.uniform(12, 22)
        d.line([x, y, x + lean, y + h], fill=(206, 226, 244), width=2)
    for _ in range(4):
        x, y = r.uniform(10, 246), r.uniform(210, 250)
        d.ellipse([x - 20, y - 5, x + 20, y + 5], outline=(170, 192, 206), width=2)
    return im


DRAW: dict[str, Callable[[random.Random], Image.Image]] = {
    "grass": _grass,
    "sky": _clouds,
    "night": _night,
    "sunset": _sunset,
    "beach": _beach,
    "sea": _sea,
    "snow": _snow,
    "forest": _forest,
    "space": _space,
    "city": _city,
    "room": _room,
    "desert": _desert,
    "mountain": _mountain,
    "lake": _lake,
    "bamboo_forest": _bamboo,
    "rain": _rain,
}
assert tuple(DRAW) == SCENE_KEYS


class Backgrounds:
    """Draws backgrounds at ``size`` pixels, keeping up to ``variants`` drawings of each scene."""

    def __init__(self, size: int = 128, variants: int = 96) -> None:
        self.size, self.variants = size, variants
        self._kept: dict[tuple[str, int], Image.Image] = {}

    def scene(self, key: str, r: random.Random) -> Image.Image:
        """A scene: one of the kept drawings, mirrored or not, cropped a little."""
        slot = (key, r.randrange(self.variants))
        image = self._kept.get(slot)
        if image is None:
            big = round(self.size * 1.12)
            drawing = DRAW[key](random.Random(f"{key}:{slot[1]}"))
            image = self._kept[slot] = drawing.resize((big, big), Image.Resampling.LANCZOS)
        slack = image.width - self.size
        x, y = r.randint(0, slack), r.randint(slack // 2, slack)
        crop = image.crop((x, y, x + self.size, y + self.size))
        return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if r.random() < 0.5 else crop

    def draw(self, background: tuple[str, str | int], r: random.Random) -> Image.Image:
        """``("none", i)`` pastel, ``("plain", i)`` colour, ``("scene", key)``: an RGB image."""
        kind, value = background
        if kind == "scene":
            return self.scene(str(value), r)
        return plain(PASTELS[int(value)] if kind == "none" else COLOURS[int(value)].rgb, self.size, r)

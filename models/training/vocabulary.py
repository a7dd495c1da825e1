"""Everything the model can be asked for, by name: subjects, colours, scenes, styles, times of day.

A plain-data module (no images, no torch). The subject list is the hand-written ``subjects.txt``:
``emoji|english names|chinese names|category``, the first name of each language being the usual one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Subject:
    """One thing that can be drawn: ``key`` is its stable name in stored data."""

    key: str
    emoji: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    category: str


@lru_cache(maxsize=4)
def read_subjects(path: Path = HERE / "subjects.txt") -> tuple[Subject, ...]:
    """Read the subject list. Raises ``ValueError`` for a malformed or repeated line."""
    out: list[Subject] = []
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split("|")
        if len(parts) != 4:
            raise ValueError(f"{path.name}:{number}: expected 4 fields, found {len(parts)}")
        emoji, en, zh, category = (p.strip() for p in parts)
        names_en, names_zh = tuple(en.split(",")), tuple(zh.split(","))
        key = names_en[0].replace(" ", "_")
        if key in seen:
            raise ValueError(f"{path.name}:{number}: {key} is listed twice")
        seen.add(key)
        out.append(Subject(key, emoji, names_en, names_zh, category))
    return tuple(out)


@dataclass(frozen=True)
class Colour:
    """A colour word with the plain background it paints (sRGB 0..255) and its hue in degrees (None: black, white)."""

    key: str
    zh: tuple[str, ...]
    rgb: tuple[int, int, int]
    hue: float | None


COLOURS = (
    Colour("red", ("红色", "红"), (238, 92, 88), 0),
    Colour("orange", ("橙色", "橙", "橘色"), (250, 160, 80), 26),
    Colour("yellow", ("黄色", "黄", "金黄色"), (252, 222, 100), 48),
    Colour("green", ("绿色", "绿"), (128, 206, 120), 125),
    Colour("blue", ("蓝色", "蓝"), (108, 178, 244), 212),
    Colour("purple", ("紫色", "紫"), (172, 132, 232), 272),
    Colour("pink", ("粉色", "粉", "粉红色"), (252, 170, 200), 335),
    Colour("black", ("黑色", "黑"), (44, 44, 54), None),
    Colour("white", ("白色", "白"), (250, 250, 250), None),
)
COLOUR_KEYS = tuple(c.key for c in COLOURS)


@dataclass(frozen=True)
class Scene:
    """A drawn background. ``floats``: things hover (no ground); ``timed``: it has a dusk and a night version."""

    key: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    noun_en: str
    noun_zh: str
    floats: bool = False
    timed: bool = False


SCENES = (
    Scene(
        "grass",
        ("on the grass", "in a meadow", "on a lawn", "in a field"),
        ("在草地上", "在草原上", "在草坪上", "在田野里"),
        "a meadow",
        "草地",
        timed=True,
    ),
    Scene(
        "sky",
        ("in the sky", "in a blue sky with clouds", "among the clouds", "in the air"),
        ("在天空中", "在蓝天白云里", "在云端", "在天上"),
        "a blue sky",
        "蓝天",
        floats=True,
    ),
    Scene(
        "night",
        ("at night", "under the stars", "under a night sky", "in the moonlight"),
        ("在夜晚", "在星空下", "在夜空下", "在月光下"),
        "a night sky",
        "夜空",
    ),
    Scene(
        "sunset",
        ("at sunset", "at dusk", "in the evening glow"),
        ("在夕阳下", "在日落时", "在黄昏", "在晚霞里"),
        "a sunset",
        "夕阳",
    ),
    Scene(
        "beach",
        ("on the beach", "by the sea", "at the seaside"),
        ("在沙滩上", "在海边", "在海滩上"),
        "a beach",
        "沙滩",
        timed=True,
    ),
    Scene(
        "sea",
        ("under the sea", "underwater", "in the ocean"),
        ("在海底", "在水下", "在海里", "在大海里"),
        "the sea floor",
        "海底",
        floats=True,
    ),
    Scene(
        "snow",
        ("in the snow", "on the snow", "in winter"),
        ("在雪地里", "在雪中", "在冬天的雪地上"),
        "a snowy field",
        "雪地",
        timed=True,
    ),
    Scene(
        "forest",
        ("in the forest", "in the woods", "among the trees"),
        ("在森林里", "在树林里", "在林间"),
        "a forest",
        "森林",
        timed=True,
    ),
    Scene(
        "space",
        ("in space", "in outer space", "among the stars of the universe"),
        ("在太空中", "在宇宙中", "在外太空"),
        "outer space",
        "太空",
        floats=True,
    ),
    Scene(
        "city",
        ("in the city", "on a street", "in front of tall buildings"),
        ("在城市里", "在街上", "在高楼前"),
        "a city",
        "城市",
        timed=True,
    ),
    Scene("room", ("in a room", "indoors", "at home"), ("在房间里", "在室内", "在家里"), "a room", "房间"),
    Scene("desert", ("in the desert", "on the sand dunes"), ("在沙漠里", "在沙丘上"), "a desert", "沙漠", timed=True),
    Scene(
        "mountain",
        ("in the mountains", "in front of misty mountains"),
        ("在山间", "在群山前", "在山水之间"),
        "misty mountains",
        "山水",
        timed=True,
    ),
    Scene(
        "lake",
        ("by a lake", "on a lake", "on the water"),
        ("在湖边", "在湖面上", "在水面上"),
        "a lake",
        "湖",
        timed=True,
    ),
    Scene("bamboo_forest", ("in a bamboo forest", "among bamboo"), ("在竹林里", "在竹林中"), "a bamboo forest", "竹林"),
    Scene("rain", ("in the rain", "on a rainy day"), ("在雨中", "在下雨天"), "the rain", "雨"),
)
SCENE_KEYS = tuple(s.key for s in SCENES)
TIMES = {
    "dusk": (("at sunset", "in the evening", "at dusk"), ("夕阳下的", "黄昏的", "傍晚的")),
    "night": (("at night", "in the dark night"), ("夜晚的", "夜里的", "深夜的")),
}

#: style key -> (words in English, words in Chinese). "3d" is also what an unnamed style means.
STYLES = {
    "3d": (("3d render", "3d style", "3d"), ("3D风格", "3D渲染", "立体风格")),
    "flat": (("flat style", "flat illustration", "flat design", "vector art"), ("扁平风格", "扁平插画", "矢量插画")),
    "cartoon": (("cartoon style", "cartoon", "comic style"), ("卡通风格", "卡通", "动漫风格")),
    "sketch": (("pencil sketch", "line drawing", "pencil drawing", "sketch"), ("铅笔素描", "线稿", "铅笔画", "素描")),
}
STYLE_KEYS = tuple(STYLES)

#: measure words by category; 个 always works.
MEASURES = {
    "animal": ("只", "只", "只", "个"),
    "plant": ("棵", "朵", "个"),
    "vehicle": ("辆", "艘", "个"),
    "food": ("个", "个", "份"),
    "place": ("座", "座", "个"),
    "character": ("个", "位", "个"),
    "face": ("个", "张"),
    "sky": ("个", "个"),
    "object": ("个", "个", "只", "把"),
}

#: words around the content. {s} is replaced by the caption.
FILLERS_EN = (
    "a photo of {s}",
    "a picture of {s}",
    "an image of {s}",
    "please draw me {s}",
    "i want a picture of {s}",
    "can you draw {s}?",
    "draw {s}",
    "there is {s}",
    "please paint {s}, thank you",
    "{s}, cute",
    "{s}, high quality, detailed",
    "masterpiece, best quality, {s}",
    "could you make {s} for me",
    "i would like to see {s}.",
    "{s}!",
    "show me {s}",
    "a beautiful {s}",
    "a very cute {s}",
    "{s}, 4k, hd",
    "here we can see {s}",
    "imagine {s}",
    "my friend likes {s}",
)
FILLERS_ZH = (
    "一张{s}的图",
    "请画{s}",
    "我想要一张{s}的图片",
    "帮我画{s}，谢谢",
    "画面上有{s}",
    "{s}的照片",
    "给我来一张{s}",
    "杰作，高质量，{s}",
    "请给我画一幅{s}吧",
    "画一张{s}",
    "{s}，可爱",
    "{s}，精致，细节丰富",
    "能不能画{s}？",
    "我想看{s}。",
    "生成一张{s}的图像",
    "有{s}",
    "可爱的{s}",
    "漂亮的{s}",
    "想象一下{s}",
    "我喜欢{s}",
)

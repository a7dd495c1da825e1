"""Everything the model can be asked for, by name: subjects, colours, scenes, styles, times of day.

A plain-data module (no images, no torch). The subject list is the hand-written ``subjects.txt``:
``emoji|english names|chinese names|category``, the first name of each language being the usual one.
"""

from __future__ import annotations

import zlib
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


#: subjects that the first trial model already knew; they lead the curriculum.
KNOWN = tuple(
    """cat dog rabbit fox bear panda tiger lion pig frog monkey chicken penguin owl unicorn bee butterfly turtle
    octopus crab fish whale elephant duck apple pear lemon banana watermelon strawberry cherries carrot mushroom
    hamburger pizza donut ice_cream cake rose sunflower tulip cactus pine_tree palm_tree sun moon star rainbow cloud
    snowman car bus airplane rocket ufo sailboat balloon house castle gift pumpkin crown umbrella robot ghost heart
    smiley""".split()
)

#: the second tier: camp motifs, figures and favourites. Everything else is the third.
SECOND = tuple(
    """lantern pagoda dragon fan cherry_blossom lotus bamboo swan teapot kite fireworks full_moon torii moon_cake vase
    sword dragon_head temple peacock koala cow chick dolphin giraffe dinosaur parrot deer bird horse girl boy princess
    wizard astronaut fairy mermaid baby snail ladybug jellyfish tangerine grapes peach pineapple tomato avocado bread
    cheese fries cookie birthday_cake cupcake coffee tea bubble_tea noodles lollipop daisy tree maple_leaf bouquet
    fire earth planet snowflake mountain volcano wave island train taxi fire_truck helicopter bicycle ship tent
    christmas_tree diamond top_hat dress camera television light_bulb candle books guitar drum bell teddy_bear alien
    santa soccer_ball basketball key backpack glasses cool_face piano popcorn seal llama""".split()
)

#: what a run of hours on CPUs adds to the first tier: motifs of the camp whose outlines can be told apart.
CAMP = tuple(
    """lantern pagoda dragon fan cherry_blossom lotus bamboo full_moon moon_cake teapot kite swan peacock girl""".split()
)

TIERS = ("known", "camp", "second", "all")


def of_tiers(tiers: str) -> frozenset[str] | None:
    """The subjects that ``tiers`` names: ``known``, ``camp`` (known and the camp's motifs), ``second`` (both first tiers),
    ``all`` (None: no limit)."""
    if tiers not in TIERS:
        raise ValueError(f"tiers must be one of {', '.join(TIERS)}, got {tiers!r}")
    more = {"known": (), "camp": CAMP, "second": SECOND}
    return None if tiers == "all" else frozenset((*KNOWN, *more[tiers]))


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


#: index of the known subjects in the trial's list: its hold-out rule must go on for them, because weights that are
#: trained on from the trial have seen every other combination.
TRIAL_INDEX = {
    "cat": 0,
    "dog": 1,
    "rabbit": 3,
    "fox": 4,
    "bear": 5,
    "panda": 6,
    "tiger": 8,
    "lion": 9,
    "pig": 11,
    "frog": 12,
    "monkey": 13,
    "chicken": 14,
    "penguin": 15,
    "owl": 17,
    "unicorn": 18,
    "bee": 19,
    "butterfly": 20,
    "turtle": 23,
    "octopus": 24,
    "crab": 25,
    "fish": 26,
    "whale": 28,
    "elephant": 29,
    "duck": 32,
    "apple": 35,
    "pear": 36,
    "lemon": 38,
    "banana": 39,
    "watermelon": 40,
    "strawberry": 42,
    "cherries": 43,
    "carrot": 48,
    "mushroom": 49,
    "hamburger": 52,
    "pizza": 54,
    "donut": 55,
    "ice_cream": 57,
    "cake": 58,
    "rose": 63,
    "sunflower": 64,
    "tulip": 65,
    "cactus": 67,
    "pine_tree": 68,
    "palm_tree": 70,
    "sun": 72,
    "moon": 73,
    "star": 74,
    "rainbow": 75,
    "cloud": 76,
    "snowman": 78,
    "car": 81,
    "bus": 83,
    "airplane": 86,
    "rocket": 88,
    "ufo": 89,
    "sailboat": 90,
    "balloon": 91,
    "house": 92,
    "castle": 93,
    "gift": 97,
    "pumpkin": 99,
    "crown": 100,
    "umbrella": 102,
    "robot": 109,
    "ghost": 110,
    "heart": 113,
    "smiley": 114,
}


def _number(key: str) -> int:
    return TRIAL_INDEX[key] if key in TRIAL_INDEX else zlib.crc32(key.encode())


def held_colour(subject: str, colour: int) -> bool:
    """True for the 1 in 11 (subject, colour) combinations that are never trained."""
    return (_number(subject) * 7 + colour * 3) % 11 == 0


def held_scene(subject: str, scene: str) -> bool:
    """True for the 1 in 13 (subject, scene) combinations that are never trained."""
    return (_number(subject) * 3 + SCENE_KEYS.index(scene) * 5) % 13 == 0


def held_pair(left: str, right: str) -> bool:
    """True for the 1 in 6 ordered (left, right) subject pairs that are never trained."""
    return (_number(left) * 31 + _number(right) * 17) % 6 == 0

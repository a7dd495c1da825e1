"""Which subjects a run is about, tier by tier, and which combinations it never sees."""

from __future__ import annotations

import zlib

from .vocabulary import SCENE_KEYS

#: subjects that the first trial model already knew; they lead the curriculum.
KNOWN = tuple(
    """cat dog rabbit fox bear panda tiger lion pig frog monkey chicken penguin owl unicorn bee butterfly turtle
    octopus crab fish whale elephant duck apple pear lemon banana watermelon strawberry cherries carrot mushroom
    hamburger pizza donut ice_cream cake rose sunflower tulip cactus pine_tree palm_tree sun moon star rainbow cloud
    snowman car bus airplane rocket ufo sailboat balloon house castle gift pumpkin crown umbrella robot ghost heart
    smiley""".split()
)

#: the second tier: camp motifs, figures and favourites.
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

#: the third tier: what the first two left out and can be told by its outline at 128 pixels.
THIRD = tuple(
    """mouse hamster wolf shark zebra sheep squirrel hedgehog snake mango kiwi eggplant corn broccoli croissant hot_dog
    sushi dumpling chocolate beer wine clover seedling lightning water_drop ambulance police_car tractor truck tower
    trophy t-shirt sneaker handbag watch phone pencil scissors lock hammer violin trumpet clown skull angry_face
    heart_eyes_face sleeping_face alarm_clock magnet chair red_envelope egg chili palette flamingo camel bat raccoon
    lobster shell hatching_chick rooster blueberries cucumber rice_ball dango honey milk candy pudding pancakes
    hibiscus potted_plant mount_fuji kimono crystal_ball shield ribbon boot coin gamepad dice target medal box bucket
    circus_tent racing_car ninja devil""".split()
)

TIERS = ("known", "camp", "second", "third", "all")


def of_tiers(tiers: str) -> frozenset[str] | None:
    """The subjects that ``tiers`` names: ``known``, ``camp`` (known and the camp's motifs), ``second`` (the two first tiers),
    ``third`` (these and the third: 258), ``all`` (None: no limit)."""
    if tiers not in TIERS:
        raise ValueError(f"tiers must be one of {', '.join(TIERS)}, got {tiers!r}")
    more = {"known": (), "camp": CAMP, "second": SECOND, "third": (*SECOND, *THIRD)}
    return None if tiers == "all" else frozenset((*KNOWN, *more[tiers]))


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

"""Captions of a spec in Chinese or English: synonyms, word order, filler words, mixed language, left-out attributes.

A caption is drawn anew each time a picture is used, so a picture is seen with many descriptions. Each attribute is
left out now and then, so that words have independent effects (negative prompts need that).
"""

from __future__ import annotations

import random

from .compose import SCENE_BY_KEY, Spec
from .vocabulary import COLOURS, FILLERS_EN, FILLERS_ZH, MEASURES, STYLES, TIMES, Subject, read_subjects

SUBJECTS: dict[str, Subject] = {s.key: s for s in read_subjects()}
DROP = 0.10
MIX = 0.03


def plural(noun: str) -> str:
    """The English plural of a name (``fox`` -> ``foxes``); names that are plural already stay."""
    if noun.endswith("s") and not noun.endswith(("ss", "us")):
        return noun
    if noun in ("fish", "sheep", "deer", "sushi", "rice", "bread"):
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("wolf", "leaf")):
        return noun[:-1] + "ves"
    return noun + "s"


def _article(words: str) -> str:
    vowel = words[0] in "aeiou" and not words.startswith(("uni", "ufo"))
    return f"an {words}" if vowel else f"a {words}"


def name_of(key: str, zh: bool, r: random.Random) -> str:
    """One of a subject's names, mostly the usual one; now and then in the other language."""
    subject = SUBJECTS[key]
    names = subject.zh if zh != (r.random() < MIX) else subject.en
    return names[0] if r.random() < 0.65 else r.choice(names)


def _colour(index: int, zh: bool, r: random.Random) -> str:
    c = COLOURS[index]
    return r.choice((c.zh[0], c.zh[0], *c.zh)) if zh != (r.random() < MIX) else c.key


def _thing_en(o: dict, size: str, r: random.Random, article: bool = True) -> str:
    words = []
    if size and r.random() > DROP:
        words.append(r.choice(("big", "large", "huge") if size == "l" else ("small", "tiny", "little")))
    if o["c"] >= 0 and r.random() > DROP:
        words.append(_colour(o["c"], False, r))
    words.append(name_of(o["s"], False, r))
    text = " ".join(words)
    return _article(text) if article and r.random() < 0.8 else text


def _thing_zh(o: dict, size: str, r: random.Random, number: str = "一", force: bool = False) -> str:
    measure = r.choice(MEASURES[SUBJECTS[o["s"]].category])
    text = number + measure if force or r.random() < 0.6 else ""
    if size and r.random() > DROP:
        text += r.choice(("大", "巨大的", "很大的", "大大的") if size == "l" else ("小", "小小的", "很小的", "迷你的"))
    if o["c"] >= 0 and r.random() > DROP:
        text += _colour(o["c"], True, r) + r.choice(("的", "的", ""))
    return text + name_of(o["s"], True, r)


def english(spec: Spec, r: random.Random) -> str:
    """An English caption."""
    objects, kind = spec["objects"], spec["kind"]
    place = ""
    if kind == "empty":
        core = SCENE_BY_KEY[spec["bg"][1]].noun_en
    elif kind == "one":
        core = _thing_en(objects[0], spec["size"] if spec["size"] != "m" else "", r)
        if spec["pos"] != "c" and r.random() > DROP:
            side = "left" if spec["pos"] == "l" else "right"
            place = r.choice((f" on the {side}", f" on the {side} side", f" at the {side}"))
    elif kind == "pair":
        a, b = (_thing_en(o, "", r) for o in objects)
        core = r.choice(
            (
                f"{a} and {b}",
                f"{a} and {b}",
                f"{a} with {b}",
                f"{a} next to {b}",
                f"{a}, {b}",
                f"{a} on the left and {b} on the right",
                f"{b} to the right of {a}",
                f"{a} on the left, {b} on the right",
                f"left {a}, right {b}",
            )
        )
    else:
        n = spec["n"]
        words = _thing_en(objects[0], "", r, article=False).split(" ")
        words[-1] = plural(words[-1]) if r.random() < 0.85 else words[-1]
        core = r.choice(("two", "2", "a pair of", "two") if n == 2 else ("three", "3", "three")) + " " + " ".join(words)
    background = _background_en(spec, r)
    text = core + (place + background if r.random() < 0.6 else background + place)
    if background.startswith(" ") and r.random() < 0.12 and kind != "empty":
        text = background.strip() + ", " + core + place
    style = _style(spec, False, r)
    if style:
        u = r.random()
        text = (
            f"{text}, {style}"
            if u < 0.65
            else f"{style}, {text}"
            if u < 0.85 or spec["style"] != "sketch"
            else f"{style} of {text}"
        )
    return _wrap(text, FILLERS_EN, r)


def _background_en(spec: Spec, r: random.Random) -> str:
    kind, value = spec["bg"]
    if kind == "none" or r.random() < DROP * 0.6:
        return ""
    if kind == "plain":
        c = _colour(value, False, r)
        return r.choice(
            (f" on a {c} background", f", {c} background", f" with a {c} background", f" in front of a {c} background")
        )
    scene = SCENE_BY_KEY[value]
    where = "" if spec["kind"] == "empty" else " " + r.choice((scene.en[0], *scene.en))
    time = " " + r.choice(TIMES[spec["time"]][0]) if spec["time"] and r.random() > DROP else ""
    return where + time


def chinese(spec: Spec, r: random.Random) -> str:
    """A Chinese caption."""
    objects, kind = spec["objects"], spec["kind"]
    place = ""
    if kind == "empty":
        core = SCENE_BY_KEY[spec["bg"][1]].noun_zh
    elif kind == "one":
        core = _thing_zh(objects[0], spec["size"] if spec["size"] != "m" else "", r)
        if spec["pos"] != "c" and r.random() > DROP:
            place = r.choice(
                ("在左边", "在画面左侧", "位于左侧") if spec["pos"] == "l" else ("在右边", "在画面右侧", "位于右侧")
            )
    elif kind == "pair":
        a, b = (_thing_zh(o, "", r) for o in objects)
        core = r.choice(
            (
                f"{a}和{b}",
                f"{a}和{b}",
                f"{a}与{b}",
                f"{a}跟{b}",
                f"{a}，{b}",
                f"左边是{a}，右边是{b}",
                f"左边{a}右边{b}",
                f"{a}在左，{b}在右",
                f"{a}的右边是{b}",
            )
        )
    else:
        number = r.choice(("两", "两", "2", "二")) if spec["n"] == 2 else r.choice(("三", "三", "3"))
        core = _thing_zh(objects[0], "", r, number, force=True)
    kind_bg, value = spec["bg"]
    text = core + place
    if kind_bg == "plain" and r.random() > DROP * 0.6:
        c = _colour(value, True, r)
        c = c if c.endswith("色") or c.isascii() else c + "色"
        text = r.choice(
            (f"{text}，{c}背景", f"{text}，{c}的背景", f"{c}背景上的{text}", f"{c}背景，{text}", f"{text}，背景是{c}")
        )
    elif kind_bg == "scene" and r.random() > DROP * 0.6:
        scene = SCENE_BY_KEY[value]
        time = r.choice(TIMES[spec["time"]][1]) if spec["time"] and r.random() > DROP else ""
        if kind == "empty":
            text = time + core
        else:
            where = r.choice((scene.zh[0], *scene.zh))
            where = where[0] + time + where[1:]
            text = r.choice(
                (text + where, f"{text}，{where}", f"{where[1:]}的{text}", f"{where}，{text}", f"{where}有{text}")
            )
    style = _style(spec, True, r)
    if style:
        text = r.choice((f"{text}，{style}", f"{text}，{style}", f"{style}，{text}", f"{style}的{text}"))
    return _wrap(text, FILLERS_ZH, r)


def _style(spec: Spec, zh: bool, r: random.Random) -> str:
    key = spec["style"]
    if r.random() < (0.62 if key == "3d" else 0.03):  # 3D is what an unnamed style means
        return ""
    zh = zh != (r.random() < MIX)
    return r.choice(STYLES[key][1] if zh else STYLES[key][0])


def _wrap(text: str, fillers: tuple[str, ...], r: random.Random) -> str:
    u = r.random()
    if u < 0.25:
        text = r.choice(fillers).format(s=text)
    elif u < 0.33:
        text += r.choice((".", "!", "。", "，", " ,", "~", "！"))
    text = text.replace(" a orange ", " an orange ").replace(" a a ", " a ").replace(" a an ", " an ")
    return text.removeprefix("a ") if text.startswith(("a a ", "a an ")) else text


def caption(spec: Spec, r: random.Random, language: str | None = None) -> str:
    """A caption in ``language`` ("zh", "en"), or in either one with equal chance."""
    zh = r.random() < 0.5 if language is None else language == "zh"
    return chinese(spec, r) if zh else english(spec, r)

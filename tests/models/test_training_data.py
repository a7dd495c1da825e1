"""Subjects, specs, pictures and captions keep their promises."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from models.training import captions, compose  # noqa: E402
from models.training import tokenizer as tokenizers  # noqa: E402
from models.training.config import Config  # noqa: E402
from models.training.effects import pencil, recolour  # noqa: E402
from models.training.tiers import KNOWN, SECOND, held_colour, held_pair, held_scene, of_tiers  # noqa: E402
from models.training.vocabulary import COLOURS, read_subjects  # noqa: E402


def test_subjects_are_many_and_tiers_exist() -> None:
    keys = {s.key for s in read_subjects()}
    assert len(keys) >= 250
    assert set(KNOWN) <= keys and set(SECOND) <= keys
    for motif in ("lantern", "pagoda", "fan", "dragon", "cherry_blossom", "full_moon", "swan", "teapot", "bamboo"):
        assert motif in keys


def test_specs_never_hold_what_is_held_out() -> None:
    r, curriculum = random.Random(0), compose.Curriculum([s.key for s in read_subjects()])
    for _ in range(1500):
        s = compose.random_spec(r, curriculum)
        o = s["objects"]
        assert not any(held_colour(x["s"], x["c"]) for x in o if x["c"] >= 0)
        if s["bg"][0] == "scene":
            assert not any(held_scene(x["s"], s["bg"][1]) for x in o)
        if s["kind"] == "pair":
            assert not held_pair(o[0]["s"], o[1]["s"])
        assert json.loads(json.dumps(s)) == s


def test_curriculum_leads_with_the_second_tier_and_the_rest_catches_up() -> None:
    names = [s.key for s in read_subjects()]
    start, end = compose.Curriculum(names, 0.0), compose.Curriculum(names, 1.0)
    weight, later = (dict(zip(c.names, c.weights, strict=True)) for c in (start, end))
    assert weight["lantern"] > weight["cat"] > weight["hammer"] > 0
    assert later["hammer"] > weight["hammer"] and min(later.values()) > 0.6


def test_things_lie_on_whole_latent_cells() -> None:
    r, curriculum = random.Random(5), compose.Curriculum([s.key for s in read_subjects()])
    places = set()
    for _ in range(300):
        for o in compose.random_spec(r, curriculum)["objects"]:
            for cells in (o["h"] * 16, (o["x"] - o["h"] / 2) * 16, o["y"] * 16):
                assert cells == pytest.approx(round(cells), abs=0.01)
            places.add((o["h"], o["x"], o["y"]))
    assert len(places) > 60  # and a seed still matters


def test_render_depends_on_the_seed_and_is_repeatable(mini: Config) -> None:
    a, b = compose.Composer(mini.data, 64), compose.Composer(mini.data, 64)
    r, curriculum = random.Random(3), compose.Curriculum(a.subjects)
    for _ in range(40):
        s = compose.random_spec(r, curriculum)
        image = a.render(s)
        assert image.size == (64, 64) and image.mode == "RGB"
        assert np.array_equal(np.asarray(image), np.asarray(b.render(s)))
    scene = compose.random_spec(r, curriculum, kind="empty")
    other = scene | {"seed": scene["seed"] + 1}
    assert not np.array_equal(np.asarray(a.render(scene)), np.asarray(a.render(other)))


def test_recolour_gives_the_hue_and_keeps_alpha() -> None:
    sprite = np.zeros((8, 8, 4), np.uint8)
    sprite[..., 0], sprite[..., 1], sprite[..., 2], sprite[..., 3] = 220, 60, 40, 200
    for i, c in enumerate(COLOURS):
        out = recolour(sprite, i)
        assert (out[..., 3] == 200).all()
        if c.key == "blue":
            assert out[0, 0, 2] > out[0, 0, 0] + 60
        if c.key == "black":
            assert out[0, 0, :3].max() < 110


def test_pencil_is_nearly_grey_and_has_dark_lines() -> None:
    from PIL import Image, ImageDraw

    im = Image.new("RGB", (128, 128), (200, 220, 255))
    ImageDraw.Draw(im).ellipse([30, 30, 98, 98], fill=(200, 40, 40))
    a = np.asarray(pencil(im)).astype(int)
    assert np.abs(a[..., 0] - a[..., 2]).max() < 16
    assert a.min() < 90 and np.median(a) > 180


def test_captions_name_the_subject_in_both_languages() -> None:
    r, curriculum = random.Random(1), compose.Curriculum([s.key for s in read_subjects()])
    for _ in range(300):
        s = compose.random_spec(r, curriculum, kind="one")
        subject = captions.SUBJECTS[s["objects"][0]["s"]]
        names = [n.lower() for n in (*subject.en, *subject.zh)]
        for language in ("zh", "en"):
            text = captions.caption(s, r, language)
            assert any(n in text.lower() for n in names), (text, names)
            assert " a orange" not in text and "  " not in text


def test_tokenizer_knows_every_name_in_one_piece_and_every_caption() -> None:
    tok = tokenizers.build()
    assert tok.eos_token_id == 3 and tok.model_max_length == 77
    for s in read_subjects():
        for name in s.zh:
            assert len(tok(name).input_ids) == 3 or not name.isalpha() or any(c.isascii() for c in name), name
        for name in s.en:
            assert tok.unk_token_id not in tok(name).input_ids
    assert tok.convert_ids_to_tokens(tok("雪地里的企鹅").input_ids)[1:-1] == ["雪地里", "的", "企鹅"]
    r, curriculum = random.Random(2), compose.Curriculum([s.key for s in read_subjects()])
    for _ in range(300):
        ids = tok(captions.caption(compose.random_spec(r, curriculum), r)).input_ids
        assert tok.unk_token_id not in ids and len(ids) <= 32


def test_the_camp_tier_adds_motifs_that_come_more_often_than_what_is_known() -> None:
    names = [s.key for s in read_subjects()]
    assert set(KNOWN) < of_tiers("camp") < of_tiers("second")
    curriculum = compose.of_run("camp", names)
    assert set(curriculum.names) == of_tiers("camp")
    weight = dict(zip(curriculum.names, curriculum.weights, strict=True))
    assert weight["lantern"] > weight["cat"] > 0


def test_the_third_tier_has_over_250_subjects_and_leads() -> None:
    curriculum = compose.of_run("third", [s.key for s in read_subjects()])
    assert of_tiers("second") < of_tiers("third") == set(curriculum.names) and len(curriculum.names) >= 250
    weight = dict(zip(curriculum.names, curriculum.weights, strict=True))
    assert weight["mouse"] > weight["cat"] == weight["lantern"] > 0


def test_coarse_things_move_by_two_cells_from_their_places() -> None:
    r, curriculum = random.Random(5), compose.of_run("camp", [s.key for s in read_subjects()])
    seen = set()
    for s in compose.draw_specs(r, curriculum, 600, "coarse"):
        if s["kind"] == "one" and s["size"] == "m" and s["pos"] == "c":
            o = s["objects"][0]
            seen.add((round(o["x"] * 128) - 64, round(o["y"] * 128) in (116, 108)))
            assert o["h"] * 128 == pytest.approx(80, abs=0.01)
    assert seen == {(x, still) for x in (-16, 0, 16) for still in (True, False)}


def test_words_that_change_a_picture_come_often_in_coarse_places() -> None:
    curriculum = compose.of_run("second", [s.key for s in read_subjects()])
    specs = {p: compose.draw_specs(random.Random(6), curriculum, 1000, p) for p in ("coarse", "free")}
    pencil = {p: sum(s["style"] == "sketch" for s in specs[p]) / 1000 for p in specs}
    assert pencil["coarse"] == pytest.approx(0.18, abs=0.04)
    assert pencil["free"] == pytest.approx(0.07, abs=0.03)
    coloured = {p: [o["c"] >= 0 for s in specs[p] for o in s["objects"]] for p in specs}
    assert sum(coloured["coarse"]) / len(coloured["coarse"]) == pytest.approx(0.5, abs=0.05)
    assert sum(coloured["free"]) / len(coloured["free"]) == pytest.approx(0.28, abs=0.05)

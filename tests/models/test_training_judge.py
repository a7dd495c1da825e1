"""The judge, the evaluation and the strangers' sentences: what is asked, and what counts as an answer."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from training_mini import copy_of  # noqa: E402

from models.training import compose, pool, stage_diffusion  # noqa: E402
from models.training.config import Config  # noqa: E402
from models.training.tiers import KNOWN, SECOND  # noqa: E402
from models.training.vocabulary import COLOURS, STYLE_KEYS, read_subjects  # noqa: E402


def test_fretchet_distance_is_zero_for_the_same_and_grows() -> None:
    from models.training.evaluate import frechet

    g = torch.Generator().manual_seed(0)
    a = torch.randn(400, 8, generator=g)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet(a, a + 1) == pytest.approx(8, rel=1e-3)


def test_evaluation_asks_only_for_what_was_held_out() -> None:
    from models.training import evaluate

    names = [s.key for s in read_subjects()]
    index = {s: i for i, s in enumerate(names)}
    for kind, make in evaluate.KINDS.items():
        a = [make(r, names, index, "en") for r in [random.Random(4)] for _ in range(50)]
        b = [make(r, names, index, "zh") for r in [random.Random(4)] for _ in range(50)]
        assert [q.want for q in a] == [q.want for q in b], kind
    r, words = random.Random(4), ("cartoon", "comic")
    few, every = (
        [evaluate.single(r, names, index, "en", styles).text for _ in range(200)]
        for styles in (compose.COARSE_STYLES, STYLE_KEYS)
    )
    assert not any(w in text for text in few for w in words) and any(w in text for text in every for w in words)
    q = evaluate.Question("", "en", {"left": 1, "right": 2})
    logits = {"left": torch.eye(4)[2], "right": torch.eye(4)[1]}
    assert evaluate.score(q, logits) == {"left_right": False, "both": True}


def test_an_orange_thing_that_looks_as_ever_is_orange() -> None:
    from models.training import evaluate
    from models.training.effects import main_colours
    from models.training.vocabulary import COLOUR_KEYS

    art = np.zeros((8, 8, 4), np.uint8)
    art[:, :5] = (250, 160, 80, 255)
    art[:, 5:7] = (20, 20, 20, 255)  # a quarter of what shows: not a main colour
    assert main_colours(art) == {COLOUR_KEYS.index("orange")}
    art[:, :4] = (20, 20, 20, 255)
    art[:, 4:7] = (250, 250, 250, 255)
    assert main_colours(art) == {COLOUR_KEYS.index("black"), COLOUR_KEYS.index("white")}
    own = {"colour": torch.eye(len(COLOURS) + 1)[len(COLOURS)]}
    for natural in (True, False):
        q = evaluate.Question("", "en", {"colour": 1}, natural)
        assert evaluate.score(q, own) == {"colour": False, "colour_or_own": natural}


def test_what_a_thing_looks_like_is_read_from_its_own_art(mini: Config) -> None:
    from models.training import evaluate
    from models.training.effects import main_colours

    composer = compose.Composer(mini.data, mini.size)
    names = composer.subjects
    asked = [
        evaluate.Question("", "en", {"subject": i, "colour": c}) for i in range(len(names)) for c in range(len(COLOURS))
    ]
    evaluate.mark_natural(asked, composer, names)
    for q in asked:
        art = composer.sprites[composer.index[names[q.want["subject"]]], 0]
        assert q.natural == (q.want["colour"] in main_colours(np.asarray(art)))
    assert {q.natural for q in asked} == {True, False}


def test_pictures_of_other_specs_are_not_taken_for_the_judges(mini: Config, tmp_path: Path) -> None:
    from models.training import classifier

    config = copy_of(mini, tmp_path, judge_pictures=4)
    composer = compose.Composer(config.data, config.size)
    first, _ = classifier.pictures(config, composer)
    other, specs = classifier.pictures(replace(config, seed=config.seed + 1), composer)
    assert len(other) == len(specs) == 4 and not np.array_equal(first, other)
    assert np.array_equal(classifier.pictures(config, composer)[0], first)


def test_judge_and_clip_run(mini: Config, tmp_path: Path) -> None:
    from models.training import classifier, stage_clip, strangers

    config = copy_of(mini, tmp_path, steps=1)
    classifier.train(config, steps=2, batch=4, quiet=True)
    _, own = classifier.load(config)
    assert set(own) == {p + k for k in classifier.HEADS for p in ("", "held_")} and all(
        0 <= v <= 1 for v in own.values()
    )
    stage_diffusion.train(config, quiet=True)
    stage_clip.train(config, steps=2, batch=4, quiet=True)
    assert set(stage_clip.retrieval(config, rounds=1)) == {"zh", "en"}
    shares = strangers.run(config, count=3)
    assert set(shares) == {"en"} and (config.logs / "strangers_0.webp").is_file()


def test_clip_never_learns_from_what_is_held_out(mini: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import classifier, stage_clip

    config = copy_of(mini, tmp_path, steps=1, judge_pictures=60)
    stage_diffusion.train(config, quiet=True)
    _, specs = classifier.pictures(config, compose.Composer(config.data, config.size))
    free = [s for s in specs if not compose.held_out(s)]
    assert 0 < len(free) < len(specs)
    told: list[compose.Spec] = []
    caption = stage_clip.caption
    monkeypatch.setattr(stage_clip, "caption", lambda spec, *rest: told.append(spec) or caption(spec, *rest))
    stage_clip.train(config, steps=1, batch=60, quiet=True)
    assert len(told) == len(free) and not any(compose.held_out(s) for s in told)


def test_the_judge_sees_pictures_varied_and_mirrored_with_what_is_said_of_them() -> None:
    from models.training import classifier

    x = torch.zeros(40, 3, 64, 64) - 0.5
    x[:, :, 20:44, 4:20] = 0.5  # something bright at the left
    told = {"left": 1, "right": 2, "colour": 3}
    pictures, truth = classifier.varied(x, [dict(told) for _ in range(40)], random.Random(1))
    assert pictures.shape == x.shape and len(truth) == 40
    at_left = pictures[..., :32].mean((1, 2, 3)) > pictures[..., 32:].mean((1, 2, 3))
    assert 8 < sum(at_left.tolist()) < 32
    for left, t in zip(at_left.tolist(), truth, strict=True):
        assert (t["left"], t["right"], t["colour"]) == ((1, 2, 3) if left else (2, 1, 3))
    places = (pictures > 0).float().sum((1, 2, 3))
    assert places.std() > 5, "zoomed"


def test_only_the_judge_sees_what_is_held_out() -> None:
    from models.training import classifier

    curriculum = compose.of_run("third", [s.key for s in read_subjects()])
    for places in ("free", "coarse"):
        never, ever = (
            [compose.held_out(s) for s in compose.draw_specs(random.Random(8), curriculum, 600, places, held=held)]
            for held in (False, True)
        )
        assert not any(never) and 40 < sum(ever) < 200
    spec = {"kind": "one", "style": "sketch", "objects": [{"s": "cat", "c": 3}], "bg": ["none", 0], "time": ""}
    assert classifier.labels(spec, {"cat": 0})["colour"] == -100, "a pencil drawing shows no colour"
    assert classifier.labels({**spec, "style": "3d"}, {"cat": 0})["colour"] == 3


def test_a_third_of_what_the_judge_learns_from_stays_sharp() -> None:
    from models.training import classifier

    x = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1  # nothing but fine detail
    torch.manual_seed(1)
    shares = []
    for seed in range(8):
        pictures, _ = classifier.varied(x, [{"left": 1, "right": 2} for _ in range(64)], random.Random(seed))
        same = [F.cosine_similarity(pictures.flatten(1), y.flatten(1)) for y in (x, x.flip(-1))]
        shares.append((torch.maximum(*same) > 0.95).float().mean().item())
    sharp = [share for share in shares if share]
    assert 2 <= len(sharp) < 8, "half of the batches are blurred as a whole"
    assert all(0.15 < share < 0.55 for share in sharp), shares


def test_strangers_ask_for_what_the_model_knows() -> None:
    from models.training.strangers import sentences

    asked = sentences()
    assert len(asked) == len({text for _, text in asked}) == 200
    assert sum(text.isascii() for _, text in asked) == 100
    assert {key for key, _ in asked} <= {*KNOWN, *SECOND}


def test_evaluation_asks_a_published_pipeline(mini: Config, tmp_path: Path) -> None:
    from models.training import classifier, evaluate
    from models.training.export import export

    config = copy_of(mini, tmp_path, steps=1)
    classifier.train(config, steps=2, batch=4, quiet=True)
    stage_diffusion.train(config, quiet=True)
    export(config, tmp_path / "published", "card")
    asked = [evaluate.Painter.trained(config), evaluate.Painter.published(tmp_path / "published")]
    a, b = (painter.paint(["a cat", "一只狗"], [1, 2], config.size // 8) for painter in asked)
    assert (a - b).abs().max() < 0.05  # float16 weights, the same schedule
    result = evaluate.evaluate(config, 12, model=tmp_path / "published", quiet=True)
    assert result["questions_per_kind_and_language"] == 12 and "samples" not in result
    assert (config.state / "evaluation_published.json").is_file()


def test_a_run_is_kept_to_its_tiers_and_places(mini: Config) -> None:
    from models.training import classifier

    composer = compose.Composer(mini.data, mini.size)
    few, every = (compose.of_run(t, composer.subjects).names for t in ("known", "all"))
    assert set(few) <= set(KNOWN) and set(few) < set(every) == set(composer.subjects)
    config = replace(mini, tiers="known", places="coarse", judge_pictures=40)
    for specs in (pool.shard_specs(config, 0, composer.subjects), classifier.pictures(config, composer)[1]):
        assert {o["s"] for s in specs for o in s["objects"]} <= set(few)
        assert not any(o["flip"] or o["rot"] for s in specs for o in s["objects"])

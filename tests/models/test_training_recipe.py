"""The training recipe on a miniature: every stage runs, a killed run goes on exactly, data keeps its promises."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from models.training import captions, compose, pool, schedule, stage_diffusion, stage_text, stage_vae  # noqa: E402
from models.training import tokenizer as tokenizers  # noqa: E402
from models.training.config import TINY, Config, UnetShape  # noqa: E402
from models.training.effects import pencil, recolour  # noqa: E402
from models.training.runtime import load_state, read_module, save_state  # noqa: E402
from models.training.vocabulary import (  # noqa: E402
    COLOURS,
    KNOWN,
    SECOND,
    STYLE_KEYS,
    held_colour,
    held_pair,
    held_scene,
    of_tiers,
    read_subjects,
)


def fake_sprites(folder: Path) -> None:
    """Coloured discs in place of the packed art: same files, same shapes."""
    subjects = [s.key for s in read_subjects()]
    y, x = np.mgrid[0:24, 0:24]
    disc = ((x - 12) ** 2 + (y - 12) ** 2 < 120).astype(np.uint8) * 255
    sprites = np.zeros((len(subjects), 3, 24, 24, 4), np.uint8)
    for i in range(len(subjects)):
        sprites[i, :, :, :, :3] = random.Random(i).choices(range(40, 230), k=3)
        sprites[i, :, :, :, 3] = disc
    folder.mkdir(parents=True)
    np.save(folder / "sprites.npy", sprites)
    (folder / "sprites.json").write_text(
        json.dumps({"size": 24, "art": ["3d", "flat", "cartoon"], "subjects": subjects})
    )


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A root folder on which the stages up to the pool have run."""
    torch.set_num_threads(1)
    config = replace(TINY, root=tmp_path_factory.mktemp("training"))
    fake_sprites(config.data)
    stage_vae.train(config, quiet=True)
    stage_text.train(config, quiet=True)
    pool.fill(config, config.shards, quiet=True)
    return config


def copy_of(config: Config, folder: Path, **changes: object) -> Config:
    """The same finished stages under another root."""
    shutil.copytree(config.root, folder / "t")
    return replace(config, root=folder / "t", **changes)


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


def test_schedule_is_sds_at_the_ends_and_shifted_between() -> None:
    s = schedule.sigmas()
    assert (np.diff(s) > 0).all() and s[-1] == pytest.approx(14.6) and s[0] == pytest.approx(0.02)
    assert s[300] == pytest.approx(0.29, abs=0.03) and s[900] == pytest.approx(2.9, abs=0.3)
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

    for cls in (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler):
        abar = cls(**schedule.scheduler_config()).alphas_cumprod.double().numpy()
        assert np.allclose(np.sqrt((1 - abar) / abar), s, rtol=2e-3)


def test_timesteps_cover_the_table_and_favour_where_shapes_are_decided() -> None:
    t = schedule.draw_timesteps(4000, generator=torch.Generator().manual_seed(0)).numpy()
    assert t.min() < 30 and t.max() > 970
    sigma = schedule.sigmas()[t]
    assert 0.8 < np.median(sigma) < 1.3 and np.mean(sigma > 2) > 0.22 and np.mean(sigma < 0.4) > 0.15


def test_time_embedding_is_refitted_to_the_old_answers() -> None:
    from models.training.networks import build_unet

    torch.manual_seed(0)
    unet = build_unet(replace(TINY.unet, channels=(32, 32)), 16, 4)
    old = torch.from_numpy(schedule.old_timestep(schedule.sigmas())).float()
    with torch.no_grad():
        target = unet.time_embedding(unet.time_proj(old))
    assert stage_diffusion.refit_time(unet, 300) < 0.35
    with torch.no_grad():
        now = unet.time_embedding(unet.time_proj(torch.arange(1000).float()))
    assert ((now - target) ** 2).mean() < 0.13 * target.var()


def test_vae_stage_leaves_whitened_latents(mini: Config) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(mini.state / "vae")
    x, _ = stage_vae.validation_set(compose.Composer(mini.data, mini.size), 64, 500)
    z = vae.encode(x).latent_dist.mean
    assert z.mean((0, 2, 3)).abs().max() < 0.4
    assert (z.std((0, 2, 3)) - 1).abs().max() < 0.4
    assert vae.config.scaling_factor == 1.0


def test_looks_are_read_from_the_state_that_shows_them(mini: Config) -> None:
    looks, index = stage_text.see(mini)
    assert len(looks) == len(index) == len(read_subjects()) * (4 + len(COLOURS))
    assert looks.mean(0).abs().max() < 1e-3
    heads = stage_text.Looks(looks.shape[1], looks, index)
    for head in heads.heads:
        torch.nn.init.eye_(head.weight)
        torch.nn.init.zeros_(head.bias)
    spec = compose.random_spec(random.Random(1), compose.Curriculum(["cat"]), kind="one")
    state = looks[[heads.row(spec, 0)]]
    assert heads.loss(state, [spec]).item() == pytest.approx(0, abs=1e-6)
    assert heads.loss(state + 1, [spec]) > 0.01
    empty = spec | {"objects": [], "kind": "empty"}
    assert heads.loss(state, [empty]) == 0


def test_sharpening_moves_the_decoder_and_never_the_latents(mini: Config, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    from models.training import stage_sharpen

    config = copy_of(mini, tmp_path)
    before = AutoencoderKL.from_pretrained(config.state / "vae")
    stage_sharpen.train(config, 2, quiet=True)
    stage_sharpen.train(config, 3, quiet=True)  # goes on from the state file
    after = AutoencoderKL.from_pretrained(config.state / "vae")
    assert pool.fingerprint(before) == pool.fingerprint(after)
    moved = [
        (a - b).abs().max().item() for a, b in zip(before.decoder.parameters(), after.decoder.parameters(), strict=True)
    ]
    assert max(moved) > 0
    assert "start at step 2" in (config.logs / "sharpen.log").read_text()


def test_pool_refuses_another_encoder(mini: Config, tmp_path: Path) -> None:
    config = copy_of(mini, tmp_path)
    assert pool.Pool(config.data / "pool").refresh() == config.shard * config.shards
    (config.data / "pool" / "pool.json").write_text(json.dumps({"encoder": "another", "size": 32}))
    with pytest.raises(ValueError, match="another encoder"):
        pool.fill(config, 1, quiet=True)


@pytest.mark.parametrize("other", [{"tiers": "known"}, {"places": "coarse"}])
def test_pool_refuses_other_tiers_or_places(mini: Config, tmp_path: Path, other: dict[str, str]) -> None:
    config = copy_of(mini, tmp_path)
    with pytest.raises(ValueError, match="other --tiers, --places"):
        pool.fill(replace(config, **other), config.shards)
    assert pool.Pool(config.data / "pool").refresh() == config.shard * config.shards


def test_pool_can_be_kept_to_some_subjects(mini: Config) -> None:
    everything = pool.Pool(mini.data / "pool")
    seen = {o["s"] for s in everything.draw(200, random.Random(0))[1] for o in s["objects"]}
    some = frozenset(sorted(seen)[::2])
    fewer = pool.Pool(mini.data / "pool", some)
    assert 0 < fewer.refresh() < everything.refresh()
    x, specs = fewer.draw(60, random.Random(0))
    assert {o["s"] for s in specs for o in s["objects"]} <= some and len(x) == 60
    with pytest.raises(FileNotFoundError):
        pool.Pool(mini.root / "nowhere")


def test_a_killed_run_goes_on_as_if_it_had_not_been(mini: Config, tmp_path: Path) -> None:
    whole = copy_of(mini, tmp_path / "a")
    stage_diffusion.train(whole, quiet=True)
    # the same run cut in two: all that survives is the state file
    stage_diffusion.train(first := copy_of(mini, tmp_path / "b", steps=2), quiet=True)
    stage_diffusion.train(replace(first, steps=4), quiet=True)
    for name in ("unet", "unet_ema", "text_ema"):
        a = read_module(whole.state / stage_diffusion.STATE, name)
        b = read_module(first.state / stage_diffusion.STATE, name)
        for k, v in a.items():
            assert torch.allclose(v, b[k], atol=1e-6), (name, k)
    assert "step 4/4" in (first.logs / "diffusion.log").read_text() or True in {
        "resumed after 4 samples" in line for line in (first.logs / "diffusion.log").read_text().splitlines()
    }


def test_two_workers_share_their_gradients(mini: Config, tmp_path: Path) -> None:
    config = copy_of(mini, tmp_path, workers=2, steps=2)
    stage_diffusion.train(config, quiet=True)
    fresh, _ = stage_diffusion.build(config, None)
    meta = load_state(config.state / stage_diffusion.STATE, fresh.modules())
    assert meta == meta | {"step": 2, "samples": 2 * config.batch * 2}


def test_state_files_are_whole_or_old(tmp_path: Path) -> None:
    net = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    path = tmp_path / "s.safetensors"
    save_state(path, {"net": net}, optimiser, {"step": 1})
    (tmp_path / "s.draft").write_bytes(b"killed while writing")
    other = torch.nn.Linear(3, 2)
    again = torch.optim.AdamW(other.parameters())
    assert load_state(path, {"net": other}, again) == {"step": 1}
    assert torch.equal(other.weight, net.weight)
    p, q = net.weight, other.weight
    assert torch.equal(optimiser.state[p]["exp_avg"], again.state[q]["exp_avg"])


def test_export_loads_as_a_plain_pipeline_and_paints(mini: Config, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from models.training.export import export

    config = copy_of(mini, tmp_path / "x", steps=1)
    stage_diffusion.train(config, quiet=True)
    out = tmp_path / "model"
    assert 0 < export(config, out, card="# card\n") < 36
    assert json.loads((out / "ra.json").read_text())["default_cfg"] == 4
    assert "TokenizersBackend" not in (out / "model_index.json").read_text()
    pipe = StableDiffusionPipeline.from_pretrained(out)
    pipe.set_progress_bar_config(disable=True)
    image = pipe("一只猫", num_inference_steps=2, height=32, width=32, generator=torch.manual_seed(0)).images[0]
    assert image.size == (32, 32)
    assert pipe.text_encoder.dtype == torch.float32


def test_a_lost_run_is_restored_from_what_it_published(mini: Config, tmp_path: Path) -> None:
    from models.training.export import export, restore

    config = copy_of(mini, tmp_path / "x", steps=2)
    stage_diffusion.train(config, quiet=True)
    out, state = tmp_path / "model", config.state / stage_diffusion.STATE
    export(config, out)
    mean = read_module(state, "unet_ema")
    with pytest.raises(FileExistsError, match="own state"):
        restore(config, out)
    for part in ("vae", "text_encoder", "tokenizer"):
        shutil.rmtree(config.state / part)
    state.unlink()
    assert restore(config, out) == 2 * config.batch
    assert all(torch.equal(v, mean[k].half().float()) for k, v in read_module(state, "unet").items())
    stage_diffusion.train(replace(config, steps=1), quiet=True)
    assert load_state(state, {})["samples"] == 3 * config.batch
    state.unlink()
    with pytest.raises(ValueError, match="another shape"):
        restore(replace(config, unet=UnetShape((16, 16, 16), 1, 2, 4)), out)
    settings = out / "scheduler" / "scheduler_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text("utf8")), "trained_betas": None}), "utf8")
    with pytest.raises(ValueError, match="another noise schedule"):
        restore(config, out)
    assert not state.exists()


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
    from models.training.vocabulary import COLOUR_KEYS, COLOURS

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
    from models.training.vocabulary import COLOURS

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
    assert set(own) == set(classifier.HEADS) and all(0 <= v <= 1 for v in own.values())
    stage_diffusion.train(config, quiet=True)
    stage_clip.train(config, steps=2, batch=4, quiet=True)
    assert set(stage_clip.retrieval(config, rounds=1)) == {"zh", "en"}
    shares = strangers.run(config, count=3)
    assert set(shares) == {"en"} and (config.logs / "strangers_0.webp").is_file()


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


def test_a_run_is_kept_to_its_tiers_and_places(mini: Config) -> None:
    from models.training import classifier

    composer = compose.Composer(mini.data, mini.size)
    few, every = (compose.of_run(t, composer.subjects).names for t in ("known", "all"))
    assert set(few) <= set(KNOWN) and set(few) < set(every) == set(composer.subjects)
    config = replace(mini, tiers="known", places="coarse", judge_pictures=40)
    for specs in (pool.shard_specs(config, 0, composer.subjects), classifier.pictures(config, composer)[1]):
        assert {o["s"] for s in specs for o in s["objects"]} <= set(few)
        assert not any(o["flip"] or o["rot"] for s in specs for o in s["objects"])


def test_the_camp_tier_adds_motifs_that_come_more_often_than_what_is_known() -> None:
    names = [s.key for s in read_subjects()]
    assert set(KNOWN) < of_tiers("camp") < of_tiers("second")
    curriculum = compose.of_run("camp", names)
    assert set(curriculum.names) == of_tiers("camp")
    weight = dict(zip(curriculum.names, curriculum.weights, strict=True))
    assert weight["lantern"] > weight["cat"] > 0


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
    assert sum(coloured["coarse"]) / len(coloured["coarse"]) == pytest.approx(0.42, abs=0.05)
    assert sum(coloured["free"]) / len(coloured["free"]) == pytest.approx(0.28, abs=0.05)


def test_strangers_ask_for_what_the_model_knows() -> None:
    from models.training.strangers import sentences
    from models.training.vocabulary import KNOWN, SECOND

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


def test_command_line_lists_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    from models.training.__main__ import configure, main, parser

    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for stage in (
        "data",
        "vae",
        "sharpen",
        "text",
        "clip",
        "diffusion",
        "judge",
        "x2",
        "evaluate",
        "strangers",
        "export",
        "restore",
    ):
        assert stage in out
    config = configure(parser().parse_args(["--preset", "tiny", "--workers", "2", "diffusion", "--steps", "9"]))
    assert (config.size, config.workers, config.steps) == (32, 2, 9)


def test_x2_runs_and_exports_what_spandrel_reads(mini: Config, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from models.training import stage_x2
    from ra_widgets._vendor import spandrel

    whole = copy_of(mini, tmp_path / "whole")
    stage_x2.train(whole, quiet=True)
    pairs = stage_x2.Pairs(whole, stage_x2.read_vae(whole))
    small, large = pairs.make(3)
    assert small.shape == (3, 32, 32) and large.shape == (3, 64, 64)
    again = stage_x2.Pairs(whole, stage_x2.read_vae(whole)).window(3)[-1]
    assert torch.equal(again[0], small) and torch.equal(again[1], large)
    numbers = stage_x2.export(whole, tmp_path / "ra-mini-x2")
    assert set(numbers) == {a + b for a in ("clean", "blurred", "vae") for b in ("", "_lanczos")}
    weights = load_file(tmp_path / "ra-mini-x2" / "ra-mini-x2.safetensors")
    model = spandrel().ModelLoader().load_from_state_dict({k: v.float() for k, v in weights.items()})
    assert (model.architecture.id, model.scale) == ("Compact", 2)
    net = stage_x2.Compact(8, 2)
    net.load_state_dict({k: v.float() for k, v in weights.items()})
    x = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(model(x), net(x).clamp(0, 1), atol=1e-5)


def test_x2_goes_on_exactly_after_a_kill(mini: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import stage_x2

    whole, cut = copy_of(mini, tmp_path / "whole"), copy_of(mini, tmp_path / "cut")
    stage_x2.train(whole, quiet=True)
    monkeypatch.setattr(stage_x2.Stop, "asked", property(lambda self: True, lambda self, value: None), raising=False)
    stage_x2.train(cut, quiet=True)
    assert load_state(cut.state / "x2.safetensors", {})["step"] == 1
    monkeypatch.undo()
    stage_x2.train(cut, quiet=True)
    a, b = (read_module(c.state / "x2.safetensors", "net") for c in (whole, cut))
    assert all(torch.equal(a[k], b[k]) for k in a)

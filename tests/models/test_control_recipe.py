"""The recipe of the control models on a miniature: known depth, pictures with maps, estimator and ControlNet, resumed exactly."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from training_mini import fake_sprites

from models.training import compose, control_data, stage_control, stage_depth
from models.training.config import TINY, Config
from models.training.depth import HORIZON, nearness
from models.training.runtime import load_state, read_module, to_tensor
from models.training.tiers import held_scene, of_tiers
from ra_widgets import paths
from ra_widgets.library.control import identify_control

MODEL = paths.embedded_model()


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A root folder with pictures of 64 pixels for the embedded model."""
    torch.set_num_threads(1)
    config = replace(TINY, root=tmp_path_factory.mktemp("training"), size=64)
    fake_sprites(config.data)
    control_data.fill(config, MODEL, 1, quiet=True)
    return config


def copy_of(config: Config, folder: Path, **changes: object) -> Config:
    shutil.copytree(config.root, folder / "t")
    return replace(config, root=folder / "t", **changes)


def spec(**changes: object) -> compose.Spec:
    one = {"s": "cat", "c": -1, "x": 0.5, "y": 0.9, "h": 0.5, "flip": False, "rot": 0.0}
    return {
        "style": "3d", "kind": "one", "objects": [one], "n": 1, "size": "m", "pos": "c", "bg": ["scene", "grass"], "time": "",
        "seed": 1, **changes,
    }  # fmt: skip


def test_depth_is_that_of_the_layers(mini: Config) -> None:
    composer = compose.Composer(mini.data, 64)
    page = nearness(composer, spec())
    assert page.shape == (64, 64) and page.dtype == np.float32 and page.min() >= 0 and page.max() <= 1
    sky, far, close, thing = page[4, 4], page[40, 2], page[62, 2], page[42, 32]
    assert sky < far < close < thing
    big = spec(objects=[{**spec()["objects"][0], "h": 0.8}])
    assert nearness(composer, big)[42, 32] > thing, "the larger is nearer"
    pair = [{**spec()["objects"][0], "x": 0.45}, {**spec()["objects"][0], "x": 0.55, "h": 0.3, "y": 0.9}]
    assert nearness(composer, spec(objects=pair))[52, 37] != nearness(composer, spec(objects=pair[:1]))[52, 37]
    flat = nearness(composer, spec(bg=["plain", 2]))
    assert flat[2, 2] == flat[60, 2] < flat[42, 32]
    assert set(HORIZON) <= set(compose.SCENE_BY_KEY)


def test_pictures_depths_and_latents_belong_together(mini: Config) -> None:
    data = control_data.Pictures(mini.data / "control")
    assert len(data) == mini.shard == len(data.specs)
    composer = compose.Composer(mini.data, 64)
    for i in (0, 7):
        assert (np.asarray(composer.render(data.specs[i])) == data.images[i]).all()
        assert np.abs(nearness(composer, data.specs[i]) * 255 - data.depth[i]).max() <= 0.51
    assert data.latents.shape == (mini.shard, 4, 8, 8)
    known, kept = data.split()
    assert not set(known) & set(kept) and len(known) + len(kept) == len(data)


def test_a_model_is_taught_with_what_it_knows(mini: Config) -> None:
    data = control_data.Pictures(mini.data / "control")
    only = {data.specs[0]["objects"][0]["s"]}
    known, kept = data.split(only)
    assert 0 < len(known) < len(data) and all(o["s"] in only for i in (*known, *kept) for o in data.specs[i]["objects"])
    assert set(known) <= set(data.split()[0]) and set(kept) <= set(data.split()[1])


def test_the_tiers_of_a_run_are_heard(mini: Config, tmp_path: Path) -> None:
    config = copy_of(mini, tmp_path, tiers="known", control_steps=1)
    known, _ = control_data.Pictures(config.data / "control").split(of_tiers("known"))
    assert 0 < len(known) < mini.shard - 1
    stage_control.train(config, "edges", MODEL, quiet=True)
    assert f"{len(known)} pictures" in (config.logs / "control-edges.log").read_text("utf8")
    with pytest.raises(ValueError, match="tiers"):
        of_tiers("fourth")


def test_pictures_with_coarse_places(mini: Config, tmp_path: Path) -> None:
    config = replace(mini, root=tmp_path, tiers="known", places="coarse")
    fake_sprites(config.data)
    control_data.fill(config, MODEL, 1, quiet=True)
    data, known = control_data.Pictures(config.data / "control"), of_tiers("known")
    things = [o for s in data.specs for o in s["objects"]]
    assert known is not None and {o["s"] for o in things} <= known
    assert "cartoon" not in {s["style"] for s in data.specs} and not any(s["time"] for s in data.specs)
    assert {o["h"] * 128 for o in things} <= {40, 56, 80, 104}
    assert not any(o["flip"] or o["rot"] for o in things)
    for s in data.specs:
        assert s["bg"][0] != "scene" or not any(held_scene(o["s"], s["bg"][1]) for o in s["objects"]), (
            "held out stays out"
        )
        for o in s["objects"]:
            assert o["h"] / 2 <= o["x"] <= 1 - o["h"] / 2 and o["h"] <= o["y"] <= 1, "whole in the picture"
    other = replace(config, places="free")
    with pytest.raises(ValueError, match="--places"):
        control_data.fill(other, MODEL, 1, quiet=True)


def test_size_and_place_are_for_the_map_to_tell() -> None:
    said = spec(size="l", pos="l")
    found = [stage_control.unplaced(said, random.Random(i)) for i in range(200)]
    assert 20 < sum(f["size"] == "l" and f["pos"] == "l" for f in found) < 70
    assert said["size"] == "l" and all(f["objects"] == said["objects"] for f in found)


def test_a_compiled_net_answers_as_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as for training; the compiler itself is left out, which needs one of C++."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    frozen = stage_control.Frozen(MODEL)
    net = stage_control.build_control(frozen.unet, TINY.hint)
    torch.nn.init.normal_(net.controlnet_mid_block.weight, std=0.1)
    torch.manual_seed(0)
    asked = torch.randn(2, 4, 8, 8), torch.tensor([300, 700]), torch.randn(2, 20, 192), torch.rand(2, 3, 64, 64)
    plain, compiled = (frozen.learner(net, value)(*asked) for value in (False, True))
    assert torch.allclose(plain, compiled, atol=1e-4)
    assert not torch.allclose(plain, frozen.answer(net, *asked, scale=0.0), atol=1e-3), "the net is in it"


def test_another_encoder_is_refused(mini: Config, tmp_path: Path) -> None:
    config = copy_of(mini, tmp_path)
    (config.data / "control" / "control.json").write_text(json.dumps({"encoder": "another", "size": 64}))
    with pytest.raises(ValueError, match="another encoder"):
        control_data.fill(config, MODEL, 1, quiet=True)


def test_the_estimator_learns_resumes_and_is_found_by_the_library(mini: Config, tmp_path: Path) -> None:
    whole = copy_of(mini, tmp_path / "a")
    stage_depth.train(whole, quiet=True)
    cut = copy_of(mini, tmp_path / "b", depth_steps=2)
    stage_depth.train(cut, quiet=True)
    stage_depth.train(replace(cut, depth_steps=4), quiet=True)
    net = stage_depth.build_depth(cut.depth)
    assert [load_state(c.state / stage_depth.STATE, {"depth": net})["step"] for c in (whole, cut)] == [4, 4]
    assert (cut.logs / "depth.png").exists()
    out = tmp_path / "random-depth"
    assert 0 < stage_depth.export(whole, out, card="# card\n") < 1
    info = identify_control(out)
    assert (info.kind, info.name, info.license) == ("depth", "random-depth", "Apache-2.0")
    from ra_widgets.diffusion.control.depth import DepthModel

    estimator = DepthModel.load(info, torch.device("cpu"))
    images = control_data.Pictures(whole.data / "control").images[:2]
    ours = stage_depth.predict(stage_depth.trained(whole).to(torch.float16).float(), images)
    from PIL import Image

    theirs = torch.stack([estimator.raw(Image.fromarray(image), (64, 64)) for image in images])
    assert torch.allclose(ours - 1, theirs, atol=2e-3)


def test_more_steps_mean_less_error(mini: Config, tmp_path: Path) -> None:
    config = copy_of(mini, tmp_path, depth_steps=1, depth_batch=8)
    before = stage_depth.train(config, quiet=True)
    after = stage_depth.train(replace(config, depth_steps=40, depth_lr=5e-3), quiet=True)
    assert after < 0.85 * before


def test_control_starts_as_nothing_and_learns(mini: Config, tmp_path: Path) -> None:
    frozen = stage_control.Frozen(MODEL)
    net = stage_control.build_control(frozen.unet, mini.hint)
    x, t, context = torch.randn(2, 4, 8, 8), torch.tensor([300, 700]), torch.randn(2, 20, 192)
    hint = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(frozen.answer(net, x, t, context, hint), frozen.unet(x, t, context).sample)
    assert torch.equal(net.conv_in.weight, frozen.unet.conv_in.weight)
    config = copy_of(mini, tmp_path)
    stage_control.train(config, "edges", MODEL, quiet=True)
    state = read_module(config.state / stage_control.state_name("edges"), "net")
    assert state["controlnet_mid_block.weight"].abs().max() > 0
    assert (config.logs / "control-edges.png").exists()
    out = tmp_path / "mini-control"
    assert 0 < stage_control.export(config, "edges", MODEL, out, card="# card\n") < 5
    info = identify_control(out)
    assert (info.kind, info.hint, info.family, info.name) == ("controlnet", "canny", "ra-mini", "mini-control")


def test_a_cut_control_run_goes_on_as_a_whole_one(mini: Config, tmp_path: Path) -> None:
    """The rate falls with the number of steps; with the number fixed, a kill between two saves changes nothing."""
    whole = copy_of(mini, tmp_path / "a", control_steps=3)
    stage_control.train(whole, "depth", MODEL, quiet=True)
    cut = copy_of(mini, tmp_path / "b", control_steps=3, save_seconds=0)
    stop = stage_control.Stop
    asked = []

    class Impatient(stop):  # type: ignore[misc, valid-type]
        def agreed(self, world: int) -> bool:
            asked.append(1)
            return len(asked) == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_control, "Stop", Impatient)
        stage_control.train(cut, "depth", MODEL, quiet=True)
    stage_control.train(cut, "depth", MODEL, quiet=True)
    a, b = (read_module(c.state / stage_control.state_name("depth"), "net") for c in (whole, cut))
    assert all(torch.allclose(a[k], b[k], atol=1e-6) for k in a)


def test_estimated_maps_are_learned_from_too(mini: Config, tmp_path: Path) -> None:
    config = copy_of(mini, tmp_path, control_steps=1)
    stage_depth.train(config, quiet=True)
    stage_depth.export(config, tmp_path / "estimator")
    stage_control.train(config, "depth", MODEL, tmp_path / "estimator", quiet=True)
    data = control_data.Pictures(config.data / "control")
    maps = stage_control.Maps(config, "depth", data)
    assert maps.estimated is not None and maps.estimated.shape == data.depth.shape
    r = random.Random(0)
    seen = {maps.of(3, r).tobytes() for _ in range(12)}
    assert stage_control.stretched(data.depth[3]).tobytes() in seen and len(seen) == 2


def test_overlap_of_edges() -> None:
    a, b = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    a[10], b[11] = 255, 255
    assert stage_control.overlap(a, a) == stage_control.overlap(a, b) == 1.0
    b[11], b[15] = 0, 255
    assert stage_control.overlap(a, b) == 0.0
    assert stage_control.overlap(a, np.zeros_like(a)) == 0.0


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    from models.training.__main__ import configure, main, parser

    with pytest.raises(SystemExit):
        main(["--help"])
    assert "control" in capsys.readouterr().out
    config = configure(parser().parse_args(["--preset", "tiny", "control", "depth", "--steps", "9", "--lr", "1e-4"]))
    assert (config.control_steps, config.control_lr) == (9, 1e-4)
    assert to_tensor([np.zeros((2, 2, 3), np.uint8)]).min() == -1

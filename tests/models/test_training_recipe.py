"""The training recipe on a miniature: every stage runs, a killed run goes on exactly."""

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

from training_mini import copy_of  # noqa: E402

from models.training import compose, pool, schedule, stage_diffusion, stage_text, stage_vae  # noqa: E402
from models.training.config import TINY, Config, UnetShape  # noqa: E402
from models.training.runtime import load_state, read_module, save_state  # noqa: E402
from models.training.vocabulary import COLOURS, read_subjects  # noqa: E402


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

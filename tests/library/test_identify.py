"""What a model is, told from its content without loading it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from library.files import Canary, bilingual, checkpoint, like, poisoned
from ra_widgets import paths
from ra_widgets.errors import ModelError
from ra_widgets.library import available, hashes, identify, resolve


def refused(path: Path | str | None, key: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        resolve(path)
    bilingual(caught.value)
    assert caught.value.key == key
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the embedded model to break."""
    return Path(shutil.copytree(paths.embedded_model(), tmp_path / "copy"))


# -- single files ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("width", "family", "size", "cfg"), [(768, "sd1", 512, 7.0), (1024, "sd2", 768, 7.0)])
def test_families(tmp_path: Path, width: int, family: str, size: int, cfg: float) -> None:
    info = identify(checkpoint(tmp_path / "my model.safetensors", like(width)))
    assert (info.name, info.kind, info.family, info.default_size) == ("my model", "single-file", family, (size, size))
    assert info.default_cfg == cfg


def test_sdxl(tmp_path: Path) -> None:
    shapes = like(2048, **{"conditioner.embedders.1.model.ln_final.bias": (1,)})
    info = identify(checkpoint(tmp_path / "x.safetensors", shapes))
    assert (info.family, info.default_size, info.default_cfg) == ("sdxl", (1024, 1024), 5.0)


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ({"lora_unet_down_blocks_0_attn1_to_q.lora_up.weight": (1,)}, "model.is_lora"),
        ({"transformer.blocks.0.attn.to_q.lora_A.weight": (1,)}, "model.is_lora"),
        ({"lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a": (1,)}, "model.is_lora"),
        ({"decoder.conv_in.weight": (1,), "encoder.conv_in.weight": (1,)}, "model.is_vae"),
        ({"first_stage_model.decoder.conv_in.weight": (1,)}, "model.is_vae"),
        ({"emb_params": (1, 768)}, "model.is_embedding"),
        ({"clip_g": (1, 1280), "clip_l": (1, 768)}, "model.is_embedding"),
        ({"control_model.input_blocks.0.0.weight": (1,)}, "model.is_controlnet"),
        ({"something": (1,)}, "model.not_a_checkpoint"),
        ({}, "model.not_a_checkpoint"),
        ({"model.diffusion_model.joint_blocks.0.x.weight": (1,)}, "model.unknown_layout"),
        ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (1,)}, "model.unknown_layout"),
    ],
)
def test_other_files_are_named(tmp_path: Path, names: dict, key: str) -> None:
    refused(checkpoint(tmp_path / "m.safetensors", names), key)


@pytest.mark.parametrize(("prefix", "part"), [("first_stage_model.", "vae"), ("cond_stage_model.", "text_encoder")])
def test_missing_parts_of_a_file(tmp_path: Path, prefix: str, part: str) -> None:
    names = {name: shape for name, shape in like(768).items() if not name.startswith(prefix)}
    assert part in refused(checkpoint(tmp_path / "m.safetensors", names), "model.part_missing").text("en")


@pytest.mark.parametrize("channels", [5, 8, 9])
def test_inpainting_and_depth_models(tmp_path: Path, channels: int) -> None:
    names = like(768, **{"model.diffusion_model.input_blocks.0.0.weight": (1, channels, 1, 1)})
    error = refused(checkpoint(tmp_path / "m.safetensors", names), "model.extra_channels")
    assert str(channels) in error.text("zh_CN")


def test_prediction_type_from_metadata_markers_and_sidecars(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"

    def extra(**options: object) -> dict:
        return identify(checkpoint(path, **options)).extra  # type: ignore[arg-type]

    assert "prediction_type" not in extra(shapes=like(1024))
    assert extra(shapes=like(768, v_pred=(0,), ztsnr=(0,))) == {"prediction_type": "v_prediction", "zero_snr": True}
    assert extra(metadata={"modelspec.prediction_type": "v"})["prediction_type"] == "v_prediction"
    assert extra(metadata={"modelspec.prediction_type": "epsilon"})["prediction_type"] == "epsilon"
    assert "prediction_type" not in extra(metadata={"modelspec.prediction_type": "<script>"})
    base = identify(checkpoint(path, like(1024), {"modelspec.architecture": "stable-diffusion-v2-512"}))
    assert (base.extra["prediction_type"], base.default_size) == ("epsilon", (512, 512))
    large = identify(checkpoint(path, like(1024), {"modelspec.architecture": "stable-diffusion-v2-768-v"}))
    assert (large.extra["prediction_type"], large.default_size) == ("v_prediction", (768, 768))
    assert identify(checkpoint(path, metadata={"modelspec.resolution": "640x960"})).default_size == (640, 960)
    assert identify(checkpoint(path, metadata={"modelspec.resolution": "1x99999"})).default_size == (512, 512)

    checkpoint(path, like(1024))
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n', "utf-8")
    assert identify(path).extra["prediction_type"] == "v_prediction"
    path.with_suffix(".yaml").write_text("model:\n  params:\n    channels: 4\n", "utf-8")
    assert identify(path).extra["prediction_type"] == "epsilon"
    card = {"prediction_type": "v_prediction", "zero_snr": True, "default_cfg": 3, "default_steps": 30}
    card["languages"] = ["zh"]
    (tmp_path / "m.ra.json").write_text(json.dumps(card), "utf-8")
    info = identify(path)
    assert info.extra["prediction_type"] == "v_prediction" and info.extra["zero_snr"] is True
    assert (info.default_cfg, info.default_steps, info.languages) == (3.0, 30, ("zh",))


def test_base_out_of_a_file_is_never_a_path(tmp_path: Path) -> None:
    for base in ("../../etc", "/etc/passwd", str(tmp_path), "SD1", "x" * 5000):
        refused(checkpoint(tmp_path / "m.safetensors", metadata={"ra_base": base}), "model.unknown_base")
    info = identify(checkpoint(tmp_path / "m.safetensors", metadata={"ra_base": "ra-mini"}))
    assert (info.base, info.default_size, info.languages) == ("ra-mini", (128, 128), ("zh", "en"))


# -- folders ---------------------------------------------------------------------------------------------------------
def test_embedded_model() -> None:
    info = resolve(None)
    assert (info.name, info.family, info.kind) == ("ra-mini", "sd1", "diffusers")
    assert info.default_size == (128, 128) and "zh" in info.languages and info.license
    assert info.size_bytes > 1_000_000


def test_empty_folder_and_broken_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "model.not_a_model")
    (folder / "model_index.json").write_text("{broken", "utf-8")
    refused(folder, "model.damaged_config")
    (folder / "model_index.json").write_text("[]", "utf-8")
    refused(folder, "model.damaged_config")
    (folder / "model_index.json").write_bytes(b"\xff\xfe\x00")
    refused(folder, "model.damaged_config")
    (folder / "model_index.json").write_text("[" * 100_000, "utf-8")
    refused(folder, "model.damaged_config")
    (folder / "model_index.json").unlink()
    refused(folder, "model.not_a_model")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_missing_parts_of_a_folder(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert refused(folder, "model.part_missing").values["part"] == part
    (folder / part).mkdir()
    refused(folder, "model.part_missing")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_weights_of_a_part(folder: Path, part: str) -> None:
    file = next((folder / part).glob("*.safetensors"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused(folder, "model.truncated")
    file.write_bytes(b"<html>")
    refused(folder, "model.truncated")
    file.unlink()
    assert part in refused(folder, "model.part_missing").text("zh_CN")


@pytest.mark.parametrize(
    "file", ["unet/config.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer.json", "ra.json"]
)
def test_broken_json_of_a_part(folder: Path, file: str) -> None:
    (folder / file).write_text('{"a": ', "utf-8")
    refused(folder, "model.damaged_config")


@pytest.mark.parametrize(
    "change",
    [
        {"default_size": [128]},
        {"default_size": ["128", "128"]},
        {"default_size": [1, 10**9]},
        {"default_size": 128},
        {"default_cfg": "NaN"},
        {"default_cfg": [4]},
        {"default_steps": 0},
        {"languages": [1]},
        {"family": "sd9"},
        {"name": {"a": 1}},
    ],
)
def test_nonsense_in_the_card(folder: Path, change: dict) -> None:
    card = json.loads((folder / "ra.json").read_text("utf-8"))
    (folder / "ra.json").write_text(json.dumps({**card, **change}), "utf-8")
    assert next(iter(change)) in refused(folder, "model.damaged_config").text("en")


def test_pickled_weights_in_a_folder(folder: Path, tmp_path: Path) -> None:
    next((folder / "unet").glob("*.safetensors")).unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(poisoned(tmp_path / "canary", 2))
    refused(folder, "model.pickle")
    assert not (tmp_path / "canary").exists()


def test_a_folder_with_programs(folder: Path, tmp_path: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    program = f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Evil: pass\n"
    (folder / "unet" / "evil.py").write_text(program, "utf-8")
    (folder / "model_index.json").write_text(json.dumps({**index, "unet": ["evil", "Evil"]}), "utf-8")
    refused(folder, "model.custom_code")
    (folder / "pipeline.py").write_text(program, "utf-8")
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": ["pipeline", "Evil"]}), "utf-8")
    refused(folder, "model.custom_code")
    assert not (tmp_path / "canary").exists()


def test_missing_shard(folder: Path) -> None:
    listing = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "../../../etc/passwd"}}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(listing), "utf-8")
    refused(folder, "model.part_missing")


# -- names -----------------------------------------------------------------------------------------------------------
def test_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_MODELS", str(tmp_path))
    checkpoint(tmp_path / "苹果 mix.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"junk")
    (tmp_path / "notes.txt").write_text("no model", "utf-8")
    assert [info.name for info in available()] == ["ra-mini", "苹果 mix"]
    assert resolve("苹果 MIX").path == resolve("苹果 mix.safetensors").path
    assert resolve("ra-mini") == resolve(None)
    refused("broken", "model.truncated")
    error = refused("no such model", "model.unknown")
    assert "苹果 mix" in error.text("zh_CN") and "ra-mini" in error.text("en")
    refused(tmp_path / "none.safetensors", "model.unknown")


# -- hashes ----------------------------------------------------------------------------------------------------------
def test_hash_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "m.safetensors")
    assert identify(path).hash == hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    file = next((paths.embedded_model() / "unet").glob("*.safetensors"))
    assert resolve(None).hash == hashlib.sha256(file.read_bytes()).hexdigest()[:10]


def test_hashes_of_large_files_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hashes, "SMALL", 0)
    path = checkpoint(tmp_path / "m.safetensors")
    true = hashlib.sha256(path.read_bytes()).hexdigest()
    assert hashes.sha256_of(path) == true
    notes = tmp_path / "home" / "hashes.json"
    data = json.loads(notes.read_text("utf-8"))
    data[str(path)][2] = "f" * 64
    notes.write_text(json.dumps(data), "utf-8")
    hashes._known.clear()
    assert hashes.sha256_of(path) == "f" * 64, "read from the notes"
    checkpoint(path, like(1024))
    assert hashes.sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest(), "a changed file is read again"
    for nonsense in ("{", "[]", json.dumps({str(path): 7}), json.dumps({str(path): [1, 2, "no"]})):
        notes.write_text(nonsense, "utf-8")
        hashes._known.clear()
        assert hashes.sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_canary_sings(tmp_path: Path) -> None:
    """The pickles of these tests would really do harm."""
    import pickle

    pickle.loads(poisoned(tmp_path / "canary", 2))["state_dict"].close()
    assert (tmp_path / "canary").exists() and Canary is not None


def test_no_torch_needed() -> None:
    import subprocess

    code = "import sys; from ra_widgets.library import resolve; resolve(None); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

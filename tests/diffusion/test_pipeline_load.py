"""Bad models through the kernel: a sentence in both languages, and the last model stays usable."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from library.files import bilingual, checkpoint, poisoned
from safetensors.torch import load_file, save_file

from ra_widgets import paths
from ra_widgets.diffusion.single_file import export_single_file
from ra_widgets.errors import JobCancelled, ModelError
from ra_widgets.events import Cancelled, Loading
from ra_widgets.kernel import PipelineKernel

ASKED = {"seed": 11, "steps": 2}


@pytest.fixture(scope="module")
def own() -> Iterator[PipelineKernel]:
    """A kernel on the embedded model that all these models are offered to."""
    with PipelineKernel(gallery=False, previews=False) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def picture(own: PipelineKernel) -> np.ndarray:
    """What it paints before anything goes wrong."""
    return np.asarray(own.generate("苹果", **ASKED).images[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the embedded model to break."""
    copy = Path(shutil.copytree(paths.embedded_model(), tmp_path / "broken model"))
    card = json.loads((copy / "ra.json").read_text("utf-8"))
    (copy / "ra.json").write_text(json.dumps({**card, "name": "broken model"}), "utf-8")
    return copy


def still_paints(kernel: PipelineKernel, picture: np.ndarray) -> None:
    result = kernel.generate("苹果", **ASKED)
    assert result.records[0].model == "ra-mini" == kernel.model.name
    assert kernel.status()["state"] == "idle"
    assert np.array_equal(np.asarray(result.images[0]), picture)


def weights_of(folder: Path, part: str) -> Path:
    return next((folder / part).glob("*.safetensors"))


def change(file: Path, name: str, value: torch.Tensor | None) -> None:
    """Replace a tensor of a weight file, or take it out."""
    weights = {key: tensor for key, tensor in load_file(file).items() if key != name}
    if value is not None:
        weights[name] = value
    save_file(weights, file)


# -- seen without loading --------------------------------------------------------------------------------------------
def cut(folder: Path) -> Path:
    file = weights_of(folder, "unet")
    file.write_bytes(file.read_bytes()[:-1])
    return folder


def web_page(folder: Path) -> Path:
    path = folder.parent / "download.safetensors"
    path.write_text("<!DOCTYPE html><title>502 Bad Gateway</title>", "utf-8")
    return path


def pickled(folder: Path) -> Path:
    path = folder.parent / "model.SAFETENSORS"
    path.write_bytes(poisoned(folder.parent / "canary", 2))
    return path


def lora(folder: Path) -> Path:
    return checkpoint(folder.parent / "lora.safetensors", {"lora_te_a.lora_up.weight": (4, 4)})


def no_vae(folder: Path) -> Path:
    shutil.rmtree(folder / "vae")
    return folder


def broken_json(folder: Path) -> Path:
    (folder / "unet" / "config.json").write_text('{"in_channels": 4,', "utf-8")
    return folder


def empty(folder: Path) -> Path:
    (folder.parent / "empty").mkdir()
    return folder.parent / "empty"


def missing(folder: Path) -> Path:
    return folder.parent / "nowhere.safetensors"


@pytest.mark.parametrize("spoil", [cut, web_page, pickled, lora, no_vae, broken_json, empty, missing])
def test_refused_at_once(own: PipelineKernel, picture: np.ndarray, folder: Path, spoil: Callable[[Path], Path]) -> None:
    path = spoil(folder)
    for attempt in (own.load, PipelineKernel, lambda p: own.submit("苹果", model=str(p), **ASKED)):
        with pytest.raises(ModelError) as caught:
            attempt(path)
        bilingual(caught.value)
    assert not (folder.parent / "canary").exists()
    still_paints(own, picture)


# -- seen only while loading -----------------------------------------------------------------------------------------
def not_a_number(folder: Path) -> str:
    file = weights_of(folder, "unet")
    bias = load_file(file)["conv_out.bias"]
    bias[1] = float("nan")
    change(file, "conv_out.bias", bias)
    return "model.not_finite"


def flipped_bit(folder: Path) -> str:
    """One bit of the data: the top bit of an exponent, as a bad cable or disk flips it."""
    file = weights_of(folder, "vae")
    save_file({name: tensor.float() for name, tensor in load_file(file).items()}, file)
    whole = bytearray(file.read_bytes())
    start = 8 + struct.unpack("<Q", whole[:8])[0]
    entry = json.loads(whole[8:start])["decoder.conv_in.weight"]
    whole[start + entry["data_offsets"][0] + 3] ^= 0x40
    file.write_bytes(whole)
    return "model.not_finite"


def tensor_left_out(folder: Path) -> str:
    change(weights_of(folder, "unet"), "conv_in.weight", None)
    return "model.part_incomplete"


def encoder_tensor_left_out(folder: Path) -> str:
    file = weights_of(folder, "text_encoder")
    name = next(name for name in load_file(file) if name.endswith("fc1.weight"))
    change(file, name, None)
    return "model.part_incomplete"


def other_shape(folder: Path) -> str:
    change(weights_of(folder, "unet"), "conv_in.weight", torch.zeros(8, 4, 3, 3))
    return "model.load_failed"


def config_lies(folder: Path) -> str:
    file = folder / "unet" / "config.json"
    config = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**config, "block_out_channels": [2**20, 2**20, 2**20]}), "utf-8")
    return "model.load_failed"


def unknown_pipeline(folder: Path) -> str:
    file = folder / "model_index.json"
    index = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**index, "_class_name": "NoSuchPipeline"}), "utf-8")
    return "model.load_failed"


def tokenizer_of_nonsense(folder: Path) -> str:
    (folder / "tokenizer" / "tokenizer.json").write_text("{}", "utf-8")
    return "model.load_failed"


@pytest.mark.parametrize(
    "spoil",
    [
        not_a_number,
        flipped_bit,
        tensor_left_out,
        encoder_tensor_left_out,
        other_shape,
        config_lies,
        unknown_pipeline,
        tokenizer_of_nonsense,
    ],
)
def test_failed_load(own: PipelineKernel, picture: np.ndarray, folder: Path, spoil: Callable[[Path], str]) -> None:
    key = spoil(folder)
    with pytest.raises(ModelError) as caught:
        own.load(folder).result(timeout=120)
    assert caught.value.key == key
    bilingual(caught.value)
    still_paints(own, picture)


def test_failed_load_of_a_single_file(own: PipelineKernel, picture: np.ndarray, tmp_path: Path) -> None:
    path = export_single_file(paths.embedded_model(), tmp_path / "m.safetensors")
    weights = load_file(path)
    weights["model.diffusion_model.out.2.bias"][0] = float("inf")
    save_file(weights, path, metadata={"ra_base": "ra-mini"})
    with pytest.raises(ModelError) as caught:
        own.load(path).result(timeout=120)
    assert caught.value.key == "model.not_finite" and "conv_out.bias" in caught.value.text("en")
    del weights["model.diffusion_model.out.2.bias"]
    save_file(weights, path, metadata={"ra_base": "ra-mini"})
    with pytest.raises(ModelError) as caught:
        own.generate("苹果", model=str(path), **ASKED)
    assert caught.value.key == "model.incomplete"
    still_paints(own, picture)


def test_a_good_model_after_a_bad_first_one(folder: Path, picture: np.ndarray) -> None:
    not_a_number(folder)
    with PipelineKernel(folder, gallery=False, previews=False) as kernel:
        with pytest.raises(ModelError):
            kernel.generate("苹果", **ASKED)
        assert kernel.load("ra-mini").result(timeout=120).name == "ra-mini"
        still_paints(kernel, picture)


def test_cancelled_load(own: PipelineKernel, picture: np.ndarray, tmp_path: Path) -> None:
    path = export_single_file(paths.embedded_model(), tmp_path / "m.safetensors")

    def stop(event: object) -> None:
        if isinstance(event, Loading) and event.stage == "read":
            own.cancel()

    remove = own.add_listener(stop)
    try:
        job = own.load(path)
        with pytest.raises(JobCancelled):
            job.result(timeout=120)
    finally:
        remove()
    events = list(job.events())
    assert isinstance(events[-1], Cancelled)
    assert not any(isinstance(event, Loading) and event.stage == "ready" for event in events)
    still_paints(own, picture)


def test_a_file_replaced_while_in_use(own: PipelineKernel, picture: np.ndarray, tmp_path: Path) -> None:
    """A model in memory does not change when its file does, not even when the file is cut short in place."""
    path = export_single_file(paths.embedded_model(), tmp_path / "m.safetensors")
    own.load(path).result(timeout=120)
    try:
        path.write_bytes(b"gone")
        assert np.array_equal(np.asarray(own.generate("苹果", **ASKED).images[0]), picture)
    finally:
        own.load("ra-mini").result(timeout=120)
    still_paints(own, picture)

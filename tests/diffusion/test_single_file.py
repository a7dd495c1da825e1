"""Single-file checkpoints: names, shapes, tokenizer, round trips, and the true sizes."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from library.files import bilingual
from safetensors.torch import load_file, save_file

from diffusion import tiny
from ra_widgets import paths
from ra_widgets.diffusion import ldm_names, schedules, single_file
from ra_widgets.diffusion.clip_tokenizer import byte_letters, make_tokenizer, tables
from ra_widgets.diffusion.pipeline import load
from ra_widgets.diffusion.single_file import export_single_file, settle_prediction
from ra_widgets.errors import ModelError
from ra_widgets.kernel import PipelineKernel
from ra_widgets.library import identify
from ra_widgets.library.cards import read_json
from ra_widgets.library.headers import read_header

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """``tools/make_random_checkpoint.py`` as a module."""
    path = Path(__file__).resolve().parents[2] / "tools" / "make_random_checkpoint.py"
    spec = importlib.util.spec_from_file_location("make_random_checkpoint", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as a single file."""
    return export_single_file(paths.embedded_model(), tmp_path_factory.mktemp("mini") / "my mini.safetensors")


@pytest.fixture(scope="module", params=["sd1", "sd2", "sdxl"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A tiny model of each family as a folder and as a single file."""
    root = tmp_path_factory.mktemp(request.param)
    folder = tiny.sd(request.param, root / "folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single_file, "_is_standard", lambda info: True)
        file = export_single_file(folder, root / "file.safetensors")
    return SimpleNamespace(name=request.param, folder=folder, file=file)


@pytest.fixture
def family(made: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The same, where single files are opened with the tiny configuration."""
    monkeypatch.setattr(single_file, "config_folder", lambda info: made.folder)
    return made


# -- names and shapes ------------------------------------------------------------------------------------------------
def part_sizes(shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        start = name.split(".")[0] + ("." + name.split(".")[2] if name.startswith("conditioner.") else "")
        sizes[start] = sizes.get(start, 0) + int(np.prod(shape))
    return sizes


PUBLISHED = {
    "sd1": {"model": 859_520_964, "first_stage_model": 83_653_863, "cond_stage_model": 123_060_480},
    "sd2": {"model": 865_910_724, "first_stage_model": 83_653_863, "cond_stage_model": 340_387_840},
    "sdxl": {
        "model": 2_567_463_684,
        "first_stage_model": 83_653_863,
        "conditioner.0": 123_060_480,
        "conditioner.1": 694_659_840,
    },
}
"""Parameters of the published models (SD 2's text encoder without its unused last layer)."""

KNOWN = {
    "sd1": {
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        "model.diffusion_model.input_blocks.3.0.op.weight": (320, 320, 3, 3),
        "model.diffusion_model.middle_block.1.proj_in.weight": (1280, 1280, 1, 1),
        "model.diffusion_model.output_blocks.2.1.conv.weight": (1280, 1280, 3, 3),
        "model.diffusion_model.output_blocks.5.2.conv.weight": (1280, 1280, 3, 3),
        "model.diffusion_model.output_blocks.11.0.skip_connection.weight": (320, 640, 1, 1),
        "model.diffusion_model.out.2.weight": (4, 320, 3, 3),
        "first_stage_model.encoder.mid.attn_1.q.weight": (512, 512, 1, 1),
        "first_stage_model.encoder.down.1.block.0.nin_shortcut.weight": (256, 128, 1, 1),
        "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight": (128, 256, 1, 1),
        "first_stage_model.decoder.up.3.upsample.conv.weight": (512, 512, 3, 3),
        "first_stage_model.quant_conv.weight": (8, 8, 1, 1),
        "cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc1.weight": (3072, 768),
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    },
    "sd2": {
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
        "model.diffusion_model.input_blocks.1.1.proj_in.weight": (320, 320),
        "cond_stage_model.model.transformer.resblocks.22.attn.in_proj_weight": (3072, 1024),
        "cond_stage_model.model.transformer.resblocks.0.mlp.c_fc.bias": (4096,),
        "cond_stage_model.model.positional_embedding": (77, 1024),
        "cond_stage_model.model.ln_final.weight": (1024,),
    },
    "sdxl": {
        "model.diffusion_model.label_emb.0.0.weight": (1280, 2816),
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.1.attn2.to_k.weight": (640, 2048),
        "model.diffusion_model.input_blocks.8.1.transformer_blocks.9.ff.net.0.proj.weight": (10240, 1280),
        "model.diffusion_model.middle_block.1.transformer_blocks.9.attn1.to_out.0.bias": (1280,),
        "model.diffusion_model.output_blocks.2.2.conv.weight": (1280, 1280, 3, 3),
        "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": (768,),
        "conditioner.embedders.1.model.text_projection": (1280, 1280),
        "conditioner.embedders.1.model.transformer.resblocks.31.attn.out_proj.weight": (1280, 1280),
    },
}
"""Names and shapes in the published files."""


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_layout_is_the_published_one(maker: ModuleType, name: str) -> None:
    shapes = maker.layout(name)
    assert part_sizes(shapes) == PUBLISHED[name]
    assert {key: shapes.get(key) for key in KNOWN[name]} == KNOWN[name]


def test_every_tensor_has_one_place_and_back(family: SimpleNamespace) -> None:
    held = read_header(family.file).tensors
    seen: set[tuple[str, int | None]] = set()
    for part in single_file.PARTS:
        for file in (family.folder / part).glob("*.safetensors"):
            config = read_json(family.folder / part / "config.json")
            for name in read_header(file).tensors:
                if not name.endswith("position_ids"):
                    place = ldm_names.place(family.name, part, name, config)
                    assert place.name in held and (place.name, place.third) not in seen
                    seen.add((place.name, place.third))
    assert {name for name, _ in seen} == set(held)


def test_diffusers_reads_our_file_in_the_same_way(family: SimpleNamespace) -> None:
    """Oracle: diffusers' own converters of this layout."""
    from diffusers.loaders import single_file_utils as oracle
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    weights = load_file(family.file)
    folder = family.folder
    unet = oracle.convert_ldm_unet_checkpoint(dict(weights), config=read_json(folder / "unet" / "config.json"))
    same(unet, load_file(folder / "unet" / "diffusion_pytorch_model.safetensors"))
    vae = oracle.convert_ldm_vae_checkpoint(dict(weights), config=read_json(folder / "vae" / "config.json"))
    same(vae, load_file(folder / "vae" / "diffusion_pytorch_model.safetensors"))
    encoders: list[tuple[str, Any]] = [("text_encoder", CLIPTextModel)]
    if family.name == "sdxl":
        encoders.append(("text_encoder_2", CLIPTextModelWithProjection))
    for part, cls in encoders:
        model = oracle.create_diffusers_clip_model_from_ldm(
            cls, dict(weights), subfolder=part, config=str(folder), local_files_only=True
        )
        same(model.state_dict(), cls.from_pretrained(folder / part).state_dict())


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert set(first) == set(second)
    for name, tensor in first.items():
        assert torch.equal(tensor.reshape(second[name].shape), second[name]), name


def test_folder_and_file_are_the_same_model(family: SimpleNamespace) -> None:
    info = identify(family.file)
    assert info.family == family.name
    one, two = load(identify(family.folder), CPU, "fp32"), load(info, CPU, "fp32")
    assert type(one.pipe) is type(two.pipe)
    for part in single_file.PARTS:
        model = getattr(one.pipe, part, None)
        if model is not None:
            same(model.state_dict(), getattr(two.pipe, part).state_dict())
            assert not [name for name, buffer in getattr(two.pipe, part).named_buffers() if buffer.is_meta]
    assert torch.equal(one.alphas_cumprod, two.alphas_cumprod)
    with PipelineKernel(family.folder, gallery=False) as kernel:
        asked: dict[str, Any] = {"seed": 3, "steps": 2, "width": 64, "height": 64}
        before = kernel.generate("一个红苹果, apple", **asked).images[0]
        kernel.load(family.file).result(timeout=60)
        after = kernel.generate("一个红苹果, apple", **asked)
        assert after.records[0].model == "file"
        assert np.array_equal(np.asarray(before), np.asarray(after.images[0]))


# -- the embedded model ----------------------------------------------------------------------------------------------
def test_embedded_model_round_trip_bit_for_bit(mini: Path, kernel: PipelineKernel) -> None:
    asked: dict[str, Any] = {"seed": 42, "steps": 4, "negative_prompt": "blue"}
    wanted = kernel.generate("一个红苹果", **asked).images[0]
    with PipelineKernel(mini, gallery=False) as other:
        result = other.generate("一个红苹果", **asked)
    assert np.array_equal(np.asarray(wanted), np.asarray(result.images[0]))
    assert result.records[0].model == "my mini" and result.images[0].size == wanted.size


def test_metadata_of_the_export(mini: Path, tmp_path: Path) -> None:
    metadata = read_header(mini).metadata
    assert metadata["ra_base"] == "ra-mini" and metadata["modelspec.resolution"] == "128x128"
    assert metadata["modelspec.license"].startswith("Apache-2.0")
    half = export_single_file(paths.embedded_model(), tmp_path / "half.safetensors", dtype=torch.float16, license="CC0")
    header = read_header(half)
    assert {kind for kind, _ in header.tensors.values()} == {"F16"} and header.metadata["modelspec.license"] == "CC0"
    assert half.stat().st_size <= mini.stat().st_size


def test_export_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model.safetensors"
    target.write_bytes(b"the old one")

    def full(*args: object, **options: object) -> None:
        Path(str(args[1])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(single_file, "save_file", full)
    with pytest.raises(ModelError) as caught:
        export_single_file(paths.embedded_model(), target)
    assert "No space left" in bilingual(caught.value)[1]
    assert target.read_bytes() == b"the old one" and list(tmp_path.iterdir()) == [target]


def test_export_refuses_what_could_not_be_opened_again(tmp_path: Path) -> None:
    for make in (tiny.sd3, lambda folder: tiny.sd("sdxl", folder)):
        folder = make(tmp_path / "model")
        with pytest.raises(ModelError) as caught:
            export_single_file(folder, tmp_path / "out.safetensors")
        assert caught.value.key == "model.export_family"
    assert not (tmp_path / "out.safetensors").exists()


# -- variants in the wild --------------------------------------------------------------------------------------------
def test_names_without_text_model_and_extras(mini: Path, tmp_path: Path) -> None:
    """Some files call the text encoder's tensors without ``text_model.``, carry EMA weights or position tables."""
    weights = {name.replace(".text_model.", "."): tensor for name, tensor in load_file(mini).items()}
    weights["model_ema.decay"] = torch.zeros(1)
    places = len(weights["cond_stage_model.transformer.embeddings.position_embedding.weight"])
    weights["cond_stage_model.transformer.embeddings.position_ids"] = torch.arange(places)[None]
    weights["alphas_cumprod"] = torch.zeros(1000)
    save_file(weights, tmp_path / "m.safetensors", metadata={"ra_base": "ra-mini"})
    same_as = load(identify(mini), CPU, "fp32").pipe.text_encoder.state_dict()
    same(load(identify(tmp_path / "m.safetensors"), CPU, "fp32").pipe.text_encoder.state_dict(), same_as)


def test_incomplete_and_misshapen(mini: Path, tmp_path: Path) -> None:
    weights = load_file(mini)
    for name in ("model.diffusion_model.out.2.bias", "first_stage_model.decoder.conv_in.weight"):
        broken = {key: tensor for key, tensor in weights.items() if key != name}
        save_file(broken, tmp_path / "m.safetensors", metadata={"ra_base": "ra-mini"})
        with pytest.raises(ModelError) as caught:
            load(identify(tmp_path / "m.safetensors"), CPU)
        assert caught.value.key == "model.incomplete" and name in caught.value.text("en")
    name = "model.diffusion_model.time_embed.0.weight"
    turned = {**weights, name: weights[name].T.contiguous()}
    save_file(turned, tmp_path / "m.safetensors", metadata={"ra_base": "ra-mini"})
    with pytest.raises(ModelError) as caught:
        load(identify(tmp_path / "m.safetensors"), CPU)
    assert caught.value.key == "model.wrong_shape" and name in bilingual(caught.value)[0]


def test_zero_snr_and_prediction_markers(mini: Path, tmp_path: Path) -> None:
    plain = load(identify(mini), CPU, "fp32")
    weights = {**load_file(mini), "ztsnr": torch.zeros(0), "v_pred": torch.zeros(0)}
    save_file(weights, tmp_path / "m.safetensors", metadata={"ra_base": "ra-mini"})
    marked = load(identify(tmp_path / "m.safetensors"), CPU, "fp32")
    assert marked.prediction_type == "v_prediction"
    wanted = schedules.rescale_zero_terminal_snr(plain.alphas_cumprod)
    assert torch.allclose(marked.alphas_cumprod, wanted, atol=1e-5)
    assert 0 < float(marked.alphas_cumprod[-1]) < 1e-7 and float(plain.alphas_cumprod[-1]) > 1e-7
    noted = {"ra_base": "ra-mini", "modelspec.prediction_type": "epsilon"}
    save_file(load_file(mini), tmp_path / "m.safetensors", metadata=noted)
    assert load(identify(tmp_path / "m.safetensors"), CPU, "fp32").prediction_type == "epsilon"


class Answer(torch.nn.Module):
    """A UNet that predicts noise, or velocity, of a grey latent."""

    def __init__(self, velocity: bool) -> None:
        super().__init__()
        self.velocity, self.config = velocity, SimpleNamespace(cross_attention_dim=1024)
        self.device, self.dtype, self.asked = CPU, torch.float32, 0

    def forward(self, latent: torch.Tensor, t: torch.Tensor, **options: Any) -> tuple[torch.Tensor]:
        self.asked += 1
        assert int(t) == 999 and options["encoder_hidden_states"].shape[-1] == 1024
        return ((latent - 2.5) if self.velocity else latent * 1.01,)


@pytest.mark.parametrize("velocity", [True, False])
def test_sd2_prediction_is_found_out(tmp_path: Path, velocity: bool) -> None:
    from diffusers import DDIMScheduler
    from library.files import checkpoint, like

    info = identify(checkpoint(tmp_path / "m.safetensors", like(1024)))
    pipe = SimpleNamespace(unet=Answer(velocity), scheduler=DDIMScheduler(**tiny.DDIM))
    settled = settle_prediction(info, pipe)
    assert pipe.scheduler.config.prediction_type == ("v_prediction" if velocity else "epsilon")
    assert settled.default_size == ((768, 768) if velocity else (512, 512))
    noted = identify(checkpoint(tmp_path / "m.safetensors", like(1024), {"modelspec.prediction_type": "v"}))
    assert settle_prediction(noted, pipe) is noted and pipe.unet.asked == 1


# -- the tokenizer ---------------------------------------------------------------------------------------------------
def published_bpe(word: str) -> list[int]:
    """CLIP's byte-pair encoding of one lower-case word: join the pair of lowest rank until none is left."""
    vocabulary, merges = tables()
    rank = {pair: number for number, pair in enumerate(merges)}
    letters = byte_letters()
    order = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    order += [n for n in range(256) if n not in order]
    letter = {byte: letters[place] for place, byte in enumerate(order)}
    parts = [letter[byte] for byte in word.encode()]
    parts[-1] += "</w>"
    while len(parts) > 1:
        best = min(itertools.pairwise(parts), key=lambda pair: rank.get(pair, 10**9))
        if best not in rank:
            break
        joined, k = [], 0
        while k < len(parts):
            if tuple(parts[k : k + 2]) == best:
                joined.append(best[0] + best[1])
                k += 2
            else:
                joined.append(parts[k])
                k += 1
        parts = joined
    return [vocabulary[part] for part in parts]


def test_tokenizer_knows_the_published_numbers() -> None:
    tokenizer = make_tokenizer()
    assert tokenizer("a photo of a cat")["input_ids"] == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert (len(tokenizer), tokenizer.model_max_length) == (49408, 77)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (49406, 49407, 49407)
    assert tables()[0]["!"] == 0 and tables()[0]["!</w>"] == 256


@pytest.mark.parametrize(
    "words",
    [["photograph"], ["best", ",", "quality"], ["antidisestablishmentarianism"], ["一只红苹果"], ["🐱🐱"], ["naïve"]],
)
def test_tokenizer_follows_the_published_rule(words: list[str]) -> None:
    tokenizer = make_tokenizer()
    wanted = [number for word in words for number in published_bpe(word)]
    assert tokenizer(" ".join(words), add_special_tokens=False)["input_ids"] == wanted


def test_padding_of_open_clip_leaves_exclamation_marks_alone() -> None:
    tokenizer = make_tokenizer(pad=0)
    assert tokenizer("cat!", padding="max_length", max_length=6)["input_ids"] == [49406, 2368, 256, 49407, 0, 0]


def test_exclamation_marks_of_folders(tmp_path: Path) -> None:
    """Published folders of SD 2 and SDXL pad with a special token "!" that swallows the prompt's own."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from ra_widgets.diffusion.pipeline import _settle_tokenizers

    vocabulary, merges = tables()
    published = CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), pad_token="!", model_max_length=77)
    assert published("cat!")["input_ids"] == [49406, 2368, 0, 49407], "the trouble is there"
    encoder = CLIPTextModel(CLIPTextConfig(vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    pipe = SimpleNamespace(tokenizer=published, text_encoder=encoder)
    _settle_tokenizers(pipe)
    assert pipe.tokenizer("cat!")["input_ids"] == [49406, 2368, 256, 49407]
    assert (pipe.tokenizer.pad_token_id, pipe.tokenizer.model_max_length) == (0, 77)
    small = SimpleNamespace(tokenizer=tiny.tokenizer(), text_encoder=encoder)
    kept = small.tokenizer
    _settle_tokenizers(small)
    assert small.tokenizer is kept


def test_configured_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = paths.package() / "diffusion" / "configs"
    pads = {}
    for name in ("sd1", "sd2", "sdxl"):
        for part in ("text_encoder", "text_encoder_2"):
            if (folder / name / part).is_dir():
                config = SimpleNamespace(**read_json(folder / name / part / "config.json"))
                parts = {part: SimpleNamespace(config=config)}
                tokenizer = part.replace("text_encoder", "tokenizer")
                pads[name, part] = single_file._tokenizer(folder / name, tokenizer, "CLIPTokenizer", parts).pad_token_id
    assert pads == {
        ("sd1", "text_encoder"): 49407,
        ("sd2", "text_encoder"): 0,
        ("sdxl", "text_encoder"): 49407,
        ("sdxl", "text_encoder_2"): 0,
    }


# -- true sizes ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "dtype", "markers", "prediction"),
    [
        ("sd1", "fp16", (), "epsilon"),
        ("sd2", "fp16", (), "epsilon"),
        ("sdxl", "bf16", ("v_pred", "ztsnr"), "v_prediction"),
    ],
)
def test_true_size(
    maker: ModuleType, tmp_path: Path, name: str, dtype: str, markers: tuple[str, ...], prediction: str
) -> None:
    """A checkpoint of the true size with random weights loads and runs two steps.

    In bfloat16: SDXL stays in the file's memory map, so that the test needs a fraction of its 7 GB.
    """
    path = maker.make(name, tmp_path / f"{name}.safetensors", dtype=dtype, markers=markers)
    try:
        info = identify(path)
        total = sum(PUBLISHED[name].values())
        assert info.family == name and abs(info.size_bytes - 2 * total) < 2_000_000
        with PipelineKernel(path, gallery=False, precision="bf16", previews=False) as kernel:
            result = kernel.submit("a cat!, 一只猫", steps=2, seed=1, width=64, height=128).result(timeout=800)
            assert kernel._engine._loaded.prediction_type == prediction  # type: ignore[attr-defined]
            assert result.images[0].size == (64, 128)
            assert len(result.images[0].convert("L").getcolors()) > 20  # it paints noise, not one grey
            assert f"Model: {name}" in result.records[0].infotext
    finally:
        path.unlink(missing_ok=True)
        gc.collect()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_weights_stay_in_range(maker: ModuleType, tmp_path: Path) -> None:
    """Without ``--fast`` every tensor is random; two calls with one seed write the same file."""
    shapes = {"model.diffusion_model.a.weight": (8, 4, 3, 3), "model.diffusion_model.norm.weight": (4,)}
    for name in ("a", "b"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(maker, "layout", lambda family: shapes)
            maker.make("sd1", tmp_path / name, dtype="bf16", seed=5)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    weights = load_file(tmp_path / "a")
    assert 0.05 < float(weights["model.diffusion_model.a.weight"].float().std()) < 0.2
    assert torch.equal(weights["model.diffusion_model.norm.weight"].float(), torch.ones(4))


def test_no_configuration_for_other_families() -> None:
    info = identify(paths.embedded_model())
    with pytest.raises(ModelError) as caught:
        single_file.config_folder(SimpleNamespace(base="", family="sd9", name=info.name))  # type: ignore[arg-type]
    bilingual(caught.value)

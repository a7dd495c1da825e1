"""ControlNets, T2I-Adapters and IP-Adapters on the embedded UNet: found, loaded, and what they add to its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from ra_widgets import paths
from ra_widgets.diffusion import pipeline
from ra_widgets.diffusion.control import depth, ip_adapter, nets
from ra_widgets.diffusion.control.steering import SOFT, Steering, Unit
from ra_widgets.diffusion.denoiser import CondBatch, ModelDenoiser, diffusers_call
from ra_widgets.diffusion.guidance import CFGDenoiser, Cond, GuidanceOptions
from ra_widgets.errors import ModelError
from ra_widgets.library.control import controls, find_control, identify_control
from ra_widgets.library.identify import resolve

from . import control_files as files
from . import tiny


@pytest.fixture(scope="module")
def model() -> Iterator[pipeline.LoadedModel]:
    torch.set_num_threads(1)
    yield pipeline.load(resolve(None), torch.device("cpu"))


@pytest.fixture(scope="module")
def library(model: pipeline.LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models folder with one of everything."""
    root = tmp_path_factory.mktemp("models")
    random = files.controlnet(model.unet)
    random.save_pretrained(root / "ControlNet" / "random-canny")
    files.save_ldm(random, root / "ControlNet" / "webui_file.safetensors")
    files.save_flat(random, root / "ControlNet" / "flat_file.safetensors")
    files.controlnet(model.unet, zero=True).save_pretrained(root / "zero")
    files.t2i_adapter((64, 128, 192)).save_pretrained(root / "T2I-Adapter" / "random-adapter")
    files.ip_adapter(model.unet, root / "IP-Adapter")
    files.depth_estimator(root / "depth" / "random-depth")
    (root / "ControlNet" / "broken.safetensors").write_bytes(b"<!DOCTYPE html>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RA_MODELS", str(root))
        yield root


@pytest.fixture
def inputs(library: Path) -> tuple[torch.Tensor, torch.Tensor, CondBatch]:
    """x [3, 4, 16, 16], t [3], and conditioning whose first two rows are prompts."""
    g = torch.Generator().manual_seed(5)
    x, context = torch.randn(3, 4, 16, 16, generator=g), torch.randn(3, 77, 192, generator=g)
    return x, torch.full((3,), 400.0), CondBatch(context, positive=2)


def hint(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(seed))


def unit(model: pipeline.LoadedModel, name: str = "random-canny", **options: object) -> Unit:
    net = nets.net(model, name)
    with torch.inference_mode():
        return Unit(net, net.embed(hint()), **options)  # type: ignore[arg-type]


@torch.inference_mode()
def answer(model: pipeline.LoadedModel, inputs: tuple, *units: Unit, step: int = 0, total: int = 1) -> torch.Tensor:
    steering = Steering(units, total, step) if units else None
    return diffusers_call(model.unet, steering)(*inputs)


# -- the library -------------------------------------------------------------------------------------------------------
def test_the_library_tells_what_there_is(library: Path) -> None:
    found = {c.name: c for c in controls() if library in c.path.parents}
    kinds = {name: (c.kind, c.layout, c.family) for name, c in found.items()}
    assert kinds == {
        "random-canny": ("controlnet", "diffusers", "ra-mini"),
        "webui_file": ("controlnet", "ldm", "ra-mini"),
        "flat_file": ("controlnet", "flat", "ra-mini"),
        "zero": ("controlnet", "diffusers", "ra-mini"),
        "random-adapter": ("t2i-adapter", "diffusers", "ra-mini"),
        "random": ("ip-adapter", "ldm", "ra-mini"),
        "random-depth": ("depth", "transformers", ""),
        **({"image_encoder": ("vision", "transformers", "")} if "image_encoder" in kinds else {}),
    }
    assert found["random-canny"].hint == "canny" and found["random-canny"].channels == (64, 128, 192)
    assert "zero" in [c.name for c in controls("controlnet", resolve(None))]


def test_names_with_hash_and_without(library: Path) -> None:
    info = find_control("webui_file", "controlnet")
    assert info.label.startswith("webui_file [") and len(info.label) == len("webui_file") + 11
    for name in (info.label, "WEBUI_FILE", "webui_file.safetensors", str(info.path)):
        assert find_control(name, "controlnet").path == info.path


def test_wrong_names_kinds_and_families(library: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_control("nothing", "controlnet", resolve(None))
    assert "random-canny" in caught.value.text("en")
    with pytest.raises(ModelError) as caught:
        find_control("random-depth", "controlnet")
    assert caught.value.key == "control.wrong_kind"
    with pytest.raises(ModelError) as caught:
        find_control("broken", "controlnet")
    assert caught.value.key == "model.web_page"
    other = resolve(tiny.sd("sd2", tmp_path / "other"))
    with pytest.raises(ModelError) as caught:
        find_control("random-canny", "controlnet", other)
    assert caught.value.key == "control.wrong_family" and "random-canny" in caught.value.text("zh_CN")
    with pytest.raises(ModelError):
        identify_control(paths.embedded_model())


# -- loading -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["webui_file", "flat_file"])
def test_single_files_load_as_folders_do(model: pipeline.LoadedModel, library: Path, name: str) -> None:
    folder, file = (nets.load(model, find_control(n, "controlnet")).module.state_dict() for n in ("random-canny", name))
    assert folder.keys() == file.keys()
    assert all(torch.equal(folder[key], file[key]) for key in folder)


def test_a_network_is_loaded_once(model: pipeline.LoadedModel, library: Path) -> None:
    assert nets.net(model, "random-canny") is nets.net(model, "random-canny")
    for name in ("webui_file", "flat_file", "zero", "random-adapter"):
        nets.net(model, name)
    assert len(model.cache["control nets"]) == nets.KEPT


def test_files_that_do_not_fit(model: pipeline.LoadedModel, library: Path, tmp_path: Path) -> None:
    weights = load_file(library / "ControlNet" / "webui_file.safetensors")
    missing = {k: v for k, v in weights.items() if not k.endswith("zero_convs.2.0.weight")}
    save_file(missing, tmp_path / "missing.safetensors")
    with pytest.raises(ModelError) as caught:
        nets.load(model, identify_control(tmp_path / "missing.safetensors"))
    assert caught.value.key == "model.incomplete" and "zero_convs.2" in caught.value.text("en")
    weights["control_model.middle_block_out.0.bias"][3] = float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    with pytest.raises(ModelError) as caught:
        nets.load(model, identify_control(tmp_path / "nan.safetensors"))
    assert caught.value.key == "model.not_finite"
    from diffusers import ControlNetModel

    config = {**files.controlnet(model.unet).config, "layers_per_block": 2}
    ControlNetModel.from_config(config).save_pretrained(tmp_path / "deeper")
    with pytest.raises(ModelError) as caught:
        nets.load(model, identify_control(tmp_path / "deeper"))
    assert caught.value.key == "control.wrong_family"


# -- what they add -----------------------------------------------------------------------------------------------------
def test_a_call_is_what_diffusers_would_make_of_it(model: pipeline.LoadedModel, inputs: tuple) -> None:
    x, t, cond = inputs
    ours = answer(model, inputs, unit(model, weight=0.7))
    plain = files.controlnet(model.unet).eval()
    with torch.inference_mode():
        down, middle = plain(
            x, t, cond.context, hint().expand(3, -1, -1, -1), conditioning_scale=0.7, return_dict=False
        )
        theirs = model.unet(
            x, t, cond.context, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert (ours - answer(model, inputs)).abs().mean() > 0.01


def test_zero_convolutions_change_nothing(model: pipeline.LoadedModel, inputs: tuple) -> None:
    assert torch.equal(answer(model, inputs, unit(model, "zero")), answer(model, inputs))


def test_a_unit_acts_in_its_window_as_the_webui_counts(model: pipeline.LoadedModel, inputs: tuple) -> None:
    none, full = answer(model, inputs), answer(model, inputs, unit(model))
    some = unit(model, start=0.25, end=0.5)
    acts = [torch.equal(answer(model, inputs, some, step=step, total=8), full) for step in range(8)]
    assert acts == [2 <= step <= 4 for step in range(8)]
    assert torch.equal(answer(model, inputs, some, step=1, total=8), none)


def test_two_units_add_up(model: pipeline.LoadedModel, inputs: tuple) -> None:
    twice = answer(model, inputs, unit(model, weight=0.25), unit(model, weight=0.5))
    assert torch.allclose(twice, answer(model, inputs, unit(model, weight=0.75)), atol=1e-5)
    net = nets.net(model, "random-canny")
    with torch.inference_mode():
        second = Unit(net, net.embed(hint(1)))
    assert not torch.allclose(answer(model, inputs, unit(model), second), answer(model, inputs, unit(model)), atol=1e-3)


def test_control_modes(model: pipeline.LoadedModel, inputs: tuple) -> None:
    none, balanced = answer(model, inputs), answer(model, inputs, unit(model))
    prompt, control = (answer(model, inputs, unit(model, mode=mode)) for mode in ("prompt", "control"))
    assert torch.allclose(prompt[:2], control[:2], atol=1e-5) and torch.equal(control[2], none[2])
    assert not torch.allclose(prompt[2], none[2], atol=1e-3)
    assert 0 < (prompt - none).abs().mean() < (balanced - none).abs().mean()
    assert torch.equal(prompt, answer(model, inputs, unit(model, soft=True)))


def test_layer_weights_are_the_webuis(model: pipeline.LoadedModel) -> None:
    some = unit(model, weight=2.0, mode="prompt")
    assert some.scales(13) == [2.0 * SOFT ** (12 - i) for i in range(13)]
    assert some.scales(10) == some.scales(13)[:10]
    assert some.scales(7)[-1] == 2.0 and some.scales(7)[0] == pytest.approx(2.0 * SOFT**6)
    assert unit(model, weight=2.0).scales(7) == [2.0] * 7


def test_adapter(model: pipeline.LoadedModel, inputs: tuple) -> None:
    none, some = answer(model, inputs), unit(model, "random-adapter")
    steered = answer(model, inputs, some)
    with torch.inference_mode():
        pages = files.t2i_adapter((64, 128, 192)).eval()(hint())
        theirs = model.unet(
            *inputs[:2],
            inputs[2].context,
            down_intrablock_additional_residuals=[p.expand(3, -1, -1, -1) for p in pages],
        ).sample
    assert torch.allclose(steered, theirs, atol=1e-5) and not torch.allclose(steered, none, atol=1e-3)
    one_sided = answer(model, inputs, unit(model, "random-adapter", mode="control"))
    assert torch.equal(one_sided[2], none[2])
    assert not torch.allclose(answer(model, inputs, some, unit(model)), steered, atol=1e-3), "beside a ControlNet"


def test_guidance_says_which_rows_are_prompts(model: pipeline.LoadedModel, library: Path) -> None:
    """Also when prompt and negative prompt run apart, and when there is no negative prompt."""
    g = torch.Generator().manual_seed(2)
    long, short = torch.randn(154, 192, generator=g), torch.randn(77, 192, generator=g)
    x, sigma = torch.randn(1, 4, 16, 16, generator=g), torch.tensor([2.0])
    seen: list[tuple[int, int | None]] = []

    def spy(x_in: torch.Tensor, t: torch.Tensor, cond: CondBatch) -> torch.Tensor:
        seen.append((len(x_in), cond.positive))
        return torch.zeros_like(x_in)

    denoiser = ModelDenoiser(spy, model.alphas_cumprod, "epsilon")
    for cond, uncond, scale in ((short, short, 4.0), (long, short, 4.0), (short, short, 1.0)):
        CFGDenoiser(denoiser, [[(Cond.constant(cond), 1.0)]], [Cond.constant(uncond)], GuidanceOptions(scale))(x, sigma)
    empty = torch.randn(77, 192, generator=g)
    options = GuidanceOptions(4.0, pad_empty=empty)
    CFGDenoiser(denoiser, [[(Cond.constant(long), 1.0)]], [Cond.constant(short)], options)(x, sigma)
    assert seen == [(2, 1), (1, 1), (1, 0), (1, 1), (2, 1)]


# -- IP-Adapter --------------------------------------------------------------------------------------------------------
def picture(seed: int = 0, size: tuple[int, int] = (50, 40)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8))


@torch.inference_mode()
def adapted(model: pipeline.LoadedModel, inputs: tuple, *units: tuple, step: int = 0, total: int = 1) -> torch.Tensor:
    found = ip_adapter.adapters(model, units)
    if found is None:
        return answer(model, inputs)
    with found.installed():
        return diffusers_call(model.unet, Steering((), total, step, found))(*inputs)


def test_ip_adapter_speaks_and_leaves_no_trace(model: pipeline.LoadedModel, inputs: tuple) -> None:
    before = answer(model, inputs)
    processors = {name: type(p) for name, p in model.unet.attn_processors.items()}
    made = []

    def load() -> Image.Image:
        made.append(1)
        return picture()

    spoken = adapted(model, inputs, ("random", "a", load, 1.0, 0.0, 1.0))
    again = adapted(model, inputs, ("random", "a", load, 1.0, 0.0, 1.0))
    assert torch.equal(spoken, again) and made == [1], "the embedding is kept"
    assert not torch.allclose(spoken[:2], before[:2], atol=1e-3)
    other = adapted(model, inputs, ("random", "b", lambda: picture(1), 1.0, 0.0, 1.0))
    assert not torch.allclose(other, spoken, atol=1e-4)
    assert torch.equal(answer(model, inputs), before)
    assert {name: type(p) for name, p in model.unet.attn_processors.items()} == processors


def test_ip_adapter_at_zero_and_outside_its_window(model: pipeline.LoadedModel, inputs: tuple) -> None:
    before = answer(model, inputs)
    assert torch.equal(adapted(model, inputs, ("random", "a", picture, 0.0, 0.0, 1.0)), before)
    late = ("random", "a", picture, 1.0, 0.5, 1.0)
    assert torch.equal(adapted(model, inputs, late, step=1, total=4), before)
    assert not torch.equal(adapted(model, inputs, late, step=2, total=4), before)
    strengths = [
        (adapted(model, inputs, ("random", "a", picture, weight, 0.0, 1.0)) - before).abs().mean()
        for weight in (0.2, 0.6, 1.2)
    ]
    assert strengths == sorted(strengths)


def test_two_ip_adapters(model: pipeline.LoadedModel, inputs: tuple) -> None:
    one = ("random", "a", picture, 1.0, 0.0, 1.0)
    two = ("random", "b", lambda: picture(1), 0.5, 0.0, 1.0)
    both = adapted(model, inputs, one, two)
    assert not torch.allclose(both, adapted(model, inputs, one), atol=1e-4)
    silent = (*two[:3], 0.0, 0.0, 1.0)
    assert torch.equal(adapted(model, inputs, one, silent), adapted(model, inputs, one))


def test_ip_adapter_is_diffusers(model: pipeline.LoadedModel, inputs: tuple, library: Path) -> None:
    """The same numbers as a pipeline with ``load_ip_adapter``."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPVisionModelWithProjection

    unet = UNet2DConditionModel.from_config(model.unet.config)
    unet.load_state_dict(model.unet.state_dict())
    state: dict = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(library / "IP-Adapter" / "random.safetensors").items():
        part, _, rest = name.partition(".")
        state[part][rest] = tensor
    unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    encoder = CLIPVisionModelWithProjection.from_pretrained(library / "IP-Adapter" / "image_encoder")
    x, t, cond = inputs
    with torch.inference_mode():
        embeds = encoder(ip_adapter.clip_pixels(picture(), 32)).image_embeds
        rows = torch.stack([embeds, embeds, torch.zeros_like(embeds)])
        theirs = unet(x, t, cond.context, added_cond_kwargs={"image_embeds": [rows]}).sample
    ours = adapted(model, inputs, ("random", "c", picture, 1.0, 0.0, 1.0))
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_ip_adapter_without_its_encoder(model: pipeline.LoadedModel, library: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely.safetensors"
    state = load_file(library / "IP-Adapter" / "random.safetensors")
    state["image_proj.proj.weight"] = torch.randn(4 * 192, 17)
    save_file(state, lonely)
    with pytest.raises(ModelError) as caught:
        ip_adapter.adapters(model, [(str(lonely), "a", picture, 1.0, 0.0, 1.0)])
    assert caught.value.key == "control.no_image_encoder"


# -- depth -------------------------------------------------------------------------------------------------------------
def test_depth_of_a_picture(library: Path) -> None:
    estimator = depth.depth_model("random-depth")
    assert estimator is depth.depth_model("random-depth")
    image = picture(2, (70, 110))
    assert estimator.size(110, 70) == (96, 64)
    found = estimator(image)
    assert found.shape == (70, 110) and found.dtype == np.uint8 and found.min() == 0 and found.max() == 255
    # GLPN answers with distance, most others with nearness
    near = estimator.raw(image)
    assert estimator.far_is_large
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimator, "far_is_large", False)
        assert torch.equal(estimator.raw(image), -near)


def test_no_depth_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "controls", lambda kind: [])
    with pytest.raises(ModelError) as caught:
        depth.depth_model()
    assert caught.value.key == "control.no_depth_model" and "Depth-Anything" in caught.value.text("zh_CN")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "ControlNetModel"}), "utf-8")
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(ModelError) as caught:
        identify_control(tmp_path)
    assert caught.value.key == "model.pickle"

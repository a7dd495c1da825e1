from __future__ import annotations

import sys
import zipfile

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ra_widgets import _vendor
from ra_widgets.diffusion import upscalers
from ra_widgets.errors import JobCancelled, ModelError, OutOfMemory
from ra_widgets.library import upscalers as registry

from . import weights

CPU = torch.device("cpu")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A model folder with upscalers in the webui's layout."""
    root = tmp_path / "models"
    weights.write(weights.compact(2), root / "RealESRGAN" / "tiny-compact.safetensors")
    weights.write(weights.esrgan(), root / "ESRGAN" / "RealESRGAN_x4plus.safetensors")
    weights.write(weights.esrgan(old=True), root / "ESRGAN" / "4x-Old.pth")
    monkeypatch.setenv("RA_MODELS", str(root))
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    return root


def picture(width=50, height=40):
    ramp = torch.linspace(0, 255, width)[None, :, None] * torch.linspace(0.2, 1, height)[:, None, None]
    data = torch.cat([ramp, ramp.flip(1), 255 - ramp], -1).to(torch.uint8).contiguous()
    return Image.fromarray(data.numpy())


def network(models, name):
    return upscalers.load(registry.resolve(name), CPU)


def test_the_wheel_is_the_published_one():
    # its own record holds the sha256 of every file; the digest of the whole is pinned in the source
    assert zipfile.ZipFile(_vendor.WHEEL).testzip() is None
    assert _vendor.spandrel().__version__ == "0.4.2"
    assert "torchvision" not in sys.modules


def test_a_damaged_wheel_is_not_run(tmp_path, monkeypatch):
    broken = tmp_path / "spandrel.whl"
    broken.write_bytes(_vendor.WHEEL.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(_vendor, "WHEEL", broken)
    monkeypatch.delitem(sys.modules, "spandrel")
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, _vendor.WheelFinder)])
    with pytest.raises(ImportError):
        _vendor.spandrel()


def test_names_are_the_webuis(models):
    names = registry.names()
    assert names[:3] == ["None", "Lanczos", "Nearest"]
    assert set(names) >= {"tiny-compact", "R-ESRGAN 4x+", "4x-Old"}
    assert registry.names(latent=True)[0] == "Latent"
    assert registry.resolve("realesrgan_x4plus").name == "R-ESRGAN 4x+"
    assert registry.resolve("lanczos").kind == "filter"
    with pytest.raises(ModelError, match=r"tiny-compact"):
        registry.resolve("no such thing")
    with pytest.raises(ModelError):
        registry.resolve("Latent")


@pytest.mark.parametrize(
    ("name", "architecture", "scale"),
    [("tiny-compact", "RealESRGAN Compact", 2), ("R-ESRGAN 4x+", "ESRGAN", 4), ("4x-Old", "ESRGAN", 4)],
)
def test_files_of_the_family_are_read(models, name, architecture, scale):
    net = network(models, name)
    assert (net.architecture, net.scale) == (architecture, scale)
    out = net(torch.rand(1, 3, 20, 30))
    assert out.shape == (1, 3, 20 * scale, 30 * scale) and 0 <= out.min() <= out.max() <= 1


def test_tiles_change_nothing(models):
    net = network(models, "tiny-compact")
    x = torch.rand(1, 3, 90, 130, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(net(x, tile=48, overlap=16), net(x, tile=0), atol=1e-5)


def test_progress_rises_and_cancel_is_heard(models):
    seen = []
    tools = upscalers.Upscalers(CPU)
    info = registry.resolve("tiny-compact")
    tools.resize(picture(), info, (200, 160), tile=32, done=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) > 8

    def stop(fraction):
        raise JobCancelled()

    with pytest.raises(JobCancelled):
        tools.resize(picture(), info, (100, 80), tile=32, done=stop)


def test_resize_reaches_any_size(models):
    tools = upscalers.Upscalers(CPU)
    for name in ("None", "Lanczos", "Nearest", "tiny-compact", "R-ESRGAN 4x+"):
        for size in ((77, 63), (150, 120), (9, 200), (20, 16)):
            assert tools.resize(picture(), registry.resolve(name), size).size == size
    # a filter makes the size at once, a network of 2 is applied twice for 3 times the size
    nearest = picture().resize((150, 120), Image.Resampling.NEAREST)
    assert tools.resize(picture(), registry.resolve("Nearest"), (150, 120)).tobytes() == nearest.tobytes()
    twice = tools.resize(picture(), registry.resolve("tiny-compact"), (200, 160))
    once = tools.resize(picture(), registry.resolve("tiny-compact"), (100, 80))
    assert tools.resize(once, registry.resolve("tiny-compact"), (200, 160)).tobytes() == twice.tobytes()
    assert (
        tools.resize(picture(), registry.resolve("tiny-compact"), (150, 120)).tobytes()
        == twice.resize((150, 120), Image.Resampling.LANCZOS).tobytes()
    )
    small = picture().resize((20, 20), Image.Resampling.LANCZOS)
    # nothing to enlarge: the network is not asked
    assert list(tools.resize(picture(), registry.resolve("tiny-compact"), (20, 20)).tobytes()) == list(small.tobytes())


def test_two_networks_stay_loaded(models):
    tools = upscalers.Upscalers(CPU)
    first = tools.network(registry.resolve("tiny-compact"))
    tools.network(registry.resolve("4x-Old"))
    assert tools.network(registry.resolve("tiny-compact")) is first
    tools.network(registry.resolve("R-ESRGAN 4x+"))
    assert len(tools._loaded) == 2


def test_a_pickle_is_converted_once(models, tmp_path):
    network(models, "4x-Old")
    (converted,) = (tmp_path / "home" / "converted").glob("*.safetensors")
    assert load_file(converted)["model.0.weight"].shape == (8, 3, 3, 3)
    stamp = converted.stat().st_mtime_ns
    network(models, "4x-Old")
    assert converted.stat().st_mtime_ns == stamp


class Bomb:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        import os

        return os.system, (f"echo ran > '{self.canary}'",)


def test_a_pickle_with_a_program_is_refused_and_does_not_run(models, tmp_path):
    canary = tmp_path / "canary"
    torch.save({"params": weights.compact(2), "x": Bomb(str(canary))}, models / "ESRGAN" / "bomb.pth")
    with pytest.raises(ModelError, match=r"bomb\.pth") as caught:
        network(models, "bomb")
    assert caught.value.key == "pickle.refused"
    assert not canary.exists()
    assert not list((tmp_path / "home").rglob("bomb*"))


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("page.safetensors", b"<!DOCTYPE html><html>", "model.web_page"),
        ("cut.safetensors", b"", "model.truncated"),
        ("noise.pth", b"no pickle at all", "pickle.refused"),
        ("zip.pth", b"PK\x03\x04 half a zip", "pickle.damaged"),
    ],
)
def test_damaged_files_are_named(models, name, content, key):
    (models / "ESRGAN" / name).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        network(models, name.split(".")[0])
    assert caught.value.key == key
    assert name in str(caught.value)


def test_other_networks_are_no_upscalers(models):
    weights.write({"some.weight": torch.zeros(3, 3)}, models / "ESRGAN" / "other.safetensors")
    torch.save([1, 2], models / "ESRGAN" / "list.pth")
    nan = weights.compact(2)
    nan["body.0.weight"][0, 0, 0, 0] = float("nan")
    weights.write(nan, models / "ESRGAN" / "nan.safetensors")
    for name, key in (("other", "upscaler.unsupported"), ("list", "pickle.no_weights"), ("nan", "upscaler.damaged")):
        with pytest.raises(ModelError) as caught:
            network(models, name)
        assert caught.value.key == key


def test_too_large_is_refused_before_the_work(models):
    with pytest.raises(ModelError) as caught:
        upscalers.Upscalers(CPU).resize(Image.new("RGB", (4000, 3000)), registry.resolve("R-ESRGAN 4x+"), (8000, 6000))
    assert caught.value.key == "upscaler.too_large"


class Hungry:
    """A network that fits into memory only in small tiles."""

    def __init__(self, model, limit):
        self.model, self.limit, self.sides = model, limit, []
        self.scale, self.architecture, self.tiling = model.scale, model.architecture, model.tiling

    def __call__(self, x):
        self.sides.append(x.shape[-1])
        if x.shape[-1] > self.limit:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.model(x)


def test_out_of_memory_goes_down_the_ladder(models):
    net = network(models, "tiny-compact")
    x = torch.rand(1, 3, 200, 200)
    whole = net(x, tile=0)
    net.model = Hungry(net.model, 100)
    assert torch.allclose(net(x, tile=0), whole, atol=1e-5)
    assert net.model.sides[0] == 200 and max(net.model.sides[1:]) == 100
    net.model = Hungry(net.model.model, 10)
    with pytest.raises(OutOfMemory):
        net(x)


def test_a_network_that_overflows_in_half_precision_is_run_in_float32(models):
    net = network(models, "tiny-compact")
    x = torch.rand(1, 3, 16, 16)
    wanted = net(x)
    real = net.model

    class Overflowing:
        scale, architecture, tiling = real.scale, real.architecture, real.tiling

        def __call__(self, piece):
            out = real(piece.float())
            return out * float("inf") if piece.dtype == torch.bfloat16 else out

        def to(self, device, dtype):
            return self

    net.model, net.dtype = Overflowing(), torch.bfloat16
    assert torch.allclose(net(x), wanted, atol=1e-2)
    assert net.dtype == torch.float32


def drawing(side: int) -> Image.Image:
    """Shapes with clean edges, as the embedded model's art has."""
    from PIL import ImageDraw

    image = Image.new("RGB", (4 * side, 4 * side), (226, 240, 250))
    draw = ImageDraw.Draw(image)
    k = 4 * side / 100
    draw.ellipse([15 * k, 20 * k, 60 * k, 65 * k], fill=(214, 48, 49))
    draw.polygon([(50 * k, 85 * k), (72 * k, 30 * k), (94 * k, 85 * k)], fill=(39, 120, 60))
    draw.rectangle([10 * k, 70 * k, 44 * k, 92 * k], fill=(60, 60, 80))
    return image.resize((side, side), Image.Resampling.BOX)


def test_ours_beats_lanczos_on_drawn_edges():
    large = drawing(192)
    small = large.resize((96, 96), Image.Resampling.BICUBIC)
    tools = upscalers.Upscalers(CPU)

    def error(name: str) -> float:
        made = tools.resize(small, registry.resolve(name), (192, 192))
        a, b = (torch.frombuffer(bytearray(i.tobytes()), dtype=torch.uint8).float() for i in (made, large))
        return float((a - b).square().mean())

    # half of the squared error: 3 dB
    assert error(registry.EMBEDDED) < 0.5 * error("Lanczos")


def test_ours_says_what_it_is():
    info = registry.resolve("ra x2")
    assert registry.card(info)["scale"] == 2 and "Apache-2.0" in str(registry.card(info)["license"])
    assert info.path is not None and info.path.stat().st_size < 2_000_000
    assert registry.default("ra-mini") == registry.EMBEDDED
    assert network(None, "RA x2").architecture == "RealESRGAN Compact"

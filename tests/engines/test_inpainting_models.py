"""Models whose UNet sees the mask: nine input channels, random weights. What they are shown, and that every task runs on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusion import tiny
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets.diffusion.tasks.channels import image_cond
from ra_widgets.diffusion.tasks.passes import to_pixels
from ra_widgets.errors import ModelError
from ra_widgets.kernel import PipelineKernel

SIZE = {"steps": 2, "seed": 1, "width": 64, "height": 64, "sampler": "Euler"}


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def nine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineKernel]:
    folder = tiny.sd(request.param, tmp_path_factory.mktemp("nine") / f"tiny-{request.param}", channels=9)
    with PipelineKernel(folder, gallery=tmp_path_factory.mktemp("gallery")) as kernel:
        yield kernel


@pytest.fixture
def image() -> Image.Image:
    y, x = np.mgrid[0:64, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 4, (x + y) * 2], axis=2).astype(np.uint8))


@pytest.fixture
def mask() -> Image.Image:
    sheet = Image.new("L", (64, 64))
    ImageDraw.Draw(sheet).rectangle((16, 16, 39, 39), fill=255)
    return sheet


def shown(kernel: PipelineKernel, request: ra.Request) -> tuple[torch.Tensor, ra.Result]:
    """The further channels of the UNet's last call, and the result."""
    kernel.load(kernel.model.path).result(120)
    unet, seen = kernel._engine._loaded.unet, []
    hook = unet.register_forward_pre_hook(lambda module, args: seen.append(args[0][-1:].float().clone()))
    try:
        result = kernel.generate(request)
    finally:
        hook.remove()
    assert len(seen) >= 2 and all(page.shape[1] == 9 for page in seen)
    return seen[-1][:, 4:], result


def test_inpainting_is_shown_the_mask_and_the_rest_of_the_picture(nine, image, mask):
    request = ra.Inpaint(prompt="a", image=image, mask=mask, mask_blur=0, denoising_strength=0.9, **SIZE)
    found, result = shown(nine, request)
    scale = nine._engine._loaded.latent_scale
    cells = torch.from_numpy(np.asarray(mask, np.float32) / 255)[::scale, ::scale]
    assert torch.equal(found[0, 0], cells)
    hidden = Image.composite(Image.new("RGB", image.size, (127, 127, 127)), image, mask)
    with torch.inference_mode():
        wanted = nine._engine._loaded.encode(to_pixels(hidden)[None])
    assert torch.allclose(found[0, 1:], wanted[0], atol=0.05)
    outside = np.asarray(mask) == 0
    assert np.array_equal(np.asarray(result.images[0])[outside], np.asarray(image)[outside])
    assert nine.verify(result.records[0].path).max_difference == 0


def test_the_weight_of_the_mask(nine, image, mask):
    pages = {}
    for weight in (0.0, 0.5, 1.0):
        fields = {"image": image, "mask": mask, "mask_blur": 0, "inpainting_mask_weight": weight}
        pages[weight] = shown(nine, ra.Inpaint(prompt="a", **fields, **SIZE))[0]
    with torch.inference_mode():
        plain = nine._engine._loaded.encode(to_pixels(image)[None])
    assert torch.allclose(pages[0.0][0, 1:], plain[0], atol=1e-4)
    distances = [float((pages[w][0, 1:] - plain[0]).abs().mean()) for w in (0.0, 0.5, 1.0)]
    assert distances[0] < distances[1] < distances[2]


def test_without_a_mask_all_is_to_be_painted(nine, image):
    nothing = torch.full((1, 3, 64, 64), 0.5)
    for request in (ra.TextToImage(prompt="a", **SIZE), ra.ImageToImage(prompt="a", image=image, **SIZE)):
        found, _ = shown(nine, request)
        with torch.inference_mode():
            wanted = nine._engine._loaded.encode(nothing)
        assert (found[0, 0] == 1).all() and torch.allclose(found[0, 1:], wanted[0], atol=1e-4)


@pytest.mark.parametrize(
    "extra", [{"soft_inpainting": True, "mask_blur": 6}, {"inpaint_full_res": True}, {"sampler": "DDIM", "steps": 5}]
)
def test_every_way_of_inpainting_runs(nine, image, mask, extra):
    made = nine.generate(ra.Inpaint(prompt="a", image=image, mask=mask, batch_size=2, **SIZE | extra))
    assert [picture.size for picture in made.images] == [image.size] * 2


def test_other_numbers_of_channels_are_refused_with_a_sentence(tmp_path: Path):
    folder = tiny.sd("sd1", tmp_path / "tiny-8", channels=8)
    with PipelineKernel(folder, gallery=False) as kernel, pytest.raises(ModelError, match="8"):
        kernel.generate(ra.TextToImage(prompt="a", **SIZE))


def test_ordinary_models_get_nothing(kernel):
    kernel.generate("a", steps=1, seed=1)
    assert image_cond(kernel._engine._loaded, 64, 64) is None

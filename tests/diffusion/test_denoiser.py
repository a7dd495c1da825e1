"""Prediction types, timesteps, LCM and the call of a diffusers UNet."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ra_widgets.diffusion import schedules
from ra_widgets.diffusion.denoiser import PREDICTION_TYPES, CondBatch, LCMDenoiser, ModelDenoiser, diffusers_call

ALPHAS = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
COND = CondBatch(torch.zeros(2, 77, 8))


def predict(kind: str, x0: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """What a perfect network answers (Ho et al. 2020; Salimans & Ho 2022)."""
    return {"epsilon": noise, "v_prediction": alpha**0.5 * noise - (1 - alpha) ** 0.5 * x0, "sample": x0}[kind]


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
@pytest.mark.parametrize("zero_snr", [False, True])
def test_a_perfect_network_gives_the_picture(kind, zero_snr):
    alphas = schedules.rescale_zero_terminal_snr(ALPHAS) if zero_snr else torch.from_numpy(ALPHAS).float()
    t = torch.tensor([3, 700])
    generator = torch.Generator().manual_seed(1)
    x0, noise = torch.randn(2, 2, 4, 8, 8, generator=generator)
    alpha = alphas[t].reshape(-1, 1, 1, 1)
    seen = {}

    def unet(x_in, timesteps, cond):
        seen.update(x=x_in, t=timesteps, cond=cond)
        return predict(kind, x0, noise, alpha)

    denoiser = ModelDenoiser(unet, alphas, kind)
    sigma = denoiser.sigmas[t]
    made = denoiser(x0 + noise * sigma.reshape(-1, 1, 1, 1), sigma, COND)
    assert torch.allclose(made, x0, atol=1e-4)
    assert torch.allclose(seen["x"], alpha**0.5 * x0 + (1 - alpha) ** 0.5 * noise, atol=1e-4)
    assert torch.allclose(seen["t"], t.float(), atol=1e-2)
    assert seen["cond"] is COND


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_outputs_there_and_back(kind):
    denoiser = ModelDenoiser(lambda *_: torch.zeros(1), ALPHAS, kind)
    x, denoised, s = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([0.5, 9.0]).reshape(-1, 1, 1, 1)
    assert torch.allclose(denoiser.from_output(x, s, denoiser.to_output(x, s, denoised)), denoised, atol=1e-5)


def test_timesteps_are_fractions():
    """Half way in log sigma between two of the model's levels is half a timestep: nothing is rounded."""
    seen = []
    denoiser = ModelDenoiser(lambda x, t, cond: (seen.append(t), x)[1], ALPHAS)
    between = (denoiser.sigmas[500] * denoiser.sigmas[501]) ** 0.5
    denoiser(torch.zeros(1, 4, 8, 8), between.reshape(1), COND)
    assert seen[0].dtype == torch.float32
    assert float(seen[0]) == pytest.approx(500.5, abs=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision(dtype):
    """Whatever the network answers in, sampling goes on in single precision or better."""
    denoiser = ModelDenoiser(lambda x, t, cond: x.to(dtype), ALPHAS)
    made = denoiser(torch.ones(1, 4, 8, 8, dtype=dtype), torch.tensor([2.0]), COND)
    assert made.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_unknown_prediction_type():
    with pytest.raises(ValueError, match="v_prediction"):
        ModelDenoiser(lambda *_: None, ALPHAS, "flow")


def test_lcm():
    """Rounded to timesteps 19, 39, ..., 999; at low noise the input comes through, at high noise the network's
    picture.
    """
    seen = []
    denoiser = LCMDenoiser(lambda x, t, cond: (seen.append(t), torch.zeros_like(x))[1], ALPHAS)
    table = schedules.model_sigmas(ALPHAS)
    x = torch.ones(3, 4, 8, 8)
    made = denoiser(x, table[[19, 505, 999]], COND)
    assert seen[0].tolist() == [19.0, 499.0, 999.0]
    for image, t in zip(made, (19, 499, 999), strict=True):
        skip, out = 0.25 / ((10 * t) ** 2 + 0.25), 10 * t / ((10 * t) ** 2 + 0.25) ** 0.5
        assert torch.allclose(image, torch.full_like(image, skip + out))
    assert torch.allclose(denoiser.t_to_sigma(torch.tensor([19.0, 999.0])), table[[19, 999]])


def test_diffusers_unet():
    """A real (random) UNet: dtypes, extra channels and SDXL's added conditions reach it."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=5,
        out_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 16,
    ).eval()
    context = torch.randn(2, 77, 8)
    extras = {"text_embeds": torch.randn(2, 16), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)}
    extras["image_cond"] = torch.randn(2, 1, 8, 8)
    call = diffusers_call(unet)
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([10.5, 900.25])
    with torch.no_grad():
        made = call(x, t, CondBatch(context, extras))
        added = {key: extras[key] for key in ("text_embeds", "time_ids")}
        expected = unet(torch.cat([x, extras["image_cond"]], 1), t, context, added_cond_kwargs=added).sample
        other = call(x, t, CondBatch(context, {**extras, "text_embeds": extras["text_embeds"] + 1}))
    assert torch.equal(made, expected)
    assert not torch.equal(made, other)
    half = unet.to(torch.bfloat16)
    with torch.no_grad():
        assert call(x, t, CondBatch(context, extras)).dtype == half.dtype

"""What is compiled is the same network, and a run in which something gets no gradient stops with its name."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from training_mini import copy_of
from transformers import CLIPTextModel

from models.training import stage_diffusion
from models.training.config import TINY, Config
from models.training.networks import build_unet, for_compiling, unmoved
from models.training.runtime import autocast


def _gradients(unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x, text = (torch.randn(shape, generator=generator) for shape in ((4, 4, 8, 8), (4, 32, 16)))
    text.requires_grad_(True)
    unet.zero_grad()
    with autocast():
        x = x.to(memory_format=torch.channels_last)
        out = unet(x, torch.tensor([5, 50, 300, 900]), encoder_hidden_states=text).sample
    (out.float() ** 2).mean().backward()
    found = {name: p.grad.clone() for name, p in unet.named_parameters() if p.grad is not None}
    return {**found, "text": text.grad}


def test_the_unet_that_is_compiled_is_the_same_network() -> None:
    torch.manual_seed(0)
    unet = build_unet(TINY.unet, 16, 8)
    unet.set_attn_processor(AttnProcessor())
    unet = unet.to(memory_format=torch.channels_last)
    for p in unet.parameters():  # residual branches begin at zero and would have no gradient
        torch.nn.init.normal_(p, 0, 0.2)
    changed = for_compiling(copy.deepcopy(unet))
    plain, again = _gradients(unet), _gradients(changed)
    assert set(plain) == set(again) and "text" in plain
    for name, wanted in plain.items():
        assert (again[name] - wanted).norm() <= 0.05 * wanted.norm() + 1e-6, name


def test_a_network_that_gets_no_gradient_is_named() -> None:
    a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    a(torch.ones(1, 2)).sum().backward()
    assert unmoved({"a": a, "b": b}) == ["b.weight", "b.bias"]
    b.weight.grad, b.bias.grad = torch.zeros(2, 2), torch.ones(2)
    assert unmoved({"a": a, "b": b}) == ["b.weight"]


def test_a_compiled_run_without_gradients_stops(mini: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(unet: UNet2DConditionModel, **_: object) -> torch.nn.Module:
        """A faulty compiler: nothing comes back to the text."""
        plain = unet.forward
        unet.forward = lambda x, t, encoder_hidden_states: plain(x, t, 0 * encoder_hidden_states)
        return unet

    monkeypatch.setattr(torch, "compile", losing)
    config = copy_of(mini, tmp_path, steps=25, compile=True)
    with pytest.raises(RuntimeError, match="gives no gradient") as told:
        stage_diffusion.train(config, quiet=True)
    text = CLIPTextModel.from_pretrained(config.state / "text_encoder")
    # at 1 x 1 the miniature's self-attention has nothing to choose from and gets none either
    assert int(re.search(r"to (\d+) tensors", str(told.value))[1]) >= len(list(text.parameters()))

"""The small CLIP beside the embedded model: plain transformers loads it, and it tells the model's own pictures apart in two languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

import ra_widgets as ra

MODELS = Path(__file__).resolve().parents[2] / "models"
FOLDER = MODELS / "ra-mini-clip"
WORDS = (
    ("a cat", "一只猫"),
    ("a red apple", "一个红苹果"),
    ("a penguin in the snow", "雪地里的企鹅"),
    ("a sunflower on a blue background", "一朵向日葵，蓝色背景"),
    ("a hamburger", "一个汉堡"),
    ("a house on the grass", "草地上的一座房子"),
    ("a pumpkin", "一个南瓜"),
    ("a star in the night sky", "夜空中的一颗星星"),
)


@pytest.fixture(scope="module")
def fits(kernel: Any) -> dict[str, torch.Tensor]:
    """Logits [text, picture] of eight pictures of ra-mini, by language."""
    images = [kernel.generate(ra.TextToImage(prompt=en, seed=3, steps=12)).image for en, _ in WORDS]
    # after the kernel has loaded its model: accelerate's empty initialisation holds for all threads
    clip = CLIPModel.from_pretrained(FOLDER).eval()
    tokenizer, pixels = AutoTokenizer.from_pretrained(FOLDER), AutoImageProcessor.from_pretrained(FOLDER)
    shown = pixels(images, return_tensors="pt")
    found = {}
    for language, k in (("en", 0), ("zh", 1)):
        told = tokenizer([w[k] for w in WORDS], padding=True, return_tensors="pt")
        with torch.no_grad():
            found[language] = clip(**told, **shown).logits_per_text
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_sentence_finds_its_picture_among_eight(fits: dict[str, torch.Tensor], language: str) -> None:
    right = (fits[language].argmax(1) == torch.arange(len(WORDS))).sum()
    assert right >= 7, fits[language]


def test_the_text_side_is_the_pipelines_own() -> None:
    ours = load_file(MODELS / "ra-mini" / "text_encoder" / "model.safetensors")
    theirs = load_file(FOLDER / "model.safetensors")
    for name, value in ours.items():
        assert torch.equal(value, theirs["text_model." + name.removeprefix("text_model.")]), name


def test_it_is_small_and_its_card_has_no_gaps() -> None:
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) <= 8_000_000
    for card in MODELS.glob("*/README.md"):
        assert not re.search(r"@[A-Z]+@", card.read_text("utf-8")), card

"""Sentences around captions, and the run in which only the text encoder learns from them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_recipe import copy_of, mini  # noqa: F401

from models.training import chatter, compose, stage_diffusion
from models.training.captions import SUBJECTS, plural
from models.training.config import Config
from models.training.runtime import read_module
from models.training.strangers import sentences
from models.training.vocabulary import read_subjects


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_sentence_names_its_thing_among_other_words(language: str) -> None:
    r, curriculum = random.Random(4), compose.of_run("camp", [s.key for s in read_subjects()])
    longer, strange = 0, {text for _, text in sentences()}
    for spec in compose.draw_specs(r, curriculum, 400, "coarse"):
        text = chatter.sentence(spec, r, language)
        assert text not in strange
        for key in {o["s"] for o in spec["objects"]}:
            names = (*SUBJECTS[key].en, *SUBJECTS[key].zh, *(plural(name) for name in SUBJECTS[key].en))
            assert any(name in text for name in names), (key, text)
        longer += len(text) > (12 if language == "zh" else 30)
    assert longer > 100


def test_only_the_text_encoder_learns(mini: Config, tmp_path: Path) -> None:  # noqa: F811
    # a fresh UNet's attention is silent at its exits and hands no gradient to the text: it learns first
    config = copy_of(mini, tmp_path, steps=3, lr=1e-2)
    stage_diffusion.train(config, quiet=True)
    path = config.state / stage_diffusion.STATE
    unet, text = (read_module(path, name) for name in ("unet", "text"))
    stage_diffusion.train(replace(config, steps=6, chatter=0.5, unet_share=0.0), quiet=True)
    after = read_module(path, "unet")
    assert all(torch.equal(after[name], value) for name, value in unet.items())
    before = text["final_layer_norm.weight"]
    moved = read_module(path, "text")["final_layer_norm.weight"] - before
    assert moved.norm() > 0 and abs(moved @ before) < 0.9 * moved.norm() * before.norm(), "more than weight decay"


def test_long_sentences_are_not_cut_at_the_short_length(mini: Config) -> None:  # noqa: F811
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(mini.state / "tokenizer")
    long = "qwx " * 12
    for seed in range(8):
        ids = stage_diffusion.tokenise(["a cat", long], tokenizer, random.Random(seed))
        assert ids.shape == (2, 77)
    lengths = {stage_diffusion.tokenise(["a cat"], tokenizer, random.Random(s)).shape[1] for s in range(20)}
    assert lengths == {32, 77}

"""Sentences around captions, and the run in which only the text encoder learns from them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_mini import copy_of

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


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_thing_in_a_strange_colour_or_style_is_not_told_by_its_name_alone(language: str) -> None:
    from models.training.vocabulary import COLOURS, STYLES

    r, curriculum = random.Random(5), compose.of_run("known", [s.key for s in read_subjects()])
    styled, coloured = [], []
    for _ in range(600):
        spec = compose.coarse(compose.random_spec(r, curriculum, "flat", "one", coloured=1.0), r)
        text = chatter.sentence(spec, r, language)
        colour = COLOURS[spec["objects"][0]["c"]]
        styled.append(any(word in text for words in STYLES["flat"] for word in words))
        coloured.append(any(word in text for word in (colour.key, *colour.zh)))
    assert sum(styled) / 600 > 0.9 and sum(coloured) / 600 > 0.8


def test_only_the_text_encoder_learns(mini: Config, tmp_path: Path) -> None:
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


def test_long_sentences_are_not_cut_at_the_short_length(mini: Config) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(mini.state / "tokenizer")
    long = "qwx " * 12
    for seed in range(8):
        ids = stage_diffusion.tokenise(["a cat", long], tokenizer, random.Random(seed))
        assert ids.shape == (2, 77)
    lengths = {stage_diffusion.tokenise(["a cat"], tokenizer, random.Random(s)).shape[1] for s in range(20)}
    assert lengths == {32, 77}

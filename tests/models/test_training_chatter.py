"""Sentences around captions, and the run in which only the text encoder learns from them."""

from __future__ import annotations

import random
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
    config = copy_of(mini, tmp_path, steps=3, chatter=0.5, unet_share=0.0, lr=1e-2)
    fresh, _ = stage_diffusion.build(config, None)
    stage_diffusion.train(config, quiet=True)
    path = config.state / stage_diffusion.STATE
    for name, before in (("unet", fresh.unet), ("text", fresh.text)):
        after = read_module(path, name)
        same = [torch.equal(after[k], v) for k, v in before.state_dict().items() if v.is_floating_point()]
        assert all(same) == (name == "unet"), name


def test_long_sentences_are_not_cut_at_the_short_length(mini: Config) -> None:  # noqa: F811
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(mini.state / "tokenizer")
    long = "qwx " * 12
    for seed in range(8):
        ids = stage_diffusion.tokenise(["a cat", long], tokenizer, random.Random(seed))
        assert ids.shape == (2, 77)
    lengths = {stage_diffusion.tokenise(["a cat"], tokenizer, random.Random(s)).shape[1] for s in range(20)}
    assert lengths == {32, 77}

"""Prompts to embeddings, on the real CLIP tokenizer and on the embedded model."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest
import torch

from ra_widgets import paths
from ra_widgets.diffusion import memory, pipeline
from ra_widgets.diffusion.clip_tokenizer import make_tokenizer
from ra_widgets.diffusion.conditioning import TextEncoder, Timeline, chunks_of
from ra_widgets.kernel import PipelineKernel
from ra_widgets.library import resolve
from tests.diffusion import tiny


@pytest.fixture(scope="module")
def clip():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model():
    return pipeline.load(resolve(None), memory.choose_device("cpu"), "fp32")


@pytest.fixture
def encoder(model):
    return TextEncoder(model)


def lengths(text, tokenizer, **options):
    return [len(chunk.tokens) for chunk in chunks_of(text, tokenizer, **options)]


def test_seventy_five_tokens_a_chunk(clip):
    assert lengths("", clip) == [0]
    assert lengths("cat " * 75, clip) == [75]
    assert lengths("cat " * 76, clip) == [75, 1]
    assert lengths("cat " * 160, clip) == [75, 75, 10]


def test_comma_backtracking_moves_the_last_phrase_on(clip):
    text = "cat " * 60 + "," + "dog " * 20
    assert lengths(text, clip) == [61, 20]
    assert lengths(text, clip, backtrack=0) == [75, 6]
    far = "cat " * 50 + "," + "dog " * 30  # the comma is more than 20 tokens back: nothing moves
    assert lengths(far, clip) == [75, 6]


def test_break_ends_a_chunk(clip):
    assert lengths("cat BREAK dog", clip) == [1, 1]
    weighed = chunks_of("(cat BREAK dog:1.2)", clip)  # webui's quirk: BREAK in brackets is a word
    assert len(weighed) == 1 and len(weighed[0].tokens) == 3


def test_weights_stand_beside_their_tokens(clip):
    chunk = chunks_of("a (red:1.3) cat", clip)[0]
    assert [round(w, 3) for w in chunk.weights] == [1.0, 1.3, 1.0]
    assert chunks_of("a (red:1.3) cat", clip, "Ignore")[0].weights == [1.0] * 3
    assert len(chunks_of("a (red:1.3) cat", clip, "None")[0].tokens) > 3


def test_the_embedded_model_has_chunks_of_its_own_length(model, encoder):
    length = model.pipe.tokenizer.model_max_length
    assert encoder.encode("猫").embeds.shape[0] == length
    assert encoder.encode("猫 " * (length + 3)).embeds.shape[0] == 2 * length


def test_plain_text_equals_the_pipelines_own_encoding(model, encoder):
    ids = model.pipe.tokenizer("一个红苹果", padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.inference_mode():
        expected = model.pipe.text_encoder(input_ids=ids).last_hidden_state[0]
        assert torch.equal(encoder.encode("一个红苹果").embeds, expected)


@pytest.mark.parametrize("skip", [2, 3])
def test_clip_skip_leaves_out_the_last_layers(model, encoder, skip):
    shorter = copy.deepcopy(model.pipe.text_encoder)
    shorter.encoder.layers = shorter.encoder.layers[: 1 - skip]
    ids = model.pipe.tokenizer("a red car", padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.inference_mode():
        expected = shorter(input_ids=ids).last_hidden_state[0]
        found = encoder.encode("a red car", clip_skip=skip).embeds
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, encoder.encode("a red car").embeds, atol=1e-2)


def test_sd2_has_no_clip_skip(tmp_path):
    """As in the webui, whose OpenCLIP does not look at the setting."""
    loaded = pipeline.load(resolve(tiny.sd("sd2", tmp_path / "sd2")), memory.choose_device("cpu"), "fp32")
    encoder = TextEncoder(loaded)
    with torch.inference_mode():
        assert torch.equal(encoder.encode("a red car").embeds, encoder.encode("a red car", clip_skip=2).embeds)
    assert encoder.encoded == 1


def test_emphasis_modes(encoder):
    plain = encoder.encode("a red cat").embeds
    weighed = encoder.encode("a (red:1.5) cat", emphasis="No norm").embeds
    row = (weighed != plain).any(dim=1).nonzero().flatten().tolist()
    assert len(row) == 1 and torch.allclose(weighed[row[0]], plain[row[0]] * 1.5, atol=1e-6)
    original = encoder.encode("a (red:1.5) cat").embeds
    assert torch.allclose(original, weighed * (plain.mean() / weighed.mean()), atol=1e-5)
    assert torch.allclose(original.mean(), plain.mean(), atol=1e-6)
    assert torch.equal(encoder.encode("a (red:1.5) cat", emphasis="Ignore").embeds, plain)


def test_and_and_schedules(encoder):
    parts = encoder.parts("a cat AND a dog :0.5", Timeline(10))
    assert [part.weight for part in parts] == [1.0, 0.5]
    steps = encoder.parts("a [cat:dog:0.5]", Timeline(10))[0].schedule
    assert [end for end, _ in steps] == [5, 10]
    assert torch.equal(steps[1][1].embeds, encoder.encode("a dog").embeds)
    negative = encoder.negative("a cat AND a dog", Timeline(10))
    assert torch.equal(negative.schedule[0][1].embeds, encoder.encode("a cat AND a dog").embeds)
    second = encoder.parts("a [cat:dog:1.5]", Timeline(10, 10))[0].schedule
    assert [end for end, _ in second] == [5, 10]
    old = encoder.parts("a [cat:dog:1.5] [red:blue:0.3]", Timeline(10, 10, old=True))[0].schedule
    assert [end for end, _ in old] == [1, 3, 10]


def test_comments_are_not_read(kernel):
    """As in the webui; the record keeps them."""
    fields = {"steps": 2, "seed": 3, "width": 64, "height": 64}
    commented = kernel.generate(
        "a cat # in the rain <lora:none:1>\n, night", negative_prompt="# all\nred", **fields
    ).records[0]
    plain = kernel.generate("a cat \n, night", negative_prompt="red", **fields).records[0]
    assert commented.image.tobytes() == plain.image.tobytes() and commented.warnings == []
    assert "# in the rain" in commented.request.prompt and kernel.verify(commented).same


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    folder = tiny.sd("sdxl", tmp_path_factory.mktemp("xl") / "xl")
    return pipeline.load(resolve(folder), memory.choose_device("cpu"), "fp32")


def test_sdxl_equals_the_pipelines_own_encoding(xl):
    """Two encoders side by side, one layer early, and the second's pooled vector; an empty negative prompt is zeros."""
    encoder = TextEncoder(xl)
    with torch.inference_mode():
        embeds, zeros, pooled, pooled_zeros = xl.pipe.encode_prompt(
            "a red cat", device="cpu", do_classifier_free_guidance=True
        )
        found = encoder.encode("a red cat")
        assert torch.equal(found.embeds, embeds[0]) and torch.equal(found.pooled, pooled[0])
        empty = encoder.negative("", Timeline(4)).schedule[0][1]
        assert torch.equal(empty.embeds, zeros[0]) and torch.equal(empty.pooled, pooled_zeros[0])
        assert not empty.embeds.any() and encoder.encode("").embeds.any()
        for negative in ("[:]", "dog", "[:dog:2]", " "):
            assert encoder.negative(negative, Timeline(4)).schedule[0][1].embeds.any(), "not empty all the way"
        assert not encoder.negative("[::2]<lora:x:1>", Timeline(4)).schedule[0][1].embeds.any()
        assert encoder.parts("", Timeline(4))[0].schedule[0][1].embeds.any(), "only the negative prompt"


def test_sdxl_chunks_share_the_first_ones_pooled_vector(xl):
    encoder = TextEncoder(xl)
    with torch.inference_mode():
        long, first = encoder.encode("red cat BREAK big dog"), encoder.encode("red cat")
        places = xl.pipe.tokenizer.model_max_length
        assert long.embeds.shape == (2 * places, 80) and torch.equal(long.pooled, first.pooled)
        assert torch.equal(long.embeds[:places], first.embeds)
        assert torch.equal(long.embeds[places:], encoder.encode("big dog").embeds)
        skipped = encoder.encode("red cat", clip_skip=3)
        assert torch.equal(skipped.embeds, first.embeds), "the webui ignores clip skip here"
        weighed = encoder.encode("red (cat:1.5)")
        for part, plain in zip(weighed.embeds.split([32, 48], 1), first.embeds.split([32, 48], 1), strict=True):
            assert torch.allclose(part.mean(), plain.mean(), atol=1e-5), "each encoder keeps its own mean"


def test_sdxl_refiner_is_told_scores(xl, tmp_path):
    """The refiner has five numbers for size and beauty where SDXL has six for sizes; its score differs for the negative."""
    from types import SimpleNamespace

    from ra_widgets.diffusion.tasks import conditions

    this = SimpleNamespace(height=64, width=96)
    assert conditions._time_ids(xl, this, 6.0).tolist() == [64, 96, 0, 0, 64, 96]
    config = {**xl.unet.config, "projection_class_embeddings_input_dim": 48 + 5 * 8}
    refiner = SimpleNamespace(unet=SimpleNamespace(config=SimpleNamespace(**config)), pipe=xl.pipe)
    for score in conditions.AESTHETIC_SCORES:
        assert conditions._time_ids(refiner, this, score).tolist() == [64, 96, 0, 0, score]


def test_the_cache_knows_everything_that_matters(encoder):
    first = encoder.encode("a cat")
    assert encoder.encode("a cat") is first and encoder.encoded == 1
    encoder.encode("a cat", clip_skip=2)
    encoder.encode("a cat", emphasis="No norm")
    assert encoder.encoded == 3


def test_networks_are_taken_out_and_recorded(kernel):
    with_tag = kernel.generate("a cat<lora:ink:0.8>", seed=3, steps=2).records[0]
    without = kernel.generate("a cat", seed=3, steps=2).records[0]
    assert (np.asarray(with_tag.image) == np.asarray(without.image)).all()
    assert list(with_tag.info["networks_not_loaded"]) == ["ink"]


def test_chinese_is_translated_for_models_that_read_only_english(tmp_path, kernel):
    folder = tmp_path / "english"
    shutil.copytree(paths.embedded_model(), folder)
    card = json.loads((folder / "ra.json").read_text("utf-8"))
    (folder / "ra.json").write_text(json.dumps({**card, "name": "english", "languages": ["en"]}), "utf-8")
    with PipelineKernel(folder, gallery=tmp_path / "gallery") as english:
        record = english.generate("一只(红色的:1.2)猫", negative_prompt="狗", seed=3, steps=3).records[0]
        plain = english.generate("a red cat", seed=3, steps=3).records[0]
    assert record.prompt == "一只(红色的:1.2)猫"
    text = record.info["translation"]["prompt"]["text"]
    assert "cat" in text and "red:1.2" in text and not any("一" <= c <= "鿿" for c in text)
    assert f"Translated prompt: {text}" in record.infotext.replace('"', "") or "Translated prompt" in record.infotext
    assert "Translated negative prompt: dog" in record.infotext
    assert "translation" not in plain.info
    again = kernel.generate(text, negative_prompt="dog", seed=3, steps=3).images[0]
    assert (np.asarray(again) == np.asarray(record.image)).all()

"""Local translators: a MarianMT and a chat model, tiny, taught a few phrases here, in the layout of published ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_widgets import paths
from ra_widgets.diffusion import translation
from ra_widgets.errors import ModelError
from ra_widgets.kernel import PipelineKernel
from ra_widgets.library import translators
from ra_widgets.prompt.lexicon import translate

PHRASES = {"红苹果": "a shiny red apple", "小猫": "a little cat", "草地": "green grass (meadow:1.5)", "月亮": "moon"}


def teach(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> None:
    """Fit a tiny model to its batch until it knows it by heart."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(400):
        loss = model(**batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if float(loss.detach()) < 0.02:
            break
    assert float(loss.detach()) < 0.2
    model.eval()


def make_marian(folder: Path) -> None:
    import sentencepiece
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir(parents=True)
    vocabulary = {"</s>": 0, "<unk>": 1}
    for name, texts in (("source", [*PHRASES]), ("target", [*PHRASES.values()])):
        corpus = folder / "corpus.txt"
        corpus.write_text("\n".join(texts * 40), "utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=str(folder / name), vocab_size=60, hard_vocab_limit=False, minloglevel=2,
            character_coverage=1.0, eos_id=-1, bos_id=-1, unk_id=0,
        )  # fmt: skip
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
        reader = sentencepiece.SentencePieceProcessor(str(folder / f"{name}.spm"))
        for index in range(1, len(reader)):
            vocabulary.setdefault(reader.id_to_piece(index), len(vocabulary))
    vocabulary["<pad>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"),
        str(folder / "target.spm"),
        str(folder / "vocab.json"),
        source_lang="zh",
        target_lang="en",
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    size, pad = len(vocabulary), vocabulary["<pad>"]
    model = MarianMTModel(
        MarianConfig(
            vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, dropout=0.0,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
            pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0,
        )
    )  # fmt: skip
    given = tokenizer([*PHRASES], text_target=[*PHRASES.values()], return_tensors="pt", padding=True)
    given["labels"][given["labels"] == pad] = -100
    teach(model, dict(given))
    model.save_pretrained(folder)


def make_chat(folder: Path) -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    template = (
        "{% for m in messages %}<user>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
    )
    texts = {f"<user>{translation.REQUEST.format(phrase=zh)}<bot>": f"{en}\n!</s>" for zh, en in PHRASES.items()}
    marks = ["<pad>", "</s>", "<user>", "<bot>"]
    symbols = sorted({char for pair in texts.items() for text in pair for char in text})
    vocabulary = {word: index for index, word in enumerate([*marks, *symbols])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    inner.add_special_tokens(marks)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", chat_template=template
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=256, pad_token_id=0, eos_token_id=1, bos_token_id=None,
        )
    )  # fmt: skip
    batch = tokenizer([a + b for a, b in texts.items()], return_tensors="pt", padding=True)
    batch.pop("token_type_ids", None)
    labels = batch["input_ids"].clone()
    for row, question in enumerate(texts):
        labels[row, : len(tokenizer(question)["input_ids"])] = -100
    labels[batch["attention_mask"] == 0] = -100
    teach(model, {**batch, "labels": labels})
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with both kinds of translators."""
    root = tmp_path_factory.mktemp("models")
    make_marian(root / "translators" / "tiny-marian")
    make_chat(root / "translators" / "tiny-chat")
    (root / "translators" / "other").mkdir()
    (root / "translators" / "other" / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTModel"]}')
    return root


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RA_TRANSLATOR", raising=False)
    yield
    translation._loaded.clear()


@pytest.mark.parametrize("name", ["tiny-marian", "tiny-chat"])
def test_phrases_are_translated_and_the_prompt_keeps_its_structure(shelf, monkeypatch, name):
    monkeypatch.setenv("RA_MODELS", str(shelf))
    monkeypatch.setenv("RA_TRANSLATOR", name.upper())
    source = translators.chosen()
    assert source is not None and (source.name, source.kind) == (name, name.removeprefix("tiny-"))
    engine = translation.load(source)
    assert {zh: engine(zh) for zh in PHRASES} == PHRASES
    assert translation.load(source) is engine
    told = translate("(红苹果:1.2), [小猫:月亮:0.5] <lora:草地:1> a tree，草地", engine=engine)
    assert told.text == "(a shiny red apple:1.2), [a little cat:moon:0.5] <lora:草地:1> a tree, green grass meadow 1.5"
    assert told.original.startswith("(红苹果") and told.words[0].zh == "红苹果"


def test_which_one_is_used(shelf, monkeypatch, tmp_path):
    monkeypatch.setenv("RA_MODELS", str(tmp_path))
    assert translators.available() == [] and translators.chosen() is None
    monkeypatch.setenv("RA_MODELS", str(shelf))
    assert [(each.name, each.kind) for each in translators.available()] == [
        ("tiny-chat", "chat"),
        ("tiny-marian", "marian"),
    ]
    assert translators.chosen() == translators.available()[0]
    monkeypatch.setenv("RA_TRANSLATOR", "OFF")
    assert translators.chosen() is None
    monkeypatch.setenv("RA_TRANSLATOR", "nobody")
    with pytest.raises(ModelError) as caught:
        translators.chosen()
    assert "tiny-chat, tiny-marian" in caught.value.text("en") and "RA_TRANSLATOR" in caught.value.text("zh_CN")


def test_a_picture_with_the_translator(shelf, monkeypatch, tmp_path, kernel):
    """Original and translation are both recorded, and who translated; without the translator `verify` says so."""
    english = tmp_path / "english"
    shutil.copytree(paths.embedded_model(), english)
    card = json.loads((english / "ra.json").read_text("utf-8"))
    (english / "ra.json").write_text(json.dumps({**card, "name": "english", "languages": ["en"]}), "utf-8")
    monkeypatch.setenv("RA_MODELS", str(shelf))
    monkeypatch.setenv("RA_TRANSLATOR", "tiny-marian")
    with PipelineKernel(english, gallery=tmp_path / "gallery") as other:
        record = other.generate("一张画, (红苹果:1.2)", seed=3, steps=2).records[0]
        assert record.info["translator"] == "tiny-marian" and record.warnings == []
        assert "a shiny red apple:1.2" in record.info["translation"]["prompt"]["text"]
        assert record.infotext.startswith("一张画, (红苹果:1.2)\n") and "Translator: tiny-marian" in record.infotext
        assert other.verify(record.path).same
        assert "translator" not in other.generate("a cat", seed=3, steps=1).records[0].info
        monkeypatch.setenv("RA_TRANSLATOR", "off")
        assert "translator" in [reason.code for reason in other.verify(record.path).reasons]
        broken = shelf.parent / "broken"
        shutil.copytree(
            shelf / "translators" / "tiny-marian", broken / "translators" / "tiny-marian", dirs_exist_ok=True
        )
        (broken / "translators" / "tiny-marian" / "model.safetensors").unlink()
        monkeypatch.setenv("RA_MODELS", str(broken))
        monkeypatch.setenv("RA_TRANSLATOR", "")
        glossary = other.generate("红苹果", seed=3, steps=2)
        assert [notice.key for notice in glossary.warnings] == ["translator.warn.unusable"]
        assert "pickle" in glossary.warnings[0].text("zh_CN") and "pickle" in glossary.warnings[0].text("en")
        assert glossary.records[0].info["translation"]["prompt"]["text"] == translate("红苹果").text
    again = kernel.generate(record.info["translation"]["prompt"]["text"], seed=3, steps=2).images[0]
    assert np.array_equal(np.asarray(again), np.asarray(record.image))

"""Textual inversion on the embedded model: files the test makes from its own words, in all formats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ra_widgets import paths
from ra_widgets.diffusion import memory, pipeline
from ra_widgets.diffusion.conditioning import TextEncoder, Timeline, chunks_of
from ra_widgets.errors import ModelError
from ra_widgets.kernel import PipelineKernel
from ra_widgets.library import resolve
from ra_widgets.requests import TextToImage
from tests.diffusion import tiny


@pytest.fixture(scope="module")
def model():
    return pipeline.load(resolve(None), memory.choose_device("cpu"), "fp32")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty embeddings folder of the library."""
    folder = tmp_path / "embeddings"
    folder.mkdir()
    monkeypatch.setenv("RA_EMBEDDINGS", str(folder))
    return folder


def rows(model, words: str) -> torch.Tensor:
    """The model's own input embeddings of some words [n, D]."""
    ids = model.pipe.tokenizer(words, add_special_tokens=False)["input_ids"]
    return model.pipe.text_encoder.get_input_embeddings().weight[ids].float().contiguous()


def pixels(record) -> np.ndarray:
    return np.asarray(record.image)


def test_a_copied_word_draws_the_same_picture(model, folder, kernel):
    """In prompt and negative prompt; the infotext names file and hash, and the reader gives the request back."""
    save_file({"emb_params": rows(model, "cat")}, folder / "zqx.safetensors")
    save_file({"emb_params": rows(model, "dog, night")}, folder / "vwk.safetensors")
    asked = {"seed": 5, "steps": 4}
    word = kernel.generate("a red cat", negative_prompt="a dog, night", **asked).records[0]
    made = kernel.generate("a red zqx", negative_prompt="a vwk", **asked).records[0]
    assert np.array_equal(pixels(word), pixels(made))
    other = kernel.generate("a red zqx", negative_prompt="night", **asked).records[0]
    assert not np.array_equal(pixels(word), pixels(other))
    by_name = {item["name"]: item for item in made.info["embeddings"]}
    assert {name: item["vectors"] for name, item in by_name.items()} == {"zqx": 1, "vwk": 3}
    assert f'TI hashes: "zqx: {by_name["zqx"]["hash"]}, vwk: {by_name["vwk"]["hash"]}"' in made.infotext
    assert len(by_name["zqx"]["hash"]) == 12
    assert "TI hashes" not in word.infotext
    from ra_widgets.gallery import infotext

    request, notes = infotext.convert(made.infotext)
    assert (request.prompt, request.negative_prompt) == ("a red zqx", "a vwk") and not notes


@pytest.mark.parametrize("kind", ["safetensors", "diffusers", "pt", "old pt", "parameters", "bin", "half", "flat"])
def test_every_format(model, folder, kind):
    """The webui's and diffusers' files, new and old; what is read is what was saved."""
    vectors = rows(model, "a red cat")
    webui = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": torch.nn.Parameter(vectors)},
        "name": "zqx",
        "step": 7,
    }
    if kind == "safetensors":
        save_file({"emb_params": vectors}, folder / "zqx.safetensors")
    elif kind == "diffusers":
        save_file({"<my-cat>": vectors}, folder / "zqx.safetensors")
    elif kind == "bin":
        torch.save({"<my-cat>": vectors}, folder / "zqx.bin")
    elif kind == "flat":  # diffusers saves a single vector without its first dimension
        vectors = vectors[:1]
        torch.save({"<my-cat>": vectors[0]}, folder / "zqx.bin")
    elif kind == "half":
        vectors = vectors.half().float()
        torch.save({"<my-cat>": vectors.half()}, folder / "zqx.pt")
    elif kind == "parameters":
        webui["string_to_param"] = torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)})
        torch.save(webui, folder / "zqx.pt")
    else:
        torch.save(webui, folder / "zqx.pt", _use_new_zipfile_serialization=kind == "pt")
    encoder = TextEncoder(model)
    (embedding,) = encoder.used(["a zqx"], Timeline(4))
    assert embedding.vectors == len(vectors)
    assert torch.equal(encoder.embeddings.vectors(embedding, "text_encoder"), vectors)
    words = {1: "a", 3: "a red cat"}[len(vectors)]
    found, expected = encoder.encode("(zqx:1.2)").embeds, encoder.encode(f"({words}:1.2)").embeds
    assert torch.equal(found, expected) if kind != "half" else torch.allclose(found, expected, atol=0.05)


def test_chunks_count_vectors(model, folder):
    """An embedding takes as many places as it has vectors and never straddles two chunks."""
    save_file({"emb_params": rows(model, "cat").repeat(4, 1)}, folder / "zqx.safetensors")
    encoder = TextEncoder(model)
    tokenizer = model.pipe.tokenizer
    length = tokenizer.model_max_length - 2
    find = encoder.embeddings.finder("tokenizer")

    def cut(text: str) -> list[tuple[int, list[int]]]:
        found = chunks_of(text, tokenizer, find_embedding=find)
        return [(len(chunk.tokens), [at for at, _ in chunk.embeddings]) for chunk in found]

    assert cut("a zqx red") == [(6, [1])]
    assert cut("a " * (length - 4) + "zqx") == [(length, [length - 4])]
    assert cut("a " * (length - 3) + "zqx red") == [(length - 3, []), (5, [0])]
    assert encoder.encode("a " * (length - 3) + "zqx").embeds.shape[0] == 2 * (length + 2)


def test_new_changed_and_removed_files_are_noticed(model, folder):
    encoder = TextEncoder(model)
    assert encoder.used(["a zqx"], Timeline(4)) == []
    plain = encoder.encode("a zqx").embeds
    save_file({"emb_params": rows(model, "cat")}, folder / "zqx.safetensors")
    assert len(encoder.used(["a zqx"], Timeline(4))) == 1
    assert torch.equal(encoder.encode("a zqx").embeds, encoder.encode("a cat").embeds)
    save_file({"emb_params": rows(model, "big dog")}, folder / "zqx.safetensors")
    encoder.used(["a zqx"], Timeline(4))
    assert torch.equal(encoder.encode("a zqx").embeds, encoder.encode("a big dog").embeds)
    (folder / "zqx.safetensors").unlink()
    assert encoder.used(["a zqx"], Timeline(4)) == []
    assert torch.equal(encoder.encode("a zqx").embeds, plain)


def test_schedules_and_names_in_names(model, folder):
    """Only what is really drawn counts; of two names that begin alike the longer wins."""
    (folder / "deeper").mkdir()
    save_file({"emb_params": rows(model, "cat")}, folder / "zqx.safetensors")
    save_file({"emb_params": rows(model, "dog")}, folder / "deeper" / "zqx9.safetensors")
    encoder = TextEncoder(model)

    def names(text: str) -> list[str]:
        return [embedding.name for embedding in encoder.used([text], Timeline(10))]

    assert names("[zqx:zqx9:0.5]") == ["zqx", "zqx9"]
    assert names("[zqx:zqx9:20]") == ["zqx"]
    assert names("<lora:zqx:1> ZQX9") == ["zqx9"]
    assert torch.equal(encoder.encode("a zqx9").embeds, encoder.encode("a dog").embeds)


def keys(notices) -> list[str]:
    for notice in notices:
        assert notice.text("zh_CN") != notice.text("en") and "{" not in notice.text("zh_CN") + notice.text("en")
    return [notice.key.removeprefix("embedding.warn.") for notice in notices]


def test_another_width_is_plain_words_and_a_warning(model, folder, kernel):
    """As in the webui the file is skipped; unlike it, the user hears of it: in events, result, record and notebook."""
    plain = kernel.generate("a zqx", steps=2, seed=4)
    assert plain.warnings == []
    save_file({"emb_params": torch.zeros(2, 768)}, folder / "zqx.safetensors")
    job = kernel.submit("a zqx", steps=2, seed=4)
    result = job.result(60)
    assert np.array_equal(pixels(result.records[0]), pixels(plain.records[0]))
    warned = [event.notice for event in job.events() if event.name == "warned"]
    assert keys(warned) == keys(result.warnings) == keys(result.records[0].warnings) == ["width"]
    assert all(word in warned[0].text("zh_CN") and word in warned[0].text("en") for word in ("zqx", "768", "ra-mini"))
    assert "TI hashes" not in result.records[0].infotext
    bundle = result._repr_mimebundle_()[0]
    assert warned[0].text() in bundle["text/plain"] and "768" in bundle["text/html"]
    assert kernel.generate("a cat", steps=1).warnings == []
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, folder / "zqx.safetensors")
    assert "768 + 1280" in kernel.generate("a zqx", steps=1).warnings[0].text("en")


def test_doubtful_names(model, folder):
    save_file({"emb_params": rows(model, "cat")}, folder / "zqx.safetensors")
    save_file({"emb_params": rows(model, "dog")}, folder / "🦄🦄.safetensors")
    (folder / "broken🦄.safetensors").write_bytes(b"<html>")
    encoder = TextEncoder(model)

    def doubts(text: str) -> list[str]:
        return keys(encoder.doubtful([text, text], encoder.used([text], Timeline(10))))

    assert doubts("a zqx, zqxx [cat:zqx:20], dog") == []
    assert doubts("a [cat:zqx:20]") == [], "recognised, though never drawn"
    assert doubts("a 🦄🦄 cat") == ["unmatched"]
    assert doubts("a (broken🦄:1.2)") == ["unreadable"]
    assert doubts("easy.pt, embedding:other, zqx.safetensors, 3.5 in, embedding: no") == ["missing", "missing"]
    assert doubts("<lora:easy.pt:1> cat") == []


def test_warnings_of_strange_pictures_do_no_harm():
    from ra_widgets.errors import Notice

    for data in (
        None,
        3,
        "x",
        {},
        {"key": 5},
        {"key": "studio.generate"},
        {"key": "no.warn.such"},
        {"key": "a", "values": 3},
    ):
        assert Notice.of(data) is None
    found = Notice.of({"key": "embedding.warn.missing", "values": {"wrong": "<b>"}})
    assert found is not None and found.text("en")


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda path, width: path.write_bytes(b""), "model.truncated"),
        (lambda path, width: path.write_bytes(b"<html>not found</html>"), "model.web_page"),
        (lambda path, width: save_file({"a": torch.zeros(1, width), "b": torch.zeros(1, width)}, path), "embedding.not_one"),
        (lambda path, width: save_file({"a": torch.zeros(2, 3, width)}, path), "embedding.not_one"),
        (lambda path, width: save_file({"a": torch.full((1, width), torch.nan)}, path), "embedding.damaged"),
        (lambda path, width: save_file({"a": torch.zeros(99, width)}, path), "embedding.too_long"),
        (lambda path, width: path.with_suffix(".pt").write_bytes(b"PK\x03\x04 cut off"), "embedding.damaged"),
        (lambda path, width: torch.save({"step": 3}, path.with_suffix(".pt")), "embedding.not_one"),
        (lambda path, width: torch.save(torch.nn.Linear(1, 1), path.with_suffix(".pt")), "embedding.program"),
    ],
)  # fmt: skip
def test_files_that_are_no_embedding(model, folder, make, key):
    """A sentence when the word is used, and no trouble while it is not."""
    make(folder / "zqx.safetensors", rows(model, "cat").shape[1])
    encoder = TextEncoder(model)
    assert encoder.used(["a cat"], Timeline(4)) == []
    with pytest.raises(ModelError) as caught:
        encoder.used(["a zqx"], Timeline(4))
    assert caught.value.key == key, str(caught.value)


class Attack:
    """A pickle that writes a file when it is loaded the ordinary way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.write_text, (self.target, "owned"))


@pytest.mark.parametrize("new", [True, False])
def test_programs_in_pickles_do_not_run(model, folder, tmp_path, new):
    target = tmp_path / "owned.txt"
    hidden = {"string_to_param": {"*": torch.zeros(1, 8)}, "extra": Attack(target)}
    torch.save(hidden, folder / "zqx.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError) as caught:
        TextEncoder(model).used(["zqx"], Timeline(4))
    assert caught.value.key == "embedding.program"
    assert not target.exists()
    torch.load(folder / "zqx.pt", weights_only=False)
    assert target.exists(), "the attack is real"


def test_pickles_are_read_without_torch(tmp_path):
    """The reader's process has the standard library and nothing else."""
    from ra_widgets.library import tensor_pickle

    torch.save({"x": torch.arange(6.0).reshape(2, 3)}, tmp_path / "x.pt")
    command = [sys.executable, "-I", "-S", "-X", "importtime", tensor_pickle.__file__, str(tmp_path / "x.pt")]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout[8:].split(b"}}")[0] + b"}}")["x"]["shape"] == [2, 3]
    assert b" torch" not in done.stderr and b" numpy" not in done.stderr


def test_sdxl_gives_each_encoder_its_own_vectors(tmp_path, folder):
    loaded = pipeline.load(resolve(tiny.sd("sdxl", tmp_path / "xl")), memory.choose_device("cpu"), "fp32")
    first, second = loaded.pipe.text_encoder, loaded.pipe.text_encoder_2
    ids = loaded.pipe.tokenizer("cat dog", add_special_tokens=False)["input_ids"]
    save_file(
        {
            "clip_l": first.get_input_embeddings().weight[ids].contiguous(),
            "clip_g": second.get_input_embeddings().weight[ids].contiguous(),
        },
        folder / "zqx.safetensors",
    )
    encoder = TextEncoder(loaded)
    with torch.inference_mode():
        found, expected = encoder.encode("a zqx"), encoder.encode("a cat dog")
    assert torch.equal(found.embeds, expected.embeds) and torch.equal(found.pooled, expected.pooled)
    assert [embedding.name for embedding in found.used] == ["zqx"] and expected.used == ()
    save_file({"emb_params": torch.zeros(1, 768)}, folder / "zqx.safetensors")
    assert encoder.used(["zqx"], Timeline(4)) == []
    (notice,) = encoder.doubtful(["zqx"], [])
    assert notice.key == "embedding.warn.width" and "needs 32 + 48" in notice.text("en")


def test_explain_and_the_counter_know_them(model, folder):
    from ra_widgets.library import embeddings
    from ra_widgets.prompt import explain
    from ra_widgets.widgets._tokens import TokenCounter

    save_file({"emb_params": rows(model, "a red cat")}, folder / "zqx.safetensors")
    counter = TokenCounter(resolve(None))
    found = embeddings.available()
    assert [embedding.name for embedding in found] == ["zqx"]
    assert counter.count("big zqx, night")[0] == 1 + 3 + 2
    told = explain("big zqx, night", tokenizer=model.pipe.tokenizer, embeddings=found)
    assert told["token_count"] == 6
    assert told["embeddings"] == [{"name": "zqx", "vectors": 3, "part": 0, "chunk": 0}]
    assert told["chunks"][0]["tokens"][1:4] == ["<zqx>"] * 3
    assert any("zqx" in line and "3" in line for line in told["sentences"]["zh_CN"])
    assert any("zqx" in line and "3" in line for line in told["sentences"]["en"])
    estimated = explain("big zqx, night", embeddings=found)
    assert estimated["token_count"] == 6 and estimated["tokens_estimated"]


def test_the_folder_of_the_library_is_searched(monkeypatch, tmp_path):
    """``embeddings`` beside the models, as in the webui, and named folders before it."""
    monkeypatch.setenv("RA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RA_EMBEDDINGS", str(tmp_path / "own"))
    for folder in (tmp_path / "home" / "models" / "embeddings", tmp_path / "own"):
        folder.mkdir(parents=True)
    assert paths.embeddings_dirs() == [tmp_path / "own", tmp_path / "home" / "models" / "embeddings"]


def test_verify_tells_of_missing_and_changed_embeddings(model, folder, tmp_path):
    save_file({"emb_params": rows(model, "cat")}, folder / "zqx.safetensors")
    with PipelineKernel(gallery=tmp_path / "gallery") as kernel:
        record = kernel.generate(TextToImage(prompt="a zqx", seed=1, steps=3)).records[0]
        assert kernel.verify(record.path).same
        save_file({"emb_params": rows(model, "dog")}, folder / "zqx.safetensors")
        changed = kernel.verify(record.path)
        assert not changed.same and "embedding_changed" in [reason.code for reason in changed.reasons]
        (folder / "zqx.safetensors").unlink()
        missing = kernel.verify(record.path)
        assert not missing.same and "embedding_missing" in [reason.code for reason in missing.reasons]
        assert all("zqx" in reason.text(lang) for reason in missing.reasons[:1] for lang in ("zh_CN", "en"))

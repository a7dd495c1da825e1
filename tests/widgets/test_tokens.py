"""Counting tokens without the model."""

from __future__ import annotations

import dataclasses

from ra_widgets.library.identify import resolve
from ra_widgets.widgets._tokens import TokenCounter


def test_counts_as_the_tokenizer_does():
    model = resolve(None)
    counter = TokenCounter(model)
    from tokenizers import Tokenizer

    reference = Tokenizer.from_file(str(model.path / "tokenizer" / "tokenizer.json"))
    text = "草地上的一只小狗，阳光"
    used, limit, chunks = counter.count(text)
    assert used == len(reference.encode(text, add_special_tokens=False).ids) > 0
    assert limit % chunks == 0 and chunks == 1


def test_marks_cost_nothing():
    counter = TokenCounter(resolve(None))
    assert counter.count("(红色:1.2)汽车 <lora:水墨:0.7>")[0] == counter.count("红色汽车")[0]
    assert counter("", "zh_CN").startswith("0 / ") and "词元" in counter("", "zh_CN")


def test_long_prompts_have_chunks():
    used, limit, chunks = TokenCounter(resolve(None)).count("红苹果，" * 60)
    assert chunks > 1 and used <= limit
    assert "段" in TokenCounter(resolve(None))("红苹果，" * 60, "zh_CN")


def test_a_model_without_a_tokenizer_has_no_counter(tmp_path, caplog):
    model = dataclasses.replace(resolve(None), path=tmp_path)
    assert TokenCounter(model)("abc", "en") == ""
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{broken")
    assert TokenCounter(model)("abc", "en") == ""

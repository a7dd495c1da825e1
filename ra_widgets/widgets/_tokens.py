"""How many tokens a prompt has, without the model: with the tokenizer's own file only, and no torch."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from ra_widgets.i18n import t
from ra_widgets.library import embeddings
from ra_widgets.library.identify import ModelInfo

log = logging.getLogger(__name__)

_FRESH = 3.0
"""Seconds for which the embeddings folder is not looked at again while someone types."""


@lru_cache(maxsize=4)
def _tokenizer(folder: Path) -> tuple[Any, int] | None:
    file = folder / "tokenizer.json"
    if not file.is_file():
        return None
    from tokenizers import Tokenizer

    config = folder / "tokenizer_config.json"
    longest = json.loads(config.read_text("utf-8")).get("model_max_length", 77) if config.is_file() else 77
    # begin and end marks take two places of the window; absurd values mean "no limit" in these files
    window = int(longest) - 2 if isinstance(longest, int) and 8 < longest < 4096 else 75
    return Tokenizer.from_file(str(file)), window


class TokenCounter:
    """Counts tokens as the engine will: emphasis marks, networks and schedules are taken out first, and embeddings of the
    library count as many places as they have vectors.

    Call it with a prompt and a language; it returns the sentence for the page ("21 / 75 词元"), or "" when the model's
    tokenizer cannot be read without loading the model.
    """

    def __init__(self, model: ModelInfo) -> None:
        self._folder = model.path / "tokenizer" if model.kind == "diffusers" else None

    def count(self, prompt: str) -> tuple[int, int, int] | None:
        """``(tokens, places, chunks)``; None if it cannot be told."""
        if self._folder is None:
            return None
        try:
            found = _tokenizer(self._folder)
        except Exception as error:  # a foreign file: the counter is a comfort, not a reason to fail
            log.warning("cannot read the tokenizer in %s: %s", self._folder, error)
            self._folder = None
            return None
        if found is None:
            return None
        tokenizer, window = found
        from ra_widgets.prompt import parse_attention, prompt_schedule, split_networks
        from ra_widgets.prompt.chunks import embedding_finder, split_chunks

        def tokens_of(piece: str) -> list[str]:
            found: list[str] = tokenizer.encode(piece, add_special_tokens=False).tokens
            return found

        text, _ = split_networks(prompt)
        first = prompt_schedule(text, 20)[0][1]
        chunks = split_chunks(
            parse_attention(first),
            tokens_of,
            lambda token: token.removesuffix("</w>") in (",", "，"),
            size=window,
            find_embedding=embedding_finder(embeddings.available(max_age=_FRESH), tokens_of, "<unk>"),
            filler="",
        )
        used = sum(len(chunk.tokens) for chunk in chunks)
        return used, window * len(chunks), len(chunks)

    def __call__(self, prompt: str, lang: str) -> str:
        found = self.count(prompt)
        if found is None:
            return ""
        count, limit, chunks = found
        key = "studio.counter.chunks" if chunks > 1 else "studio.counter"
        return t(key, lang, count=count, limit=limit, chunks=chunks)

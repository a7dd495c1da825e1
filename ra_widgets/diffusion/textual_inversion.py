"""Textual inversion in the engine: which words of a prompt are embeddings, and their vectors in the place of tokens.

Gal et al. 2022, "An Image is Worth One Word", arXiv:2208.01618. As in the webui the vectors replace the *input*
embeddings of the text encoder, before its positions are added; weights act on what comes out, as for any word.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import safe_open

from ra_widgets.errors import ModelError, Notice
from ra_widgets.library import embeddings as library
from ra_widgets.library.embeddings import Embedding
from ra_widgets.prompt.chunks import FindEmbedding, embedding_finder

log = logging.getLogger(__name__)

SDXL_KEYS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
"""Encoder of a two-encoder pipeline to the tensor that is meant for it."""


class Embeddings:
    """The library's embeddings as one loaded model sees them.

    Args:
        name: the model's, for messages. pipe: the diffusers pipeline with its tokenizers and encoders.
    """

    def __init__(self, name: str, pipe: Any) -> None:
        self.name, self.pipe = name, pipe
        self.stamp: tuple[Embedding, ...] = ()
        """What the finders were made of; part of the key under which encoded texts are kept."""
        self._finders: dict[str, FindEmbedding | None] = {}
        self._vectors: dict[tuple[Embedding, str], torch.Tensor] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folders again: files may have come, gone or changed."""
        found = tuple(library.available())
        if found != self.stamp:
            self.stamp = found
            self._finders.clear()
            self._vectors.clear()

    def finder(self, tokenizer_name: str) -> FindEmbedding | None:
        """What cutting into chunks asks, for one of the pipeline's tokenizers."""
        if tokenizer_name not in self._finders:
            tokenizer = getattr(self.pipe, tokenizer_name)
            # CLIP's byte pairs can write anything; its "unknown" is its end mark, which no text contains
            self._finders[tokenizer_name] = embedding_finder(
                self.stamp,
                lambda text: tokenizer(text, add_special_tokens=False)["input_ids"],
                tokenizer.unk_token_id,
                self.fits,
            )
        return self._finders[tokenizer_name]

    def fits(self, embedding: Embedding) -> bool:
        """Whether its vectors are as wide as the model's words; the webui skips those that are not. True for a file
        that cannot be read: using it is an error, not a surprise.
        """
        try:
            return self._mismatch(embedding) is None
        except ModelError:
            return True

    def _mismatch(self, embedding: Embedding) -> dict[str, str] | None:
        wanted = self.widths()
        named: tuple[str, ...] = (
            ("clip_l", "clip_g") if getattr(self.pipe, "text_encoder_2", None) is not None else ("",)
        )
        if len(named) > len(wanted):  # a refiner has only the second encoder
            named = named[1:]
        if [embedding.tensors.get(name, (0, 0))[1] for name in named] == wanted:
            return None
        got = " + ".join(str(size) for _, size in embedding.tensors.values())
        return {"name": embedding.name, "got": got, "wanted": " + ".join(map(str, wanted)), "model": self.name}

    def doubtful(self, text: str, used: Iterable[Embedding]) -> list[Notice]:
        """Names in a text that look like embeddings but are read as plain words, each with the reason.

        Args:
            text: a prompt. used: the embeddings that were found in it.
        """
        taken = {embedding.name for embedding in used}
        lowered, found = text.lower(), []
        for embedding in self.stamp:
            name = embedding.name
            if name in taken or name.lower() not in lowered or not _stands_alone(name, text):
                continue
            try:
                mismatch = self._mismatch(embedding)
            except ModelError as error:
                mismatch = {}
                found.append(Notice("embedding.warn.unreadable", {"name": name, "reason": error.text()}))
            if mismatch:
                found.append(Notice("embedding.warn.width", mismatch))
            elif mismatch is None and not self._recognised(name):
                found.append(Notice("embedding.warn.unmatched", {"name": name, "model": self.name}))
        known = {embedding.name.lower() for embedding in self.stamp}
        for match in _FILE_LIKE.finditer(text):
            name = match.group(1) or match.group(2)
            if name.lower() not in known and not any(notice.values["name"] == name for notice in found):
                found.append(Notice("embedding.warn.missing", {"name": name}))
        return found

    def _recognised(self, name: str) -> bool:
        """Whether the model's tokenizers can tell the name from other words."""
        for tokenizer_name in ("tokenizer", "tokenizer_2"):
            tokenizer = getattr(self.pipe, tokenizer_name, None)
            find = None if tokenizer is None else self.finder(tokenizer_name)
            ids = [] if tokenizer is None else tokenizer(name, add_special_tokens=False)["input_ids"]
            if find is not None and ids and find(ids, 0) is not None:
                return True
        return False

    def vectors(self, embedding: Embedding, encoder_name: str) -> torch.Tensor:
        """The vectors float32 [n, D] for an encoder, on the CPU.

        Raises:
            ModelError: the file cannot be read, or has more vectors than a chunk places.
        """
        key = (embedding, encoder_name)
        if key not in self._vectors:
            encoder = getattr(self.pipe, encoder_name)
            table = encoder.get_input_embeddings().weight
            tensor = self._read(embedding, encoder_name, table.shape[1], encoder.config.max_position_embeddings - 2)
            self._vectors[key] = tensor.reshape(-1, table.shape[1])
        return self._vectors[key]

    def _read(self, embedding: Embedding, encoder_name: str, width: int, places: int) -> torch.Tensor:
        sdxl = getattr(self.pipe, "text_encoder_2", None) is not None
        key = SDXL_KEYS[encoder_name] if sdxl else ""
        count, got = embedding.tensors.get(key, (0, 0))
        if got != width:
            # the finder skips such files; this one was changed while it was in use
            raise ModelError("embedding.warn.width", **(self._mismatch(embedding) or {}))
        if count > places:
            raise ModelError("embedding.too_long", name=embedding.name, count=count, limit=places, model=self.name)
        with safe_open(embedding.data_file(), "pt") as file:
            tensor: torch.Tensor = file.get_tensor(embedding.tensor_name(key)).float()
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError("embedding.damaged", path=str(embedding.path), detail="NaN")
        return tensor

    def widths(self) -> list[int]:
        """Width of the input embeddings of each of the model's text encoders."""
        encoders = [getattr(self.pipe, name, None) for name in SDXL_KEYS]
        return [encoder.get_input_embeddings().weight.shape[1] for encoder in encoders if encoder is not None]


# "name.pt", and the spelling of ComfyUI
_FILE_LIKE = re.compile(r"(?<![\w.-])(?:embedding:([\w-]+)|([\w-]+)\.(?:pt|bin|safetensors))(?![\w-])", re.IGNORECASE)


def _stands_alone(name: str, text: str) -> bool:
    """Whether a name stands in a text as a word; Chinese words have no gaps between them."""
    edge = "[A-Za-z0-9_-]"
    before, after = (f"(?<!{edge})" if name[0].isascii() else ""), (f"(?!{edge})" if name[-1].isascii() else "")
    return re.search(before + re.escape(name) + after, text, re.IGNORECASE) is not None


@contextmanager
def in_place(encoder: Any, vectors: Sequence[tuple[int, torch.Tensor]]) -> Iterator[None]:
    """Within it, the encoder reads ``vectors`` [n, D] from the given places on instead of the tokens that stand there."""
    if not vectors:
        yield
        return

    def replace(module: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        for place, rows in vectors:
            output[:, place : place + len(rows)] = rows.to(output)
        return output

    handle = encoder.get_input_embeddings().register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()

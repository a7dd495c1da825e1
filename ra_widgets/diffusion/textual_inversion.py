"""Textual inversion in the engine: which words of a prompt are embeddings, and their vectors in the place of tokens.

Gal et al. 2022, "An Image is Worth One Word", arXiv:2208.01618. As in the webui the vectors replace the *input*
embeddings of the text encoder, before its positions are added; weights act on what comes out, as for any word.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import safe_open

from ra_widgets.errors import ModelError
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
                self.stamp, lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.unk_token_id
            )
        return self._finders[tokenizer_name]

    def vectors(self, embedding: Embedding, encoder_name: str) -> torch.Tensor:
        """The vectors float32 [n, D] for an encoder, on the CPU.

        Raises:
            ModelError: the file cannot be read, was made for another family, or has more vectors than a chunk places.
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
            widths = " + ".join(str(size) for _, size in embedding.tensors.values())
            wanted = " + ".join(str(size) for size in self.widths())
            values = {"name": embedding.name, "path": str(embedding.path), "got": widths, "wanted": wanted}
            raise ModelError("embedding.width", model=self.name, **values)
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

"""CLIP's tokenizer from the merge table that ships with the project; no network, no cache."""

from __future__ import annotations

import gzip
from functools import lru_cache
from typing import Any

from ra_widgets import paths

START, END = "<|startoftext|>", "<|endoftext|>"
SIZE = 49408
"""Tokens of CLIP's vocabulary."""


def byte_letters() -> list[str]:
    """The printable letter that stands for each byte, in vocabulary order (GPT-2's byte-level BPE).

    Printable bytes stand for themselves; the others take the code points from 256 on. ``"!"`` is token 0.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [n for n in range(256) if n not in set(printable)]
    return [chr(n) for n in printable] + [chr(256 + k) for k in range(len(rest))]


@lru_cache(maxsize=1)
def tables() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary (token to id, 49,408 entries) and merges in order of rank (48,894 pairs)."""
    packed = (paths.package() / "diffusion" / "configs" / "clip" / "merges.txt.gz").read_bytes()
    merges = []
    for line in gzip.decompress(packed).decode("utf-8").split("\n"):
        first, second = line.split()
        merges.append((first, second))
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), START, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def make_tokenizer(pad: int | None = None, length: int = 77) -> Any:
    """A transformers ``CLIPTokenizer``.

    Args:
        pad: token id to pad with; None: the end mark (SD 1 and SDXL's first encoder). SD 2 and SDXL's second encoder
            pad with 0, which is the token of ``!``. It is not registered as a special token: a prompt's own ``!`` must
            stay the ordinary ``!</w>``, as it is for OpenCLIP and the webui.
        length: positions of the text encoder.
    """
    from transformers import CLIPTokenizer

    class PaddedCLIPTokenizer(CLIPTokenizer):
        """CLIP's tokenizer with a padding id that is not a special token."""

        @property
        def pad_token_id(self) -> int:
            return self.eos_token_id if pad is None else pad

    vocabulary, merges = tables()
    return PaddedCLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), model_max_length=length)


def is_clip(tokenizer: Any) -> bool:
    """True if a transformers tokenizer has CLIP's vocabulary, numbers and all."""
    return bool(tokenizer.get_vocab() == tables()[0])

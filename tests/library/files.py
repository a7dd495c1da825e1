"""Builders of small model files, sound and broken, for the tests of the library and of loading."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

from ra_widgets.errors import ModelError

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}

SD1 = {
    "model.diffusion_model.input_blocks.0.0.weight": (1, 4, 1, 1),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (1, 768),
    "first_stage_model.decoder.conv_in.bias": (1,),
    "cond_stage_model.transformer.text_model.final_layer_norm.bias": (1,),
}
"""The least that is recognised as a checkpoint."""


def like(width: int, **extra: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """:data:`SD1` with another width of the text, and more tensors."""
    names = dict(SD1)
    names["model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] = (1, width)
    return {**names, **extra}


def table(shapes: dict[str, tuple[int, ...]], dtype: str = "F16") -> tuple[dict[str, dict], int]:
    """The header's entries and the length of the data."""
    entries, position = {}, 0
    for name, shape in shapes.items():
        count = SIZES[dtype]
        for n in shape:
            count *= n
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + count]}
        position += count
    return entries, position


def pack(header: object, data: bytes) -> bytes:
    """A file from its header and data, whether they fit or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def checkpoint(
    path: Path, shapes: dict[str, tuple[int, ...]] | None = None, metadata: dict[str, str] | None = None
) -> Path:
    """Write a sound safetensors file with zeros."""
    entries, length = table(SD1 if shapes is None else shapes)
    header = {"__metadata__": metadata, **entries} if metadata else entries
    path.write_bytes(pack(header, bytes(length)))
    return path


class Canary:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


def poisoned(canary: Path, protocol: int) -> bytes:
    """A pickle that creates ``canary`` when it is opened."""
    return pickle.dumps({"state_dict": Canary(canary)}, protocol)


def bilingual(error: ModelError) -> tuple[str, str]:
    """The sentence in Chinese and English, checked to be sentences without leftovers."""
    chinese, english = error.text("zh_CN"), error.text("en")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese), chinese
    assert chinese != english and error.key not in (chinese, english)
    for text in (chinese, english):
        assert "{" not in text.replace("{path}", "") or "}" not in text
        assert "Traceback" not in text and len(text) < 600
    return chinese, english

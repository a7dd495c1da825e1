"""Read the header of a ``.safetensors`` file without torch: names, shapes and dtypes of its tensors.

Format (safetensors documentation): 8 bytes little-endian header length N, N bytes of JSON
``{"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {...}}``, then the data.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ra_widgets.errors import ModelError

MAX_HEADER = 100 * 1024 * 1024
_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


@dataclass(frozen=True)
class Header:
    """Tensor table of a safetensors file: ``tensors`` maps name to (dtype, shape); ``metadata`` is free text."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    metadata: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a tensor, or None if the file has no such tensor."""
        entry = self.tensors.get(name)
        return entry[1] if entry else None


def read_header(path: Path) -> Header:
    """Read and check the header: sizes must add up to the length of the file.

    Raises:
        ModelError: the file is missing, empty, cut short, or not safetensors at all (an HTML error page, a pickle ...).
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if len(start) < 8:
                raise ModelError("model.truncated", path=str(path))
            (length,) = struct.unpack("<Q", start)
            if start[:1] in (b"\x80", b"P") and length > MAX_HEADER:
                # a pickle (protocol byte 0x80) or a zip (PK), whatever the suffix says
                raise ModelError("model.pickle", path=str(path))
            if length > MAX_HEADER:
                raise ModelError("model.not_safetensors", path=str(path))
            if length > size - 8:
                raise ModelError("model.truncated", path=str(path))
            data = json.loads(file.read(length))
    except FileNotFoundError:
        raise ModelError("model.missing", path=str(path)) from None
    except OSError as error:
        raise ModelError("model.unreadable", path=str(path), detail=error.strerror or str(error)) from error
    except (ValueError, RecursionError):
        raise ModelError("model.not_safetensors", path=str(path)) from None
    return _check(data, size - 8 - length, path)


def _check(data: Any, available: int, path: Path) -> Header:
    if not isinstance(data, dict):
        raise ModelError("model.not_safetensors", path=str(path))
    metadata = data.pop("__metadata__", {})
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    end = 0
    for name, entry in data.items():
        try:
            dtype, shape = str(entry["dtype"]), tuple(int(n) for n in entry["shape"])
            first, last = (int(n) for n in entry["data_offsets"])
        except (TypeError, KeyError, ValueError):
            raise ModelError("model.not_safetensors", path=str(path)) from None
        count = 1
        for n in shape:
            count *= n
        if first < 0 or last < first or any(n < 0 for n in shape) or last - first != count * _BYTES.get(dtype, 1):
            raise ModelError("model.damaged", path=str(path), tensor=name[:80])
        end = max(end, last)
        tensors[name] = (dtype, shape)
    if end > available:
        raise ModelError("model.truncated", path=str(path))
    return Header(tensors, {str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {})

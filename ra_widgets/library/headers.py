"""Read the header of a ``.safetensors`` file without torch: names, shapes and dtypes of its tensors.

Format (safetensors documentation): 8 bytes little-endian header length N, N bytes of JSON
``{"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {...}}``, then the data. The data must be covered by the
tensors exactly: no overlaps (two names on the same bytes), no gaps, nothing after the last one.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ra_widgets.errors import ModelError

MAX_HEADER = 100 * 1024 * 1024
"""The format's own limit of the header, in bytes."""

_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64,
    "F32": 32, "I32": 32, "U32": 32,
    "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Tensor table of a safetensors file: ``tensors`` maps name to (dtype, shape); ``metadata`` is free text."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    metadata: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a tensor, or None if the file has no such tensor."""
        entry = self.tensors.get(name)
        return entry[1] if entry else None

    @property
    def elements(self) -> int:
        """Numbers in all tensors together."""
        total = 0
        for _, shape in self.tensors.values():
            count = 1
            for n in shape:
                count *= n
            total += count
        return total


def read_header(path: Path) -> Header:
    """Read and check the header: the tensors must cover the file's data exactly.

    Raises:
        ModelError: the file is missing, empty, cut short, or not safetensors at all (an HTML error page, a pickle ...).
    """
    name = str(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64)
            if len(start) < 8:
                raise ModelError("model.truncated", path=name)
            (length,) = struct.unpack("<Q", start[:8])
            if length > MAX_HEADER or start[8:9] != b"{":
                raise ModelError(_what_instead(start, length, size), path=name)
            if length > size - 8:
                raise ModelError("model.truncated", path=name)
            file.seek(8)
            data = json.loads(file.read(length), object_pairs_hook=_no_doubles)
    except FileNotFoundError:
        raise ModelError("model.missing", path=name) from None
    except OSError as error:
        raise ModelError("model.unreadable", path=name, detail=error.strerror or str(error)) from error
    except (ValueError, RecursionError):
        raise ModelError("model.not_safetensors", path=name) from None
    return _check(data, size - 8 - length, path)


def _what_instead(start: bytes, length: int, size: int) -> str:
    """The catalogue key for what a file is that does not begin like safetensors, judged by its first bytes."""
    text = start.lstrip().lower()
    if start[:1] == b"\x80" or start[:2] == b"PK":
        # a pickle (protocol byte 0x80) or a zip (PK), whatever the suffix says
        return "model.pickle"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "model.web_page"
    if text.startswith(b"version https://git-lfs"):
        return "model.pointer"
    # a true header length with nothing after it: the download stopped there
    return "model.truncated" if length <= MAX_HEADER and size < length + 8 else "model.not_safetensors"


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _check(data: Any, available: int, path: Path) -> Header:
    if not isinstance(data, dict):
        raise ModelError("model.not_safetensors", path=str(path))
    metadata = data.pop("__metadata__", {})
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in data.items():
        try:
            dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
            first, last = entry["data_offsets"]
        except (TypeError, KeyError, ValueError):
            raise ModelError("model.not_safetensors", path=str(path)) from None
        if any(type(n) is not int or n < 0 for n in (*shape, first, last)) or last < first:
            raise ModelError("model.damaged", path=str(path), tensor=name[:80])
        count = 1
        for n in shape:
            count *= n
        bits = _BITS.get(dtype)
        if bits is not None and (last - first) * 8 != count * bits:
            raise ModelError("model.damaged", path=str(path), tensor=name[:80])
        spans.append((first, last, name))
        tensors[name] = (dtype, shape)
    spans.sort()
    end = 0
    for first, last, name in spans:
        if first != end:
            raise ModelError("model.damaged", path=str(path), tensor=name[:80])
        end = last
    if end > available:
        raise ModelError("model.truncated", path=str(path))
    if end < available:
        raise ModelError("model.damaged", path=str(path), tensor=f"+{available - end} B")
    return Header(tensors, {str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {})

"""Read the tensors of a small ``.pt`` or ``.bin`` file without torch and without running anything that is in it.

A pickle is a program: loading it the ordinary way does whatever its author wanted. This module is run as a script of its
own, in a separate process with little memory and time, and its unpickler knows nothing but dicts, numbers, strings and
tensors; any other name ends the attempt. It prints what it found as safetensors, which is only data.

File formats (torch's serialization notes): a zip archive with ``*/data.pkl`` and ``*/data/<key>``, and the older plain
stream of pickles followed by the storages. Only the standard library is imported here.
"""

from __future__ import annotations

import collections
import io
import json
import pickle
import struct
import sys
import zipfile
from typing import Any, BinaryIO

MAX_BYTES = 64 << 20
"""Longest file, and longest part of an archive, in bytes: embeddings have some kilobytes."""

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {
    "FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2), "DoubleStorage": ("F64", 8),
    "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ShortStorage": ("I16", 2), "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1),
}  # fmt: skip


class Refused(Exception):
    """The file names something that is not data."""


class Storage:
    """Numbers of one type; the bytes may follow later in the file."""

    def __init__(self, kind: str, data: bytes = b"") -> None:
        self.kind, self.data = kind, data


class Tensor:
    """A view of a storage."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def to_bytes(self) -> bytes:
        """The numbers in row-major order."""
        size, expected = TYPES[self.storage.kind][1], 1
        for n, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if n > 1 and step != expected:
                raise ValueError("not contiguous")
            expected *= n
        data = self.storage.data[self.offset * size : (self.offset + expected) * size]
        if len(data) != expected * size:
            raise ValueError("cut short")
        return data


class Parameters:
    """Stands for ``torch.nn.ParameterDict``, in which the first embeddings were saved."""

    def __setstate__(self, state: Any) -> None:
        self.found = state.get("_parameters") if isinstance(state, dict) else None


def rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise Refused("tensor")
    return Tensor(storage, int(offset), tuple(int(n) for n in shape), tuple(int(n) for n in stride))


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch.nn.parameter", "Parameter"): lambda data, *_: data,
    ("torch.nn.modules.container", "ParameterDict"): Parameters,
    **{("torch", name): name for name in TYPES},
}
"""All names that a file may use, and what they stand for here."""


class Unpickler(pickle.Unpickler):
    """Knows :data:`KNOWN` and nothing else."""

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile | None = None, folder: str = "") -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self.archive, self.folder = archive, folder
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise Refused(f"{module}.{name}"[:80])
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        if not isinstance(pid, tuple) or len(pid) < 3 or pid[0] != "storage" or pid[1] not in TYPES:
            raise Refused("storage")
        key = str(pid[2])
        if key not in self.storages:
            data = _part(self.archive, f"{self.folder}/data/{key}") if self.archive else b""
            self.storages[key] = Storage(pid[1], data)
        return self.storages[key]


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise ValueError("too large")
    return archive.read(name)


def read(data: bytes) -> Any:
    """The object in a file: dicts, lists, numbers, strings and :class:`Tensor`.

    Raises:
        Refused: it names something else. Exception: it is damaged, in one of many ways.
    """
    file = io.BytesIO(data)
    if data[:2] == b"PK":
        with zipfile.ZipFile(file) as archive:
            pickled = next(name for name in archive.namelist() if name.split("/")[1:] == ["data.pkl"])
            folder = pickled.split("/")[0]
            return Unpickler(io.BytesIO(_part(archive, pickled)), archive, folder).load()
    if Unpickler(file).load() != MAGIC:
        raise ValueError("not a file of torch")
    Unpickler(file).load()  # version of the protocol
    Unpickler(file).load()  # the machine that wrote it
    reader = Unpickler(file)
    found = reader.load()
    for key in Unpickler(file).load():
        storage = reader.storages[str(key)]
        (count,) = struct.unpack("<q", file.read(8))
        storage.data = file.read(max(count, 0) * TYPES[storage.kind][1])
    return found


def tensors_of(found: Any) -> dict[str, Tensor]:
    """The tensors of an embedding file by name; ``emb_params`` for the webui's ``string_to_param``."""
    if not isinstance(found, dict):
        return {}
    inner = found.get("string_to_param")
    inner = getattr(inner, "found", inner)
    if isinstance(inner, dict):
        values = [value for value in inner.values() if isinstance(value, Tensor)]
        return {"emb_params" if i == 0 else f"emb_params.{i}": value for i, value in enumerate(values)}
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def to_safetensors(tensors: dict[str, Tensor]) -> bytes:
    """The tensors as a safetensors file."""
    header: dict[str, Any] = {}
    body = b""
    for name, tensor in tensors.items():
        data = tensor.to_bytes()
        header[name] = {
            "dtype": TYPES[tensor.storage.kind][0],
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def main() -> int:
    """``tensor_pickle.py FILE``: safetensors to standard output; 3 and a name on standard error if it was refused."""
    try:
        import resource

        for limit, value in ((resource.RLIMIT_AS, 1 << 30), (resource.RLIMIT_CPU, 20)):
            resource.setrlimit(limit, (value, value))
    except (ImportError, ValueError, OSError):
        pass  # Windows: the caller's time limit remains
    try:
        with open(sys.argv[1], "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError("too large")
        sys.stdout.buffer.write(to_safetensors(tensors_of(read(data))))
    except Refused as error:
        print(error, file=sys.stderr)
        return 3
    except BaseException as error:  # damaged in whatever way: a word for the user, no traceback
        print(type(error).__name__, error, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())

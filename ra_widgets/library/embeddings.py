"""Textual inversion embeddings: the files in the library's ``embeddings`` folders and what is in them.

An embedding is one or more vectors that stand for a word which the model never learned; its file's stem is that word.
Formats: ``.safetensors`` (the webui's ``emb_params``; ``clip_l`` and ``clip_g`` for SDXL; diffusers' single tensor of any
name) and ``.pt``/``.bin``, which are pickles and are read by :mod:`ra_widgets.library.tensor_pickle` in a process of its
own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ra_widgets import paths
from ra_widgets.errors import ModelError
from ra_widgets.library import tensor_pickle
from ra_widgets.library.hashes import sha256_of
from ra_widgets.library.headers import read_header

PICKLES = (".pt", ".bin")
SUFFIXES = (".safetensors", *PICKLES)
TIMEOUT = 30.0
"""Seconds that reading a pickle may take."""


@dataclass(frozen=True)
class Embedding:
    """One embedding file; what is in it is read when it is first asked for.

    Attributes:
        name: the word it stands for, its file's stem. path: the file. stamp: its size and time of change.
    """

    name: str
    path: Path
    stamp: tuple[int, int] = (0, 0)
    _read: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    @property
    def tensors(self) -> dict[str, tuple[int, int]]:
        """(vectors, width) by encoder: ``{"": ...}`` for models with one text encoder, ``clip_l`` and ``clip_g`` for
        SDXL.

        Raises:
            ModelError: damaged, not an embedding, or a program.
        """
        if "error" in self._read:
            raise self._read["error"]  # type: ignore[misc]
        if "tensors" not in self._read:
            try:
                self._read["tensors"] = _tensors(self.path, self.data_file())
            except ModelError as error:
                self._read["error"] = error
                raise
        return self._read["tensors"]  # type: ignore[return-value]

    @property
    def vectors(self) -> int:
        """Places it takes in the prompt; 1 if the file cannot be read (never raises)."""
        try:
            return max(count for count, _ in self.tensors.values())
        except ModelError:
            return 1

    @property
    def hash(self) -> str:
        """First 12 hex digits of the file's sha256, as the webui writes it under ``TI hashes``."""
        return sha256_of(self.path)[:12]

    def data_file(self) -> Path:
        """A safetensors file with its tensors: the file itself, or what was read out of the pickle.

        Raises:
            ModelError: the pickle cannot be read, or holds more than data.
        """
        return _unpickled(self.path) if self.path.suffix.lower() in PICKLES else self.path

    def tensor_name(self, encoder: str) -> str:
        """The tensor's name in :meth:`data_file` for an encoder key of :attr:`tensors`."""
        return encoder or next(iter(read_header(self.data_file()).tensors))


def _tensors(path: Path, data: Path) -> dict[str, tuple[int, int]]:
    shapes = {name: shape for name, (_, shape) in read_header(data).tensors.items()}
    if {"clip_l", "clip_g"} <= set(shapes):
        shapes = {name: shapes[name] for name in ("clip_l", "clip_g")}
    elif len(shapes) == 1:
        shapes = {"": next(iter(shapes.values()))}
    else:
        raise ModelError("embedding.not_one", path=str(path))
    found = {name: (1, *shape) if len(shape) == 1 else shape for name, shape in shapes.items()}
    if any(len(shape) != 2 or 0 in shape or shape[0] > 1000 for shape in found.values()):
        raise ModelError("embedding.not_one", path=str(path))
    return {name: (shape[0], shape[1]) for name, shape in found.items()}


def _unpickled(path: Path) -> Path:
    """The pickle's tensors as a safetensors file in the cache folder, under the pickle's own hash."""
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ModelError("model.unreadable", path=str(path), detail=error.strerror or str(error)) from error
    target = paths.home() / "cache" / "embeddings" / f"{digest}.safetensors"
    if target.is_file():
        return target
    command = [sys.executable, "-I", "-S", tensor_pickle.__file__, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError("embedding.damaged", path=str(path), detail="timeout") from None
    if done.returncode:
        detail = done.stderr.decode("utf-8", "replace").strip()[:200]
        raise ModelError(
            "embedding.program" if done.returncode == 3 else "embedding.damaged", path=str(path), detail=detail
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(done.stdout)
        os.replace(name, target)
    except OSError as error:
        raise ModelError("model.unreadable", path=str(target), detail=error.strerror or str(error)) from error
    return target


_known: dict[Path, Embedding] = {}
_lock = threading.Lock()
_last: tuple[float, list[Embedding]] = (float("-inf"), [])


def available(max_age: float = 0.0) -> list[Embedding]:
    """All embeddings in the library, by name; of several with one name the first folder's counts.

    Args:
        max_age: an answer that is at most so many seconds old will do (a counter asks at every key).
    """
    global _last
    with _lock:
        if time.monotonic() - _last[0] <= max_age:
            return _last[1]
        found: dict[str, Embedding] = {}
        for folder in paths.embeddings_dirs():
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() not in SUFFIXES or path.stem in found:
                    continue
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    known = _known.get(path)
                    if known is None or known.stamp != (stat.st_size, stat.st_mtime_ns):
                        known = _known[path] = Embedding(path.stem, path, (stat.st_size, stat.st_mtime_ns))
                    found[path.stem] = known
        _last = (time.monotonic(), sorted(found.values(), key=lambda embedding: embedding.name))
        return _last[1]

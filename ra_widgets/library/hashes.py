"""The sha256 of model files, remembered between runs: several gigabytes take many seconds to read.

The notes are kept in ``home()/hashes.json`` under the file's path, with its size and time of change; a file that
changed is read again. The webui does the same. Losing the notes costs only time, so problems with them are never
errors.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import threading
from pathlib import Path

from ra_widgets import paths

SMALL = 64 * 1024 * 1024
"""Files below this many bytes are remembered in memory only."""

_lock = threading.Lock()
_known: dict[str, list[object]] = {}


def sha256_of(path: Path) -> str:
    """The sha256 of a file as 64 hex digits, from the notes if the file has not changed since.

    Raises:
        OSError: the file cannot be read.
    """
    stat = path.stat()
    stamp: list[object] = [stat.st_size, stat.st_mtime_ns]
    key = str(path.resolve())
    with _lock:
        noted = _known.get(key) or (_read().get(key) if stat.st_size >= SMALL else None)
        if isinstance(noted, list) and noted[:2] == stamp and len(noted) == 3 and _is_hash(noted[2]):
            _known[key] = noted
            return str(noted[2])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with _lock:
        _known[key] = [*stamp, digest]
        if stat.st_size >= SMALL:
            _write({**_read(), key: _known[key]})
    return digest


def _is_hash(text: object) -> bool:
    return isinstance(text, str) and len(text) == 64 and not set(text) - set("0123456789abcdef")


def _notes() -> Path:
    return paths.home() / "hashes.json"


def _read() -> dict[str, list[object]]:
    try:
        data = json.loads(_notes().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(notes: dict[str, list[object]]) -> None:
    with contextlib.suppress(OSError):
        target = _notes()
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(notes, file)
        os.replace(name, target)

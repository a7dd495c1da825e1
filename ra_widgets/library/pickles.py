"""Weights that come as pickles (``.pth``): read once, in a process of its own and as data only, and kept as safetensors.

A pickle can run any program when it is read. So it is read by torch's restricted unpickler (``weights_only=True``, torch 2.6 or
newer: older ones could be broken out of, CVE-2025-32434) in a child process without the user's settings, with a limit of
time; there is no second way in when it refuses. What the child writes is checked like any other file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ra_widgets import paths
from ra_widgets.errors import ModelError
from ra_widgets.library.hashes import sha256_of
from ra_widgets.library.headers import read_header

MAX_BYTES = 4 * 1024**3
TIMEOUT = 300.0
"""Seconds that reading may take."""

_READER = Path(__file__).with_name("_unpickle.py")


def as_safetensors(path: Path) -> Path:
    """The safetensors file with the weights of a pickle; made on first use below ``home()/"converted"``.

    Raises:
        ModelError: it holds more than weights, is damaged, too large, or cannot be read in time.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError("pickle.too_large", path=str(path))
        target = paths.home() / "converted" / f"{path.stem[:60]}-{sha256_of(path)[:16]}.safetensors"
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            draft = Path(folder) / "weights.safetensors"
            _read_in_child(path, draft, folder)
            read_header(draft)
            os.replace(draft, target)
    except OSError as error:
        raise ModelError("model.unreadable", path=str(path), detail=error.strerror or str(error)) from error
    return target


def _read_in_child(path: Path, draft: Path, folder: str) -> None:
    keep = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TEMP", "TMP")
    environment = {name: os.environ[name] for name in keep if name in os.environ} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-I", str(_READER), str(path.resolve()), str(draft)]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ModelError("pickle.timeout", path=str(path)) from None
    if done.returncode == 0 and draft.is_file():
        return
    detail = " ".join(done.stderr.decode("utf-8", "replace").split())[-200:]
    key = {3: "pickle.refused", 4: "pickle.no_weights", 5: "pickle.old_torch"}.get(done.returncode, "pickle.damaged")
    raise ModelError(key, path=str(path), detail=detail)

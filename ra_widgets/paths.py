"""Where things live on this computer: the home folder of the workbench, the model folders, the embedded model.

Nothing is created here; whoever writes makes the folder it needs.
"""

from __future__ import annotations

import os
from pathlib import Path

from ra_widgets.errors import ModelError

APP = "ra-workbench"
EMBEDDED = "ra-mini"
"""Name (and folder name) of the model that ships with the project."""

_PACKAGE = Path(__file__).resolve().parent


def package() -> Path:
    """The folder of the ``ra_widgets`` package."""
    return _PACKAGE


def shipped(name: str) -> Path:
    """A folder that ships beside the package (``models``, ``notebooks``, ``course``).

    In a wheel it lies inside the package, else in the checkout.
    """
    inside = _PACKAGE / "_bundled" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def home() -> Path:
    """The folder for the user's pictures, models, progress and settings.

    ``RA_HOME`` if it is set, else the platform's user data folder (``~/.local/share/ra-workbench`` on Linux,
    ``%LOCALAPPDATA%\\ra-workbench`` on Windows). Absolute; it need not exist yet.
    """
    chosen = os.environ.get("RA_HOME", "").strip()
    if chosen:
        return Path(chosen).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_data_dir(APP, appauthor=False)).resolve()


def gallery_dir() -> Path:
    """The default gallery: ``RA_GALLERY`` if it is set, else ``home()/"gallery"``."""
    chosen = os.environ.get("RA_GALLERY", "").strip()
    return Path(chosen).expanduser().resolve() if chosen else home() / "gallery"


def models_dirs() -> list[Path]:
    """Folders that are searched for models, the user's own first.

    The entries of ``RA_MODELS`` (separated as in ``PATH``), ``home()/"models"``, then the folder of the embedded model.
    Folders that do not exist are left out, doubles too.
    """
    named = [part for part in os.environ.get("RA_MODELS", "").split(os.pathsep) if part.strip()]
    candidates = [Path(part).expanduser() for part in named] + [home() / "models", *_shipped_roots()]
    found: dict[Path, None] = {}
    for folder in candidates:
        if folder.is_dir():
            found.setdefault(folder.resolve())
    return list(found)


def embeddings_dirs() -> list[Path]:
    """Folders that are searched, with their subfolders, for textual inversion embeddings.

    The entries of ``RA_EMBEDDINGS`` (a webui's own ``embeddings`` folder, say), then ``embeddings`` in each of
    :func:`models_dirs`. Folders that do not exist are left out, doubles too.
    """
    named = [part for part in os.environ.get("RA_EMBEDDINGS", "").split(os.pathsep) if part.strip()]
    candidates = [Path(part).expanduser() for part in named] + [folder / "embeddings" for folder in models_dirs()]
    return list(dict.fromkeys(folder.resolve() for folder in candidates if folder.is_dir()))


def wildcards_dir() -> Path | None:
    """The folder of wildcard files: ``RA_WILDCARDS``, else ``home()/"wildcards"``; None if it does not exist."""
    named = os.environ.get("RA_WILDCARDS", "").strip()
    folder = Path(named).expanduser() if named else home() / "wildcards"
    return folder if folder.is_dir() else None


def embedded_model() -> Path:
    """The folder of the embedded model (an ordinary diffusers folder).

    Raises:
        ModelError: it is not there (an incomplete copy of the project).
    """
    for root in _shipped_roots():
        folder = root / EMBEDDED
        if (folder / "model_index.json").is_file():
            return folder
    raise ModelError("paths.no_embedded", folder=str(_shipped_roots()[0] / EMBEDDED))


def _shipped_roots() -> list[Path]:
    return [shipped("models")]

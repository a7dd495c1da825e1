"""Translators in the library: folders under ``translators`` with a MarianMT model or a small chat model (transformers' layout).

They put Chinese prompts into English for models that read only English, better than the embedded glossary does
(:mod:`ra_widgets.prompt.lexicon`). ``RA_TRANSLATOR`` names the one to use, or ``off``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ra_widgets import paths
from ra_widgets.errors import ModelError

OFF = "off"


@dataclass(frozen=True)
class Translator:
    """One translator. ``kind``: "marian" or "chat"."""

    name: str
    path: Path
    kind: str


def available() -> list[Translator]:
    """All translators of the library, by name; of several with one name the first folder's counts."""
    found: dict[str, Translator] = {}
    for root in paths.models_dirs():
        for config in sorted((root / "translators").glob("*/config.json")):
            kind = _kind(config)
            if kind:
                found.setdefault(config.parent.name, Translator(config.parent.name, config.parent, kind))
    return sorted(found.values(), key=lambda translator: translator.name)


def chosen() -> Translator | None:
    """The one to use: that of ``RA_TRANSLATOR``, else the first; None when there is none, or it says ``off``.

    Raises:
        ModelError: there is none of that name.
    """
    wanted = os.environ.get("RA_TRANSLATOR", "").strip()
    if wanted.lower() == OFF:
        return None
    known = available()
    if not wanted:
        return known[0] if known else None
    for translator in known:
        if translator.name.lower() == wanted.lower():
            return translator
    names = ", ".join(translator.name for translator in known) or "-"
    raise ModelError("translator.unknown", name=wanted, known=names)


def _kind(config: Path) -> str:
    try:
        data = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(data, dict):
        return ""
    architectures = data.get("architectures")
    names = " ".join(map(str, architectures)) if isinstance(architectures, list) else ""
    if data.get("model_type") == "marian":
        return "marian"
    return "chat" if "ForCausalLM" in names else ""

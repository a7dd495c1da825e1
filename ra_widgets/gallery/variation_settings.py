"""Blends of prompts and chains of variations in the infotext; the webui has no keys for them and passes over ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ra_widgets.errors import InvalidRequest
from ra_widgets.gallery.settings import choose, number, short, to_float, to_int
from ra_widgets.i18n import t
from ra_widgets.variation_requests import BlendPart

BLEND, MODE, FURTHER = "Prompt blend", "Prompt blend mode", "Further variations"
READ = {BLEND, MODE, FURTHER, "Translated prompt blend"}
"""All keys that :func:`read` understands, and one that the reader needs no more."""


def written(request: Any) -> dict[str, str]:
    """The fields of a request that have something to say.

    A blend is a JSON list of ``[weight, prompt]`` or ``[weight, prompt, negative prompt]``; a chain is ``seed@strength`` with blanks between.
    """
    fields: dict[str, str] = {}
    blend = getattr(request, "prompt_blend", ())
    if blend:
        rows = [[part.weight, part.prompt, part.negative_prompt] for part in blend]
        rows = [row if row[2] is not None else row[:2] for row in rows]
        fields[BLEND] = json.dumps(rows, ensure_ascii=False)
        fields[MODE] = request.blend_mode
    chain = getattr(request, "further_variations", ())
    if chain:
        fields[FURTHER] = " ".join(f"{seed}@{number(strength)}" for seed, strength in chain)
    return fields


def read(parsed: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Request fields from these keys; what cannot be understood goes into ``notes`` as sentences."""
    fields: dict[str, Any] = {}
    for key, name, reader in ((BLEND, "prompt_blend", _blend), (FURTHER, "further_variations", _chain)):
        if key in parsed:
            try:
                fields[name] = reader(str(parsed[key]))
            except (ValueError, TypeError, LookupError, RecursionError, InvalidRequest):
                notes.append(t("infotext.not_carried", field=key, value=short(parsed[key])))
    if "prompt_blend" in fields:
        choose(fields, "blend_mode", MODE, parsed, ("slerp", "lerp"), notes)
    return fields


def _blend(text: str) -> tuple[BlendPart, ...]:
    rows = json.loads(text)
    if not isinstance(rows, list) or not 0 < len(rows) <= 16:
        raise ValueError(text[:60])
    parts = tuple(BlendPart(weight=row[0], prompt=row[1], negative_prompt=(*row, None)[2]) for row in map(tuple, rows))
    if sum(part.weight for part in parts) > 1.000001:
        raise ValueError(text[:60])
    return parts


def _chain(text: str) -> tuple[tuple[int, float], ...]:
    links = []
    for item in text.split():
        seed, _, strength = item.partition("@")
        links.append((to_int(seed), to_float(strength)))
    if not 0 < len(links) <= 32 or any(s is None or w is None or not 0 < w <= 1 or s < 0 for s, w in links):
        raise ValueError(text[:60])
    return tuple((int(s or 0), float(w or 0)) for s, w in links)

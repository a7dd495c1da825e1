"""From metadata in webui's keys to a request: what fits is taken over, what does not is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ra_widgets import samplers
from ra_widgets.errors import InvalidRequest
from ra_widgets.i18n import t
from ra_widgets.requests import MAX_PIXELS, MAX_PROMPT, MAX_SEED, TextToImage

DEFAULTS: dict[str, Any] = {
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": 32,
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": 0,
    "Schedule min sigma": 0,
    "Schedule rho": 0,
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Cache FP16 weight for LoRA": False,
    "Refiner switch by sampling steps": False,
}
"""What webui fills in when a key is missing from an infotext (the types are webui's too)."""


def convert(parsed: Mapping[str, Any], *, keep_model: bool = True) -> tuple[TextToImage, list[str]]:
    """The request that parsed metadata describes, and what of it could not be carried over.

    Sampler names with a schedule inside are split; the sampler's own default schedule reads as "Automatic" (webui's
    rule); an unknown sampler becomes the first one. Numbers outside our limits are moved to the nearest allowed one.

    Args:
        parsed: what :func:`ra_widgets.gallery.infotext.parse` or :mod:`~ra_widgets.gallery.foreign` read.
        keep_model: take the model's name over into the request.

    Returns:
        the request and a list of sentences, in the current language, about everything lost or changed.
    """
    notes: list[str] = []
    fields: dict[str, Any] = {}
    for name, key in (("prompt", "Prompt"), ("negative_prompt", "Negative prompt")):
        value = str(parsed.get(key) or "")
        if len(value) > MAX_PROMPT:
            notes.append(t("infotext.shortened", field=key, limit=MAX_PROMPT))
        fields[name] = value[:MAX_PROMPT]
    _sampler(parsed, fields, notes)
    _numbers(parsed, fields, notes)
    model = _model(parsed)
    if model and keep_model:
        fields["model"] = model
    notes += [t("infotext.not_carried", field=key, value=_short(parsed[key])) for key in _unused(parsed)]
    try:
        return TextToImage(**fields), notes
    except InvalidRequest as error:  # every field is checked above; this keeps a surprise from becoming a crash
        notes.append(error.text())
        return TextToImage(prompt=fields["prompt"], negative_prompt=fields["negative_prompt"]), notes


def _sampler(parsed: Mapping[str, Any], fields: dict[str, Any], notes: list[str]) -> None:
    name, schedule = str(parsed.get("Sampler") or ""), str(parsed.get("Schedule type") or "Automatic")
    try:
        label = samplers.find_scheduler(schedule)
    except KeyError:
        notes.append(t("infotext.unknown_schedule", value=_short(schedule)))
        label = "Automatic"
    if not name:
        fields["scheduler"] = label
        return
    try:
        sampler, inside = samplers.split_name(name)
    except KeyError:
        sampler, inside = samplers.SAMPLER_NAMES[0], None
        notes.append(t("infotext.unknown_sampler", value=_short(name), used=sampler))
    label = inside or label
    if label == samplers.SAMPLERS_INFO[sampler].default_scheduler:
        label = "Automatic"
    fields["sampler"], fields["scheduler"] = sampler, label


_NUMBERS: tuple[tuple[str, str, type, float, float, int], ...] = (
    ("steps", "Steps", int, 1, 150, 1),
    ("cfg_scale", "CFG scale", float, 0, 100, 1),
    ("seed", "Seed", int, -1, MAX_SEED, 1),
    ("subseed", "Variation seed", int, -1, MAX_SEED, 1),
    ("subseed_strength", "Variation seed strength", float, 0, 1, 1),
    ("width", "Size-1", int, 64, 4096, 8),
    ("height", "Size-2", int, 64, 4096, 8),
    ("clip_skip", "Clip skip", int, 1, 12, 1),
    ("batch_size", "Batch size", int, 1, 64, 1),
    ("n_iter", "Batch count", int, 1, 1000, 1),
)


def _numbers(parsed: Mapping[str, Any], fields: dict[str, Any], notes: list[str]) -> None:
    for name, key, kind, low, high, multiple in _NUMBERS:
        if key not in parsed or (name in ("batch_size", "n_iter") and "Batch pos" in parsed):
            continue  # with "Batch pos" the text belongs to one picture of an old webui's batch
        value = to_int(parsed[key]) if kind is int else to_float(parsed[key])
        if value is None:
            notes.append(t("infotext.not_a_number", field=key, value=_short(parsed[key])))
            continue
        allowed = kind(min(max(value, low), high)) // multiple * multiple if kind is int else min(max(value, low), high)
        if allowed != value:
            notes.append(t("infotext.moved", field=key, value=_short(parsed[key]), used=allowed))
        fields[name] = allowed
    if fields.get("width", 0) * fields.get("height", 0) > MAX_PIXELS:
        notes.append(t("infotext.moved", field="Size", value=f"{fields.pop('width')}x{fields.pop('height')}", used="-"))


def _model(parsed: Mapping[str, Any]) -> str:
    if "Model" not in parsed and "Model-1" in parsed:  # a model called "512x512" is read as a size by webui's rule
        return f"{parsed['Model-1']}x{parsed['Model-2']}"
    return str(parsed.get("Model") or "")


_USED = {
    *("Prompt", "Negative prompt", "Sampler", "Schedule type", "Model", "Model-1", "Model-2", "Model hash"),
    *("RNG", "Version", "User", "Emphasis", "Batch pos", "App"),
    *(row[1] for row in _NUMBERS),
}


def _unused(parsed: Mapping[str, Any]) -> list[str]:
    keys = [key for key in parsed if key not in _USED and (key not in DEFAULTS or parsed[key] != DEFAULTS[key])]
    if parsed.get("RNG") == "CPU":
        keys.append("RNG")
    if parsed.get("Emphasis", "Original") != "Original":
        keys.append("Emphasis")
    return keys


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


def to_int(value: object) -> int | None:
    """A whole number from text ("20", "20.0"); None when it is none."""
    parsed = to_float(value)
    if parsed is None:
        return None
    try:
        return int(str(value).strip())  # exact for whole numbers that a float cannot hold
    except ValueError:
        return int(parsed)


def to_float(value: object) -> float | None:
    """A finite number from text; None when it is none."""
    try:
        parsed = float(str(value).strip()[:60])
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None

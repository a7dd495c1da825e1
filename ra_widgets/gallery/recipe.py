"""From metadata in webui's keys to a request: what fits is taken over, what does not is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ra_widgets import samplers
from ra_widgets.errors import InvalidRequest
from ra_widgets.gallery import control_settings, image_settings, settings, variation_settings
from ra_widgets.i18n import t
from ra_widgets.requests import MAX_PIXELS, MAX_PROMPT, Generation, Outpaint, Picture, TextToImage

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


def convert(
    parsed: Mapping[str, Any], *, keep_model: bool = True, image: Picture | None = None, mask: Picture | None = None
) -> tuple[Generation, list[str]]:
    """The request that parsed metadata describes, and what of it could not be carried over.

    Sampler names with a schedule inside are split; the sampler's own default schedule reads as "Automatic" (webui's
    rule); an unknown sampler becomes the first one. Numbers outside our limits are moved to the nearest allowed one.

    Args:
        parsed: what :func:`ra_widgets.gallery.infotext.parse` or :mod:`~ra_widgets.gallery.foreign` read.
        keep_model: take the model's name over into the request.
        image, mask: what the picture was made from; if they are not given, they are looked for by the hashes in the text.

    Returns:
        the request, of text to image if no input picture is at hand, and a list of sentences, in the current language, about everything lost or changed.
    """
    notes: list[str] = []
    fields: dict[str, Any] = {}
    for name, key in (("prompt", "Prompt"), ("negative_prompt", "Negative prompt")):
        value = str(parsed.get(key) or "")
        if len(value) > MAX_PROMPT:
            notes.append(t("infotext.shortened", field=key, limit=MAX_PROMPT))
        fields[name] = value[:MAX_PROMPT]
    _sampler(parsed, fields, notes)
    fields |= settings.read(parsed, notes)
    settings.finish_hires(fields)
    fields |= control_settings.read(parsed, notes)
    fields |= variation_settings.read(parsed, notes)
    hires = "enable_hr" in fields
    kind, given = (None, {}) if hires else image_settings.kind_of(parsed, image, mask)
    if kind is not None:
        fields |= image_settings.read(kind, parsed, notes)
    if kind is Outpaint:  # its size follows from the picture and the sides
        fields = {name: value for name, value in fields.items() if name not in ("width", "height")}
    if fields.get("width", 0) * fields.get("height", 0) > MAX_PIXELS:
        notes.append(t("infotext.moved", field="Size", value=f"{fields.pop('width')}x{fields.pop('height')}", used="-"))
    model = _model(parsed)
    if model and keep_model:
        fields["model"] = model
    notes += [
        t("infotext.not_carried", field=key, value=settings.short(parsed[key]))
        for key in _unused(parsed, hires, kind is not None)
    ]
    while True:
        try:
            return (kind or TextToImage)(**fields, **given), notes
        except InvalidRequest as error:  # settings that are fine alone and contradict each other
            notes.append(error.text())
            if not _drop_some(fields):
                if kind is not None:  # perhaps the pictures do not fit the settings: go on without them
                    kept = {key: value for key, value in parsed.items() if key not in image_settings.HASHES}
                    request, more = convert(kept, keep_model=keep_model)
                    return request, notes + more
                return TextToImage(prompt=fields["prompt"], negative_prompt=fields["negative_prompt"]), notes


def _drop_some(fields: dict[str, Any]) -> bool:
    """Leave out the next group of settings that may be at fault; False when none is left."""
    for group in (
        ("schedule_min_sigma", "schedule_max_sigma"),
        ("seed_resize_from_w", "seed_resize_from_h"),
        ("s_tmin", "s_tmax", "s_churn"),  # between ends the wrong way round nothing churns
        ("enable_hr",),
    ):
        present = [name for name in group if fields.get(name)]
        if present:
            for name in present:
                del fields[name]
            return True
    return False


def _sampler(parsed: Mapping[str, Any], fields: dict[str, Any], notes: list[str]) -> None:
    name, schedule = str(parsed.get("Sampler") or ""), str(parsed.get("Schedule type") or "Automatic")
    try:
        label = samplers.find_scheduler(schedule)
    except KeyError:
        notes.append(t("infotext.unknown_schedule", value=settings.short(schedule)))
        label = "Automatic"
    if not name:
        fields["scheduler"] = label
        return
    try:
        sampler, inside = samplers.split_name(name)
    except KeyError:
        sampler, inside = samplers.SAMPLER_NAMES[0], None
        notes.append(t("infotext.unknown_sampler", value=settings.short(name), used=sampler))
    label = inside or label
    if label == samplers.SAMPLERS_INFO[sampler].default_scheduler:
        label = "Automatic"
    fields["sampler"], fields["scheduler"] = sampler, label


def _model(parsed: Mapping[str, Any]) -> str:
    if "Model" not in parsed and "Model-1" in parsed:  # a model called "512x512" is read as a size by webui's rule
        return f"{parsed['Model-1']}x{parsed['Model-2']}"
    return str(parsed.get("Model") or "")


_USED = {
    *("Prompt", "Negative prompt", "Sampler", "Schedule type", "Model", "Model-1", "Model-2", "Model hash"),
    # what an English-only model was given: made anew from the prompt as typed
    *("Translated prompt", "Translated negative prompt", "Translated hires prompt", "Translated hires negative prompt"),
    "Translator",
    "TI hashes",  # of the embeddings that the prompt names
    *("Version", "User", "Batch pos", "App", *variation_settings.READ, *(settings.READ - {"Denoising strength"})),
}


def _unused(parsed: Mapping[str, Any], hires: bool, image: bool) -> list[str]:
    if image:
        parsed = {key: value for key, value in parsed.items() if key not in image_settings.READ}
    keys = [
        key
        for key in parsed
        if key not in _USED
        and not control_settings.is_key(key)
        and (key not in DEFAULTS or parsed[key] != DEFAULTS[key])
    ]
    return [key for key in keys if not (hires and key == "Denoising strength")]  # without hires fix it is img2img's

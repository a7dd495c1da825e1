"""Which request field is which key of the infotext, beyond prompt, sampler and size; used by writer and reader alike.

Keys are the webui's (1.10). A field at its default is not written; a key that is missing leaves the field at its default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from annotated_types import Ge, Gt, Le, MultipleOf

from ra_widgets import samplers
from ra_widgets.i18n import t
from ra_widgets.request_fields import EMPHASIS, NOISE_SCHEDULES, UNIPC_SKIP_TYPES, UNIPC_VARIANTS, known_upscalers
from ra_widgets.requests import Request, TextToImage

NUMBERS: tuple[tuple[str, str], ...] = (
    ("steps", "Steps"),
    ("cfg_scale", "CFG scale"),
    ("seed", "Seed"),
    ("subseed", "Variation seed"),
    ("subseed_strength", "Variation seed strength"),
    ("width", "Size-1"),
    ("height", "Size-2"),
    ("clip_skip", "Clip skip"),
    ("batch_size", "Batch size"),
    ("n_iter", "Batch count"),
    ("seed_resize_from_w", "Seed resize from-1"),
    ("seed_resize_from_h", "Seed resize from-2"),
    ("eta_noise_seed_delta", "ENSD"),
)
"""Numbers that have a place of their own in the text."""

EXTRAS: tuple[tuple[str, str], ...] = (
    ("s_min_uncond", "NGMS"),
    ("s_min_uncond_all", "NGMS all steps"),
    ("skip_early_cond", "Skip Early CFG"),
    ("pad_cond_uncond", "Pad conds"),
    ("pad_cond_uncond_v0", "Pad conds v0"),
    ("cfg_rescale", "CFG rescale"),
    ("s_churn", "Sigma churn"),
    ("s_tmin", "Sigma tmin"),
    ("s_tmax", "Sigma tmax"),
    ("s_noise", "Sigma noise"),
    ("schedule_min_sigma", "Schedule min sigma"),
    ("schedule_max_sigma", "Schedule max sigma"),
    ("schedule_rho", "Schedule rho"),
    ("beta_alpha", "Beta schedule alpha"),
    ("beta_beta", "Beta schedule beta"),
    ("discard_penultimate", "Discard penultimate sigma"),
    ("sgm_noise_multiplier", "SGM noise multiplier"),
    ("uni_pc_order", "UniPC order"),
    ("uni_pc_lower_order_final", "UniPC lower order final"),
    ("use_downcasted_alpha_bar", "Downcast alphas_cumprod"),
    ("old_prompt_timelines", "Old prompt editing timelines"),
    ("tiled_diffusion", "Tiled diffusion"),
    ("tile_size", "Tile size"),
    ("tile_overlap", "Tile overlap"),
)
"""Settings that follow in the order given, when they are not at their defaults."""

CHOICES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("uni_pc_variant", "UniPC variant", UNIPC_VARIANTS),
    ("uni_pc_skip_type", "UniPC skip type", UNIPC_SKIP_TYPES),
    ("sd_noise_schedule", "Noise Schedule", NOISE_SCHEDULES),
)
"""Settings that are one of some names; the first is the default, which is not written."""

_HIRES: tuple[tuple[str, str], ...] = (
    ("denoising_strength", "Denoising strength"),
    ("hr_scale", "Hires upscale"),
    ("hr_resize_x", "Hires resize-1"),
    ("hr_resize_y", "Hires resize-2"),
    ("hr_second_pass_steps", "Hires steps"),
)
_HIRES_TEXTS = (("hr_prompt", "Hires prompt"), ("hr_negative_prompt", "Hires negative prompt"))
_SAME = ("", "Use same sampler", "Use same scheduler", "Use same checkpoint")
# webui writes one spelling and reads another: both are met
ALIASES = {"Beta scheduler alpha": "Beta schedule alpha", "Beta scheduler beta": "Beta schedule beta"}

READ = {
    *(key for _, key in (*NUMBERS, *EXTRAS, *_HIRES, *_HIRES_TEXTS)),
    *("Eta", "Eta DDIM", "Emphasis", "RNG", "Refiner", "Refiner switch at", "Hires sampler", "Hires schedule type"),
    *("Hires upscaler", "Refiner switch by sampling steps", *ALIASES, *(key for _, key, _ in CHOICES)),
}
"""All keys that :func:`read` understands."""


# ---------------------------------------------------------------------------------------------------------- writing
def number(value: float | int) -> str:
    """A number as the webui's sliders give it: ``7`` rather than ``7.0``, else the shortest exact decimal."""
    exact = float(value)
    return str(int(exact)) if exact.is_integer() and abs(exact) < 1e15 else repr(exact)


def written(request: Any, schedule: str) -> dict[str, Any]:
    """The fields beyond the basic ones, in the order in which they stand in the text.

    Args:
        request: any request; fields that its kind does not have are left out.
        schedule: the resolved schedule of the (first) pass.
    """
    fields: dict[str, Any] = {}
    known = type(request).model_fields
    sampler = samplers.SAMPLERS_INFO[request.sampler]
    width, height = getattr(request, "seed_resize_from_w", 0), getattr(request, "seed_resize_from_h", 0)
    if width and height:
        fields["Seed resize from"] = f"{width}x{height}"
    if getattr(request, "eta_noise_seed_delta", 0) and sampler.uses_ensd:
        fields["ENSD"] = request.eta_noise_seed_delta
    fields["RNG"] = getattr(request, "rng", "NV")
    if getattr(request, "eta", None) is not None:
        fields["Eta DDIM" if sampler.timestep_based else "Eta"] = number(request.eta)
    for name, key in EXTRAS:
        if name in known and getattr(request, name) != known[name].default:
            value = getattr(request, name)
            fields[key] = str(value) if isinstance(value, bool) else number(value)
    emphasis = getattr(request, "emphasis", "Original")
    prompts = request.prompt + getattr(request, "negative_prompt", "")
    if emphasis != "Original" and ("(" in prompts or "[" in prompts):
        fields["Emphasis"] = emphasis
    if getattr(request, "enable_hr", False):
        fields |= _hires(request, schedule)
    if getattr(request, "refiner_checkpoint", None):
        fields |= {"Refiner": request.refiner_checkpoint, "Refiner switch at": number(request.refiner_switch_at)}
        if request.refiner_switch_by_sample_steps:
            fields["Refiner switch by sampling steps"] = "True"
    for name, key, names in CHOICES:
        if getattr(request, name, names[0]) != names[0]:
            fields[key] = getattr(request, name)
    return fields


def _hires(request: TextToImage, schedule: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"Denoising strength": number(request.denoising_strength)}
    sampler = request.hr_sampler or request.sampler
    if sampler != request.sampler:
        fields["Hires sampler"] = sampler
    if request.hr_prompt and request.hr_prompt != request.prompt:
        fields["Hires prompt"] = request.hr_prompt
    if request.hr_negative_prompt and request.hr_negative_prompt != request.negative_prompt:
        fields["Hires negative prompt"] = request.hr_negative_prompt
    if request.hr_scheduler is not None:
        second = samplers.resolve(sampler, request.hr_scheduler)[1]
        if second != schedule:
            fields["Hires schedule type"] = second
    if request.hr_resize_x or request.hr_resize_y:
        fields["Hires resize"] = f"{request.hr_resize_x}x{request.hr_resize_y}"
    else:
        fields["Hires upscale"] = number(request.hr_scale)
    if request.hr_second_pass_steps:
        fields["Hires steps"] = request.hr_second_pass_steps
    fields["Hires upscaler"] = request.hr_upscaler
    return fields


# ---------------------------------------------------------------------------------------------------------- reading
def read(parsed: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Request fields from webui's keys; what had to be changed goes into ``notes`` as sentences."""
    data = dict(parsed)
    for alias, key in ALIASES.items():
        if alias in data:
            data.setdefault(key, data[alias])
    fields: dict[str, Any] = {}
    for name, key in (*NUMBERS, *EXTRAS):
        if key not in data or (name in ("batch_size", "n_iter") and "Batch pos" in data):
            continue  # with "Batch pos" the text belongs to one picture of an old webui's batch
        take(fields, name, key, data[key], notes)
    for key in ("Eta", "Eta DDIM"):
        if key in data:
            take(fields, "eta", key, data[key], notes)
    if data.get("RNG") == "CPU":
        fields["rng"] = "CPU"
    choose(fields, "emphasis", "Emphasis", data, EMPHASIS, notes)
    for name, key, names in CHOICES:
        choose(fields, name, key, data, names, notes)
    if data.get("Refiner"):
        fields["refiner_checkpoint"] = _without_hash(data["Refiner"])
        take(fields, "refiner_switch_at", "Refiner switch at", data.get("Refiner switch at", 0.8), notes)
        by_steps = data.get("Refiner switch by sampling steps", False)
        take(fields, "refiner_switch_by_sample_steps", "Refiner switch by sampling steps", by_steps, notes)
    if "Hires upscale" in data or "Hires upscaler" in data or to_int(data.get("Hires resize-1", 0)):
        _read_hires(fields, data, notes)
    return fields


def _read_hires(fields: dict[str, Any], data: Mapping[str, Any], notes: list[str]) -> None:
    fields["enable_hr"] = True
    for name, key in _HIRES:
        if key in data:
            take(fields, name, key, data[key], notes)
    for name, key in _HIRES_TEXTS:
        if data.get(key):
            fields[name] = str(data[key])[:10_000]
    choose(fields, "hr_upscaler", "Hires upscaler", data, known_upscalers(), notes)
    name, schedule = str(data.get("Hires sampler") or ""), str(data.get("Hires schedule type") or "")
    try:
        inside = None
        if name not in _SAME:
            fields["hr_sampler"], inside = samplers.split_name(name)
        if schedule not in _SAME or inside:
            fields["hr_scheduler"] = inside or samplers.find_scheduler(schedule)
    except KeyError as error:
        notes.append(t("infotext.not_carried", field="Hires", value=short(str(error.args[0]).split(";")[0])))


def finish_hires(fields: dict[str, Any]) -> None:
    """The second pass's schedule reads as "Automatic" when it is its sampler's own (as the first pass's does)."""
    sampler = fields.get("hr_sampler") or fields.get("sampler", samplers.SAMPLER_NAMES[0])
    if fields.get("hr_scheduler") == samplers.SAMPLERS_INFO[sampler].default_scheduler:
        fields["hr_scheduler"] = samplers.AUTOMATIC


def choose(
    fields: dict[str, Any], name: str, key: str, data: Mapping[str, Any], allowed: tuple[str, ...], notes: list[str]
) -> None:
    """One of some names."""
    value = data.get(key)
    if value is None:
        return
    if value in allowed:
        fields[name] = value
    else:
        notes.append(t("infotext.not_carried", field=key, value=short(value)))


def take(
    fields: dict[str, Any], name: str, key: str, raw: Any, notes: list[str], request: type[Request] = TextToImage
) -> None:
    """One number, moved into the range that this kind of request allows."""
    kind = request.model_fields[name]
    if kind.annotation in (bool, bool | None):
        fields[name] = str(raw).strip().lower() == "true"
        return
    whole = kind.annotation in (int, int | None)
    value = to_int(raw) if whole else to_float(raw)
    if value is None:
        notes.append(t("infotext.not_a_number", field=key, value=short(raw)))
        return
    allowed: Any = value
    for limit in kind.metadata:
        if isinstance(limit, Ge):
            allowed = max(allowed, limit.ge)
        elif isinstance(limit, Gt) and allowed <= limit.gt:  # type: ignore[operator]
            allowed = kind.default
        elif isinstance(limit, Le):
            allowed = min(allowed, limit.le)
    for limit in kind.metadata:
        if isinstance(limit, MultipleOf):
            allowed = allowed // limit.multiple_of * limit.multiple_of
    if allowed != value:
        notes.append(t("infotext.moved", field=key, value=short(raw), used=allowed))
    fields[name] = allowed


def _without_hash(value: object) -> str:
    text = str(value)
    head, separator, tail = text.rpartition(" [")
    return head if separator and tail.endswith("]") else text


def short(value: object) -> str:
    """A value for a sentence: one line, at most 60 characters."""
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

"""The part of the infotext that tells how a picture was made from another; used by writer and reader alike.

Keys are the webui's where it has them. The pictures themselves are named by the first half of their hash ("Init image hash",
"Mask hash"): if a store holds them, the text alone is enough to make the picture again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ra_widgets import pictures
from ra_widgets.errors import InvalidRequest
from ra_widgets.gallery.settings import choose, number, take
from ra_widgets.image_requests import FILLS, RESIZE_MODES
from ra_widgets.pictures import Picture
from ra_widgets.requests import DepthToImage, Generation, ImageToImage, Inpaint, Outpaint, SDUpscale

SHORT = 32
"""Hex digits of a hash in the text."""

_INIT, _MASK, _DEPTH = "Init image hash", "Mask hash", "Depth map hash"
HASHES = (_INIT, _MASK, _DEPTH)
_SIDES = ("left", "right", "top", "bottom")

_IMAGE: tuple[tuple[str, str], ...] = (
    ("initial_noise_multiplier", "Noise multiplier"),
    ("extra_noise", "Extra noise"),
    ("color_correction", "Color correction"),
    ("img2img_fix_steps", "Fixed steps"),
)
_SOFT: tuple[tuple[str, str], ...] = (
    ("soft_schedule_bias", "Soft inpainting schedule bias"),
    ("soft_preservation_strength", "Soft inpainting preservation strength"),
    ("soft_transition_contrast_boost", "Soft inpainting transition contrast boost"),
    ("soft_mask_influence", "Soft inpainting mask influence"),
    ("soft_difference_threshold", "Soft inpainting difference threshold"),
    ("soft_difference_contrast", "Soft inpainting difference contrast"),
)
_ENABLED = "Soft inpainting enabled"
_FILL_MODE = "Outpaint fill"
_TILES, _UPSCALER, _SCALE = "SD upscale overlap", "SD upscale upscaler", "SD upscale scale"
"""The first two are the webui's; its script does not write the third."""

READ = {
    *(key for _, key in (*_IMAGE, *_SOFT)),
    *(_INIT, _MASK, _DEPTH, _ENABLED, _FILL_MODE, "Resize mode", "Denoising strength", "Mask mode", "Mask blur"),
    *("Mask blur x", "Mask blur y", "Inpaint area", "Masked area padding", "Masked content", "Conditional mask weight"),
    *(f"Outpaint {side}" for side in _SIDES),
    *(_TILES, _UPSCALER, _SCALE),
}
"""All keys that :func:`read` understands."""


# ---------------------------------------------------------------------------------------------------------- writing
def written(request: Any) -> dict[str, Any]:
    """The fields of a request that starts from a picture; nothing for others."""
    if not isinstance(request, (ImageToImage, Outpaint, SDUpscale)):
        return {}
    fields: dict[str, Any] = {
        "Denoising strength": number(request.denoising_strength),
        _INIT: request.image.sha256[:SHORT],
    }
    if isinstance(request, Outpaint):
        fields |= {f"Outpaint {side}": getattr(request, side) for side in _SIDES if getattr(request, side)}
        fields |= {_FILL_MODE: request.fill_mode, "Mask blur": request.mask_blur}
        return fields
    if isinstance(request, SDUpscale):
        fields |= {_TILES: request.overlap, _UPSCALER: request.upscaler, _SCALE: number(request.scale)}
        return fields | _others(request)
    if isinstance(request, Inpaint):
        fields |= _inpaint(request)
    if isinstance(request, DepthToImage) and request.depth_map is not None:
        fields[_DEPTH] = request.depth_map.sha256[:SHORT]
    if request.resize_mode != RESIZE_MODES[0]:
        fields["Resize mode"] = request.resize_mode
    return fields | _others(request)


def _others(request: Any) -> dict[str, Any]:
    """The settings of ``_IMAGE`` that the request has and that are not at their defaults."""
    known = type(request).model_fields
    fields: dict[str, Any] = {}
    for name, key in _IMAGE:
        if name in known and (value := getattr(request, name)) != known[name].default:
            fields[key] = str(value) if isinstance(value, bool) else number(value)
    return fields


def _inpaint(request: Inpaint) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if request.mask is not None:
        fields[_MASK] = request.mask.sha256[:SHORT]
    if request.soft_inpainting:
        fields[_ENABLED] = "True"
        fields |= {key: number(getattr(request, name)) for name, key in _SOFT}
    if request.inpainting_mask_invert:
        fields["Mask mode"] = "Inpaint not masked"
    fields["Mask blur"] = request.mask_blur
    for name, key in (("mask_blur_x", "Mask blur x"), ("mask_blur_y", "Mask blur y")):
        if getattr(request, name) is not None:
            fields[key] = getattr(request, name)
    if request.inpaint_full_res:
        fields |= {"Inpaint area": "Only masked", "Masked area padding": request.inpaint_full_res_padding}
    if request.inpainting_fill != "original":
        fields["Masked content"] = request.inpainting_fill
    if request.inpainting_mask_weight != 1.0:
        fields["Conditional mask weight"] = number(request.inpainting_mask_weight)
    return fields


# ---------------------------------------------------------------------------------------------------------- reading
def kind_of(
    parsed: Mapping[str, Any], image: Picture | None = None, mask: Picture | None = None
) -> tuple[type[Generation] | None, dict[str, Picture]]:
    """Which request made the picture, and its input pictures, as far as they are given or in a store.

    (None, {}) if it was made from text, or if its input is nowhere to be found.
    """
    image = image or _stored(parsed, _INIT)
    if image is None:
        return None, {}
    given = {"image": image}
    if any(f"Outpaint {side}" in parsed for side in _SIDES):
        return Outpaint, given
    if _UPSCALER in parsed:
        return SDUpscale, given
    mask = mask or _stored(parsed, _MASK)
    if mask is not None:
        return Inpaint, given | {"mask": mask}
    # the webui writes the blur of every mask; without the mask only a see-through picture can have been one
    if "Mask blur" in parsed and image.mode == "RGBA":
        return Inpaint, given
    depth = _stored(parsed, _DEPTH)
    return (DepthToImage, given | {"depth_map": depth}) if depth is not None else (ImageToImage, given)


def _stored(parsed: Mapping[str, Any], key: str) -> Picture | None:
    name = str(parsed.get(key) or "")
    try:
        return pictures.find(name) if len(name) == SHORT else None
    except (InvalidRequest, OSError):
        return None


def read(kind: type[Generation], parsed: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Fields of a request of this kind from the webui's keys; what had to be changed goes into ``notes`` as sentences."""
    fields: dict[str, Any] = {}

    def numbers(pairs: tuple[tuple[str, str], ...]) -> None:
        for name, key in pairs:
            if key in parsed:
                take(fields, name, key, parsed[key], notes, kind)

    numbers((("denoising_strength", "Denoising strength"),))
    if kind is Outpaint:
        numbers((*((side, f"Outpaint {side}") for side in _SIDES), ("mask_blur", "Mask blur")))
        choose(fields, "fill_mode", _FILL_MODE, parsed, ("edge", "mirror", "noise", "latent noise"), notes)
        return fields
    numbers(tuple(pair for pair in _IMAGE if pair[0] in kind.model_fields))
    if kind is SDUpscale:
        numbers((("overlap", _TILES), ("scale", _SCALE)))
        fields["upscaler"] = str(parsed[_UPSCALER])[:200]
        return fields
    choose(fields, "resize_mode", "Resize mode", parsed, RESIZE_MODES, notes)
    if kind is Inpaint:
        numbers((("mask_blur", "Mask blur"), ("mask_blur_x", "Mask blur x"), ("mask_blur_y", "Mask blur y")))
        numbers((("inpainting_mask_weight", "Conditional mask weight"),))
        fields["inpainting_mask_invert"] = parsed.get("Mask mode") == "Inpaint not masked"
        choose(fields, "inpainting_fill", "Masked content", parsed, FILLS, notes)
        if parsed.get("Inpaint area") == "Only masked":
            fields["inpaint_full_res"] = True
            numbers((("inpaint_full_res_padding", "Masked area padding"),))
        if str(parsed.get(_ENABLED)) == "True":
            fields["soft_inpainting"] = True
            numbers(_SOFT)
    return fields

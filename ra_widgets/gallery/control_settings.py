"""Control units in the infotext: ``ControlNet 0: "Module: canny, Model: ..., Weight: 1, ..."`` as the webui's extension writes it.

Its text names neither picture nor file; ours adds ``Control image 0``, the first half of the picture's hash: if a store holds the
picture, the text alone is enough to make the result again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ra_widgets import pictures
from ra_widgets.control_requests import ControlUnit, IPAdapterUnit
from ra_widgets.errors import InvalidRequest
from ra_widgets.gallery.settings import number, short, to_float, to_int
from ra_widgets.i18n import t
from ra_widgets.pictures import Picture

SHORT = 32
MODES = {"balanced": "Balanced", "prompt": "My prompt is more important", "control": "ControlNet is more important"}
RESIZES = {"Just resize": "Just Resize", "Crop and resize": "Crop and Resize", "Resize and fill": "Resize and Fill"}
IP_MODULE = "ip-adapter-auto"

_UNIT = re.compile(r"ControlNet (\d+)$")
_IMAGE = "Control image {}"


def is_key(key: str) -> bool:
    """Whether a key of the infotext belongs to the control units."""
    return bool(_UNIT.match(key)) or key.startswith(_IMAGE.format("")) or key == "ControlNet"


# ---------------------------------------------------------------------------------------------------------- writing
def written(request: Any, labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """The fields of a request's units. ``labels``: names of models with their hashes, where they are known."""
    units = [*getattr(request, "control", ()), *getattr(request, "ip_adapter", ())]
    fields: dict[str, str] = {}
    for index, unit in enumerate(units):
        name = (labels or {}).get(unit.model, unit.model)
        fields[f"ControlNet {index}"] = ", ".join(f"{key}: {value}" for key, value in _pairs(unit, name).items())
    for index, unit in enumerate(units):
        if unit.image is not None:
            fields[_IMAGE.format(index)] = unit.image.sha256[:SHORT]
    return fields


def _pairs(unit: ControlUnit | IPAdapterUnit, name: str) -> dict[str, str]:
    # commas and colons would end a value; the extension writes nothing at all then
    name = re.sub(r"[,:\n]+", " ", name)
    if isinstance(unit, IPAdapterUnit):
        unit = ControlUnit(
            model=unit.model, module=IP_MODULE, weight=unit.weight, guidance_start=unit.guidance_start,
            guidance_end=unit.guidance_end,
        )  # fmt: skip
    pairs = {
        "Module": re.sub(r"[,:\n]+", " ", unit.module),
        "Model": name,
        "Weight": number(unit.weight),
        "Resize Mode": RESIZES[unit.resize_mode],
    }
    if unit.processor_res is not None:
        pairs["Processor Res"] = str(unit.processor_res)
    for key, value in (("Threshold A", unit.threshold_a), ("Threshold B", unit.threshold_b)):
        if value is not None and value != -1:
            pairs[key] = number(value)
    return pairs | {
        "Guidance Start": number(unit.guidance_start),
        "Guidance End": number(unit.guidance_end),
        "Pixel Perfect": str(unit.processor_res is None),
        "Control Mode": MODES[unit.control_mode],
    }


# ---------------------------------------------------------------------------------------------------------- reading
def read(parsed: Mapping[str, Any], notes: list[str], *, own_image: bool = False) -> dict[str, Any]:
    """The fields ``control`` and ``ip_adapter``; what could not be carried over goes into ``notes``.

    Args:
        own_image: the request has a picture of its own that units without one may look at.
    """
    found: dict[str, list[Any]] = {"control": [], "ip_adapter": []}
    keys = sorted((int(match[1]), key) for key in parsed if (match := _UNIT.match(key)))
    for index, key in keys:
        image = _stored(parsed, index)
        try:
            named = _named(_split(str(parsed[key])))
            if image is None and (not own_image or _IMAGE.format(index) in parsed):
                raise InvalidRequest("control.no_image", field=key, unit=index + 1)
            if named["module"].startswith("ip-adapter"):
                if image is None:
                    raise InvalidRequest("control.no_image", field=key, unit=index + 1)
                kept = ("model", "weight", "guidance_start", "guidance_end")
                found["ip_adapter"].append(IPAdapterUnit(image=image, **{n: named[n] for n in kept if n in named}))
            else:
                found["control"].append(ControlUnit(image=image, **named))
        except (InvalidRequest, KeyError) as error:
            reason = error.text() if isinstance(error, InvalidRequest) else short(parsed[key])
            notes.append(t("infotext.not_carried", field=key, value=reason))
    return {name: tuple(units[:8]) for name, units in found.items() if units}


def _stored(parsed: Mapping[str, Any], index: int) -> Picture | None:
    name = str(parsed.get(_IMAGE.format(index)) or "")
    try:
        return pictures.find(name) if len(name) == SHORT else None
    except (InvalidRequest, OSError):
        return None


def _split(text: str) -> dict[str, str]:
    pairs = (item.split(": ", 1) for item in text.split(","))
    return {pair[0].strip().lower(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _named(pairs: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a :class:`ControlUnit`; numbers that are none are left out."""
    named: dict[str, Any] = {"module": pairs.get("module", "none"), "model": pairs["model"]}
    for field, key in (
        ("weight", "weight"),
        ("guidance_start", "guidance start"),
        ("guidance_end", "guidance end"),
        ("threshold_a", "threshold a"),
        ("threshold_b", "threshold b"),
    ):
        value = to_float(pairs.get(key, ""))
        if value is not None and not (field.startswith("threshold") and value < 0):
            named[field] = value
    resolution = to_int(pairs.get("processor res", ""))
    if resolution is not None and resolution > 0 and pairs.get("pixel perfect") != "True":
        named["processor_res"] = max(64, min(4096, resolution))
    named["control_mode"] = next((k for k, v in MODES.items() if v == pairs.get("control mode")), "balanced")
    named["resize_mode"] = next((k for k, v in RESIZES.items() if v == pairs.get("resize mode")), "Crop and resize")
    named["model"] = re.sub(r"\s*\[[0-9a-fA-F]{8,}\]$", "", named["model"])
    return named

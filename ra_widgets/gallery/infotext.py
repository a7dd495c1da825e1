"""The webui's ``parameters`` text ("infotext"): written and read exactly as webui 1.10 does, quirks included.

The text is the prompt, a ``Negative prompt:`` line, and one line of ``key: value`` pairs. Field order, quoting,
defaults and back-compatibility follow webui's observable behaviour (``create_infotext`` and
``parse_generation_parameters``).
What the text cannot carry is listed in ``docs/infotext.md``; our own JSON in a second key carries everything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ra_widgets import samplers
from ra_widgets._version import __version__
from ra_widgets.gallery import control_settings, image_settings, recipe, settings, variation_settings
from ra_widgets.gallery.recipe import DEFAULTS
from ra_widgets.gallery.settings import number, to_int
from ra_widgets.requests import Generation, Picture, Request, TextToImage
from ra_widgets.results import Record, Result

NEGATIVE = "Negative prompt:"

# webui's order of the fields it writes itself; anything else keeps the order in which it was given, before Version
_ORDER = (
    "Steps", "Sampler", "Schedule type", "CFG scale", "Distilled CFG Scale", "Image CFG scale", "Seed",
    "Face restoration", "Size", "Model hash", "Model", "FP8 weight", "Cache FP16 weight for LoRA", "VAE hash", "VAE",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength", "Conditional mask weight",
    "Clip skip", "ENSD", "Token merging ratio", "Token merging ratio hr", "Init image hash", "RNG", "Tiling",
)  # fmt: skip

_SIZE = re.compile(r"(\d+)x(\d+)")
_KEY_RUN = re.compile(r"[\w \-/]")
_QUOTED = re.compile(r'"(?:\\.|[^\\"])+"(?=,|$)', re.DOTALL)
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\w")
_ATTENTION = re.compile(r"\\[()\[\]\\]|\\|[(\[]|:\s*([+-]?[.\d]+)\s*\)|[)\]]|[^\\()\[\]:]+|:")


# ---------------------------------------------------------------------------------------------------------- writing
def quote(value: object) -> str:
    """A value as it stands in the parameter line: JSON-quoted when it holds a comma, a colon or a line break."""
    text = str(value)
    if "," not in text and "\n" not in text and ":" not in text:
        return text
    return json.dumps(text, ensure_ascii=False)


def unquote(text: str) -> str:
    """Undo :func:`quote`; text that is not valid JSON stays as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def format(
    what: TextToImage | Request | Record | Result,
    *,
    seed: int | None = None,
    model: str | None = None,
    model_hash: str | None = None,
    version: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """The infotext of a request, a record, or a result (its first picture).

    Args:
        what: a request is written as it is (fields that are None are left out); a record with its own seed, model and
            hash. ``width``/``height`` become ``Size``; the schedule is the resolved one, as webui writes it.
        seed: the seed really used, if the request's is still -1.
        model: file stem of the checkpoint; model_hash: 10 hex digits of its sha256.
        version: default ``ra <version>``.
        extra: further fields. Those the webui has a place for go there, the others stand in the order given, before
            ``Version``; None leaves a field out.

    Returns:
        the text; it ends with the parameter line, without a line break.
    """
    if isinstance(what, Result):
        if not what.records:
            raise ValueError("a result without pictures has no infotext")
        what = what.records[0]
    if isinstance(what, Record):
        if what.infotext and (seed, model, model_hash, version, extra) == (None,) * 5:
            return what.infotext
        seed = what.seed if seed is None else seed
        model = what.model or None if model is None else model
        model_hash = what.model_hash or None if model_hash is None else model_hash
        request = what.request
    else:
        request = what
    fields = _fields(request, seed=seed, model=model, model_hash=model_hash)
    more = {key: fields.pop(key) for key in list(fields) if key not in _ORDER} | dict(extra or {})
    for key in [name for name in more if name in _ORDER]:
        fields[key] = more.pop(key)
    user = more.pop("User", None)
    version = more.pop("Version", None) or version or f"ra {__version__}"
    ordered = {key: fields.get(key) for key in _ORDER} | more | {"Version": version, "User": user}
    return compose(str(getattr(request, "prompt", "")), str(getattr(request, "negative_prompt", "")), ordered)


def postprocessed(source: str, fields: Mapping[str, Any], size: tuple[int, int]) -> str:
    """The infotext of a picture made from another without a model: the other's text, with ``fields`` (webui's
    ``Postprocess ...``) at its end; without one, a text of these alone.

    Args:
        source: infotext of the other picture, or "". size: width and height of the result.
    """
    own = {key: value for key, value in fields.items() if value is not None}
    line = ", ".join(f"{key}: {quote(value)}" for key, value in own.items())
    if len(pairs(source.strip().split("\n")[-1])) >= 3:
        return f"{source.strip()}, {line}"
    # at least three pairs, or readers take the line for a prompt
    return compose(source.strip(), "", {"Size": f"{size[0]}x{size[1]}", **own, "Version": f"ra {__version__}"})


def compose(prompt: str, negative: str, fields: Mapping[str, Any]) -> str:
    """The text from its parts: fields in the order given, None left out, values quoted where they must be."""
    written = {key: value for key, value in fields.items() if value is not None}
    line = ", ".join(key if key == value else f"{key}: {quote(value)}" for key, value in written.items())
    middle = f"\n{NEGATIVE} {negative}" if negative else ""
    return f"{prompt}{middle}\n{line}".strip()


def _fields(request: Request, *, seed: int | None, model: str | None, model_hash: str | None) -> dict[str, Any]:
    """The fields that a request determines, by webui's names; None for those that are not written."""

    def get(name: str, default: Any = None) -> Any:
        return getattr(request, name, default)

    if not isinstance(request, Generation):  # a picture that was only enlarged was made without any of these
        return {"Model hash": model_hash or None, "Model": model or None}
    name, schedule = samplers.resolve(request.sampler, request.scheduler)
    cfg, size, strength = get("cfg_scale"), request.sampled_size, get("subseed_strength", 0)
    clip_skip = get("clip_skip", 1)
    batch, count = get("batch_size", 1), get("n_iter", 1)
    return (
        {
            "Steps": get("steps"),
            "Sampler": name,
            "Schedule type": schedule,
            "CFG scale": None if cfg is None else number(cfg),
            "Seed": get("seed", -1) if seed is None else seed,
            "Size": f"{size[0]}x{size[1]}" if size else None,
            "Model hash": model_hash or None,
            "Model": model or get("model"),
            "Variation seed": get("subseed") if strength else None,
            "Variation seed strength": number(strength) if strength else None,
            "Clip skip": clip_skip if clip_skip and clip_skip > 1 else None,
            # the webui reads "Batch size" back; a single picture's text has neither
            "Batch size": batch if batch > 1 else None,
            "Batch count": count if count > 1 else None,
        }
        | settings.written(request, schedule)
        | variation_settings.written(request)
        | control_settings.written(request)
        | image_settings.written(request)
    )


# ---------------------------------------------------------------------------------------------------------- reading
def pairs(line: str) -> list[tuple[str, str]]:
    r"""All ``(key, raw value)`` pairs of a parameter line.

    Finds what webui's expression ``\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`` finds, in linear time
    whatever the text.
    """
    found: list[tuple[str, str]] = []
    position = 0
    while (colon := line.find(":", position)) >= 0:
        start = colon
        while start > position and _KEY_RUN.match(line[start - 1]):
            start -= 1
        first = next((i for i in range(start, colon) if _WORD.match(line[i])), colon)
        if colon - first < 2:
            position = colon + 1
            continue
        value_start = _SPACE.match(line, colon + 1).end()  # type: ignore[union-attr]
        quoted = _QUOTED.match(line, value_start)
        if quoted:
            end = quoted.end()
        else:
            comma = line.find(",", value_start)
            end = len(line) if comma < 0 else comma
        found.append((line[first:colon], line[value_start:end]))
        position = end + 1
    return found


def parse(text: str) -> dict[str, Any]:
    """Read an infotext into webui's own keys, as webui's "read generation parameters" does.

    Values are strings (defaults that webui fills in keep its types); a value like ``512x768`` becomes ``key-1`` and
    ``key-2``. The last line holds the parameters if it has at least three pairs, else it belongs to the prompt.
    Never raises: a text without parameters is a prompt.
    """
    result: dict[str, Any] = {}
    *lines, last = text.replace("\x00", "").strip().split("\n")
    found = pairs(last)
    if len(found) < 3:
        lines, found = [*lines, last], []
    prompt: list[str] = []
    negative: list[str] = []
    target = prompt
    for line in lines:
        line = line.strip()
        if line.startswith(NEGATIVE):
            target, line = negative, line[len(NEGATIVE) :].strip()
        if target or line:  # leading empty lines vanish, as they do in the webui
            target.append(line)
    for key, raw in found:
        if not raw:
            continue  # webui drops empty values
        value = unquote(raw)
        size = _SIZE.fullmatch(value)
        if size:
            result[f"{key}-1"], result[f"{key}-2"] = size.groups()
        else:
            result[key] = value
    result["Prompt"] = "\n".join(prompt)
    result["Negative prompt"] = "\n".join(negative)
    if "Hypernet" in result:
        result["Prompt"] += f"<hypernet:{result['Hypernet']}:{result.get('Hypernet strength', '1.0')}>"
    _restore_first_pass(result)
    for key, default in DEFAULTS.items():
        result.setdefault(key, default)
    if "Emphasis" not in result and (_has_emphasis(result["Prompt"]) or _has_emphasis(result["Negative prompt"])):
        result["Emphasis"] = "Original"
    _back_compatible(result)
    return result


def _restore_first_pass(result: dict[str, Any]) -> None:
    """Pictures of webui before 1.0 name the first pass ("First pass size"); today the size is the first pass's."""
    first = [to_int(result.get(f"First pass size-{i}")) for i in (1, 2)]
    if first[0] is None or first[1] is None:
        return
    width, height = to_int(result.get("Size-1")) or 512, to_int(result.get("Size-2")) or 512
    if not first[0] or not first[1]:
        scale = math.sqrt(512 * 512 / (width * height))
        first = [math.ceil(scale * side / 64) * 64 for side in (width, height)]
    result["Size-1"], result["Size-2"] = first
    result["Hires resize-1"], result["Hires resize-2"] = width, height


def _has_emphasis(prompt: str) -> bool:
    """Whether any part of the prompt has a weight other than one (webui's attention brackets)."""
    parts = 0
    opened: dict[str, list[int]] = {")": [], "]": []}
    for match in _ATTENTION.finditer(prompt):
        token, weight = match.group(), match.group(1)
        if token in ("(", "["):
            opened[")" if token == "(" else "]"].append(parts)
        elif weight is not None and opened[")"]:
            if opened[")"].pop() < parts and weight.count(".") < 2 and float(weight.strip("+").rstrip(".") or 0) != 1.0:
                return True
        elif opened.get(token):
            if opened[token].pop() < parts:
                return True
        elif token != "\\":
            parts += 1
    return any(start < parts for starts in opened.values() for start in starts)


def _version(text: object) -> tuple[int, int, int, int] | None:
    """``v1.7.0-225-gabc`` -> (1, 7, 0, 225); None for anything that is not the webui's own numbering."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-(RC\b|\d+))?(?:[-+].*)?$", str(text or "").strip())
    if not match:
        return None
    major, minor, patch, post = match.groups()
    return int(major), int(minor), int(patch or 0), -1 if post == "RC" else int(post or 0)


def _back_compatible(result: dict[str, Any]) -> None:
    """Switch on what old versions did otherwise, as webui does when it pastes their texts."""
    version = _version(result.get("Version"))
    if version is None:
        return
    if version < (1, 6, 0, 0):
        if "[" in result["Prompt"]:
            result["Old prompt editing timelines"] = True
        if result.get("Sampler") in ("DDIM", "PLMS"):
            result["Pad conds v0"] = True
    if version < (1, 7, 0, 225):
        result["Downcast alphas_cumprod"] = True
    if version < (1, 8, 0, 0) and result.get("Refiner"):
        result["Refiner switch by sampling steps"] = True


# ------------------------------------------------------------------------------------------------------- to requests
def convert(
    data: Mapping[str, Any] | str, *, keep_model: bool = True, image: Picture | None = None, mask: Picture | None = None
) -> tuple[Generation, list[str]]:
    """The request that an infotext (or what :func:`parse` made of one) describes, and what could not be carried over.

    See :func:`ra_widgets.gallery.recipe.convert`.
    """
    parsed = parse(data) if isinstance(data, str) else data
    return recipe.convert(parsed, keep_model=keep_model, image=image, mask=mask)


def to_request(
    data: Mapping[str, Any] | str, *, keep_model: bool = True, image: Picture | None = None, mask: Picture | None = None
) -> Generation:
    """The request that an infotext (or its parsed dict) describes; never raises, see :func:`convert`."""
    return convert(data, keep_model=keep_model, image=image, mask=mask)[0]

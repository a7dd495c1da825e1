"""Pictures of other programs: their metadata in webui's keys, and as a request.

Understood: AUTOMATIC1111, Forge, SD.Next, ComfyUI, InvokeAI, Fooocus, NovelAI, SwarmUI. What cannot be carried over is
listed, never dropped in silence. The formats were read from pictures and from the programs' documented behaviour.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ra_widgets.gallery import carriers, infotext
from ra_widgets.gallery.foreign_comfy import SAMPLERS as COMFY_SAMPLERS
from ra_widgets.gallery.foreign_comfy import SCHEDULERS as COMFY_SCHEDULERS
from ra_widgets.gallery.foreign_comfy import from_graph
from ra_widgets.i18n import t
from ra_widgets.requests import Generation

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCES = ("ra", "webui", "forge", "sdnext", "comfyui", "invokeai", "fooocus", "novelai", "swarmui")


@dataclass
class Foreign:
    """What a picture's metadata say.

    Attributes:
        source: one of :data:`SOURCES`, or "" when there is nothing that is understood.
        data: webui's keys, as :func:`ra_widgets.gallery.infotext.parse` gives them.
        infotext: the webui text: the picture's own, or one made from ``data``.
        notes: sentences, in the current language, about what has no counterpart here.
    """

    source: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    infotext: str = ""
    notes: list[str] = field(default_factory=list)

    def convert(self, *, keep_model: bool = True) -> tuple[Generation, list[str]]:
        """The request, and everything that could not be carried over."""
        request, more = infotext.convert(self.data, keep_model=keep_model)
        return request, self.notes + more

    def to_request(self, *, keep_model: bool = True) -> Generation:
        """The request nearest to what made the picture."""
        return self.convert(keep_model=keep_model)[0]


def read(source: str | os.PathLike[str] | bytes | Image, *, deep: bool = False) -> Foreign:
    """Understand a picture file (or bytes, or a PIL image).

    Args:
        deep: also look for text hidden in the alpha channel (NovelAI's "stealth" metadata); this decodes the picture.

    Raises:
        GalleryError: not a picture, too large, damaged, or not readable.
    """
    texts = carriers.read(source)
    found = understand(texts)
    if not found.source and deep:
        from ra_widgets.gallery.stealth import read_alpha

        found = understand(read_alpha(source))
    return found


def understand(texts: Mapping[str, str], *, exif: bytes | None = None, size: tuple[int, int] | None = None) -> Foreign:
    """Understand metadata texts.

    Args:
        texts: by key, from :func:`ra_widgets.gallery.carriers.read` or a PNG's chunks.
        exif: an EXIF block found beside them; its texts go first.
        size: width and height of the picture, for programs that do not write them.

    Never raises; whatever is not understood gives an empty :class:`Foreign`.
    """
    texts = dict(texts) | (carriers.texts_of_exif(exif) if exif else {})
    for reader in _READERS:
        try:
            found = reader(texts)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
            continue  # not in the form that this program writes
        if found is None:
            continue
        found.data = {key: value for key, value in found.data.items() if value is not None and value != ""}
        if size and "Size-1" not in found.data:
            found.data["Size-1"], found.data["Size-2"] = str(size[0]), str(size[1])
        if not found.infotext:
            found.infotext = _compose(found.data)
        return found
    return Foreign()


def _compose(data: Mapping[str, Any]) -> str:
    fields = {key: value for key, value in data.items() if key not in ("Prompt", "Negative prompt")}
    if "Size-1" in fields and "Size-2" in fields:
        fields["Size"] = f"{fields.pop('Size-1')}x{fields.pop('Size-2')}"
    return infotext.compose(str(data.get("Prompt", "")), str(data.get("Negative prompt", "")), fields)


def _json(text: str | None) -> dict[str, Any]:
    value = json.loads(text or "")
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _lora(name: object, weight: object) -> str:
    stem = re.sub(r"\.(safetensors|pt|ckpt)$", "", re.split(r"[\\/]", str(name))[-1])
    return f"<lora:{stem}:{infotext.number(float(str(weight)))}>"


def _with_loras(prompt: str, loras: list[str]) -> str:
    return " ".join([prompt, *loras]).strip()


def _stem(name: object) -> str:
    return re.sub(r"\.(safetensors|ckpt|pt|gguf|sft)$", "", re.split(r"[\\/]", str(name or ""))[-1])


# ------------------------------------------------------------------------------------------------- one reader a format
def _novelai(texts: dict[str, str]) -> Foreign | None:
    if "novelai" not in texts.get("Software", "").lower() and '"uc"' not in texts.get("Comment", ""):
        return None
    raw = _json(texts["Comment"])
    name = str(raw.get("sampler", ""))
    schedule = str(raw.get("noise_schedule"))
    v4 = [(raw.get(key) or {}).get("caption") or {} for key in ("v4_prompt", "v4_negative_prompt")]
    prompt = str(raw.get("prompt") or v4[0].get("base_caption") or texts.get("Description", ""))
    data = {
        "Prompt": prompt,
        "Negative prompt": str(raw.get("uc") or v4[1].get("base_caption") or ""),
        "Steps": raw.get("steps"),
        "Sampler": _NOVELAI.get(name, name),
        "Schedule type": COMFY_SCHEDULERS.get("normal" if schedule == "native" else schedule),
        "CFG scale": raw.get("scale"),
        "Seed": raw.get("seed"),
        "Size-1": raw.get("width"),
        "Size-2": raw.get("height"),
        "Model": texts.get("Source"),
    }
    notes = [t("foreign.other_engine", program="NovelAI")]
    if any(mark in prompt for mark in "{}"):
        notes.append(t("foreign.other_weights", program="NovelAI"))
    notes += _extras(raw, ("cfg_rescale", "strength", "noise", "sm", "sm_dyn", "dynamic_thresholding", "uncond_scale"))
    if any(caption.get("char_captions") for caption in v4):
        notes.append(t("infotext.not_carried", field="char_captions", value="…"))
    return Foreign("novelai", _strings(data), notes=notes)


_NOVELAI = {
    "k_euler": "Euler", "k_euler_ancestral": "Euler a", "k_lms": "LMS", "k_heun": "Heun", "k_dpm_2": "DPM2",
    "k_dpm_2_ancestral": "DPM2 a", "k_dpmpp_2s_ancestral": "DPM++ 2S a", "k_dpmpp_2m": "DPM++ 2M",
    "k_dpm_fast": "DPM fast", "k_dpm_adaptive": "DPM adaptive", "k_dpmpp_sde": "DPM++ SDE",
    "k_dpmpp_2m_sde": "DPM++ 2M SDE", "plms": "PLMS", "ddim": "DDIM", "ddim_v3": "DDIM",
}  # fmt: skip


def _invoke(texts: dict[str, str]) -> Foreign | None:
    if "invokeai_metadata" in texts:
        raw = _json(texts["invokeai_metadata"])
        return _invoke_3(raw)
    if "sd-metadata" in texts:
        raw = _json(texts["sd-metadata"])
        image = raw.get("image") or {}
        prompt = image.get("prompt", "")
        if isinstance(prompt, list):
            prompt = " ".join(str(part.get("prompt", "")) for part in prompt)
        return _invoke_2(str(prompt), image | {"model": raw.get("model_weights"), "hash": raw.get("model_hash")})
    if "Dream" in texts:
        return _dream(texts["Dream"])
    return None


def _invoke_3(raw: dict[str, Any]) -> Foreign:
    model = raw.get("model")
    name = model.get("name") or model.get("model_name") if isinstance(model, dict) else model
    scheduler = str(raw.get("scheduler", ""))
    sampler, schedule = _invoke_sampler(scheduler)
    loras = []
    for item in raw.get("loras") or []:
        lora = item.get("model") or item.get("lora") or {}
        loras.append(_lora(lora.get("name") or lora.get("model_name") or "", item.get("weight", 1)))
    skip = raw.get("clip_skip")
    data: dict[str, Any] = {
        "Prompt": _with_loras(str(raw.get("positive_prompt", "")), loras),
        "Negative prompt": raw.get("negative_prompt"),
        "Steps": raw.get("steps"),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": raw.get("cfg_scale"),
        "Seed": raw.get("seed"),
        "Size-1": raw.get("width"),
        "Size-2": raw.get("height"),
        "Model": name,
        "Clip skip": skip + 1 if isinstance(skip, int) and skip > 0 else None,  # InvokeAI counts the layers left out
        "Denoising strength": raw.get("strength") if raw.get("init_image") else None,
        "RNG": "CPU" if raw.get("rand_device") == "cpu" else None,
    }
    notes = [t("foreign.other_engine", program="InvokeAI")]
    if re.search(r"[\w)\"][+-]+(\s|,|$)|\)\.(and|blend|swap)\(", data["Prompt"]):
        notes.append(t("foreign.other_weights", program="InvokeAI"))
    notes += _extras(raw, ("vae", "controlnets", "ipAdapters", "t2iAdapters", "refiner_model", "init_image",
                           "cfg_rescale_multiplier", "seamless_x", "seamless_y", "hrf_enabled"))  # fmt: skip
    return Foreign("invokeai", _strings(data), notes=notes)


def _invoke_2(prompt: str, raw: dict[str, Any]) -> Foreign:
    negative = " ".join(re.findall(r"\[([^\[\]]*)\]", prompt))  # InvokeAI 1 and 2 write unwanted things in brackets
    sampler, schedule = _invoke_sampler(str(raw.get("sampler", "")))
    data = {
        "Prompt": re.sub(r"\s*\[[^\[\]]*\]", "", prompt).strip(),
        "Negative prompt": negative,
        "Steps": raw.get("steps"),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": raw.get("cfg_scale"),
        "Seed": raw.get("seed"),
        "Size-1": raw.get("width"),
        "Size-2": raw.get("height"),
        "Model": raw.get("model"),
        "Model hash": str(raw.get("hash") or "")[:10],
        "Denoising strength": raw.get("strength") if str(raw.get("type")) == "img2img" else None,
    }
    notes = [t("foreign.other_engine", program="InvokeAI"), *_extras(raw, ("postprocessing", "variations", "seamless"))]
    return Foreign("invokeai", _strings(data), notes=notes)


def _dream(text: str) -> Foreign:
    match = re.fullmatch(r'\s*"(.*)"\s*((?:-\w+\s*\S*\s*)*)', text, re.DOTALL)
    if match is None:
        raise ValueError("not a dream command")
    flags = dict(re.findall(r"-(\w)\s*(\S+)", match.group(2)))
    names = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}
    return _invoke_2(match.group(1), {long: flags.get(short) for short, long in names.items()})


def _invoke_sampler(name: str) -> tuple[str, str | None]:
    """InvokeAI's scheduler names: ``dpmpp_2m_k`` is DPM++ 2M with Karras sigmas; version 2 put a ``k_`` before."""
    karras = name.endswith("_k")
    stem = name.removesuffix("_k").removeprefix("k_")
    table = {
        "euler": "Euler", "euler_a": "Euler a", "heun": "Heun", "lms": "LMS", "ddim": "DDIM", "pndm": "PLMS",
        "plms": "PLMS", "unipc": "UniPC", "lcm": "LCM", "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_sde": "DPM++ SDE", "kdpm_2": "DPM2", "kdpm_2_a": "DPM2 a", "dpm_2": "DPM2", "dpm_2_a": "DPM2 a",
        "dpmpp_2s": "DPM++ 2S a",
    }  # fmt: skip
    return table.get(stem, name), "Karras" if karras else "Uniform" if stem in table else None


def _fooocus(texts: dict[str, str]) -> Foreign | None:
    text = texts.get(carriers.PARAMETERS, "")
    if not text.lstrip().startswith("{"):
        return None
    raw = {key.lower().replace(" ", "_"): value for key, value in _json(text).items()}
    if "sui_image_params" in raw:
        return _swarm(raw["sui_image_params"])
    if "prompt" not in raw or not ("base_model" in raw or "guidance_scale" in raw):
        return None
    size = re.findall(r"\d+", str(raw.get("resolution", "")))
    loras = [_lora(item[0], item[1]) for item in raw.get("loras") or [] if isinstance(item, (list, tuple))]
    for key in sorted(name for name in raw if name.startswith("lora_combined_")):
        name, _, weight = str(raw[key]).rpartition(" : ")
        loras.append(_lora(name, weight))
    sampler, schedule = str(raw.get("sampler", "")), str(raw.get("scheduler", ""))
    data = {
        "Prompt": _with_loras(str(raw["prompt"]), loras),
        "Negative prompt": raw.get("negative_prompt"),
        "Steps": raw.get("steps"),
        "Sampler": COMFY_SAMPLERS.get(sampler, sampler),
        "Schedule type": COMFY_SCHEDULERS.get(schedule, schedule),
        "CFG scale": raw.get("guidance_scale"),
        "Seed": raw.get("seed"),
        "Size-1": size[0] if len(size) == 2 else None,
        "Size-2": size[1] if len(size) == 2 else None,
        "Model": _stem(raw.get("base_model")),
        "Model hash": raw.get("base_model_hash"),
        "Clip skip": raw.get("clip_skip"),
    }
    notes = [t("foreign.other_engine", program="Fooocus")]
    extras = ("styles", "performance", "sharpness", "adm_guidance", "refiner_model", "refiner_switch", "vae")
    notes += _extras(raw, extras)
    return Foreign("fooocus", _strings(data), notes=notes)


def _swarm(raw: dict[str, Any]) -> Foreign:
    sampler, schedule = str(raw.get("sampler", "")), str(raw.get("scheduler", ""))
    data = {
        "Prompt": raw.get("prompt"),
        "Negative prompt": raw.get("negativeprompt"),
        "Steps": raw.get("steps"),
        "Sampler": COMFY_SAMPLERS.get(sampler, sampler),
        "Schedule type": COMFY_SCHEDULERS.get(schedule, schedule),
        "CFG scale": raw.get("cfgscale"),
        "Seed": raw.get("seed"),
        "Size-1": raw.get("width"),
        "Size-2": raw.get("height"),
        "Model": _stem(raw.get("model")),
        "RNG": "CPU",
    }
    return Foreign("swarmui", _strings(data), notes=[t("foreign.other_engine", program="SwarmUI")])


def _webui(texts: dict[str, str]) -> Foreign | None:
    text = texts.get(carriers.PARAMETERS, "")
    if not text.strip() or text.lstrip().startswith("{"):
        return None
    data = infotext.parse(text)
    version, notes = str(data.get("Version", "")), []
    if "SD.Next" in str(data.get("App", "")) or "Operations" in data or "sdnext" in version.lower():
        source = "sdnext"
        _sdnext(data)
        notes.append(t("foreign.other_engine", program="SD.Next"))
    elif version.startswith("ra "):
        source = "ra"
    elif re.match(r"f\d|neo|classic", version):
        source = "forge"
    elif version.lower().startswith("fooocus"):
        source = "fooocus"
        notes.append(t("foreign.other_engine", program="Fooocus"))
    elif version.lower().startswith("comfyui"):
        source = "comfyui"
        data["RNG"] = "CPU"
        notes.append(t("foreign.other_engine", program="ComfyUI"))
    else:
        source = "webui"
    for name, table in (("Sampler", COMFY_SAMPLERS), ("Schedule type", COMFY_SCHEDULERS)):
        data[name] = table.get(str(data.get(name)), data.get(name))  # savers for ComfyUI keep its spelling
    return Foreign(source, data, infotext=text.strip(), notes=notes)


def _sdnext(data: dict[str, Any]) -> None:
    """SD.Next writes webui's keys, with diffusers' sampler names and its own schedule keys."""
    schedule = str(data.get("Sampler sigma") or data.get("Sigma") or "").lower()
    if schedule in COMFY_SCHEDULERS:
        data["Schedule type"] = COMFY_SCHEDULERS[schedule]
    name = str(data.get("Sampler", ""))
    data["Sampler"] = {"PNDM": "PLMS", "DPM SDE": "DPM++ SDE", "DPM 2M": "DPM++ 2M", "DPM++": "DPM++ 2M",
                       "DPM++ 1S": "DPM++ 2S a", "KDPM2": "DPM2", "KDPM2 a": "DPM2 a",
                       "Euler SGM": "Euler SGM Uniform"}.get(name, name)  # fmt: skip
    if "Batch" in data and "Batch size" not in data:
        data["Batch pos"] = data.pop("Batch")
    if "Size-1" not in data and "Width" in data:
        data["Size-1"], data["Size-2"] = data.get("Width"), data.get("Height")


def _comfy(texts: dict[str, str]) -> Foreign | None:
    if "prompt" not in texts:
        return None
    data, notes = from_graph(_json(texts["prompt"]))
    return Foreign("comfyui", _strings(data), notes=[t("foreign.other_engine", program="ComfyUI"), *notes])


def _strings(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: infotext.number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
        for key, value in data.items()
        if value is not None and value != ""
    }


def _extras(raw: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    found = []
    for name in names:
        value = raw.get(name)
        if value not in (None, "", 0, False, "None", [], {}, "[]"):
            text = " ".join(str(value).split())
            found.append(t("infotext.not_carried", field=name, value=text[:59] + "…" if len(text) > 60 else text))
    return found


_READERS: tuple[Callable[[dict[str, str]], Foreign | None], ...] = (_novelai, _invoke, _fooocus, _webui, _comfy)

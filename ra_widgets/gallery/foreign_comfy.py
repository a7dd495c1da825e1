"""ComfyUI's node graph read as one set of settings: follow the wires back from the saved picture."""

from __future__ import annotations

import re
from typing import Any

from ra_widgets.i18n import t

SAMPLERS = {
    "euler": "Euler", "euler_ancestral": "Euler a", "heun": "Heun", "dpm_2": "DPM2", "dpm_2_ancestral": "DPM2 a",
    "lms": "LMS", "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive", "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE", "dpmpp_sde_gpu": "DPM++ SDE", "dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_gpu": "DPM++ 2M SDE", "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun", "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_2m_sde_heun_gpu": "DPM++ 2M SDE Heun", "dpmpp_3m_sde_gpu": "DPM++ 3M SDE", "lcm": "LCM", "ddim": "DDIM",
    "uni_pc": "UniPC", "uni_pc_bh2": "UniPC",
}  # fmt: skip
"""ComfyUI's sampler names, where the webui has the same one."""
SCHEDULERS = {
    "normal": "Normal", "karras": "Karras", "exponential": "Exponential", "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform", "simple": "Simple", "ddim_uniform": "DDIM", "beta": "Beta",
    "kl_optimal": "KL Optimal",
}  # fmt: skip
"""ComfyUI's schedule names, where the webui has the same one."""

MAX_NODES = 5_000
_LITERALS = ("value", "Value", "int", "float", "number", "string", "text", "String", "seed", "noise_seed")
_TEXTS = ("text", "text_g", "text_l", "prompt", "clip_l", "t5xxl", "text_positive", "positive_prompt")
_NOT_TEXT = ("clip", "model", "vae", "image", "control_net", "latent_image", "pixels")
_KNOWN = re.compile(
    r"KSampler|SamplerCustom|CheckpointLoader|UNETLoader|VAE(Loader|Decode|Encode)|CLIP(TextEncode|SetLastLayer|Loader)"
    r"|EmptyLatent|Empty\w+Latent|SaveImage|PreviewImage|LoraLoader|Conditioning|Scheduler|RandomNoise|CFGGuider|Guider"
    r"|KSamplerSelect|LoadImage|Primitive|Note|Reroute|FluxGuidance|LatentUpscale"
)

Node = dict[str, Any]


class _Graph:
    def __init__(self, raw: dict[str, Any]) -> None:
        self.nodes: dict[str, Node] = {}
        for key, node in raw.items():
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node:
                self.nodes[str(key)] = node
        if not self.nodes or len(self.nodes) > MAX_NODES:
            raise ValueError("not a graph")

    def source(self, node: Node, key: str) -> tuple[str, Node, int] | None:
        """The node at the other end of an input's wire, and which of its outputs it is; None for no wire."""
        wire = node["inputs"].get(key)
        if isinstance(wire, list) and len(wire) == 2 and str(wire[0]) in self.nodes:
            return str(wire[0]), self.nodes[str(wire[0])], wire[1] if isinstance(wire[1], int) else 0
        return None

    def value(self, node: Node, *keys: str) -> Any:
        """An input's value; a wire is followed to the node that holds the literal."""
        for key in keys:
            value = node["inputs"].get(key)
            seen: set[str] = set()
            at = node
            while isinstance(value, list):
                wire = self.source(at, key)
                if wire is None or wire[0] in seen:
                    value = None
                    break
                seen.add(wire[0])
                at = wire[1]
                names = (key, *_LITERALS)
                key = next((name for name in names if at["inputs"].get(name) is not None), "")
                value = at["inputs"].get(key)
            if value is not None and not isinstance(value, dict):
                return value
        return None

    def upstream(self, node: Node, *keys: str) -> list[tuple[str, Node]]:
        """All nodes that feed an input (or, without keys, any input), nearest first."""
        found: dict[str, Node] = {}
        queue = [wire for key in (keys or node["inputs"]) if (wire := self.source(node, key))]
        while queue:
            name, at, _ = queue.pop(0)
            if name not in found:
                found[name] = at
                queue += [wire for key in at["inputs"] if (wire := self.source(at, key))]
        return list(found.items())


def _is_sampler(node: Node) -> bool:
    inputs = node["inputs"]
    begins = any(key in inputs for key in ("latent_image", "latent", "samples", "optional_latent"))
    return begins and ("sampler_name" in inputs or "sampler" in inputs) and ("steps" in inputs or "sigmas" in inputs)


def from_graph(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Settings of the first sampling pass that leads to the saved picture.

    Args:
        raw: ComfyUI's ``prompt`` (API format): ``{id: {"class_type": ..., "inputs": {...}}}``.

    Returns:
        webui's keys, and sentences about what has no counterpart.

    Raises:
        ValueError: not a graph, or no sampler in it.
    """
    graph = _Graph(raw)
    ends = [node for node in graph.nodes.values() if re.search(r"Save|Preview", str(node["class_type"]))]
    chain = [node for end in ends for _, node in graph.upstream(end) if _is_sampler(node)]
    chain = chain or [node for node in graph.nodes.values() if _is_sampler(node)]
    if not chain:
        raise ValueError("no sampler")
    last = chain[0]
    before = graph.upstream(last, "latent_image", "latent", "samples", "optional_latent")
    earlier = [node for _, node in before if _is_sampler(node)]
    base = earlier[-1] if earlier else last
    notes = [t("foreign.several_passes", count=len(earlier) + 1)] if earlier else []
    data = _settings(graph, base, notes)
    used = graph.upstream(last)
    strange = {str(node["class_type"]) for _, node in used if not _KNOWN.search(str(node["class_type"]))}
    if strange:
        notes.append(t("foreign.nodes", names=", ".join(sorted(strange)[:12])))
    return data, notes


def _settings(graph: _Graph, node: Node, notes: list[str]) -> dict[str, Any]:
    guider = _far(graph, node, "guider") or node
    sigmas = _far(graph, node, "sigmas") or node
    noise = _far(graph, node, "noise") or node
    select = _far(graph, node, "sampler") or node
    sampler = str(graph.value(select, "sampler_name") or "")
    schedule = str(graph.value(sigmas, "scheduler") or "")
    if not schedule:  # nodes such as KarrasScheduler
        schedule = re.sub(r"Scheduler$", "", str(sigmas["class_type"])).lower() if sigmas is not node else ""
    size = _size(graph, node)
    model, loras = _model(graph, guider if graph.source(guider, "model") else node)
    positive = _prompt(graph, guider, "positive", notes) or _prompt(graph, guider, "conditioning", notes)
    data: dict[str, Any] = {
        "Prompt": " ".join([positive, *loras]).strip(),
        "Negative prompt": _prompt(graph, guider, "negative", notes),
        "Steps": graph.value(sigmas, "steps"),
        "Sampler": SAMPLERS.get(sampler, sampler),
        "Schedule type": SCHEDULERS.get(schedule, schedule),
        "CFG scale": graph.value(guider, "cfg"),
        "Seed": graph.value(noise, "noise_seed", "seed"),
        "Size-1": size[0],
        "Size-2": size[1],
        "Model": model,
        "Clip skip": _clip_skip(graph, guider),
        "RNG": "CPU",
    }
    denoise = graph.value(sigmas, "denoise")
    if size == (None, None):
        notes.append(t("foreign.from_image"))
        data["Denoising strength"] = denoise
    return data


def _far(graph: _Graph, node: Node, key: str) -> Node | None:
    wire = graph.source(node, key)
    return wire[1] if wire else None


def _size(graph: _Graph, node: Node) -> tuple[Any, Any]:
    for _, at in graph.upstream(node, "latent_image", "latent", "samples", "optional_latent"):
        if "Empty" in str(at["class_type"]) or {"width", "height", "batch_size"} <= set(at["inputs"]):
            return graph.value(at, "width"), graph.value(at, "height")
    return None, None


def _model(graph: _Graph, node: Node) -> tuple[str | None, list[str]]:
    loras = []
    for _, at in graph.upstream(node, "model"):
        name = graph.value(at, "lora_name")
        if isinstance(name, str):
            weight = graph.value(at, "strength_model")
            loras.append(f"<lora:{_stem(name)}:{1 if weight is None else weight}>")
        name = graph.value(at, "ckpt_name", "unet_name", "model_name")
        if isinstance(name, str):
            return _stem(name), loras
    return None, loras


def _stem(name: str) -> str:
    return re.sub(r"\.(safetensors|ckpt|pt|gguf|sft)$", "", re.split(r"[\\/]", name)[-1])


def _clip_skip(graph: _Graph, node: Node) -> int | None:
    for _, at in graph.upstream(node, "positive", "conditioning"):
        layer = graph.value(at, "stop_at_clip_layer")
        if isinstance(layer, int) and layer < -1:
            return -layer
    return None


def _prompt(graph: _Graph, node: Node, key: str, notes: list[str]) -> str:
    """The text behind a conditioning input; several texts joined by nodes are joined by commas."""
    wire = graph.source(node, key)
    texts: list[str] = []
    seen: set[tuple[str, str]] = set()
    queue = [(wire, key)] if wire else []
    while queue:
        (name, at, slot), side = queue.pop(0)
        if (name, side) in seen or at["class_type"] == "ConditioningZeroOut":
            continue
        seen.add((name, side))
        found = [value for text in _TEXTS if isinstance(value := graph.value(at, text), str) and value.strip()]
        if found:
            texts += [text for text in dict.fromkeys(found) if text not in texts]
            continue
        inputs = [name for name in at["inputs"] if name not in _NOT_TEXT]
        if "positive" in inputs and "negative" in inputs:  # nodes that pass both through, such as ControlNetApply
            inputs = ["negative" if slot == 1 else "positive"]
        queue += [(far, side) for name in inputs if (far := graph.source(at, name))]
    if len(texts) > 1:
        notes.append(t("foreign.several_texts", count=len(texts)))
    return ", ".join(texts)

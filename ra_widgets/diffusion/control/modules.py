"""Preprocessors ("modules"): from a picture to the map that a ControlNet reads. Names and meanings are the webui extension's.

The classic ones need numpy and scipy only. Those that estimate depth use a model of the library. Those whose model no kept library
runs without help (pose, HED ...) are known by name, so that the sentence can say what to do instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from ra_widgets.diffusion.control.canny import canny
from ra_widgets.errors import InvalidRequest

Filter = Callable[[np.ndarray, float, float], np.ndarray]


@dataclass(frozen=True)
class Slider:
    """A parameter of a module: its range, its default, and the key of its label."""

    label: str
    default: float
    low: float
    high: float
    step: float = 1


@dataclass(frozen=True)
class Module:
    """A preprocessor.

    Attributes:
        name: the webui's name. a, b: what ``threshold_a`` and ``threshold_b`` mean, None if nothing.
        run: uint8 [H, W, 3] and both thresholds to uint8 [H, W, 3]; None for those that need a model or do nothing.
        needs: ``depth`` for a depth model of the library, ``mask`` for the mask of an inpainting request, "" for nothing.
        resizes: whether it works at ``processor_res``.
        hint: words in the names of the control models that it serves.
    """

    name: str
    run: Filter | None = None
    a: Slider | None = None
    b: Slider | None = None
    needs: str = ""
    resizes: bool = True
    hint: tuple[str, ...] = ()


def _gray3(page: np.ndarray) -> np.ndarray:
    return np.repeat(page.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(pixels.astype(np.float32), (sigma, sigma, 0), mode="mirror", truncate=4.0)


def _canny(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    return _gray3(canny(pixels, low, high))


def _invert(pixels: np.ndarray, a: float, b: float) -> np.ndarray:
    return 255 - pixels


def _xdog(pixels: np.ndarray, threshold: float, b: float) -> np.ndarray:
    """Scribbles: where the finer of two blurs is darker than the coarser (extended difference of Gaussians).

    The webui doubles the difference in eight bits, so that very strong ones wrap around; so it is here.
    """
    darker = (_blur(pixels, 5.0) - _blur(pixels, 0.5)).min(axis=2)
    return _gray3(np.where(2 * np.ceil(darker.clip(0, 255)) % 256 > threshold, 255, 0))


def _lineart(pixels: np.ndarray, sigma: float, least: float) -> np.ndarray:
    """Lines: how much darker a pixel is than its neighbourhood in every channel, evened out over the picture."""
    depth = (_blur(pixels, sigma) - pixels).min(axis=2).clip(0, 255)
    strong = depth[depth > least]
    level = max(16.0, float(np.median(strong)) if len(strong) else 16.0)
    return _gray3(depth / level * 127)


def _threshold(pixels: np.ndarray, level: float, b: float) -> np.ndarray:
    return _gray3(np.where(pixels.min(axis=2) > level, 255, 0))


def _soft_edges(pixels: np.ndarray, sigma: float, b: float) -> np.ndarray:
    """Soft outlines from the length of the gradient at one scale: what HED would be asked for, without a network."""
    page = _blur(pixels, sigma)
    length = np.hypot(ndimage.sobel(page, 0, mode="nearest"), ndimage.sobel(page, 1, mode="nearest")).max(axis=2)
    level = np.percentile(length, 98) or 1.0
    return _gray3(255 * np.minimum(length / max(float(level), 40.0), 1.0))


def _gaussian(pixels: np.ndarray, sigma: float, b: float) -> np.ndarray:
    return _blur(pixels, sigma).round().clip(0, 255).astype(np.uint8)


def _tile(pixels: np.ndarray, factor: float, b: float) -> np.ndarray:
    if factor < 1.1:
        return pixels
    height, width = pixels.shape[:2]
    size = (max(1, int(width / factor)), max(1, int(height / factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


MODULES: dict[str, Module] = {
    module.name: module
    for module in (
        Module("none", resizes=False),
        Module(
            "canny",
            _canny,
            Slider("low", 100, 0, 255),
            Slider("high", 200, 0, 255),
            hint=("canny", "edge"),
        ),
        Module("invert", _invert, resizes=False, hint=("canny", "lineart", "scribble", "edge")),
        Module("scribble_xdog", _xdog, Slider("xdog", 32, 1, 64), hint=("scribble", "sketch")),
        Module(
            "lineart_standard", _lineart, Slider("sigma", 6, 0.1, 32, 0.1), Slider("least", 8, 0, 64), hint=("lineart",)
        ),
        Module("softedge", _soft_edges, Slider("sigma", 1.5, 0.5, 8, 0.1), hint=("softedge", "hed")),
        Module("threshold", _threshold, Slider("level", 127, 0, 255), hint=("scribble",)),
        Module("blur_gaussian", _gaussian, Slider("sigma", 9, 0.01, 64, 0.01), hint=("tile", "blur")),
        Module("tile_resample", _tile, Slider("factor", 1, 1, 8, 0.01), resizes=False, hint=("tile",)),
        Module("depth", needs="depth", hint=("depth",)),
        Module("inpaint_only", needs="mask", resizes=False, hint=("inpaint",)),
    )
}
"""All modules that run, by name."""

ALIASES = {
    "invert (from white bg & black line)": "invert",
    "lineart_standard (from white bg & black line)": "lineart_standard",
    "depth_midas": "depth",
    "depth_anything": "depth",
    "depth_anything_v2": "depth",
    "depth_zoe": "depth",
    "depth_leres": "depth",
    "midas": "depth",
    "inpaint": "inpaint_only",
    "inpaint_global_harmonious": "inpaint_only",
    "identity": "none",
}
"""Other names: older ones, and the kinds of depth models, whose place here the depth model of the library takes."""

ABSENT = {
    "openpose": "none",
    "dw_openpose": "none",
    "hed": "softedge",
    "pidinet": "softedge",
    "teed": "softedge",
    "softedge_": "softedge",
    "scribble_": "scribble_xdog",
    "lineart_": "lineart_standard",
    "mlsd": "canny",
    "normal": "depth",
    "seg": "none",
    "shuffle": "none",
    "reference": "none",
    "clip": "none",
    "ip-adapter": "none",
}
"""Beginnings of the webui's module names that need networks which no kept library runs, and what comes closest here."""


def find_module(name: str, field: str = "control.module") -> Module:
    """The module of this name.

    Raises:
        InvalidRequest: there is none; the sentence says which there are, or what comes closest.
    """
    text = name.strip().lower() or "none"
    text = ALIASES.get(text, text)
    if text in MODULES:
        return MODULES[text]
    nearest = next((instead for start, instead in ABSENT.items() if text.startswith(start)), None)
    known = ", ".join(MODULES)
    if nearest is not None:
        raise InvalidRequest("control.module_absent", field=field, name=name[:60], nearest=nearest, known=known)
    raise InvalidRequest("control.module_unknown", field=field, name=name[:60], known=known)

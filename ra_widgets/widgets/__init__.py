"""The widgets, one a file, each usable alone; :func:`ra_widgets.studio` puts them together.

Nothing here imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "AdvancedPanel": "advanced_panel",
    "BatchPanel": "batch_panel",
    "CropResize": "crop_resize",
    "CompareSlider": "compare_slider",
    "ControlPreview": "control_preview",
    "GalleryView": "gallery_view",
    "GenerateBar": "generate_bar",
    "HeaderBar": "header_bar",
    "ImageInput": "image_input",
    "InfoBar": "info_bar",
    "MaskPainter": "mask_painter",
    "OutpaintFrame": "outpaint_frame",
    "PromptEditor": "prompt_editor",
    "RAWidget": "_base",
    "SamplerPanel": "sampler_panel",
    "SeedPanel": "seed_panel",
    "SizePanel": "size_panel",
    "Sketch": "sketch",
    "Stage": "stage",
    "Studio": "studio",
    "Tab": "tabs",
    "VariationGrid": "variation_grid",
    "VerifyView": "verify_view",
    "register_tab": "tabs",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'ra_widgets.widgets' has no attribute {name!r}")
    value = getattr(import_module(f"ra_widgets.widgets.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})

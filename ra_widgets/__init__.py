"""RA Workbench: Stable Diffusion as a craft, inside Jupyter.

    import ra_widgets as ra

    kernel = ra.PipelineKernel()
    kernel.generate("一个红苹果", seed=42)

Names are loaded when first used: ``import ra_widgets`` imports neither torch nor the widgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ra_widgets._version import __version__

_NAMES = {
    "PipelineKernel": "kernel",
    "TextToImage": "requests",
    "ImageToImage": "requests",
    "Inpaint": "requests",
    "Outpaint": "requests",
    "DepthToImage": "requests",
    "Upscale": "requests",
    "SDUpscale": "requests",
    "ControlUnit": "requests",
    "BlendPart": "requests",
    "Series": "requests",
    "IPAdapterUnit": "requests",
    "Picture": "pictures",
    "Request": "requests",
    "Result": "results",
    "Record": "results",
    "Job": "jobs",
    "Gallery": "gallery",
    "ModelInfo": "library.identify",
    "RAError": "errors",
    "InvalidRequest": "errors",
    "ModelError": "errors",
    "GalleryError": "errors",
    "OutOfMemory": "errors",
    "JobCancelled": "errors",
    "JobTimeout": "errors",
    "set_language": "i18n",
    "get_language": "i18n",
    "studio": "widgets.studio",
    "Studio": "widgets.studio",
    "PromptEditor": "widgets",
    "SamplerPanel": "widgets",
    "SizePanel": "widgets",
    "SeedPanel": "widgets",
    "BatchPanel": "widgets",
    "GenerateBar": "widgets",
    "Stage": "widgets",
    "MaskPainter": "widgets",
    "Sketch": "widgets",
    "OutpaintFrame": "widgets",
    "CropResize": "widgets",
    "InfoBar": "widgets",
    "GalleryView": "widgets",
    "VerifyView": "widgets",
    "VariationGrid": "widgets",
    "ImageInput": "widgets",
    "CompareSlider": "widgets",
    "ControlPreview": "widgets",
}

_MODULES = (
    "course",
    "diffusion",
    "engines",
    "events",
    "experiments",
    "gallery",
    "i18n",
    "library",
    "plotting",
    "prompt",
    "widgets",
)

__all__ = ["__version__", *_NAMES]

if TYPE_CHECKING:
    from ra_widgets.errors import (
        GalleryError,
        InvalidRequest,
        JobCancelled,
        JobTimeout,
        ModelError,
        OutOfMemory,
        RAError,
    )
    from ra_widgets.gallery import Gallery
    from ra_widgets.i18n import get_language, set_language
    from ra_widgets.jobs import Job
    from ra_widgets.kernel import PipelineKernel
    from ra_widgets.library.identify import ModelInfo
    from ra_widgets.pictures import Picture
    from ra_widgets.requests import (
        BlendPart,
        ControlUnit,
        DepthToImage,
        ImageToImage,
        Inpaint,
        IPAdapterUnit,
        Outpaint,
        Request,
        SDUpscale,
        Series,
        TextToImage,
        Upscale,
    )
    from ra_widgets.results import Record, Result
    from ra_widgets.widgets import (
        BatchPanel,
        CompareSlider,
        ControlPreview,
        CropResize,
        GalleryView,
        GenerateBar,
        ImageInput,
        InfoBar,
        MaskPainter,
        OutpaintFrame,
        PromptEditor,
        SamplerPanel,
        SeedPanel,
        SizePanel,
        Sketch,
        Stage,
        VariationGrid,
        VerifyView,
    )
    from ra_widgets.widgets.studio import Studio, studio


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(import_module(f"ra_widgets.{_NAMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"ra_widgets.{name}")
    else:
        raise AttributeError(f"module 'ra_widgets' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES, *_MODULES})

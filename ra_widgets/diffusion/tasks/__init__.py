"""The tasks: one module a kind of request, each a short recipe over the parts of this room."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ra_widgets.diffusion.pipeline import LoadedModel
from ra_widgets.diffusion.preview import Previewer
from ra_widgets.diffusion.tasks.work import Work
from ra_widgets.errors import EngineError, ModelError

Recipe = Callable[[LoadedModel, Any, Work], None]

_MODULES = {
    "txt2img": "text_to_image",
    "img2img": "image_to_image",
    "inpaint": "image_to_image",
    "depth2img": "image_to_image",
    "outpaint": "outpaint",
    "upscale": "upscale",
    "sd_upscale": "sd_upscale",
    "series": "series",
}
_ANY_MODEL = ("upscale", "series")
"""Kinds that any model will do for; a series asks again for each of its members."""


def run(model: LoadedModel, request: Any, work: Work) -> None:
    """Carry out a resolved request on a loaded model; pictures are handed to ``work``.

    Raises:
        RAError: a sentence for the user. JobCancelled: the job was cancelled.
    """
    name = _MODULES.get(request.kind)
    if name is None:
        raise EngineError("error.no_task", kind=str(request.kind))
    if not model.own_engine and request.kind not in _ANY_MODEL:
        if request.kind != "txt2img":
            raise ModelError("model.no_image_task", name=model.info.name, kind=request.kind)
        name = "foreign"
    recipe: Recipe = import_module(f"{__name__}.{name}").run
    with model.ladder.vae_tiles(getattr(request, "tiled_vae", None)):
        recipe(model, request, work)


def previewer(model: LoadedModel) -> Previewer:
    """The model's previewer, made once."""
    return model.cache.setdefault("previewer", Previewer(model))

"""What to make: frozen, validated data. Field names are the webui's.

A request knows nothing of models or devices. ``None`` in ``width``, ``height`` and ``cfg_scale`` means "the model's own
default"; the kernel fills it in (:meth:`Request.resolved`) before the work begins, and records keep the numbers that were
really used.
"""

from __future__ import annotations

import math
from typing import Any

from ra_widgets.control_requests import ControlUnit, IPAdapterUnit
from ra_widgets.errors import InvalidRequest
from ra_widgets.image_requests import DepthToImage, ImageToImage, Inpaint, Outpaint, Upscale
from ra_widgets.pictures import Picture, distrust
from ra_widgets.request_base import MAX_PIXELS, MAX_PROMPT, MAX_SEED, Generation, Request, problems_of
from ra_widgets.sd_upscale_request import SDUpscale
from ra_widgets.text_requests import TextToImage
from ra_widgets.variation_requests import BlendPart, Series

__all__ = [
    "KINDS", "MAX_PIXELS", "MAX_PROMPT", "MAX_SEED", "BlendPart", "ControlUnit", "DepthToImage", "Generation", "IPAdapterUnit",
    "ImageToImage", "Inpaint", "Outpaint", "Picture", "Request", "SDUpscale", "Series", "TextToImage", "Upscale", "from_dict", "problems_of",
]  # fmt: skip

KINDS: dict[str, type[Request]] = {
    "txt2img": TextToImage,
    "img2img": ImageToImage,
    "inpaint": Inpaint,
    "outpaint": Outpaint,
    "depth2img": DepthToImage,
    "upscale": Upscale,
    "sd_upscale": SDUpscale,
}
"""Request kinds by the name in their ``kind`` field."""


def from_dict(data: dict[str, Any]) -> Request:
    """A request from plain data (our JSON in a PNG, the API). Texts in it are never taken for paths of files.

    Raises:
        InvalidRequest: unknown ``kind`` or wrong fields.
    """
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        raise InvalidRequest("invalid.kind", field="kind", got=str(data.get("kind"))[:40], allowed=", ".join(KINDS))
    clean = {k: (None if isinstance(v, float) and not math.isfinite(v) else v) for k, v in data.items()}
    with distrust():
        return kind(**clean)

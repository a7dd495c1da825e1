"""The gallery: finished pictures on disk, an index to find them, and the metadata that made them.

    from ra_widgets.gallery import Gallery, infotext

Knows requests and results only; names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["Gallery", "carriers", "foreign", "infotext"]

if TYPE_CHECKING:
    from ra_widgets.gallery import carriers, foreign, infotext
    from ra_widgets.gallery.store import Gallery


def __getattr__(name: str) -> Any:
    if name == "Gallery":
        value: Any = import_module("ra_widgets.gallery.store").Gallery
    elif name in __all__:
        value = import_module(f"ra_widgets.gallery.{name}")
    else:
        raise AttributeError(f"module 'ra_widgets.gallery' has no attribute {name!r}")
    globals()[name] = value
    return value

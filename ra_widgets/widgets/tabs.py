"""The tabs of the studio, as data: a room that brings a new kind of request adds its tab here.

A tab shares the prompt, the sampler, the stage and the gallery with the others, so that nothing typed is lost when one
changes tabs. It may add panels to the left column, or bring a page of its own in place of the three columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ra_widgets.requests import Request, TextToImage

if TYPE_CHECKING:
    import ipywidgets

    from ra_widgets.widgets.studio import Studio
    from ra_widgets.widgets.tasks import PictureTask


@dataclass(frozen=True)
class Tab:
    """One tab.

    Attributes:
        id: stable name, also ``data-tab`` in the page. title: key of its title in the catalogues.
        request: makes the request of 生成 from the studio (``studio.values()`` are the shared fields);
            None: the tab's ``task`` does, or it has nothing to generate.
        panels: makers of widgets that stand below the prompt while the tab is open; each is called once, when the tab
            is opened for the first time.
        page: maker of a widget that takes the place of the three columns.
        task: maker of what starts from a picture: it brings its own panels, a canvas and the request.
        hides: shared panels that mean nothing here: ``prompt``, ``sampler``, ``size``, ``seed``, ``batch``, ``advanced``.
    """

    id: str
    title: str
    request: Callable[[Studio], Request] | None = None
    panels: tuple[Callable[[Studio], ipywidgets.Widget], ...] = ()
    page: Callable[[Studio], ipywidgets.Widget] | None = None
    task: Callable[[Studio], PictureTask] | None = None
    hides: tuple[str, ...] = ()


def _text_to_image(studio: Studio) -> Request:
    values: dict[str, Any] = studio.values()
    return TextToImage(**values)


def _verify_page(studio: Studio) -> ipywidgets.Widget:
    from ra_widgets.widgets.verify_view import verify_page

    return verify_page(studio)


ALL_SHARED = ("prompt", "sampler", "size", "seed", "batch", "advanced")
"""The shared panels, for tabs that draw nothing by a prompt."""


def _task(module: str, name: str) -> Callable[[Studio], PictureTask]:
    def make(studio: Studio) -> PictureTask:
        return getattr(import_module(f"ra_widgets.widgets.tasks.{module}"), name)(studio)

    return make


TABS: list[Tab] = [
    Tab("txt2img", "studio.tab.txt2img", request=_text_to_image),
    Tab("img2img", "studio.tab.img2img", task=_task("img2img", "ImageToImageTask")),
    Tab("inpaint", "studio.tab.inpaint", task=_task("inpaint", "InpaintTask"), hides=("size",)),
    Tab("outpaint", "studio.tab.outpaint", task=_task("outpaint", "OutpaintTask"), hides=("size",)),
    Tab("control", "studio.tab.control", task=_task("control", "ControlTask")),
    Tab("upscale", "studio.tab.upscale", task=_task("upscale", "UpscaleTask"), hides=ALL_SHARED),
    Tab("verify", "studio.tab.verify", page=_verify_page),
]
"""All tabs, in the order in which they stand."""

ALSO = {"sd_upscale": "upscale"}
"""Kinds of requests that a tab of another name makes, too."""


def register_tab(tab: Tab, *, after: str | None = None) -> None:
    """Add a tab (or replace the one of the same id) for studios made from now on; ``after`` the tab of this id."""
    ids = [known.id for known in TABS]
    if tab.id in ids:
        TABS[ids.index(tab.id)] = tab
    elif after in ids:
        TABS.insert(ids.index(after) + 1, tab)
    else:
        TABS.append(tab)

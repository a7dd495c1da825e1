"""What the tabs that start from a picture have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets

from ra_widgets.errors import RAError
from ra_widgets.widgets._base import RAWidget, RequestPanel
from ra_widgets.widgets.image_input import ImageInput

if TYPE_CHECKING:
    from PIL.Image import Image

    from ra_widgets.requests import Request
    from ra_widgets.results import Record
    from ra_widgets.widgets.studio import Studio


@dataclass(frozen=True)
class TaskState:
    """Everything that stands in a tab: for undo. Pictures by reference."""

    picture: tuple[Image | None, str, Record | None]
    panels: tuple[dict[str, Any], ...]
    more: dict[str, Any] = field(default_factory=dict)


class PictureTask:
    """One tab: a picture, panels of its own, a canvas in the middle, and the request that they mean.

    Subclasses make their panels and canvas in :meth:`build` and their request in :meth:`request`.

    Attributes:
        source: where the picture comes in. panels: stand below the prompt. main: what shows the picture to work on
            (a painter, a frame), None: the source itself does. canvas: all of it, in the middle, takes turns with the
            results. parts: all widgets that follow language and skin.
    """

    HINT: ClassVar[str] = ""
    """Key of a sentence for the empty canvas."""
    TOOLS: ClassVar[tuple[str, ...]] = ("crop",)
    """Tools for the picture itself: ``crop``, ``sketch``."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.look: dict[str, Any] = {"lang": studio.lang, "skin": studio.skin, "_css": ""}
        self.source = ImageInput(gallery=studio.kernel.gallery, **self.look)
        self.source.find = studio.find_record
        self.source.on_tool(self.use_tool)
        self.panels: tuple[RequestPanel, ...] = ()
        self.main: Any = None
        self.tool = ""
        self._tools: dict[str, Any] = {}
        self.build()
        self.canvas = ipywidgets.VBox([self.source]).add_class("ra-canvas-stack")
        self.arrange()
        self.source.on_change(lambda _: self._changed())
        self.language_changed()

    @property
    def parts(self) -> list[RAWidget]:
        """The widgets of this tab."""
        return [self.source, *self.panels, *([self.main] if self.main is not None else []), *self._tools.values()]

    @property
    def left(self) -> tuple[RAWidget, ...]:
        """What stands below the prompt, in this order."""
        return self.panels

    def build(self) -> None:
        """For subclasses: make panels and canvas."""

    def model_changed(self) -> None:
        """For subclasses: another model is in use."""

    def opened(self) -> None:
        """For subclasses: the tab is opened again."""

    def picture_changed(self) -> None:
        """For subclasses: there is another picture, or none."""

    def _changed(self) -> None:
        if self.tool:
            self._open_tool()
        self.picture_changed()
        self.arrange()

    def arrange(self) -> None:
        """Show the source, and below it the tool in use or what the picture is worked on with."""
        image = self.source.image
        tool = self._tools.get(self.tool)
        below = tool if tool is not None else self.main
        self.source.compact = below is not None
        self.source.tools = [{"id": name, "on": name == self.tool} for name in self.TOOLS]
        self.canvas.children = (self.source, *([below] if below is not None and image is not None else []))

    # -- tools for the picture itself ------------------------------------------------------------------------------
    def use_tool(self, name: str) -> None:
        """Take up a tool; the one in use is laid down, and what it did becomes the picture (撤销 brings the old back)."""
        done = self.tool
        self.apply_tool()
        if name == done or name not in self.TOOLS:
            return
        if self.source.image is None:
            if name != "sketch":
                raise RAError("studio.error.picture_missing")
            self.source.image = self._paper()
        self.tool = name
        self._open_tool()
        self.arrange()

    def _open_tool(self) -> None:
        from ra_widgets.widgets.crop_resize import CropResize
        from ra_widgets.widgets.sketch import Sketch

        if self.tool not in self._tools:
            made = Sketch(**self.look) if self.tool == "sketch" else CropResize(**self.look)
            made.lang, made.skin, made._sink = self.studio.lang, self.studio.skin, self.studio.show_error
            self._tools[self.tool] = made
        tool = self._tools[self.tool]
        tool.image = self.source.image
        if self.tool == "sketch":
            tool.clear()

    def apply_tool(self) -> None:
        """Lay the tool down: what it did becomes the picture."""
        tool, self.tool = self._tools.get(self.tool), ""
        result = tool.result if tool is not None and self.source.image is not None else None
        if result is not None and result.tobytes() != self.source.image.convert(result.mode).tobytes():
            self.source.image = result
        else:
            self.arrange()

    def _paper(self) -> Image:
        from PIL import Image as image_module

        width, height = self.studio.size.width, self.studio.size.height
        base = self.studio.size.base_size
        return image_module.new("RGB", (width or base[0], height or base[1]), "white")

    def language_changed(self) -> None:
        """Texts that Python makes are made again."""
        self.source.hint = self.studio.word(self.HINT) if self.HINT else ""

    # -- the request -----------------------------------------------------------------------------------------------
    def picture(self) -> Image:
        """The picture of this tab.

        Raises:
            RAError: there is none yet.
        """
        if self.tool:
            self.apply_tool()
        image = self.source.image
        if image is None:
            raise RAError("studio.error.picture_missing")
        return image

    def values(self) -> dict[str, Any]:
        """The fields of its own panels."""
        fields: dict[str, Any] = {}
        for panel in self.panels:
            fields.update(panel.values())
        return fields

    def request(self) -> Request:
        """The request that 生成 submits."""
        raise NotImplementedError

    # -- pictures that are sent here, and back again ---------------------------------------------------------------
    def accept(self, picture: Image | Record) -> None:
        """Take a picture that was sent here."""
        self.tool = ""
        self.source.image = picture

    def recall(self, request: Request) -> None:
        """Fill in everything that a request of this tab's kind says, its picture too."""
        source = getattr(request, "image", None)
        if source is not None and source.available:
            self.source.image = source.image
        fields = {name: getattr(request, name) for name in type(request).model_fields}
        for panel in self.panels:
            panel.fill(**fields)

    def state(self) -> TaskState:
        """What stands in the tab now."""
        return TaskState(self.source.held, tuple(panel.values() for panel in self.panels), self.more_state())

    def restore(self, state: TaskState) -> None:
        """Put back what :meth:`state` gave."""
        self.tool = ""
        self.source.hold(*state.picture)
        for panel, values in zip(self.panels, state.panels, strict=True):
            panel.fill(**values)
        self.restore_more(state.more)

    def more_state(self) -> dict[str, Any]:
        """For subclasses: what else belongs to the state."""
        return {}

    def restore_more(self, more: dict[str, Any]) -> None:
        """For subclasses: put it back."""

    def close(self) -> None:
        """Close the widgets."""
        for part in self.parts:
            part.close()

"""What the tabs that start from a picture have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ra_widgets.errors import RAError
from ra_widgets.widgets._base import RAWidget, RequestPanel
from ra_widgets.widgets.image_input import ImageInput

if TYPE_CHECKING:
    import ipywidgets
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
        source: where the picture comes in. panels: stand below the prompt. canvas: stands in the middle, takes turns
            with the results. parts: all widgets that follow language and skin.
    """

    HINT: ClassVar[str] = ""
    """Key of a sentence for the empty canvas."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.look: dict[str, Any] = {"lang": studio.lang, "skin": studio.skin, "_css": ""}
        self.source = ImageInput(gallery=studio.kernel.gallery, **self.look)
        self.source.find = studio.find_record
        self.panels: tuple[RequestPanel, ...] = ()
        self.canvas: ipywidgets.Widget = self.source
        self.build()
        self.source.on_change(lambda _: self.picture_changed())
        self.language_changed()

    @property
    def parts(self) -> list[RAWidget]:
        """The widgets of this tab."""
        return [self.source, *self.panels]

    @property
    def left(self) -> tuple[RAWidget, ...]:
        """What stands below the prompt, in this order."""
        return self.panels

    def build(self) -> None:
        """For subclasses: make panels and canvas."""

    def model_changed(self) -> None:
        """For subclasses: another model is in use."""

    def picture_changed(self) -> None:
        """For subclasses: there is another picture, or none."""

    def language_changed(self) -> None:
        """Texts that Python makes are made again."""
        self.source.hint = self.studio.word(self.HINT) if self.HINT else ""

    # -- the request -----------------------------------------------------------------------------------------------
    def picture(self) -> Image:
        """The picture of this tab.

        Raises:
            RAError: there is none yet.
        """
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

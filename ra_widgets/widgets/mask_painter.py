"""The mask painter: paint on a picture what shall be made anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import traitlets as tr
from PIL import Image, ImageChops, ImageFilter

from ra_widgets.errors import InvalidRequest, RAError
from ra_widgets.widgets._base import shared
from ra_widgets.widgets._brushes import BrushWidget
from ra_widgets.widgets._raster import as_picture
from ra_widgets.widgets._traits import Whole

Segmenter = Callable[[Image.Image, tuple[int, int]], Image.Image]
TOOLS = ("brush", "eraser", "lasso", "rectangle", "fill", "segment")
VIEWS = ("overlay", "edge", "mask")


class MaskPainter(BrushWidget):
    """Paint a mask on a picture: white is what will be made anew.

    Args:
        image: a PIL picture, an array, a record, a path or the bytes of a file; turned as its EXIF says.
        mask: a mask to begin with.
        segmenter: ``segmenter(image, (x, y)) -> mask``; with it there is a tool that masks what is clicked on.

    Attributes:
        tool: ``brush``, ``eraser``, ``lasso``, ``rectangle``, ``fill``, ``segment``.
        brush: diameter in pixels, 1..8192; softness: 0..100; pressure: a pen that is pressed harder paints wider.
        fill_by: ``edge`` (up to the painted edge) or ``color`` (like the clicked colour, within ``tolerance`` 0..255).
        feather_by: pixels that the feather button softens by, 1..256.
        view: ``overlay``, ``edge``, ``mask``.

    Example:
        >>> painter = MaskPainter(picture)
        >>> painter
        >>> kernel.generate(ra.Inpaint(prompt="一顶红帽子", image=painter.image, mask=painter.mask))
    """

    BUNDLE = "mask"
    TEXTS = (
        "mask.canvas", "mask.empty", "mask.brush", "mask.eraser", "mask.lasso", "mask.rectangle", "mask.fill", "mask.segment",
        "mask.fill.edge", "mask.fill.color", "mask.invert", "mask.clear", "mask.feather", "mask.load", "mask.save",
        "mask.bad_file", "mask.facts", *(f"mask.hint.{tool}" for tool in TOOLS), *(f"mask.view.{view}" for view in VIEWS),
        "tool", "brush", "softness", "tolerance", "fill_by", "feather_by", "view",
        "canvas.undo", "canvas.redo", "canvas.zoom_in", "canvas.zoom_out", "canvas.fit",
    )  # fmt: skip
    INPUTS = ("tool", "brush", "softness", "pressure", "fill_by", "tolerance", "feather_by", "view")
    MESSAGES = ("patch", "lacking", "segment")

    tool = shared(tr.Enum(TOOLS, "brush"))
    fill_by = shared(tr.Enum(("edge", "color"), "edge"))
    feather_by = shared(Whole(8))
    view = shared(tr.Enum(VIEWS, "overlay"))
    _segments = shared(tr.Bool(False))
    _busy = shared(tr.Bool(False))

    def __init__(
        self, image: Any = None, *, mask: Any = None, segmenter: Segmenter | None = None, **kwargs: Any
    ) -> None:
        self._segmenter: Segmenter | None = None
        super().__init__(image, **kwargs)
        if mask is not None:
            self.mask = mask
        self.segmenter = segmenter

    # -- the mask --------------------------------------------------------------------------------------------------
    @property
    def mask(self) -> Image.Image | None:
        """The mask, mode ``L``, as large as the picture; white is what will be made anew. None without a picture.

        Set it to a mask of any size (it is stretched to the picture's) or to None (nothing).
        """
        with self._lock:
            if self._image is None or self._paint is None:
                return None
            if self._paint.size == self._image.size:
                return self._paint.copy()
            return self._paint.resize(self._image.size, Image.Resampling.BILINEAR)

    @mask.setter
    def mask(self, mask: Any) -> None:
        if self._image is None:
            raise InvalidRequest("studio.error.mask_without_picture", field="mask")
        size = (self._size[0], self._size[1])
        layer = Image.new("L", size, 0)
        if mask is not None:
            given = as_picture(mask)
            # a drawing on nothing: its opacity is the mask
            alpha = given.getchannel("A") if given.mode in ("RGBA", "LA") else None
            drawn = alpha is not None and alpha.getextrema()[0] < 255
            grey = alpha if alpha is not None and drawn else given.convert("L")
            layer = grey if grey.size == size else grey.resize(size, Image.Resampling.BILINEAR)
            layer = layer.copy()
        self._set_paint(layer)

    @property
    def empty(self) -> bool:
        """Whether nothing is masked."""
        with self._lock:
            return self._paint is None or self._paint.getbbox() is None

    def _change(self, change: Callable[[Image.Image], Image.Image]) -> None:
        with self._lock:
            if self._paint is not None:
                self._set_paint(change(self._paint))

    def clear(self) -> None:
        """Mask nothing. (In the page it can be undone, as all of these.)"""
        self._change(lambda layer: Image.new("L", layer.size, 0))

    def invert(self) -> None:
        """Mask what is not masked."""
        self._change(ImageChops.invert)

    def feather(self, px: float) -> None:
        """Soften the edge: a Gaussian of ``px`` pixels of the picture."""
        if not px >= 0:
            raise InvalidRequest("studio.error.value", field="feather_by", got=px)
        scale = self._size[0] / self._image.width if self._image is not None else 1.0
        self._change(lambda layer: layer.filter(ImageFilter.GaussianBlur(px * scale)))

    def save(self, path: str | Path) -> Path:
        """Save the mask as a picture file; returns where."""
        mask = self.mask
        if mask is None:
            raise InvalidRequest("studio.error.mask_without_picture", field="mask")
        mask.save(path)
        return Path(path)

    def load(self, path: str | Path) -> None:
        """Take the mask from a picture file."""
        self.mask = path

    # -- masks from a click ----------------------------------------------------------------------------------------
    @property
    def segmenter(self) -> Segmenter | None:
        """``segmenter(image, (x, y)) -> mask`` finds what is at a point of the picture. Runs in a thread."""
        return self._segmenter

    @segmenter.setter
    def segmenter(self, segmenter: Segmenter | None) -> None:
        self._segmenter = segmenter
        self._segments = segmenter is not None
        if segmenter is None and self.tool == "segment":
            self.tool = "brush"

    def _on_segment(self, content: dict[str, Any]) -> None:
        x, y = content.get("x"), content.get("y")
        if not (isinstance(x, int) and isinstance(y, int)):
            raise RAError("studio.error.message")
        with self._lock:
            inside = 0 <= x < self._size[0] and 0 <= y < self._size[1]
            if self._segmenter is None or self._image is None or self._busy or not inside:
                return
            self._busy = True
            work = (self._segmenter, self._image, self._of, (x, y), content.get("erase") is True)
        threading.Thread(target=self._segment, args=work, name="ra-segment", daemon=True).start()

    def _segment(self, find: Segmenter, image: Image.Image, of: int, point: tuple[int, int], erase: bool) -> None:
        try:
            width, height = self._size
            at = (point[0] * image.width // width, point[1] * image.height // height)
            found = as_picture(find(image, at)).convert("L").resize((width, height), Image.Resampling.BILINEAR)
            with self._lock:
                if of == self._of and self._paint is not None:  # else: for a picture that is gone
                    if erase:
                        self._set_paint(ImageChops.darker(self._paint, ImageChops.invert(found)))
                    else:
                        self._set_paint(ImageChops.lighter(self._paint, found))
        except Exception as error:
            self.show_error(error)
        finally:
            self._busy = False

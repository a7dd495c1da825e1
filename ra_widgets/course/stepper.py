"""Leaf through pictures with a slider: step by step, seed by seed."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets as widgets

from ra_widgets.i18n import t
from ra_widgets.plotting import as_array


class Stepper(widgets.VBox):
    """Pictures under a slider (arrow keys work), with a caption each.

    Args:
        images: PIL images, arrays or tensors; floats are 0..1.
        captions: a line for each picture.
        width: shown width in pixels; small pictures are enlarged smoothly.
        index: the picture to begin with.
    """

    def __init__(
        self, images: Iterable[Any], captions: Sequence[str] = (), *, width: int = 288, index: int = 0
    ) -> None:
        self.frames = [to_png(image, width) for image in images]
        if not self.frames:
            raise ValueError("no pictures")
        self.captions = [str(captions[i]) if i < len(captions) else "" for i in range(len(self.frames))]
        self.picture = widgets.Image(format="png", layout=widgets.Layout(width=f"{width}px", height="auto"))
        self.slider = widgets.IntSlider(
            min=0,
            max=len(self.frames) - 1,
            value=index,
            description=t("course.stepper.label"),
            readout=False,
            layout=widgets.Layout(width=f"{max(width, 320)}px"),
        )
        self.caption = widgets.HTML()
        self.slider.observe(lambda change: self.show(change["new"]), "value")
        super().__init__([self.picture, self.slider, self.caption])
        self.add_class("ra-stepper")
        self.show(index)

    def show(self, index: int) -> None:
        """Show picture ``index``."""
        self.picture.value = self.frames[index]
        number = f"{index + 1} / {len(self.frames)}"
        self.caption.value = f'<span style="font:13px/1.5 system-ui,sans-serif"><code>{number}</code> {html.escape(self.captions[index])}</span>'


def to_png(image: Any, width: int) -> bytes:
    """PNG bytes of any picture, enlarged to ``width`` pixels when it is smaller."""
    import numpy as np
    from PIL import Image

    if not isinstance(image, Image.Image):
        array = as_array(image)
        if array.dtype.kind == "f":
            array = (array.clip(0, 1) * 255).round().astype(np.uint8)
        image = Image.fromarray(array)
    if image.width < width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def stepper(images: Iterable[Any], captions: Sequence[str] = (), **options: Any) -> Stepper:
    """Leaf through pictures; options as in :class:`Stepper`."""
    return Stepper(images, captions, **options)

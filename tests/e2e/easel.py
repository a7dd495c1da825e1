"""What the tests of the painting widgets share: a page with one widget, and a hand that draws on its picture.

The page is a notebook that says what the kernel has: a line counts the changes that the widget's callback heard, and
the picture of each is a file. A text field runs a line of Python in the kernel, for what a notebook's cell would do.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

PICTURE = """
import pathlib
import ipywidgets as W
import numpy as np
from PIL import Image, ImageDraw
import ra_widgets as ra

def picture(width=400, height=300):
    y, x = np.mgrid[0:height, 0:width]
    image = Image.fromarray(np.stack([x * 255 // width, y * 255 // height, 90 + 0 * x], -1).astype("uint8"))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.3, height * 0.3, width * 0.7, height * 0.7), fill=(230, 200, 60))
    draw.rectangle((width * 0.05, height * 0.75, width * 0.25, height * 0.95), fill=(40, 90, 200))
    return image
"""
REPORT = """
def report(name, widget, what):
    changes = W.HTML("0")
    changes.add_class(f"test-changes-{name}")
    settings = W.HTML()
    settings.add_class(f"test-settings-{name}")

    def heard(widget):
        number = int(changes.value) + 1
        picture = what(widget)
        if picture is not None:
            picture.save(FOLDER / f"{name}-{number}.png", compress_level=1)
        changes.value = str(number)

    def shown(_=None):
        settings.value = " ".join(f"{name}={getattr(widget, name)}" for name in widget.INPUTS)

    widget.on_change(heard)
    widget.observe(shown, list(widget.INPUTS))
    shown()
    return [widget, changes, settings]

command = W.Text(placeholder="python")
command.add_class("test-command")

def run(change):
    if change.new:
        exec(change.new, globals())
        command.value = ""

command.observe(run, "value")
"""


def notebook(path: Path, widgets: dict[str, tuple[str, str]]) -> Path:
    """A notebook with widgets: ``{name: (how it is made, the picture that its callback keeps, of "widget")}``."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    lines = [f"{name} = {make}" for name, (make, _) in widgets.items()]
    parts = ", ".join(f"*report({name!r}, {name}, lambda widget: {what})" for name, (_, what) in widgets.items())
    where = f"FOLDER = pathlib.Path({str(path.parent)!r})"
    source = "\n".join([PICTURE, where, REPORT, *lines, f"W.VBox([{parts}, command])"])
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": source}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    return path


class Easel:
    """A widget in a page. Points are in pixels of the picture."""

    def __init__(self, page: Page, folder: Path, name: str) -> None:
        self.page, self.folder, self.name, self.root = page, folder, name, f".ra-{name}"

    @property
    def canvas(self) -> Locator:
        return self.page.locator(f"{self.root} canvas")

    def ready(self) -> None:
        expect(self.page.locator(f"{self.root} .ra-easel[data-view]")).to_be_visible()
        expect(self.page.locator(f'{self.root}[data-saved="1"]')).to_be_visible()

    def view(self) -> tuple[float, float, float]:
        """Scale and corner of the picture in the window."""
        scale, x, y = self.page.locator(f"{self.root} .ra-easel").get_attribute("data-view").split(",")
        return float(scale), float(x), float(y)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture is on the page."""
        box = self.canvas.bounding_box()
        scale, left, top = self.view()
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def drag(self, *points: tuple[float, float], steps: int = 6, button: str = "left") -> None:
        """Press at the first point, move along the others, let go."""
        mouse = self.page.mouse
        self.canvas.scroll_into_view_if_needed()
        mouse.move(*self.at(*points[0]))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=steps)
        mouse.up(button=button)

    def click(self, x: float, y: float) -> None:
        self.canvas.scroll_into_view_if_needed()
        self.page.mouse.click(*self.at(x, y))

    @property
    def count(self) -> Locator:
        """The line that counts the changes which the kernel has heard of."""
        return self.page.locator(f".test-changes-{self.name} .widget-html-content")

    # -- the kernel ------------------------------------------------------------------------------------------------
    def changes(self) -> int:
        """How many changes the kernel has heard of."""
        return int(self.count.inner_text())

    def after(self, action, changes: int = 1) -> np.ndarray:
        """Do something; what the kernel has when it has heard so many changes more, as an array."""
        number = self.changes() + changes
        action()
        expect(self.count).to_have_text(str(number))
        self.ready()
        return self.kept(number)

    def kept(self, number: int) -> np.ndarray:
        return np.asarray(Image.open(self.folder / f"{self.name}-{number}.png"))

    def kernel_has(self, *settings: str) -> None:
        """Wait until the widget in the kernel has these settings, ``"name=value"``."""
        for setting in settings:
            expect(self.page.locator(f".test-settings-{self.name}")).to_contain_text(setting)

    def python(self, line: str) -> None:
        """Run a line of Python in the kernel."""
        field = self.page.locator(".test-command input")
        field.fill(line)
        expect(field).to_have_value("")


def capsule(shape: tuple[int, int], a: tuple[float, float], b: tuple[float, float]) -> np.ndarray:
    """The distance of each pixel's centre to the line from ``a`` to ``b``."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    return np.hypot(x - a[0] - t * dx, y - a[1] - t * dy)


def assert_stroke(
    mask: np.ndarray, a: tuple[float, float], b: tuple[float, float], radius: float, slack: float = 1.0
) -> None:
    """Inside the capsule all is white, outside black, but for ``slack`` pixels at its edge."""
    distance = capsule(mask.shape, a, b)
    assert (mask[distance < radius - slack] == 255).all(), "a hole in the stroke"
    assert (mask[distance > radius + slack] == 0).all(), "paint outside the stroke"
    area = 2 * radius * math.dist(a, b) + math.pi * radius**2
    assert abs(mask.astype(float).sum() / 255 - area) < 0.04 * area + 4

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
import os, pathlib
import ipywidgets as W
import numpy as np
from PIL import Image, ImageDraw
import ra_widgets as ra

FOLDER = pathlib.Path(os.environ["RA_TEST_FOLDER"])

def picture(width=400, height=300):
    y, x = np.mgrid[0:height, 0:width]
    image = Image.fromarray(np.stack([x * 255 // width, y * 255 // height, 90 + 0 * x], -1).astype("uint8"))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.3, height * 0.3, width * 0.7, height * 0.7), fill=(230, 200, 60))
    draw.rectangle((width * 0.05, height * 0.75, width * 0.25, height * 0.95), fill=(40, 90, 200))
    return image
"""
REPORT = """
changes = W.HTML("0")
changes.add_class("test-changes")
settings = W.HTML()
settings.add_class("test-settings")
command = W.Text(placeholder="python")
command.add_class("test-command")

def heard(widget):
    number = int(changes.value) + 1
    what = {what}
    if what is not None:
        what.save(FOLDER / f"{{number}}.png", compress_level=1)
    changes.value = str(number)

def run(change):
    if change.new:
        exec(change.new, globals())
        command.value = ""

def shown(_=None):
    settings.value = " ".join(f"{{name}}={{getattr(widget, name)}}" for name in widget.INPUTS)

widget.on_change(heard)
widget.observe(shown, list(widget.INPUTS))
shown()
command.observe(run, "value")
W.VBox([widget, changes, settings, command])
"""


def notebook(path: Path, make: str, what: str) -> Path:
    """A notebook with ``widget = make``; ``what`` is the picture that its callback keeps."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    source = f"{PICTURE}\nwidget = {make}\n{REPORT.format(what=what)}"
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": source}
    path.write_text(json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    return path


class Easel:
    """A widget in a page. Points are in pixels of the picture."""

    def __init__(self, page: Page, folder: Path, root: str) -> None:
        self.page, self.folder, self.root = page, folder, root

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
        mouse.move(*self.at(*points[0]))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=steps)
        mouse.up(button=button)

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    # -- the kernel ------------------------------------------------------------------------------------------------
    def changes(self) -> int:
        """How many changes the kernel has heard of."""
        return int(self.page.locator(".test-changes .widget-html-content").inner_text())

    def after(self, action, changes: int = 1) -> np.ndarray:
        """Do something; what the kernel has when it has heard so many changes more, as an array."""
        number = self.changes() + changes
        action()
        expect(self.page.locator(".test-changes .widget-html-content")).to_have_text(str(number))
        self.ready()
        return self.kept(number)

    def kept(self, number: int) -> np.ndarray:
        return np.asarray(Image.open(self.folder / f"{number}.png"))

    def kernel_has(self, *settings: str) -> None:
        """Wait until the widget in the kernel has these settings, ``"name=value"``."""
        for setting in settings:
            expect(self.page.locator(".test-settings")).to_contain_text(setting)

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

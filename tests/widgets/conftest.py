"""Widgets without a browser: what they send is kept, what a browser would send is said to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ra_widgets.kernel import PipelineKernel
from ra_widgets.widgets._base import RAWidget
from ra_widgets.widgets.studio import Studio

SMALL = {"steps": 2, "width": 64, "height": 64}


class Browser:
    """The browser's side of a widget: ``sent`` are the messages that it got."""

    def __init__(self, widget: RAWidget) -> None:
        self.widget = widget
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.sent.append((content, list(buffers or [])))  # type: ignore[method-assign]

    def says(self, kind: str, *buffers: bytes, **content: Any) -> None:
        """A message from the page, with its bytes (as a kernel hands them over)."""
        data = {"method": "custom", "content": {"type": kind, **content}}
        self.widget._handle_msg({"content": {"data": data}, "buffers": [memoryview(b) for b in buffers]})

    def sets(self, **values: Any) -> None:
        """Values that the page sets, the way our widgets do it."""
        self.says("set", values=values)

    def updates(self, **state: Any) -> None:
        """Values that the page sets, the way ipywidgets does it."""
        self.widget._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type that it got."""
        return [content for content, _ in self.sent if content["type"] == kind]


@pytest.fixture
def browser_of() -> Callable[[RAWidget], Browser]:
    """``browser_of(widget)`` -> a :class:`Browser`."""
    return Browser


@pytest.fixture
def studio(kernel: PipelineKernel) -> Iterator[Studio]:
    """A studio on the shared kernel, with small quick settings; it waits for its work at the end."""
    made = Studio(kernel)
    made.sampler.steps, made.size.width, made.size.height = 2, 64, 64
    yield made
    made._pump.wait()
    made.close()

"""The generate bar: generate, stop, turn into code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as tr

from ra_widgets.widgets._base import RAWidget, shared


class GenerateBar(RAWidget):
    """Three buttons.

    Attributes:
        busy: something is being made (the stop button works).
        code: Python that is shown below the buttons, "" for none.

    Example:
        >>> bar = GenerateBar()
        >>> bar.on_generate(lambda bar: kernel.submit("一个红苹果"))
        >>> bar
    """

    BUNDLE = "generate"
    TEXTS = ("generate", "stop", "stop.tip", "to_code", "copy")
    MESSAGES = ("generate", "stop", "code", "hide_code")

    busy = shared(tr.Bool(False))
    code = shared(tr.Unicode(""))

    def on_generate(self, callback: Callable[[GenerateBar], Any], remove: bool = False) -> None:
        """Call ``callback(bar)`` when 生成 is pressed."""
        self._register("generate", callback, remove)

    def on_stop(self, callback: Callable[[GenerateBar], Any], remove: bool = False) -> None:
        """Call ``callback(bar)`` when 停止 is pressed."""
        self._register("stop", callback, remove)

    def on_code(self, callback: Callable[[GenerateBar], Any], remove: bool = False) -> None:
        """Call ``callback(bar)`` when 转成代码 is pressed; it sets ``bar.code``."""
        self._register("code", callback, remove)

    def _on_generate(self, _: Any) -> None:
        self._fire("generate", self)

    def _on_stop(self, _: Any) -> None:
        self._fire("stop", self)

    def _on_code(self, _: Any) -> None:
        self._fire("code", self)

    def _on_hide_code(self, _: Any) -> None:
        self.code = ""

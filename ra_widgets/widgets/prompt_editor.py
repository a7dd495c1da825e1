"""The prompt editor: prompt and negative prompt with the prompt language in colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as tr

from ra_widgets.prompt.fullwidth import preview
from ra_widgets.requests import MAX_PROMPT
from ra_widgets.widgets._base import RequestPanel, guarded, shared

# beyond this a text is not even taken from the browser; up to it, the request itself says that it is too long
_LIMIT = 20 * MAX_PROMPT


class PromptEditor(RequestPanel):
    """Prompt and negative prompt; Ctrl+Enter submits, Ctrl+Up and Ctrl+Down change the weight of the selection.

    Attributes:
        prompt, negative_prompt: the texts, as typed (pinyin that is still being composed is not in them).
        show_negative: show the second field.
        examples: sentences offered below the prompt.
        counter, negative_counter: text at the right above each field, e.g. a token count.
        offer, negative_offer: the text with full-width brackets, colons and bars made half-width, if it has any that look like
            syntax; the page offers it below the field and changes nothing by itself.

    Example:
        >>> editor = PromptEditor(prompt="一个红苹果")
        >>> editor.on_submit(lambda editor: kernel.submit(editor.prompt))
        >>> editor
    """

    BUNDLE = "prompt"
    TEXTS = (
        "prompt",
        "prompt.hint",
        "negative_prompt",
        "negative.hint",
        "examples.try",
        "prompt.fullwidth.found",
        "prompt.fullwidth.convert",
    )
    INPUTS = ("prompt", "negative_prompt")
    MESSAGES = ("submit",)

    prompt = shared(tr.Unicode(""))
    negative_prompt = shared(tr.Unicode(""))
    show_negative = shared(tr.Bool(True))
    examples = shared(tr.List(tr.Unicode()))
    counter = shared(tr.Unicode(""))
    negative_counter = shared(tr.Unicode(""))
    offer = shared(tr.Unicode(""))
    negative_offer = shared(tr.Unicode(""))

    def __init__(self, **kwargs: Any) -> None:
        self._count: Callable[[str, str], str] | None = None
        super().__init__(**kwargs)
        self.observe(self._recount, ["prompt", "negative_prompt"])
        self.observe(self._look, ["prompt", "negative_prompt"])
        self._look()

    @tr.validate("prompt", "negative_prompt")
    def _valid_text(self, proposal: Any) -> str:
        text = proposal["value"]
        if len(text) > _LIMIT:
            raise tr.TraitError("too long")
        return text

    def on_submit(self, callback: Callable[[PromptEditor], Any], remove: bool = False) -> None:
        """Call ``callback(editor)`` when Ctrl+Enter is pressed in the editor."""
        self._register("submit", callback, remove)

    def set_counter(self, count: Callable[[str, str], str] | None) -> None:
        """Show ``count(text, language)`` above each field, anew at each change; None: show nothing."""
        self._count = count
        self._recount()

    @guarded
    def _recount(self, change: Any = None) -> None:
        names = [change["name"]] if change else ["prompt", "negative_prompt"]
        for name in names:
            text = self._count(getattr(self, name), self.lang) if self._count else ""
            setattr(self, "counter" if name == "prompt" else "negative_counter", text)

    @guarded
    def _look(self, change: Any = None) -> None:
        for name, target in (("prompt", "offer"), ("negative_prompt", "negative_offer")):
            found = preview(getattr(self, name))
            # a Chinese comma alone is ordinary writing
            setattr(self, target, found.converted if any(c.kind != "comma" for c in found.changes) else "")

    def language_changed(self) -> None:
        self._recount()

    def _on_submit(self, _: Any) -> None:
        self._fire("submit", self)

"""Comments: ``#`` hides the rest of its line, as webui's "enable comments" option does.

A line that holds only a comment vanishes with its line break; behind other text the break stays.
"""

from __future__ import annotations

import re

from ra_widgets.prompt.source import cut

_COMMENT = re.compile(r"#[^\n]*")


def comment_spans(text: str) -> list[tuple[int, int]]:
    """``[start, end)`` of each comment, sorted; whole-line comments include their line break."""
    spans: list[tuple[int, int]] = []
    if "#" not in text:
        return spans
    for match in _COMMENT.finditer(text):
        start, end = match.span()
        line = text.rfind("\n", 0, start) + 1
        if text[line:start].strip() == "" and (end < len(text) or line == 0):
            start, end = line, min(end + 1, len(text))
        elif text[line:start].strip() == "":
            # The last line: take the break before it, unless the comment above has taken it.
            start = max(line - 1, spans[-1][1] if spans else 0)
        spans.append((start, end))
    return spans


def strip_comments(text: str) -> str:
    """``text`` without its comments."""
    spans = comment_spans(text)
    return cut(text, spans)[0] if spans else text

"""Words and colours that the parts of the course share."""

from __future__ import annotations

import html

from ra_widgets.i18n import get_language
from ra_widgets.plotting import PAPER

LESSONS = ("00", "01", "02", "03", "04", "05", "06", "07", "08", "09")
"""Numbers of the lessons; their titles are ``course.title.NN`` in the catalogues."""


def T(zh: str, en: str) -> str:
    """The text of the current language. For lesson sources; the builder puts the right one into each notebook."""
    return en if get_language() == "en" else zh


COLOURS = {"passed": PAPER["jade"], "failed": PAPER["vermilion"], "empty": PAPER["amber"]}
MARKS = {"passed": "\u2713", "failed": "\u2717", "empty": "\u25cb"}


def banner(state: str, head: str, body: str = "") -> str:
    """A line with a coloured mark, and a smaller line under it; both are escaped here. Readable on light and dark pages.

    Args:
        state: ``passed``, ``failed`` or ``empty``.
        head, body: plain text.
    """
    colour = COLOURS[state]
    more = f'<div style="opacity:.85;margin-top:2px">{html.escape(body)}</div>' if body else ""
    return (
        f'<div role="status" style="border-left:4px solid {colour};padding:6px 12px;margin:4px 0;'
        f'font:14px/1.6 system-ui,sans-serif"><b style="color:{colour}">{MARKS[state]}</b> '
        f"<b>{html.escape(head)}</b>{more}</div>"
    )

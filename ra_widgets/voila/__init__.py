"""The studio as a web page: our Voilà template and the server that shows a notebook through it, offline and closed.

``share/`` is laid out as a Jupyter data folder (``voila/templates/ra``), so that one entry in ``JUPYTER_PATH`` makes
the template known in every kind of installation, without copying files into the environment.
"""

from __future__ import annotations

from pathlib import Path

SHARE = Path(__file__).parent / "share"
"""A Jupyter data folder with the template ``ra``."""

TEMPLATE = "ra"
"""Name of the template."""

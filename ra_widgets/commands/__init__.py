"""The commands of ``ra``, one module each, imported only when they are called.

A command module has ``arguments(parser)``, which adds its options, and ``run(args) -> int``, the exit code. Its texts
are ``cli.<command>.summary`` (one line), ``cli.<command>.about`` (a paragraph) and ``cli.<command>.examples``.
"""

from __future__ import annotations

COMMANDS: dict[str, str] = {
    "studio": "ra_widgets.commands.studio",
    "lab": "ra_widgets.commands.lab",
    "generate": "ra_widgets.commands.generate",
    "img2img": "ra_widgets.commands.img2img",
    "inpaint": "ra_widgets.commands.inpaint",
    "outpaint": "ra_widgets.commands.outpaint",
    "upscale": "ra_widgets.commands.upscale",
    "variations": "ra_widgets.commands.variations",
    "travel": "ra_widgets.commands.travel",
    "verify": "ra_widgets.commands.verify",
    "models": "ra_widgets.commands.models",
    "doctor": "ra_widgets.commands.doctor",
    "version": "ra_widgets.commands.version",
}
"""Command name -> module, in the order in which the help shows them."""

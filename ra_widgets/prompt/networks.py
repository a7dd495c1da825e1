"""Extra networks: ``<lora:name:0.8>``, ``<hypernet:name:1>`` and their like, taken out of the prompt.

webui's rule: everything of the form ``<word:anything but ">">``. The text around it stays as it is
(``"a <lora:x:1>, b"`` becomes ``"a , b"``); what a network means is decided later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ra_widgets.prompt.source import cut

_NETWORK = re.compile(r"<(\w+):([^>]+)>")


@dataclass(frozen=True)
class Network:
    """One ``<kind:args>``.

    ``args`` are the arguments without a name (for LoRA: file name, strength of the text encoder, of the UNet, rank),
    ``named`` those of the form ``name=value``. ``start`` and ``end`` say where it stood.
    """

    kind: str
    args: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """The file name, "" when there is none."""
        return self.args[0] if self.args else ""

    def number(self, index: int, name: str, default: float) -> float:
        """Argument ``index``, or the named one, as a number; ``default`` when missing or not a number."""
        text = self.named.get(name, self.args[index] if index < len(self.args) else "")
        try:
            return float(text)
        except ValueError:
            return default

    @property
    def strengths(self) -> tuple[float, float]:
        """Strength in (text encoder, UNet), as webui reads ``<lora:name:te:unet>``: 1 and "the same" by default."""
        text_encoder = self.number(1, "te", 1.0)
        return text_encoder, self.number(2, "unet", text_encoder)

    def __str__(self) -> str:
        return f"<{':'.join([self.kind, *self.args, *(f'{k}={v}' for k, v in self.named.items())])}>"


def find_networks(text: str) -> list[Network]:
    """All networks of ``text``, in order, with their places."""
    found = []
    # Nothing can match behind the last ">", where the search would be quadratic.
    for match in _NETWORK.finditer(text, 0, text.rfind(">") + 1):
        args: list[str] = []
        named: dict[str, str] = {}
        for item in match.group(2).split(":"):
            parts = item.split("=", 2)
            if len(parts) == 2:
                named[parts[0]] = parts[1]
            else:
                args.append(item)
        found.append(Network(match.group(1), args, named, match.start(), match.end()))
    return found


def split_networks(text: str) -> tuple[str, list[Network]]:
    """``(text without <name:args>, [Network, ...])``."""
    networks = find_networks(text)
    if not networks:
        return text, []
    return cut(text, ((network.start, network.end) for network in networks))[0], networks

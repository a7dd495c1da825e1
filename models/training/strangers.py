"""Stage ``strangers``: two hundred ordinary sentences (``strangers.txt``), drawn and laid out for a person to judge.

None of them is made like a training caption. The sheet is the measure: a person names what is seen; the judge's own count
(the subject is among its answers) is only a hint beside it.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from . import classifier
from .config import REPOSITORY, Config
from .evaluate import Painter
from .vocabulary import HERE

CELL, TEXT, GAP, COLUMNS = 128, 34, 6, 10


def sentences(path: Path = HERE / "strangers.txt") -> list[tuple[str, str]]:
    """(what must be seen, sentence) of every line. Raises ``ValueError`` for a malformed line."""
    out = []
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, bar, text = line.partition("|")
        if not bar or not text:
            raise ValueError(f"{path.name}:{number}: expected 'subject|sentence'")
        out.append((key, text))
    return out


def _lines(text: str, font: ImageFont.FreeTypeFont) -> list[str]:
    """At most two lines that fit below a picture."""
    width = 22 if text.isascii() else 12
    lines = textwrap.wrap(text, width) if text.isascii() else [text[i : i + width] for i in range(0, len(text), width)]
    while any(font.getlength(line) > CELL for line in lines):
        width -= 1
        lines = (
            textwrap.wrap(text, width) if text.isascii() else [text[i : i + width] for i in range(0, len(text), width)]
        )
    return lines if len(lines) <= 2 else [lines[0], lines[1][:-1] + "…"]


def sheet(pictures: torch.Tensor, texts: list[str]) -> Image.Image:
    """Pictures [N, 3, H, W] in -1..1 in rows of ten, each with its sentence below."""
    font = ImageFont.truetype(REPOSITORY / "ra_widgets" / "fonts" / "RASansSC-Regular.otf", 10)
    rows = -(-len(texts) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, rows * (CELL + TEXT) + GAP), "#f7f3ea")
    draw = ImageDraw.Draw(page)
    arrays = ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    for i, text in enumerate(texts):
        x, y = GAP + i % COLUMNS * (CELL + GAP), GAP + i // COLUMNS * (CELL + TEXT)
        picture = Image.fromarray(np.ascontiguousarray(arrays[i]))
        page.paste(picture if picture.width == CELL else picture.resize((CELL, CELL)), (x, y))
        for k, line in enumerate(_lines(text, font)):
            draw.text((x + CELL / 2, y + CELL + 3 + 13 * k), line, "#2b2a27", font, anchor="ma")
    return page


@torch.no_grad()
def run(config: Config, model: Path | None = None, count: int | None = None) -> dict[str, float]:
    """Draw the first ``count`` sentences (all: None); sheets of 100 go to ``logs/strangers_*.webp``.

    Returns the share of pictures in which the judge finds the subject, by language.
    """
    judge, _ = classifier.load(config)
    painter = Painter.published(model) if model else Painter.trained(config)
    index = {s: i for i, s in enumerate(judge.subjects)}
    asked = sentences()[:count]
    texts = [text for _, text in asked]
    pictures = painter.paint(texts, list(range(len(texts))), config.size // 8)
    found: dict[str, list[bool]] = {}
    for start in range(0, len(texts), 100):
        part = slice(start, start + 100)
        logits = judge(pictures[part])
        for (key, text), left, right in zip(
            asked[part], logits["left"].argmax(1).tolist(), logits["right"].argmax(1).tolist(), strict=True
        ):
            found.setdefault("en" if text.isascii() else "zh", []).append(index.get(key, -1) in (left, right))
        name = f"strangers{'_' + model.name if model else ''}_{start // 100}.webp"
        sheet(pictures[part], texts[part]).save(config.logs / name, quality=85)
    shares = {k: round(sum(v) / len(v), 4) for k, v in found.items()}
    (config.state / "strangers.json").write_text(json.dumps(shares))
    return shares

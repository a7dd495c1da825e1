"""Pack the art: every subject in three drawn styles as square RGBA sprites.

Sources (npm, installed by hand or by ``data --npm``): ``@lobehub/fluent-emoji-3d`` (Microsoft Fluent 3D, MIT),
``@iconify-json/fluent-emoji-flat`` (Microsoft Fluent flat, MIT), ``@iconify-json/noto`` (Google Noto Emoji,
Apache-2.0). SVGs are rendered with ``resvg-py``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .vocabulary import Subject, read_subjects

ART = ("3d", "flat", "cartoon")


def hex_names(emoji: str) -> Iterator[str]:
    """The file names under which the packages list an emoji (with and without the variation selector)."""
    codes = [f"{ord(c):x}".zfill(4) for c in emoji]
    bare = "-".join(c for c in codes if c != "fe0f")
    yield "-".join(codes)
    yield bare
    yield bare + "-fe0f"
    # ungendered people (farmer, artist) exist in some sets only as the woman or man of the trade
    if bare.startswith("1f9d1-200d"):
        yield bare.replace("1f9d1", "1f469", 1)


class IconSet:
    """One iconify collection: emoji -> SVG text."""

    def __init__(self, folder: Path) -> None:
        self.icons = json.loads((folder / "icons.json").read_text("utf8"))
        self.chars = json.loads((folder / "chars.json").read_text("utf8"))

    def svg(self, emoji: str) -> str | None:
        """The icon as a stand-alone SVG, or None if the set lacks it."""
        for name in hex_names(emoji):
            icon_name = self.chars.get(name)
            if icon_name is None:
                continue
            alias = self.icons.get("aliases", {}).get(icon_name)
            icon = self.icons["icons"].get(alias["parent"] if alias else icon_name)
            if icon is None:
                continue
            w = icon.get("width", self.icons.get("width", 32))
            h = icon.get("height", self.icons.get("height", 32))
            return (
                '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'width="{w}" height="{h}" viewBox="0 0 {w} {h}">{icon["body"]}</svg>'
            )
        return None


def render_svg(svg: str, size: int = 256) -> Image.Image:
    """Rasterise to RGBA ``size`` x ``size``."""
    import resvg_py

    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)))).convert("RGBA")


def normalise(image: Image.Image, size: int) -> Image.Image:
    """Crop to what is visible, fit into ``size`` x ``size`` keeping the aspect, stand on the bottom edge, centred."""
    alpha = np.asarray(image)[..., 3]
    ys, xs = np.where(alpha > 12)
    if len(xs) == 0:
        raise ValueError("an empty picture has no visible pixel")
    image = image.crop((int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1))
    k = size / max(image.size)
    target = (max(1, round(image.width * k)), max(1, round(image.height * k)))
    image = image.convert("RGBa").resize(target, Image.Resampling.LANCZOS).convert("RGBA")
    out = Image.new("RGBA", (size, size))
    out.paste(image, ((size - image.width) // 2, size - image.height))
    return out


def pack(node_modules: Path, out: Path, size: int = 160) -> dict[str, object]:
    """Render all subjects to ``out/sprites.npy`` (uint8 [N, 3 arts, size, size, 4]) and ``out/sprites.json``.

    A subject that one of the three sets lacks is left out and named in the report that is returned.
    """
    flat = IconSet(node_modules / "@iconify-json" / "fluent-emoji-flat")
    noto = IconSet(node_modules / "@iconify-json" / "noto")
    art3d = node_modules / "@lobehub" / "fluent-emoji-3d" / "assets"
    kept: list[Subject] = []
    missing: dict[str, list[str]] = {}
    stack: list[np.ndarray] = []
    for subject in read_subjects():
        path = next((p for n in hex_names(subject.emoji) if (p := art3d / f"{n}.webp").exists()), None)
        found = {"3d": path, "flat": flat.svg(subject.emoji), "cartoon": noto.svg(subject.emoji)}
        lacking = [k for k, v in found.items() if v is None]
        if lacking:
            missing[subject.key] = lacking
            continue
        pictures = [Image.open(path).convert("RGBA"), render_svg(found["flat"]), render_svg(found["cartoon"])]
        stack.append(np.stack([np.asarray(normalise(p, size)) for p in pictures]))
        kept.append(subject)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "sprites.npy", np.stack(stack))
    (out / "sprites.json").write_text(json.dumps({"size": size, "art": list(ART), "subjects": [s.key for s in kept]}))
    return {"subjects": len(kept), "missing": missing}


def sheet(sprites: np.ndarray, art: int, columns: int = 24, cell: int = 64) -> Image.Image:
    """A contact sheet of all sprites of one art style, to look at."""
    n = len(sprites)
    page = Image.new("RGB", (columns * cell, -(-n // columns) * cell), (255, 255, 255))
    for i in range(n):
        s = Image.fromarray(np.ascontiguousarray(sprites[i, art])).resize(
            (cell - 4, cell - 4), Image.Resampling.LANCZOS
        )
        page.paste(s, (i % columns * cell + 2, i // columns * cell + 2), s)
    return page

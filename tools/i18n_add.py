"""Add or change interface strings in both languages at once, safely from several terminals.

python tools/i18n_add.py studio.generate "生成" "Generate"
python tools/i18n_add.py --json more.json        # {"key": ["中文", "English"], ...}
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "ra_widgets" / "i18n"
LOCK = FOLDER / ".lock"


def write(path: Path, data: dict[str, str]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        json.dump(dict(sorted(data.items())), file, ensure_ascii=False, indent=1)
        file.write("\n")
    os.replace(name, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("key", nargs="?")
    parser.add_argument("zh", nargs="?")
    parser.add_argument("en", nargs="?")
    parser.add_argument("--json", type=Path, help='file with {"key": ["中文", "English"], ...}')
    parser.add_argument("--remove", nargs="*", default=[], help="keys to remove")
    args = parser.parse_args()
    new = {k: tuple(v) for k, v in json.loads(args.json.read_text("utf-8")).items()} if args.json else {}
    if args.key:
        if args.en is None:
            parser.error("give KEY, the Chinese text and the English text")
        new[args.key] = (args.zh, args.en)
    deadline = time.monotonic() + 20
    while True:
        try:
            os.close(os.open(LOCK, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise SystemExit(f"{LOCK} is held by another run; delete it if none is active") from None
            time.sleep(0.05)
    try:
        for index, name in enumerate(("zh_CN", "en")):
            path = FOLDER / f"{name}.json"
            data = json.loads(path.read_text("utf-8")) if path.exists() else {}
            data.update({key: pair[index] for key, pair in new.items()})
            for key in args.remove:
                data.pop(key, None)
            write(path, data)
    finally:
        LOCK.unlink()


if __name__ == "__main__":
    main()

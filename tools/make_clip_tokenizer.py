"""Make the compact merge table of the CLIP tokenizer that the single-file families share.

    pip download open_clip_torch==3.3.0 --no-deps -d wheels
    python tools/make_clip_tokenizer.py wheels/open_clip_torch-3.3.0-py3-none-any.whl

The wheel carries OpenAI's ``bpe_simple_vocab_16e6.txt.gz`` (MIT): 262,144 merges of which CLIP uses the first 48,894.
Only those are kept, one pair a line. The vocabulary follows from them (256 bytes, the same bytes with an end-of-word
mark, one token a merge, the start and the end mark: 49,408), so it is not stored. The output is the same on every run,
bit for bit.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

MERGES = 49152 - 256 - 2
SOURCE_SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
OUT = Path(__file__).resolve().parent.parent / "ra_widgets" / "diffusion" / "configs" / "clip" / "merges.txt.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    with zipfile.ZipFile(args.wheel) as wheel:
        packed = wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    found = hashlib.sha256(packed).hexdigest()
    if found != SOURCE_SHA256:
        raise SystemExit(f"not the published merge table: sha256 {found}")
    lines = gzip.decompress(packed).decode("utf-8").split("\n")[1 : MERGES + 1]
    if len(lines) != MERGES or any(len(line.split()) != 2 for line in lines):
        raise SystemExit("the merge table has another shape than expected")
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write("\n".join(lines).encode("utf-8"))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_bytes(buffer.getvalue())
    print(f"{args.out}: {len(lines)} merges, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

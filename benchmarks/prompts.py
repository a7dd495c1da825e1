"""The prompt parsers on texts that no human writes: 100,000 brackets in every arrangement.

    python benchmarks/prompts.py [--times 7] [--brackets 100000]

Shown is the best CPU time of each function in milliseconds. The target is below 200 for reading attention and prompt editing
(``*`` marks what misses it); the tree with source positions, which only the editor needs, has no target.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable

from ra_widgets.prompt import explain, parse, parse_attention, prompt_schedule, split_and, split_networks

TARGET = 200

READERS: dict[str, Callable[[str], object]] = {
    "attention": parse_attention,
    "schedule": lambda text: prompt_schedule(text, 20),
    "AND": split_and,
    "networks": split_networks,
    "explain": explain,
    "tree": parse,
}


def texts(brackets: int) -> dict[str, str]:
    """Arrangements of so many brackets, by name."""
    half = brackets // 2
    return {
        "(((": "(" * brackets,
        "((()))": "(" * half + ")" * half,
        "[[[a]]]": "[" * half + "a" + "]" * half,
        "([([": "([" * half,
        "()()": "()" * half,
        "(a(a(a": "(a" * brackets,
        "(a:1.2)(b)": "(a:1.2)(b)" * (half // 2),
        "(a[b)c]": "(a[b)c]" * (half // 2),
        "[a:b:3][a:b:3]": "[a:b:3]" * half,
        "[cat:dog:0.5], ": "[cat:dog:0.5], " * half,
        "[a|b][a|b]": "[a|b]" * half,
        "[fog::7] ": "[fog::7] " * half,
        "[a:[a::3]:3]": "[a:" * half + ":3]" * half,
        "[[x:y:3]:y:3]": "[" * half + "x" + ":y:3]" * half,
        "[a|[a|]]": "[a|" * half + "]" * half,
        "[(a:1.2):[b|c]:3]": "[(a:1.2):[b|c]:3]" * (brackets // 6),
        "[([a|b]:1.1):c:.5]": "[([a|b]:1.1):c:.5]" * (brackets // 6),
        "([a:([a::3]):3])": "([a:" * (half // 2) + ":3])" * (half // 2),
    }


def best(work: Callable[[str], object], text: str, times: int) -> float:
    """Least CPU milliseconds of the process over a few runs."""
    found = []
    for _ in range(times):
        gc.collect()
        began = time.process_time()
        work(text)
        found.append(time.process_time() - began)
    return min(found) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--brackets", type=int, default=100_000)
    parser.add_argument("--readers", default=",".join(READERS))
    args = parser.parse_args()
    readers = args.readers.split(",")
    print(f"{args.brackets:,} brackets, best of {args.times}, CPU ms")
    print(f"{'':22}" + "".join(f"{name:>11}" for name in readers))
    for name, text in texts(args.brackets).items():
        row = [best(READERS[reader], text, args.times) for reader in readers]
        missed = [
            value >= TARGET and reader in ("attention", "schedule") for value, reader in zip(row, readers, strict=True)
        ]
        print(
            f"{name:22}"
            + "".join(f"{value:10.0f}{'*' if late else ' '}" for value, late in zip(row, missed, strict=True))
        )


if __name__ == "__main__":
    main()

"""Build the notebooks of the course from the bilingual lesson sources.

    python course/build.py                   # course/lessons -> course/zh/*.ipynb and course/en/*.ipynb
    python course/build.py --check           # write nothing; exit 1 if the built files differ
    python course/build.py --solutions DIR   # DIR/zh, DIR/en: with the reference solutions (what the tests execute)

A source is a py:percent file (https://jupytext.readthedocs.io/en/latest/formats-scripts.html), or a folder of such files, which
follow one another in the order of their names. Its cells may be tagged

* ``lang-zh``, ``lang-en``: goes into this language's notebook only;
* ``solution``: the answer to the exercise before it; never in the learners' notebooks;
* ``source-only``: for the source as a script; in no notebook.

In code, ``T("中文", "English")`` becomes the text of the language, and of comments that begin with ``# zh:`` or ``# en:`` the
right ones stay. Lines of running Chinese text are joined without a space. The result has no outputs, ids made from lesson and position, and the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
LANGUAGES = ("zh", "en")
KEPT_TAGS = ("exercise", "solution", "raises-exception", "nbval-skip")
WIDE = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef\u201c\u201d\u2018\u2019\u2026"
# a line of running Chinese text that goes on in the next line: the break would be shown as a space
JOINT = re.compile(rf"(?<=[{WIDE}])\n(?=[{WIDE}])(?!\n)")
COMMENT = re.compile(r"^(\s*)# (zh|en): ?(.*)$")


class LessonError(ValueError):
    """A lesson source that cannot be built; says the file and the cell."""


def parts(path: Path) -> list[Path]:
    """The files of a source in order."""
    return sorted(path.glob("[0-9]_*.py")) if path.is_dir() else [path]


def read(path: Path) -> list[dict[str, Any]]:
    """The cells of a source: ``{"cell_type", "source", "tags", "place"}``; ``place`` says where to look for it."""
    import jupytext

    found = []
    for part in parts(path):
        name = part.name if part == path else f"{path.name}/{part.name}"
        for index, c in enumerate(jupytext.read(part, fmt="py:percent").cells):
            tags = list(c["metadata"].get("tags", []))
            if found and "source-only" in tags and index == 0:
                continue  # the head of a later part: a lesson has the same cells, and ids, in one file or in several
            found.append(
                {"cell_type": c["cell_type"], "source": c["source"], "tags": tags, "place": f"{name}, cell {index}"}
            )
    return found


def translate(code: str, language: str) -> str:
    """Code in one language: ``T(...)`` calls replaced by the chosen text, comments of the other language dropped.

    Raises:
        SyntaxError: the cell is not Python; LessonError: a ``T`` with other than two texts.
    """
    lines = []
    for line in code.split("\n"):
        found = COMMENT.match(line)
        if found and found[2] != language:
            continue
        lines.append(f"{found[1]}# {found[3]}" if found else line)
    # two blank lines around a function are for files; in a cell they are a hole
    code = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    calls = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "T"
    ]
    # from the last to the first, so that the positions of those before stay right; positions count bytes
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        if len(call.args) != 2 or call.keywords:
            raise LessonError(f"T needs two texts: {ast.unparse(call)}")
        chosen = call.args[LANGUAGES.index(language)]
        text = ast.get_source_segment(code, chosen)
        assert text is not None and call.end_lineno is not None and call.end_col_offset is not None
        if isinstance(chosen, (ast.Constant, ast.JoinedStr)) and "\n" in text:
            text = f"({text})"  # strings side by side need the brackets that go away with the call
        rows = code.encode("utf-8").split(b"\n")
        start = sum(len(row) + 1 for row in rows[: call.lineno - 1]) + call.col_offset
        end = sum(len(row) + 1 for row in rows[: call.end_lineno - 1]) + call.end_col_offset
        data = code.encode("utf-8")
        code = (data[:start] + text.encode("utf-8") + data[end:]).decode("utf-8")
    return code


def build(path: Path, language: str, solutions: bool = False) -> dict[str, Any]:
    """One notebook (nbformat 4.5) of one lesson in one language."""
    cells: list[dict[str, Any]] = []
    for index, cell in enumerate(read(path)):
        tags = cell["tags"]
        other = [f"lang-{name}" for name in LANGUAGES if name != language]
        if "source-only" in tags or any(tag in tags for tag in other) or ("solution" in tags and not solutions):
            continue
        source = cell["source"]
        if cell["cell_type"] == "code":
            try:
                source = translate(source, language)
            except (SyntaxError, LessonError) as error:
                raise LessonError(f"{cell['place']}: {error}") from error
        else:
            source = JOINT.sub("", source)
        kept = [tag for tag in tags if tag in KEPT_TAGS]
        entry: dict[str, Any] = {
            "cell_type": cell["cell_type"],
            "id": hashlib.sha1(f"{path.stem}-{index}".encode()).hexdigest()[:12],
            "metadata": {"tags": kept} if kept else {},
            "source": source.splitlines(keepends=True),
        }
        if cell["cell_type"] == "code":
            entry |= {"execution_count": None, "outputs": []}
        cells.append(entry)
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "ra": {"lesson": path.stem, "lang": language},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def render(notebook: dict[str, Any]) -> str:
    """The text of the notebook file."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def lessons() -> list[Path]:
    """The lesson sources in order."""
    return sorted((FOLDER / "lessons").glob("[0-9][0-9]_*"))


def outputs(target: Path | None = None, solutions: bool = False) -> dict[Path, str]:
    """Every file of the build and its text: notebooks, and the drawings that they show."""
    target = target or FOLDER
    sys.path.insert(0, str(FOLDER))
    try:
        import drawings
    finally:
        sys.path.remove(str(FOLDER))
    files: dict[Path, str] = {}
    for language in LANGUAGES:
        for path in lessons():
            files[target / language / f"{path.stem}.ipynb"] = render(build(path, language, solutions))
        for name, svg in drawings.all_drawings(language).items():
            files[target / language / "images" / f"{name}.svg"] = svg
    return files


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="only compare; exit 1 if the built files differ")
    group.add_argument("--solutions", type=Path, metavar="DIR", help="build with the solutions into another folder")
    args = parser.parse_args(arguments)
    files = outputs(args.solutions.resolve(), True) if args.solutions else outputs()
    if args.check:
        stale = [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]
        known = {path.resolve() for path in files}
        built = [p for language in LANGUAGES for p in (FOLDER / language).rglob("*") if p.suffix in (".ipynb", ".svg")]
        stale += [path for path in built if path.resolve() not in known and ".ipynb_checkpoints" not in path.parts]
        for path in stale:
            print(f"differs from its source: {path.relative_to(FOLDER)}")
        return 1 if stale else 0
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())

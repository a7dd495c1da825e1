"""Styles: named pieces of prompt, kept in webui's ``styles.csv``.

Columns ``name,prompt,negative_prompt`` (older files: ``name,text``), UTF-8 with a byte-order mark. ``{prompt}``
inside a style says where the user's words go; without it the style is put behind them with a comma. Rows whose name
starts with ``#`` are dividers: they are not offered as styles, and kept when the file is written.
"""

from __future__ import annotations

import csv
import glob
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ra_widgets.errors import RAError

_FIELDS = ("name", "prompt", "negative_prompt")
_SPACES = re.compile(" {2,}")


@dataclass(frozen=True)
class Style:
    """One style; ``path`` is the file it came from."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""
    path: str = field(default="", compare=False)

    @property
    def is_divider(self) -> bool:
        """Whether this row only separates others in the list."""
        return self.name.startswith("#")


class StyleBook:
    """Styles of one or several files, in order; later files win over earlier ones with the same name."""

    def __init__(self, styles: Iterable[Style] = ()) -> None:
        self._rows: dict[str, Style] = {style.name: style for style in styles}

    @classmethod
    def load(cls, *patterns: str | os.PathLike[str]) -> StyleBook:
        """Read files; a pattern may hold wildcards (``styles/*.csv``). A file that does not exist holds nothing."""
        book = cls()
        for pattern in patterns:
            text = os.fspath(pattern)
            for name in sorted(glob.glob(text)) if glob.has_magic(text) else [text]:
                if os.path.exists(name):
                    for style in read_styles(name):
                        book._rows[style.name] = style
        return book

    def __iter__(self) -> Iterator[Style]:
        return (style for style in self._rows.values() if not style.is_divider)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __getitem__(self, name: str) -> Style:
        return self._rows[name]

    def add(self, style: Style) -> None:
        """Add a style, or replace the one of this name."""
        if not style.name.strip():
            raise RAError("error.prompt.style_name")
        self._rows[style.name] = style

    def remove(self, name: str) -> None:
        """Remove a style; one that is not there is no error."""
        self._rows.pop(name, None)

    def rows(self) -> list[Style]:
        """All rows, dividers included."""
        return list(self._rows.values())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole book to one file."""
        write_styles(path, self.rows())

    def apply(self, names: Iterable[str], prompt: str, negative_prompt: str = "") -> tuple[str, str]:
        """Merge the named styles, in order, into ``(prompt, negative_prompt)``; unknown names are left out."""
        styles = [self._rows[name] for name in names if name in self._rows]
        return apply_styles(styles, prompt, negative_prompt)

    def extract(self, prompt: str, negative_prompt: str = "") -> tuple[list[str], str, str]:
        """The reverse of :meth:`apply`: ``(names, prompt, negative_prompt)`` without the styles they hold."""
        return extract_styles(self, prompt, negative_prompt)


def read_styles(path: str | os.PathLike[str]) -> list[Style]:
    """Read one file. Raises :class:`RAError` when it is not a table of styles in UTF-8."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
        styles: list[Style] = []
        for row in rows:
            name = row.get("name")
            if name:
                words = row.get("prompt") if row.get("prompt") is not None else row.get("text")
                styles.append(Style(name, words or "", row.get("negative_prompt") or "", os.fspath(path)))
        if text.strip() and "name" not in (rows.fieldnames or ()):
            raise csv.Error("no column 'name'")
        return styles
    except (UnicodeDecodeError, csv.Error) as error:
        raise RAError("error.prompt.styles_file", file=Path(path).name, detail=str(error)) from error


def write_styles(path: str | os.PathLike[str], styles: Iterable[Style]) -> None:
    """Write one file in one stroke; the previous one is kept beside it with ``.bak`` appended to its name."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    out = io.StringIO(newline="")
    # Everything is quoted: readers skip blanks behind a comma, and so would drop those that begin a prompt.
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_FIELDS)
    writer.writerows((style.name, style.prompt, style.negative_prompt) for style in styles)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            file.write(out.getvalue())
        if target.exists():
            os.replace(target, f"{target}.bak")
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def merge_prompt(style: str, prompt: str) -> str:
    """One style text merged into a prompt."""
    if "{prompt}" in style:
        return style.replace("{prompt}", prompt)
    return ", ".join(part for part in (prompt.strip(), style.strip()) if part)


def apply_styles(styles: Iterable[Style], prompt: str, negative_prompt: str = "") -> tuple[str, str]:
    """Merge styles, in order, into ``(prompt, negative_prompt)``."""
    for style in styles:
        prompt = merge_prompt(style.prompt, prompt)
        negative_prompt = merge_prompt(style.negative_prompt, negative_prompt)
    return prompt, negative_prompt


def extract_styles(styles: Iterable[Style], prompt: str, negative_prompt: str = "") -> tuple[list[str], str, str]:
    """Find which styles ``prompt`` and ``negative_prompt`` were made with, greedily, the last applied first.

    A style counts when its positive and its negative text are both there. Returns ``(names in the order of applying,
    prompt, negative_prompt)`` with the styles taken out.
    """
    left = [style for style in styles if style.prompt.strip() or style.negative_prompt.strip()]
    names: list[str] = []
    while True:
        for style in left:
            positive = _without(style.prompt, prompt)
            negative = _without(style.negative_prompt, negative_prompt)
            if positive is not None and negative is not None:
                prompt, negative_prompt = positive, negative
                names.insert(0, style.name)
                left.remove(style)
                break
        else:
            return names, prompt, negative_prompt


def _without(style: str, prompt: str) -> str | None:
    """``prompt`` before ``style`` was merged into it; None when it does not hold the style."""
    style = _SPACES.sub(" ", style)
    words = _SPACES.sub(" ", prompt)
    if "{prompt}" in style:
        before, _, after = style.partition("{prompt}")
        if "{prompt}" in after or len(words) < len(before) + len(after):
            return None
        if not (words.startswith(before) and words.endswith(after)):
            return None
        return words[len(before) : len(words) - len(after)]
    style = style.strip()
    if not style:
        return prompt
    words = words.strip()
    if words == style:
        return ""
    return words[: -len(style) - 2] if words.endswith(f", {style}") else None

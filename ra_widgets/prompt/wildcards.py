"""Wildcards and variants: ``{red|blue} apple``, ``__colours__``, ``{2$$ and $$a|b|c}``, through `dynamicprompts`.

The same seed always gives the same words. Wildcard files (``.txt``, ``.json``, ``.yaml``) are read from one folder and
nowhere else: a link that leads out of it is refused.
"""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.errors import RAError

if TYPE_CHECKING:
    from dynamicprompts.wildcards import WildcardManager

_NAME = re.compile(r"__([^\s_](?:[^\n{}|]*?[^\s_])?)__")
_MARK = re.compile(r"\{|__.+?__|\$\{")
MAX_LENGTH = 20_000
MAX_DEPTH = 20

# The library reports each missing wildcard to the log; we report them to the user instead (missing_wildcards).
logging.getLogger("dynamicprompts").addHandler(logging.NullHandler())
logging.getLogger("dynamicprompts").propagate = False


def has_wildcards(text: str) -> bool:
    """Whether there may be something to expand."""
    return _MARK.search(text) is not None


def expand(text: str, seed: int = 0, folder: str | os.PathLike[str] | None = None) -> str:
    """One prompt drawn from the template ``text``; text without ``{``, ``__`` or ``${`` comes back unchanged.

    Args:
        text: the template.
        seed: the draw; image ``i`` of a batch uses ``seed + i``.
        folder: where wildcard files are; without it ``__name__`` stays as it is.

    Raises:
        RAError: the braces do not fit, a wildcard contains itself, or the folder leads outside.
    """
    if not has_wildcards(text):
        return text
    from dynamicprompts.generators import RandomPromptGenerator

    generator = RandomPromptGenerator(_manager(folder), seed=seed)
    return _run(text, lambda: generator.generate(text, 1)[0])


def expand_all(text: str, folder: str | os.PathLike[str] | None = None, limit: int = 100) -> list[str]:
    """Every combination of the template, at most ``limit`` of them."""
    if not has_wildcards(text):
        return [text]
    from dynamicprompts.generators import CombinatorialPromptGenerator

    generator = CombinatorialPromptGenerator(_manager(folder))
    return _run(text, lambda: list(generator.generate(text, max_prompts=limit)))


def wildcard_names(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the wildcards of a folder, sorted."""
    return sorted(_manager(folder).get_collection_names())


def missing_wildcards(text: str, folder: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of wildcards that ``text`` uses and the folder lacks."""
    manager = _manager(folder)
    names = dict.fromkeys(match.group(1) for match in _NAME.finditer(text))
    return [name for name in names if not list(manager.get_values(name).iterate_string_values_weighted())]


def _manager(folder: str | os.PathLike[str] | None) -> WildcardManager:
    from dynamicprompts.wildcards import WildcardManager

    if folder is None:
        return WildcardManager()
    root = Path(folder).resolve()
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise RAError("error.prompt.wildcard_link", name=path.relative_to(root).as_posix())
            if path.suffix == ".json":
                _check_json(path)
    return WildcardManager(root)


def _check_json(path: Path) -> None:
    """The library skips a broken file with a line in the log; a user should hear of it."""
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RAError("error.prompt.wildcard_file", detail=f"{path.name}: {error}"[:200]) from error


def _run(text: str, make: Any) -> Any:
    depth = deepest = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        deepest = max(deepest, depth)
    if len(text) > MAX_LENGTH or deepest > MAX_DEPTH:
        raise RAError("error.prompt.wildcard_size", length=MAX_LENGTH, depth=MAX_DEPTH)
    from pyparsing import ParseBaseException

    try:
        return make()
    except ParseBaseException as error:
        raise RAError("error.prompt.wildcard_syntax", position=error.loc + 1) from error
    except RecursionError as error:
        raise RAError("error.prompt.wildcard_loop") from error
    except (ValueError, OSError) as error:
        raise RAError("error.prompt.wildcard_file", detail=str(error)[:200]) from error

"""Lesson 00: make a picture, find it again."""

from __future__ import annotations

from typing import Any

from ra_widgets.course.checks import Hint, count, differing, exercise, records, requests


@exercise("00.1")
def first_picture(answer: Any) -> dict[str, Any]:
    """A picture with seed 1 that is in the gallery, and whose file tells how it was made."""
    from ra_widgets.gallery import infotext

    found = records(answer)
    count(found, 1)
    record = found[0]
    if not record.prompt.strip():
        raise Hint("course.hint.no_prompt")
    if record.seed != 1:
        raise Hint("course.00.1.seed", seed=record.seed)
    if record.path is None or not record.path.is_file():
        raise Hint("course.00.1.file")
    text = _parameters(record.path)
    if infotext.parse(text).get("Seed") != "1":
        raise Hint("course.00.1.metadata")
    return {"name": record.path.name}


def _parameters(path: Any) -> str:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        return str(image.info.get("parameters", ""))


@exercise("00.2")
def again(answer: Any) -> dict[str, Any]:
    """An old picture and a new one from its request: only the seed may differ."""
    found = requests(answer)
    count(found, 2)
    if len({record.id for record in records(answer)}) < 2:
        raise Hint("course.00.2.one")
    fields = differing(found)
    if not fields:
        raise Hint("course.00.2.same")
    if fields != ["seed"]:
        raise Hint("course.hint.only", field="seed", others=", ".join(name for name in fields if name != "seed"))
    return {"old": found[0].seed, "new": found[1].seed}

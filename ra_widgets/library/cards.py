"""Read small JSON files that come with models: configurations, and our own card ``ra.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ra_widgets.errors import ModelError

MAX_JSON = 32 * 1024 * 1024
FAMILIES = ("sd1", "sd2", "sdxl", "other")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        ModelError: it cannot be read, is not JSON, or is not an object.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError("too large")
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("model.damaged_config", path=str(path)) from error
    if not isinstance(data, dict):
        raise ModelError("model.damaged_config", path=str(path))
    return data


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text expected")
    return value[:200]


def _size(value: Any) -> tuple[int, int]:
    width, height = value
    if any(type(n) is not int or not 64 <= n <= 4096 or n % 8 for n in (width, height)):
        raise ValueError("two multiples of 8 from 64 to 4096 expected")
    return width, height


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or not 0 <= number <= 100:
        raise ValueError("0..100 expected")
    return number


def _steps(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 150:
        raise ValueError("1..150 expected")
    return value


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"one of {allowed} expected")
        return str(value)

    return check


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "license": _text,
    "family": _one_of(*FAMILIES),
    "prediction_type": _one_of("epsilon", "v_prediction", "sample"),
    "zero_snr": bool,
    "default_size": _size,
    "default_cfg": _number,
    "default_steps": _steps,
    "languages": lambda value: tuple(_text(item) for item in value),
}


def read_card(path: Path) -> dict[str, Any]:
    """The checked fields of a card (``ra.json`` in a folder, ``<stem>.ra.json`` beside a file); {} if there is none.

    Fields: ``name``, ``family``, ``default_size`` [w, h], ``default_cfg``, ``default_steps``, ``languages``,
    ``license``, ``prediction_type``, ``zero_snr``. Others are kept as they are.

    Raises:
        ModelError: the card is no JSON object or a field has a value that it cannot have.
    """
    if not path.is_file():
        return {}
    card = read_json(path)
    for name, check in _FIELDS.items():
        if name in card:
            try:
                card[name] = check(card[name])
            except (TypeError, ValueError) as error:
                raise ModelError("model.damaged_config", path=f"{path} ({name})") from error
    return card

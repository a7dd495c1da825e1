"""Put the model, the notebooks and the course into a built wheel; an editable install uses them where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("models", "notebooks", "course/zh", "course/en")
SKIP = ("models/training",)


class Bundle(BuildHookInterface):
    """Adds :data:`FOLDERS` as ``ra_widgets/_bundled/...``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        for folder in FOLDERS:
            for file in sorted((root / folder).rglob("*")):
                name = file.relative_to(root).as_posix()
                if file.is_file() and "__pycache__" not in name and not name.startswith(SKIP):
                    build_data["force_include"][str(file)] = f"ra_widgets/_bundled/{name}"

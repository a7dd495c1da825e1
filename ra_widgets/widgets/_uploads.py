"""Bytes from the browser, in pieces: a Jupyter server closes the connection at a message of more than 10 MiB.

The browser's half is ``frontend/src/lib/upload.js``. Pieces of one upload carry the same ``upload`` (a name), their
``part`` (0, 1, ...) and how many ``parts`` there are; all that is in a message from a page may be wrong, so everything
is checked, and what is kept is bounded.
"""

from __future__ import annotations

from typing import Any

from ra_widgets.errors import RAError

MOST_BYTES = 64 * 2**20
"""The largest file that is taken."""


class Uploads:
    """Puts the pieces of one upload together; a new upload replaces an unfinished one."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._name = ""
        self._parts: list[bytes] = []

    def add(self, content: dict[str, Any]) -> bytes | None:
        """Take one piece; the whole once the last one is there, else None.

        Raises:
            RAError: a message that makes no sense, or more than ``most`` bytes; nothing is kept then.
        """
        name, part, parts = content.get("upload"), content.get("part", 0), content.get("parts", 1)
        pieces = [bytes(piece) for piece in content.get("buffers") or ()]
        good = type(part) is int and type(parts) is int and 0 <= part < parts and len(pieces) == 1
        if not good or (parts > 1 and not isinstance(name, str)):
            self._drop()
            raise RAError("studio.error.message")
        if part == 0:
            self._name, self._parts = str(name), []
        elif str(name) != self._name:
            return None  # the rest of an upload that another one has replaced
        if part != len(self._parts):
            self._drop()
            raise RAError("studio.error.message")
        self._parts.append(pieces[0])
        if sum(map(len, self._parts)) > self.most:
            self._drop()
            raise RAError("studio.error.file_large", limit=self.most // 2**20)
        if part < parts - 1:
            return None
        data = b"".join(self._parts)
        self._drop()
        return data

    def _drop(self) -> None:
        self._name, self._parts = "", []

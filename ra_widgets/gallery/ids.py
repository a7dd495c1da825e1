"""Record ids: 26 characters that sort by time, like ULIDs (Crockford base 32 of a 128-bit number).

The number is 48 bits of milliseconds since 1970, 15 bits of a counter and 65 random bits. Its top 63 bits serve as the
row number in the index, so that the order of ids, of rows and of time are one and the same, and SQLite pages through
search results without sorting.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALID = re.compile(f"[0-7][{ALPHABET}]{{25}}")
_VALUES = {char: value for value, char in enumerate(ALPHABET)}
_COUNTER_BITS, _RANDOM_BITS = 15, 65


def is_id(text: object) -> bool:
    """Whether ``text`` has the form of an id (and so cannot be a path or anything else)."""
    return isinstance(text, str) and _VALID.fullmatch(text) is not None


def encode(value: int) -> str:
    """The 26 characters of a 128-bit number."""
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def decode(text: str) -> int:
    """The 128-bit number of a valid id."""
    value = 0
    for char in text:
        value = value << 5 | _VALUES[char]
    return value


def row_of(text: str) -> int:
    """The 63-bit row number of a valid id."""
    return decode(text) >> _RANDOM_BITS & (1 << 63) - 1


def milliseconds_of(text: str) -> int:
    """When the id was made, milliseconds since 1970."""
    return decode(text) >> _RANDOM_BITS + _COUNTER_BITS


def stable_id(name: str, milliseconds: int) -> str:
    """An id for a file that has none of its own: always the same for the same name and time."""
    digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=10).digest(), "big")
    return encode(min(max(milliseconds, 0), (1 << 47) - 1) << _RANDOM_BITS + _COUNTER_BITS | digest)


class IdMaker:
    """Makes ids that never go backwards within a process, whatever the clock does. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._counter = 0
        self._process = os.getpid()

    def __call__(self, milliseconds: int | None = None) -> str:
        """A new id for this moment (or for ``milliseconds`` since 1970)."""
        now = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
        with self._lock:
            if now > self._last or os.getpid() != self._process:  # a forked child starts its own counter
                self._last, self._process = max(now, self._last), os.getpid()
                self._counter = secrets.randbelow(1 << 13)
            elif self._counter + 1 < 1 << _COUNTER_BITS:
                self._counter += 1
            else:
                self._last, self._counter = self._last + 1, secrets.randbelow(1 << 13)
            moment, counter = self._last, self._counter
        return encode((moment << _COUNTER_BITS | counter) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


new_id = IdMaker()
"""The process's id maker."""

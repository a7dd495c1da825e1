"""The index database: its tables, and how older ones become today's.

The index holds nothing that the picture files do not hold themselves; it can be thrown away and rebuilt.
``user_version`` counts the steps done; a step never changes once it was released.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ra_widgets.errors import GalleryError
from ra_widgets.gallery import search

BUSY_SECONDS = 15.0
_BUSY_TEXTS = ("locked", "busy")
_T = TypeVar("_T")


def _first(db: sqlite3.Connection) -> None:
    db.execute(
        """CREATE TABLE records (
            row INTEGER PRIMARY KEY,          -- the top 63 bits of the id: row order is time order
            id TEXT NOT NULL UNIQUE,
            path TEXT NOT NULL UNIQUE,        -- below the gallery's root, with forward slashes
            created TEXT NOT NULL,            -- ISO 8601 with time zone
            kind TEXT NOT NULL,
            prompt TEXT NOT NULL,
            negative TEXT NOT NULL,
            model TEXT NOT NULL,
            model_hash TEXT NOT NULL,
            seed INTEGER NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            seconds REAL NOT NULL,
            infotext TEXT NOT NULL,
            request TEXT NOT NULL,            -- JSON
            info TEXT NOT NULL,               -- JSON
            size INTEGER NOT NULL,            -- of the file, bytes
            generation INTEGER NOT NULL       -- equals meta.generation exactly if the row is in the search table
        )"""
    )
    db.execute("CREATE INDEX records_model ON records (model, row)")
    # folders of pictures, with the time of change at which each was last seen in order (0: look again)
    db.execute("CREATE TABLE folders (name TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL)")
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute("INSERT INTO meta VALUES ('generation', '1')")
    db.execute(search.TABLE.format(name="search"))


STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first,)


def connect(path: Path) -> sqlite3.Connection:
    """Open (or make) the index and bring it up to date; safe while other processes do the same.

    WAL with ``synchronous=NORMAL``: a power cut may lose the last rows but never breaks the index, and rows are rebuilt
    from the picture files, which are fsynced before their row is written; so FULL would cost time and protect nothing.

    Raises:
        GalleryError: the index was made by a newer version.
        sqlite3.DatabaseError: it is not a database, or damaged.
    """
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        retry(lambda: db.execute("PRAGMA journal_mode=WAL"))
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA temp_store=MEMORY")
        retry(lambda: migrate(db))
    except BaseException:
        db.close()
        raise
    return db


def migrate(db: sqlite3.Connection) -> None:
    """Do the steps that this database has not had yet, all or none."""
    if db.execute("PRAGMA user_version").fetchone()[0] == len(STEPS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        done = db.execute("PRAGMA user_version").fetchone()[0]  # another process may just have done it
        if done > len(STEPS):
            raise GalleryError("gallery.newer", found=done, known=len(STEPS))
        for step in STEPS[done:]:
            step(db)
        db.execute(f"PRAGMA user_version={len(STEPS)}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the database."""
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in _BUSY_TEXTS)


def retry(action: Callable[[], _T]) -> _T:
    """Repeat ``action`` while the database is busy: a switch to WAL does not wait by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)

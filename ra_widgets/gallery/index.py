"""The SQLite index of the gallery: rows of :class:`~ra_widgets.gallery.entry.Entry`, and searches over them.

Many processes may use one index at once (WAL, a long busy timeout, short transactions); within a process one connection
serves all threads behind a lock.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ra_widgets.errors import GalleryError
from ra_widgets.gallery import ids, inputs, migrations, search
from ra_widgets.gallery.entry import COLUMNS, Entry

_NAMES = ", ".join(COLUMNS)
_SELECT = ", ".join(f"r.{name}" for name in COLUMNS)
_MARKS = ", ".join("?" * (len(COLUMNS) + 2))
MAX_ROW = (1 << 63) - 1


class Index:
    """Rows about pictures. All methods may be called from any thread.

    Raises:
        GalleryError: everywhere, when the database is full, read-only, busy for too long, or broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._db: sqlite3.Connection | None = None
        with self._translated():
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            return migrations.connect(self.path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # not a database, or damaged: the files know everything that it knew
            self._set_aside()
            return migrations.connect(self.path)

    def _set_aside(self) -> None:
        stamp = time.time_ns()
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", f"{self.path}.broken-{stamp}{suffix}")

    def start_anew(self) -> None:
        """Put a damaged index file aside and begin an empty one; pictures are not touched.

        Nothing happens if the file is in order after all: another process may have done it a moment ago.
        """
        with self._lock, self._translated():
            if self._db is not None:
                self._db.close()
            self._db = self._open()
            if not self.sound():
                self._db.close()
                self._set_aside()
                self._db = migrations.connect(self.path)

    def sound(self) -> bool:
        """Whether SQLite finds the database in order, with all its tables."""
        try:
            with self.reading() as db:
                for table in ("records", "search", "folders", "meta"):
                    db.execute(f"SELECT * FROM {table} LIMIT 0")
                return db.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        except GalleryError:
            return False

    def close(self) -> None:
        """Close the connection; later calls raise GalleryError."""
        with self._lock:
            if self._db is not None and self._pid == os.getpid():
                self._db.close()
            self._db = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error).lower()
            if "full" in text:
                raise GalleryError("gallery.disk_full", folder=str(self.path.parent)) from error
            if "readonly" in text or "unable to open" in text:
                raise GalleryError("gallery.no_permission", folder=str(self.path.parent)) from error
            if migrations.is_busy(error):
                raise GalleryError("gallery.busy") from error
            raise GalleryError("gallery.broken_index", detail=str(error)) from error
        except OSError as error:
            raise GalleryError("gallery.cannot_save", name=self.path.name, detail=str(error)) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for queries; errors become sentences."""
        if self._pid != os.getpid():  # SQLite connections do not survive a fork
            self._lock, self._pid = threading.RLock(), os.getpid()
            self._db = self._db and migrations.connect(self.path)
        with self._lock, self._translated():
            if self._db is None:
                raise GalleryError("gallery.closed")
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: everything inside happens, or nothing."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    # ---------------------------------------------------------------------------------------------------- changing
    def insert(self, entries: Iterable[Entry], *, replace: bool = False) -> int:
        """Add rows in one transaction; returns how many were added.

        A row whose id or path is there already is left as it is, or put in place of the old one with ``replace``.
        """
        added = 0
        with self.writing() as db:
            generation = _generation(db)
            for entry in entries:
                old = db.execute(
                    f"SELECT row, generation, {_NAMES} FROM records WHERE id=? OR path=?", (entry.id, entry.path)
                ).fetchall()
                if old and not replace:
                    continue
                for row in old:
                    _drop(db, row, generation)
                _add(db, entry, generation)
                added += 1
        return added

    def remove(self, names: Iterable[str]) -> int:
        """Remove rows by id; returns how many there were."""
        removed = 0
        with self.writing() as db:
            generation = _generation(db)
            for name in names:
                query = f"SELECT row, generation, {_NAMES} FROM records WHERE id=?"
                for row in db.execute(query, (name,)).fetchall():
                    _drop(db, row, generation)
                    removed += 1
        return removed

    def begin_generation(self) -> None:
        """Empty the search table; rows come back into it as they are inserted anew."""
        with self.writing() as db:
            db.execute("UPDATE meta SET value=CAST(value AS INTEGER)+1 WHERE key='generation'")
            db.execute("INSERT INTO search(search) VALUES('delete-all')")
            db.execute("INSERT OR REPLACE INTO meta VALUES ('rebuild', '')")

    def end_generation(self) -> None:
        """Remove the rows that were not inserted anew since :meth:`begin_generation`."""
        with self.writing() as db:
            db.execute("DELETE FROM records WHERE generation <> ?", (_generation(db),))
            db.execute("DELETE FROM meta WHERE key='rebuild'")

    @property
    def cursor(self) -> str | None:
        """How far an unfinished rebuild came ("" at its start); None when there is none."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key='rebuild'").fetchone()
        return row[0] if row else None

    @cursor.setter
    def cursor(self, value: str) -> None:
        with self.writing() as db:
            db.execute("UPDATE meta SET value=? WHERE key='rebuild'", (value,))

    # ----------------------------------------------------------------------------------------------------- folders
    def folders(self) -> dict[str, int]:
        """Known folders of pictures, and the time of change (ns) at which each was seen in order."""
        with self.reading() as db:
            return dict(db.execute("SELECT name, mtime_ns FROM folders"))

    def set_folder(self, name: str, mtime_ns: int | None) -> None:
        """Remember a folder's state; None forgets the folder."""
        with self.writing() as db:
            if mtime_ns is None:
                db.execute("DELETE FROM folders WHERE name=?", (name,))
            else:
                db.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (name, mtime_ns))

    def paths_in(self, folder: str) -> dict[str, str]:
        """``{path: id}`` of the rows in one folder (``images/2026-11-23``)."""
        with self.reading() as db:
            query = "SELECT path, id FROM records WHERE path > ? AND path < ?"
            return dict(db.execute(query, (folder + "/", folder + "0")))  # "0" is the character after "/"

    # --------------------------------------------------------------------------------------------------- answering
    def get(self, record_id: str) -> Entry | None:
        """One row, or None."""
        with self.reading() as db:
            row = db.execute(f"SELECT {_NAMES} FROM records WHERE id=?", (record_id,)).fetchone()
        return Entry(*row) if row else None

    def row_before(self, record_id: str | None) -> int:
        """The row number from which a page starts, for the id of the last picture of the page before."""
        if record_id is None:
            return MAX_ROW
        with self.reading() as db:
            row = db.execute("SELECT row FROM records WHERE id=?", (record_id,)).fetchone()
        return row[0] if row else ids.row_of(record_id)

    def page(self, limit: int, before: int = MAX_ROW, model: str | None = None) -> list[Entry]:
        """Rows below ``before``, newest first."""
        where, values = ("model=? AND ", (model,)) if model is not None else ("", ())
        with self.reading() as db:
            query = f"SELECT {_NAMES} FROM records WHERE {where}row<? ORDER BY row DESC LIMIT ?"
            return [Entry(*row) for row in db.execute(query, (*values, before, limit))]

    def find(self, query: search.Query, limit: int, before: int = MAX_ROW) -> list[Entry]:
        """Rows that match, below ``before``, newest first."""
        if query.empty:
            return self.page(limit, before)
        if query.match:
            # CROSS JOIN keeps the search table outside: it delivers rows newest first, so nothing is sorted
            sql = (
                f"SELECT {_SELECT} FROM search s CROSS JOIN records r ON r.row = s.rowid "
                "WHERE search MATCH ? AND s.rowid < ? ORDER BY s.rowid DESC LIMIT ?"
            )
            values: tuple[object, ...] = (query.match, before, limit)
        else:
            sql = f"SELECT {_SELECT} FROM records r WHERE {_LIKE} AND r.row < ? ORDER BY r.row DESC LIMIT ?"
            values = (*(query.like,) * 3, before, limit)
        with self.reading() as db:
            return [Entry(*row) for row in db.execute(sql, values)]

    def inputs(self) -> set[str]:
        """Hashes of all input pictures that the rows' requests name."""
        with self.reading() as db:
            query = "SELECT request FROM records WHERE instr(request, '\"sha256\":')"
            return {name for (request,) in db.execute(query) for name in inputs.hashes(request)}

    def count(self, query: search.Query | None = None) -> int:
        """How many rows there are, or match."""
        values: tuple[str, ...] = ()
        if query is None or query.empty:
            sql = "SELECT count(*) FROM records"
        elif query.match:
            sql, values = "SELECT count(*) FROM search WHERE search MATCH ?", (query.match,)
        else:
            sql, values = f"SELECT count(*) FROM records r WHERE {_LIKE}", (query.like,) * 3
        with self.reading() as db:
            return int(db.execute(sql, values).fetchone()[0])


_LIKE = "(instr(lower(r.infotext), ?) OR instr(lower(r.prompt), ?) OR instr(lower(r.negative), ?))"


def _generation(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key='generation'").fetchone()[0])


def _add(db: sqlite3.Connection, entry: Entry, generation: int) -> None:
    row = ids.row_of(entry.id)
    while db.execute("SELECT 1 FROM records WHERE row=?", (row,)).fetchone():  # two processes, one millisecond
        row += 1
    values = [getattr(entry, name) for name in COLUMNS]
    db.execute(f"INSERT INTO records (row, generation, {_NAMES}) VALUES ({_MARKS})", (row, generation, *values))
    db.execute("INSERT INTO search (rowid, words, pairs) VALUES (?, ?, ?)", (row, *search.tokens(entry.document)))
    db.execute("INSERT OR IGNORE INTO folders VALUES (?, 0)", (entry.path.rpartition("/")[0],))


def _drop(db: sqlite3.Connection, row: tuple, generation: int) -> None:
    number, made, *values = row
    if made == generation:  # a contentless table must be told what it is to forget
        forgotten = (number, *search.tokens(Entry(*values).document))
        db.execute("INSERT INTO search (search, rowid, words, pairs) VALUES ('delete', ?, ?, ?)", forgotten)
    db.execute("DELETE FROM records WHERE row=?", (number,))

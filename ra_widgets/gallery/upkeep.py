"""Keeping files and index together: the sweep after a crash, and the index rebuilt from the files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ra_widgets.errors import GalleryError
from ra_widgets.gallery import files
from ra_widgets.gallery.entry import Entry, read_entry
from ra_widgets.gallery.index import Index

BATCH = 500
SETTLED = 2.0
"""Seconds a folder must have been quiet before its time of change is trusted (file systems count coarsely)."""
Progress = Callable[[int, int], None]


@dataclass
class Sweep:
    """What a sweep found and did.

    Attributes:
        temporary: left-over temporary files deleted.
        imported: pictures without a row, taken into the index.
        removed: rows without a file, taken out.
        damaged: names of files that are no whole pictures (they are left where they are).
        complete: False when the time budget ran out; the rest is done by the next sweep.
    """

    temporary: int = 0
    imported: int = 0
    removed: int = 0
    damaged: list[str] = field(default_factory=list)
    complete: bool = True


def picture_folders(images: Path) -> list[str]:
    """Names of the folders of pictures, newest first."""
    with os.scandir(images) as entries:
        names = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    return sorted(names, reverse=True)


def sweep(root: Path, index: Index, *, budget: float | None = None) -> Sweep:
    """Delete left-overs of crashed saves, take in pictures without a row, drop rows without a file.

    Folders that have not changed since they were last found in order are passed over, so a sweep of a large gallery
    costs one ``stat`` a folder. Other processes may save, delete and sweep at the same time.

    Args:
        budget: stop after about so many seconds.
    """
    result = Sweep()
    deadline = time.monotonic() + budget if budget is not None else float("inf")
    known = index.folders()
    present = picture_folders(root / "images")
    for name in present:
        if not result.complete:
            break
        folder = f"images/{name}"
        try:
            mtime = os.stat(root / folder).st_mtime_ns
            if known.get(folder) == mtime:
                continue
            quiet = time.time_ns() - mtime > SETTLED * 1e9
            in_order = _sweep_folder(root, folder, index, result, deadline)
        except OSError:
            result.damaged.append(folder)  # not readable, or gone meanwhile
            continue
        if in_order and quiet:
            index.set_folder(folder, mtime)
    for folder in set(known) - {f"images/{name}" for name in present}:
        if not (root / folder).is_dir():
            result.removed += index.remove(index.paths_in(folder).values())
            index.set_folder(folder, None)
    return result


def _sweep_folder(root: Path, folder: str, index: Index, result: Sweep, deadline: float) -> bool:
    """Sweep one folder; True when nothing in it needs another look as long as it does not change."""
    in_order = True
    names: set[str] = set()
    with os.scandir(root / folder) as entries:
        for entry in entries:
            if files.is_temporary(entry.name):
                path = Path(entry.path)
                if files.is_leftover(path):
                    path.unlink(missing_ok=True)
                    result.temporary += 1
                in_order = False  # deleting changed the folder, or its owner is still at work
            elif entry.name.lower().endswith(".png") and entry.is_file(follow_symlinks=False):
                names.add(entry.name)
    known = index.paths_in(folder)
    new = sorted((name for name in names if f"{folder}/{name}" not in known), reverse=True)
    for start in range(0, len(new), BATCH):
        if time.monotonic() > deadline:
            result.complete = False
            return False
        batch = list(_read(root, [f"{folder}/{name}" for name in new[start : start + BATCH]], result.damaged))
        result.imported += index.insert(batch)
    for name in result.damaged:
        if name.startswith(folder + "/") and _age(root / name) < files.STALE:
            in_order = False  # perhaps still being copied
    # a row may be younger than the listing above: only what is really not there is lost
    unseen = [path for path in known if path.rpartition("/")[2] not in names]
    lost = [known[path] for path in unseen if not (root / path).is_file()]
    result.removed += index.remove(lost) if lost else 0
    return in_order


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _read(root: Path, relatives: list[str], damaged: list[str]) -> Iterator[Entry]:
    for relative in relatives:
        try:
            yield read_entry(root / relative, relative)
        except GalleryError:
            damaged.append(relative)


def rebuild(root: Path, index: Index, progress: Progress | None = None) -> int:
    """Make the index anew from the picture files alone.

    A damaged index is put aside first. Progress is kept in the index: a rebuild that was killed goes on where it
    stopped. Pictures stay listed meanwhile; searches find more and more of them.

    Args:
        progress: called as ``progress(done, total)`` with numbers of files.

    Returns:
        how many pictures the index holds.
    """
    if not index.sound():
        index.start_anew()
    cursor = index.cursor
    if cursor is None:
        index.begin_generation()
        cursor = ""
    folders = [f"images/{name}" for name in picture_folders(root / "images")]
    every = [f"{folder}/{name}" for folder in folders for name in _pngs(root / folder)]
    todo = [path for path in every if not cursor or path < cursor]
    done = len(every) - len(todo)
    damaged: list[str] = []
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        index.insert(_read(root, batch, damaged), replace=True)
        index.cursor = batch[-1]
        done += len(batch)
        if progress is not None:
            progress(done, len(every))
    index.end_generation()
    if progress is not None and not todo:
        progress(len(every), len(every))
    return index.count()


def _pngs(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if e.name.lower().endswith(".png") and e.is_file(follow_symlinks=False)]
    return sorted(names, reverse=True)


def sweep_thumbnails(root: Path, index: Index) -> None:
    """Delete thumbnails of pictures that are gone, and left-over temporary files among them."""
    for path in (root / "thumbs").glob("*/*"):
        with suppress(OSError):
            if files.is_leftover(path) or (path.suffix == ".webp" and index.get(path.stem) is None):
                path.unlink()

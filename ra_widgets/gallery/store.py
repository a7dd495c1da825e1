"""The gallery: every finished picture, safe on disk, found again by its words.

A picture is saved in this order, so that a crash at any moment loses nothing that was acknowledged and shows nothing
that is half-written: temporary file in the same folder, fsync, rename, fsync of the folder, then the row in the index.
The file alone holds everything (the webui's text and our JSON in PNG text chunks); the index can be thrown away.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from ra_widgets import paths, pictures
from ra_widgets.errors import GalleryError
from ra_widgets.gallery import carriers, files, ids, infotext, inputs, search, upkeep
from ra_widgets.gallery.entry import KEY, Entry, clean, pack, to_json
from ra_widgets.gallery.index import Index
from ra_widgets.requests import Request
from ra_widgets.results import Record

if TYPE_CHECKING:
    from PIL.Image import Image

SWEEP_SECONDS = 2.0
"""Longest time that opening a gallery spends on taking in pictures it does not know yet."""
MAX_PAGE = 10_000
Records: TypeAlias = list[Record]  # the class below has a method of that name
Entries: TypeAlias = list[Entry]


class Gallery:
    """Finished pictures in a folder; several processes may use the same folder at once, and any thread this object.

    Args:
        root: the folder (made if it is not there); default ``paths.home()/"gallery"``. It holds
            ``images/YYYY-MM-DD/<id>.png``, ``inputs/`` (pictures that others were made from, by their hash), ``thumbs/`` (a
            cache) and ``index.sqlite``.

    Opening sweeps up after crashes, see :meth:`sweep`.

    Raises:
        GalleryError: the folder cannot be made, or its index was made by a newer version.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self._root = (Path(root).expanduser() if root is not None else paths.gallery_dir()).resolve()
        try:
            (self._root / "images").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.explain(error, self._root / "images") from error
        pictures.add_store(inputs.folder(self._root))
        self._index = Index(self._root / "index.sqlite")
        try:
            self.last_sweep = self._first_sweep()
        except GalleryError as error:
            self._mend(error)

    def _first_sweep(self) -> upkeep.Sweep:
        return upkeep.sweep(self._root, self._index, budget=SWEEP_SECONDS)

    def _mend(self, error: GalleryError) -> None:
        """A damaged index is put aside and begun anew from the files; any other error goes on."""
        if error.key != "gallery.broken_index":
            raise error
        self._index.start_anew()
        self.last_sweep = self._first_sweep()

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    # ------------------------------------------------------------------------------------------------------ saving
    def save(
        self,
        image: Image,
        *,
        request: Request,
        infotext: str | None = None,
        model: str = "",
        model_hash: str = "",
        seconds: float = 0.0,
        info: Mapping[str, Any] | None = None,
    ) -> Record:
        """Save a finished picture. When this returns, the picture survives a crash and a power cut.

        Args:
            image: PIL image.
            request: what makes exactly this picture (seed settled, one picture).
            infotext: the webui's text; made from the request when it is not given.
            model, model_hash: name of the model, 10 hex digits of its sha256.
            seconds: time the picture took.
            info: anything else worth keeping (job id, versions ...), JSON data.

        Raises:
            GalleryError: disk full, no permission, or another failure; then there is no partial file.
        """
        record_id = ids.new_id()
        moment = datetime.fromtimestamp(ids.milliseconds_of(record_id) / 1000).astimezone()
        entry = Entry(
            id=record_id,
            path=f"images/{moment:%Y-%m-%d}/{record_id}.png",
            created=moment.isoformat(timespec="milliseconds"),
            kind=str(getattr(request, "kind", "")),
            prompt=clean(str(getattr(request, "prompt", ""))),
            negative=clean(str(getattr(request, "negative_prompt", ""))),
            model=clean(model),
            model_hash=clean(model_hash),
            seed=int(getattr(request, "seed", -1)),
            width=image.width,
            height=image.height,
            seconds=float(seconds),
            infotext=clean(_infotext(request, model, model_hash) if infotext is None else infotext),
            request=to_json(request.model_dump(mode="json")),
            info=to_json(dict(info or {})),
            size=0,
        )
        inputs.keep(self._root, request)
        data = carriers.encode(image, "PNG", {carriers.PARAMETERS: entry.infotext, KEY: pack(entry)})
        files.write_atomic(self._root / entry.path, data)
        entry = replace(entry, size=len(data))
        try:
            self._index.insert([entry])
        except GalleryError as error:
            self._mend(error)
            self._index.insert([entry])
        # the record names its inputs by their hash, so that a long history does not hold their pixels
        return entry.record(self._root, image)

    # ----------------------------------------------------------------------------------------------------- finding
    def get(self, record_id: str) -> Record:
        """One picture by its id.

        Raises:
            GalleryError: not an id, or none of this gallery, or its file is gone.
        """
        entry = self._entry(record_id)
        if not (self._root / entry.path).is_file():
            raise GalleryError("gallery.gone", name=f"{record_id}.png")
        return entry.record(self._root)

    def list(self, limit: int = 50, before: str | None = None, model: str | None = None) -> Records:
        """Pictures, newest first.

        Args:
            limit: how many at most.
            before: id of the last picture of the page before (it need not exist any more); None: from the newest.
            model: only pictures of this model.
        """
        return self._records(self._index.page(_limit(limit), self._before(before), model))

    def search(self, text: str, limit: int = 50, before: str | None = None) -> Records:
        """Pictures whose prompts, model or parameters hold all words of ``text``, newest first.

        Chinese is searched by any piece of it, one character or more; other words from their beginning. Case, accents
        and full-width letters do not matter, and no character is syntax. An empty text finds all.
        """
        return self._records(self._index.find(search.query(text), _limit(limit), self._before(before)))

    def count(self, text: str | None = None) -> int:
        """How many pictures there are, or match ``text``."""
        return self._index.count(search.query(text) if text else None)

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # an empty gallery is a gallery

    def __contains__(self, record_id: object) -> bool:
        return isinstance(record_id, str) and ids.is_id(record_id) and self._index.get(record_id) is not None

    def thumbnail(self, record_id: str, size: int = 256) -> bytes:
        """A small WebP of a picture, at most ``size`` (16..1024) pixels a side; kept in ``thumbs/``.

        Raises:
            GalleryError: unknown id, or the picture cannot be read.
        """
        entry = self._entry(record_id)
        size = min(max(int(size), 16), 1024)
        cached = self._root / "thumbs" / str(size) / f"{record_id}.webp"
        with suppress(OSError):
            data = cached.read_bytes()
            if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
                return data
        image = files.open_picture(self._root / entry.path)
        if image.mode not in ("RGB", "RGBA"):
            image = image.convert("RGB")
        image.thumbnail((size, size), reducing_gap=2.0)
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=82, method=2)
        with suppress(GalleryError):  # a thumbnail that cannot be kept is still a thumbnail
            files.write_atomic(cached, buffer.getvalue(), durable=False)
        return buffer.getvalue()

    # ---------------------------------------------------------------------------------------------------- changing
    def delete(self, record_id: str) -> None:
        """Delete a picture: its file, its thumbnails, its row.

        Raises:
            GalleryError: unknown id, or the file cannot be deleted (then everything stays).
        """
        entry = self._entry(record_id)
        path = self._root / entry.path
        try:
            # first the file: a row without a file is swept away, a file without a row would come back
            path.unlink(missing_ok=True)
        except OSError as error:
            raise files.explain(error, path) from error
        self._index.remove([record_id])
        with suppress(OSError):
            for thumb in (self._root / "thumbs").glob(f"*/{record_id}.webp"):
                thumb.unlink(missing_ok=True)

    def sweep(self) -> dict[str, Any]:
        """Tidy up: delete temporary files that nobody writes any more, take in pictures that have no row, drop rows
        whose file is gone.

        Returns:
            ``temporary``, ``imported``, ``removed`` (counts), ``damaged`` (names of broken files, which are left alone)
            and ``complete``.
        """
        self.last_sweep = upkeep.sweep(self._root, self._index)
        upkeep.sweep_thumbnails(self._root, self._index)
        inputs.sweep(self._root, self._index.inputs())
        return vars(self.last_sweep).copy()

    def rebuild(self, progress: upkeep.Progress | None = None) -> int:
        """Make the index anew from the picture files; goes on where a killed rebuild stopped.

        Args:
            progress: called as ``progress(done, total)`` with numbers of files.

        Returns:
            how many pictures the gallery holds.
        """
        return upkeep.rebuild(self._root, self._index, progress)

    def close(self) -> None:
        """Close the index; the gallery cannot be used any more."""
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gallery({str(self._root)!r})"

    # --------------------------------------------------------------------------------------------------- internals
    def _entry(self, record_id: str) -> Entry:
        if not ids.is_id(record_id):
            raise GalleryError("gallery.bad_id", id=str(record_id)[:60])
        entry = self._index.get(record_id)
        if entry is None:
            raise GalleryError("gallery.unknown_id", id=record_id)
        self._inside(entry)
        return entry

    def _inside(self, entry: Entry) -> None:
        """Refuse a row whose path leaves the gallery (an index is a file that somebody may have given us)."""
        if not (self._root / entry.path).resolve().is_relative_to(self._root / "images"):
            raise GalleryError("gallery.unknown_id", id=entry.id)

    def _records(self, entries: Entries) -> Records:
        return [entry.record(self._root) for entry in entries if ".." not in entry.path and entry.path[:7] == "images/"]

    def _before(self, before: str | None) -> int:
        if before is not None and not ids.is_id(before):
            raise GalleryError("gallery.bad_id", id=str(before)[:60])
        return self._index.row_before(before)


def _limit(limit: int) -> int:
    return min(max(int(limit), 0), MAX_PAGE)


def _infotext(request: Request, model: str, model_hash: str) -> str:
    return infotext.format(request, model=model or None, model_hash=model_hash or None)

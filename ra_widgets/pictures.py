"""Pictures inside requests: read from anything, kept by what they show, named by a hash in every JSON.

A :class:`Picture` is frozen and hashable, as requests are. Two are equal when their pixels are, whatever file they came from.
In JSON a picture is ``{"sha256": ..., "width": ..., "height": ..., "mode": ...}``; the pixels lie in a store: the folder
``inputs/`` of a gallery, or of the home folder. They are read when somebody needs them.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticCustomError, core_schema

from ra_widgets import paths
from ra_widgets.errors import InvalidRequest
from ra_widgets.picture_files import Problem, read

if TYPE_CHECKING:
    from PIL.Image import Image

INLINE = 16 * 1024
"""Pictures up to so many bytes stand in :meth:`Picture.code` themselves."""

_ALIVE: weakref.WeakValueDictionary[str, Picture] = weakref.WeakValueDictionary()
_STORES: dict[Path, None] = {}
_LOCK = threading.Lock()

_trusted: ContextVar[bool] = ContextVar("trusted", default=True)


class Picture:
    """An input picture of a request.

    Args:
        source: path, bytes of a file, PIL image, numpy array ([H, W] or [H, W, 1|3|4], uint8, uint16, bool, or float in 0..1),
            another picture, a record or a result.

    Attributes:
        sha256: 64 hex digits, of mode, size and pixels. width, height: pixels. mode: ``L``, ``RGB`` or ``RGBA``.

    Turned as its EXIF says; the first frame of animations; CMYK, palettes and 16 bits become 8-bit RGB; transparency is kept.

    Raises:
        InvalidRequest: not a picture, damaged, too large, or not there, in a sentence.
    """

    __slots__ = ("__weakref__", "_image", "_origin", "height", "mode", "sha256", "width")

    sha256: str
    width: int
    height: int
    mode: str
    _image: Image | None
    _origin: tuple[Path, int, int] | None

    def __init__(self, source: Any) -> None:
        try:
            self._fill(source)
        except Problem as problem:
            raise InvalidRequest(problem.key, field="image", **problem.values) from None  # type: ignore[arg-type]

    def _fill(self, source: Any) -> None:
        self._origin = None
        if isinstance(source, Picture):
            for name in ("sha256", "width", "height", "mode", "_image", "_origin"):
                setattr(self, name, getattr(source, name))
            return
        if isinstance(source, (str, os.PathLike)):
            path = Path(source).expanduser().absolute()
            self._origin = _stamp(path)
            source = path
        elif isinstance(getattr(source, "request", None), BaseModel) and isinstance(
            getattr(source, "path", None), Path
        ):
            self._origin = _stamp(source.path)  # a record
        image = read(source)
        self._image = image
        self.width, self.height, self.mode = image.width, image.height, image.mode
        self.sha256 = digest(image)
        with _LOCK:
            _ALIVE[self.sha256] = self

    @classmethod
    def reference(cls, sha256: str, width: int, height: int, mode: str = "RGB") -> Picture:
        """A picture by its hash; its pixels are looked for when they are needed."""
        with _LOCK:
            alive = _ALIVE.get(sha256)
        if alive is not None and alive.path is None:
            return alive  # nobody else has the pixels; a stored picture is read anew, so that histories stay small
        self = object.__new__(cls)
        self.sha256, self.width, self.height, self.mode = sha256, width, height, mode
        self._image, self._origin = None, None
        return self

    @classmethod
    def from_text(cls, text: str) -> Picture:
        """From base64 of a picture file, with or without ``data:image/...;base64,``."""
        return cls(_decode(text))

    # -- pixels ----------------------------------------------------------------------------------------------------
    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def origin(self) -> Path | None:
        """The file that it was read from, if that has not changed since."""
        return self._origin[0] if self._origin is not None and _stamp(self._origin[0]) == self._origin else None

    @property
    def available(self) -> bool:
        """Whether the pixels are at hand or in a store (they are not read for this)."""
        return self._image is not None or self.sha256 in _ALIVE or self.path is not None

    @property
    def path(self) -> Path | None:
        """The PNG in a store that holds it, or None."""
        return next((p for p in (place(folder, self.sha256) for folder in stores()) if p.is_file()), None)

    @property
    def image(self) -> Image:
        """A copy of the pixels as PIL image of :attr:`mode`.

        Raises:
            InvalidRequest: they are in no store any more.
        """
        return self._pixels().copy()

    def _pixels(self) -> Image:
        if self._image is not None:
            return self._image
        with _LOCK:
            alive = _ALIVE.get(self.sha256)
        if alive is not None and alive._image is not None:
            return alive._image
        path = self.path
        if path is not None:
            with suppress(Problem):
                image = read(path)
                if digest(image) == self.sha256:
                    return image
        raise InvalidRequest("invalid.picture_lost", field="image", name=self.sha256[:12])

    def rgb(self, background: str = "#ffffff") -> Image:
        """RGB; transparent parts show ``background`` (webui's default is white)."""
        from PIL import Image as image_module

        image = self._pixels()
        if image.mode != "RGBA":
            return image.convert("RGB") if image.mode != "RGB" else image.copy()
        sheet = image_module.new("RGBA", image.size, background)
        sheet.alpha_composite(image)
        return sheet.convert("RGB")

    def gray(self, threshold: bool = True) -> Image:
        """As a mask, mode L: transparency if there is any (webui's rule, cut at half unless ``threshold`` is off), else brightness."""
        image = self._pixels()
        if image.mode == "RGBA" and image.getextrema()[-1] != (255, 255):
            alpha = image.getchannel("A")
            return alpha.point(lambda value: 255 if value > 128 else 0) if threshold else alpha
        return image.convert("L")

    def png(self, level: int = 1) -> bytes:
        """The bytes of a PNG file."""
        buffer = io.BytesIO()
        self._pixels().save(buffer, "PNG", compress_level=level)
        return buffer.getvalue()

    # -- text ------------------------------------------------------------------------------------------------------
    def to_dict(self, *, inline: bool = False) -> dict[str, Any]:
        """Plain data: the reference, with ``inline`` also the PNG in base64."""
        data: dict[str, Any] = {"sha256": self.sha256, "width": self.width, "height": self.height, "mode": self.mode}
        return data | ({"png": base64.b64encode(self.png(6)).decode("ascii")} if inline else {})

    def code(self) -> str:
        """Python that makes this picture: the path of its file, if that has not changed, or of a stored copy; small ones in full.

        A larger one that lies in no store yet is put into the home folder's.
        """
        if self.origin is not None:
            return repr(str(self.origin))
        path = self.path
        if path is None and self.available:
            data = self.png(6)
            if len(data) <= INLINE:
                return f'ra.Picture.from_text("{base64.b64encode(data).decode("ascii")}")'
            path = keep(self, paths.home() / "inputs")
        if path is None:
            return f"ra.Picture.reference({self.sha256!r}, {self.width}, {self.height}, {self.mode!r})"
        return repr(str(path))

    # -- the manners of data -----------------------------------------------------------------------------------------
    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, Picture) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Picture({self.width}x{self.height} {self.mode}, {self.sha256[:12]})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._image is None and not self.available:
            return Picture.reference, (self.sha256, self.width, self.height, self.mode)
        return Picture, (self.png(),)

    def __copy__(self) -> Picture:
        return self

    def __deepcopy__(self, memo: Any) -> Picture:
        return self

    def _repr_png_(self) -> bytes:
        return self.png()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda picture: picture.to_dict(), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {
            "description": "base64 of a picture file, or {sha256, width, height, mode} of one that the gallery holds",
            "anyOf": [{"type": "string"}, {"type": "object"}],
        }


# ------------------------------------------------------------------------------------------------------------ stores
def add_store(folder: Path) -> None:
    """Look for pictures in this folder, too (galleries add theirs when they are opened)."""
    with _LOCK:
        _STORES[folder] = None


def stores() -> list[Path]:
    """Folders in which pictures are looked for."""
    with _LOCK:
        known = list(_STORES)
    return list(dict.fromkeys([*reversed(known), paths.gallery_dir() / "inputs", paths.home() / "inputs"]))


def place(folder: Path, sha256: str) -> Path:
    """Where a store keeps a picture."""
    return folder / sha256[:2] / f"{sha256}.png"


def find(prefix: str) -> Picture | None:
    """The stored picture whose hash begins so (at least 16 hex digits)."""
    prefix = prefix.lower()
    if len(prefix) < 16 or not set(prefix) <= set("0123456789abcdef"):
        return None
    with _LOCK:
        alive = next((picture for sha, picture in _ALIVE.items() if sha.startswith(prefix)), None)
    if alive is not None:
        return alive
    for folder in stores():
        for path in sorted((folder / prefix[:2]).glob(f"{prefix}*.png")):
            with suppress(InvalidRequest):
                return Picture(path)
    return None


def keep(picture: Picture, folder: Path) -> Path:
    """Put a picture into a store, whole or not at all; returns its file. Cheap when it is there already."""
    path = place(folder, picture.sha256)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident():x}.tmp")
        try:
            temporary.write_bytes(picture.png(6))
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def digest(image: Image) -> str:
    """The hash of mode, size and pixels."""
    found = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode("ascii"))
    found.update(image.tobytes())
    return found.hexdigest()


# -------------------------------------------------------------------------------------------------------- validation
@contextmanager
def distrust() -> Iterator[None]:
    """While a request is made from foreign data: a text is never taken for the path of a file."""
    before = _trusted.set(False)
    try:
        yield
    finally:
        _trusted.reset(before)


def _validate(value: Any, info: Any) -> Picture:
    try:
        if isinstance(value, Picture):
            return value
        if isinstance(value, dict):
            return _from_dict(value)
        if isinstance(value, str) and (info.mode == "json" or not _trusted.get() or value.startswith("data:")):
            return _new(_decode(value))
        return _new(value)
    except Problem as problem:
        raise PydanticCustomError(problem.key, "not a picture", dict(problem.values)) from None  # type: ignore[arg-type]


def _new(source: Any) -> Picture:
    self = object.__new__(Picture)
    self._fill(source)
    return self


def _from_dict(value: dict[str, Any]) -> Picture:
    sha, size = str(value.get("sha256", "")), (value.get("width"), value.get("height"))
    if isinstance(value.get("png"), str):
        return _new(_decode(value["png"]))
    numbers = all(isinstance(side, int) and not isinstance(side, bool) and 0 < side <= 1 << 20 for side in size)
    if len(sha) != 64 or not set(sha) <= set("0123456789abcdef") or not numbers:
        raise Problem("invalid.picture_type", got=str(value)[:60])
    mode = value.get("mode") if value.get("mode") in ("L", "RGB", "RGBA") else "RGB"
    return Picture.reference(sha, size[0], size[1], str(mode))  # type: ignore[arg-type]


def _decode(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise Problem("invalid.picture_text", got=repr(text[:40])) from None
    if not data:
        raise Problem("invalid.picture_text", got=repr(text[:40]))
    return data


def _stamp(path: Path) -> tuple[Path, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return path, status.st_mtime_ns, status.st_size

"""spandrel (MIT, chaiNNer team), which knows the architectures of upscalers: its unchanged wheel, read in memory.

pip cannot install it here: it declares torchvision, which must match torch's build exactly (a CPU build of torch with the
ordinary wheel of torchvision does not even import), for two architectures that are no upscalers (LaMa, RestoreFormer). So
the wheel of PyPI lies here as it is, its sha256 is checked, and those two get stand-ins for the three functions they import.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

WHEEL = Path(__file__).with_name("spandrel-0.4.2-py3-none-any.whl")
SHA256 = "6c93e3ecbeb0e548fd2df45a605472b34c1614287c56b51bb33cdef7ae5235b5"

_lock = threading.Lock()


class WheelFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one package from a wheel without unpacking it; folders without ``__init__.py`` count as packages
    (``zipimport`` does not find those, and this wheel has four)."""

    def __init__(self, data: bytes, package: str) -> None:
        self.package = package
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        names = self._zip.namelist()
        self._files = set(names)
        self._folders = {name.rsplit("/", depth)[0] for name in names for depth in range(1, name.count("/") + 1)}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's spec, or None if it is not in the wheel."""
        if fullname.split(".")[0] != self.package:
            return None
        place = fullname.replace(".", "/")
        if place not in self._folders and f"{place}.py" not in self._files:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=place in self._folders)

    def is_package(self, fullname: str) -> bool:
        """Whether it is a folder."""
        return fullname.replace(".", "/") in self._folders

    def get_source(self, fullname: str) -> str:
        """The module's text."""
        place = fullname.replace(".", "/")
        name = f"{place}/__init__.py" if place in self._folders else f"{place}.py"
        return self._zip.read(name).decode("utf-8") if name in self._files else ""


def _absent(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("this architecture needs torchvision, which is not installed")


@contextmanager
def _stand_ins() -> Iterator[None]:
    """torchvision's names that two architectures import, only while they are imported and only if it is not there."""
    if importlib.util.find_spec("torchvision") is not None:
        yield
        return
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    modules = [ModuleType(name) for name in names]
    for name in ("InterpolationMode", "rotate", "normalize"):
        setattr(modules[-1], name, _absent)
    sys.modules.update(zip(names, modules, strict=True))
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def spandrel() -> Any:
    """The module ``spandrel``: the installed one if there is one, else the wheel's. Takes about half a second, once.

    Raises:
        ImportError: the wheel is not the one that was published.
    """
    with _lock:
        if "spandrel" in sys.modules:
            return sys.modules["spandrel"]
        if importlib.util.find_spec("spandrel") is None:
            data = WHEEL.read_bytes()
            if hashlib.sha256(data).hexdigest() != SHA256:
                raise ImportError(f"{WHEEL.name} is damaged")
            sys.meta_path.append(WheelFinder(data, "spandrel"))
        with _stand_ins():
            import spandrel as module
        return module

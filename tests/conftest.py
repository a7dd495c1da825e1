"""Shared fixtures: a home folder of its own for every run, and one warm kernel on the embedded model."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ra_widgets.kernel import PipelineKernel

# a run in the background of a script has Ctrl-C switched off, and so would have all programs that the tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# before anything of ours is imported: no test may touch the user's own gallery, models or settings
os.environ["RA_HOME"] = tempfile.mkdtemp(prefix="ra-tests-")
os.environ.pop("RA_LANG", None)
os.environ.pop("RA_MODELS", None)


@pytest.fixture(scope="session")
def session_gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the shared kernel's gallery."""
    return tmp_path_factory.mktemp("gallery")


@pytest.fixture(scope="session")
def kernel(session_gallery: Path) -> Iterator[PipelineKernel]:
    """One kernel for all tests that only make pictures: the model is loaded once."""
    from ra_widgets.kernel import PipelineKernel

    with PipelineKernel(gallery=session_gallery) as shared:
        yield shared


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    """Every test starts in the default language."""
    from ra_widgets import i18n

    i18n.set_language("zh_CN")
    yield
    i18n.set_language("zh_CN")

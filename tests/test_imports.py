from __future__ import annotations

import subprocess
import sys
import time

import ra_widgets


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_brings_no_heavy_library():
    loaded = run("import sys, ra_widgets; print(*sorted(sys.modules))").split()
    heavy = {"torch", "diffusers", "transformers", "numpy", "PIL", "pydantic", "ipywidgets", "matplotlib", "IPython"}
    assert not heavy & set(loaded)


def test_data_rooms_import_no_torch():
    code = (
        "import sys, ra_widgets.requests, ra_widgets.results, ra_widgets.jobs, ra_widgets.kernel, ra_widgets.prompt,"
        "ra_widgets.gallery, ra_widgets.library, ra_widgets.widgets, ra_widgets.cli, ra_widgets.course;"
        "print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_import_is_fast():
    def seconds() -> float:
        # measured inside: the start of the interpreter is not ours
        code = "import time; t = time.perf_counter(); import ra_widgets; print(time.perf_counter() - t)"
        return float(run(code))

    deadline = time.monotonic() + 30
    best = seconds()
    while best >= 0.3 and time.monotonic() < deadline:
        best = min(best, seconds())
    assert best < 0.3


def test_public_names_exist():
    for name in ra_widgets.__all__:
        assert getattr(ra_widgets, name) is not None
    assert len(ra_widgets.__all__) <= 60
    assert set(ra_widgets.__all__) <= set(dir(ra_widgets))

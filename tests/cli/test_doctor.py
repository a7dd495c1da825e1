"""``ra doctor`` on this machine, and on machines that something is wrong with."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from ra_widgets import doctor
from ra_widgets.cli import main
from ra_widgets.i18n import LANGUAGES, t

pytestmark = pytest.mark.usefixtures("own_home")


def test_this_machine_passes(capsys):
    """The machine that runs the tests can run the workbench; every finding has a title and plain data."""
    code = main(["doctor", "--json", "--lang", "en"])
    report = json.loads(capsys.readouterr().out)
    names = [finding["name"] for finding in report["findings"]]
    failed = [finding for finding in report["findings"] if finding["state"] == "fail"]
    assert (code, report["ok"], failed) == (0, True, [])
    assert {"python", "torch", "device", "precision", "packages", "jupyter", "memory", "disk", "store", "fonts"} < set(
        names
    )
    assert "models:embedded" in names
    facts = {finding["name"]: finding["data"] for finding in report["findings"]}
    assert facts["device"]["device"] in ("cpu", "cuda", "mps")
    assert len(facts["models:embedded"]["hash"]) == 10
    for finding in report["findings"]:
        assert finding["found"] and not finding["title"].startswith("doctor.")


def test_the_table_fits_a_narrow_terminal(monkeypatch, capsys):
    from rich.cells import cell_len

    monkeypatch.setattr(doctor, "CHECKS", [doctor.python, doctor.disk, doctor.ports, doctor.terminal])
    monkeypatch.setenv("COLUMNS", "60")
    main(["doctor"])
    assert max(cell_len(line) for line in capsys.readouterr().out.splitlines()) <= 60


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a file in place of a folder works everywhere else too")
def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RA_HOME", str(tmp_path / "file" / "home"))
    (finding,) = doctor.disk()
    assert finding.state == "fail" and "RA_HOME" in finding.remedy


def test_a_full_disk(monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    (finding,) = doctor.disk()
    assert finding.state == "fail" and finding.remedy


def test_little_memory(monkeypatch):
    import psutil

    class Memory:
        available, total = 2**29, 2**32

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory)
    (finding,) = doctor.memory()
    assert finding.state == "fail" and "0.5" in finding.found


def test_missing_and_old_packages(monkeypatch):
    real = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: {"voila": "0.5.5", "anywidget": ""}.get(name, real(name)))
    (finding,) = doctor.packages()
    assert finding.state == "fail"
    assert "voila>=0.5.6" in finding.remedy and "anywidget" in finding.remedy and "diffusers" not in finding.remedy


def test_a_torch_that_crashes_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor, "_PROBE", "import os; os.abort()")
    (finding,) = doctor.torch()
    assert finding.state == "fail" and "pip" in finding.remedy
    monkeypatch.setattr(doctor, "_PROBE", "raise ImportError('libcudart.so.12: cannot open')")
    (finding,) = doctor.torch()
    assert finding.state == "fail" and "libcudart" in finding.found


def test_an_old_torch_fails(monkeypatch):
    facts = {"version": "2.5.1", "device": "cpu", "threads": 2, "capability": "AVX2", "float32": 1.0, "bfloat16": 2.0}
    monkeypatch.setattr(doctor, "_PROBE", f"print('FACTS' + {json.dumps(facts)!r})")
    findings = {finding.name: finding for finding in doctor.torch()}
    assert findings["torch"].state == "fail" and findings["precision"].data["bf16"] is False


def test_broken_models_are_named(own_home):
    folder = own_home / "models"
    folder.mkdir(parents=True)
    (folder / "坏掉的.safetensors").write_bytes(b"<html>not a model</html>")
    findings = {finding.name: finding for finding in doctor.models()}
    assert findings["models:embedded"].state == "ok"
    assert findings["models:own"].state == "warn" and "坏掉的" in findings["models:own"].remedy


def test_a_lost_embedded_model(monkeypatch, tmp_path):
    from ra_widgets import paths

    monkeypatch.setattr(paths, "_shipped_roots", lambda: [tmp_path])
    (finding,) = doctor.models()
    assert finding.state == "fail" and finding.remedy


def test_busy_ports_are_no_failure():
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 8866))
            holder.listen()
        except OSError:
            pass  # somebody else holds it: just as good
        (finding,) = doctor.ports()
    assert finding.state == "warn" and 8866 in finding.data["busy"]


def test_no_chinese_font(monkeypatch):
    monkeypatch.setattr(doctor, "_system_font", lambda: "")
    (finding,) = doctor.fonts()
    assert finding.state == "warn" and finding.remedy


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise RuntimeError("boom")
        yield

    monkeypatch.setattr(doctor, "CHECKS", [broken, doctor.python])
    first, second = doctor.examine()
    assert first.state == "fail" and "boom" in first.found and second.name == "python"


def test_exit_code_1_when_something_fails(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", [lambda: iter([doctor.Finding("disk", "fail", "[full]", "clean up")])])
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "[full]" in shown and "clean up" in shown


def test_the_real_command_leaves_torch_out_of_its_own_process(own_home):
    code = (
        "import sys; from ra_widgets import doctor; list(doctor.examine()); "
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", env=env, timeout=200
    )
    assert answer.stderr.strip().splitlines()[-1] == "False"


def test_titles_exist_in_both_languages():
    for name in (
        "python",
        "torch",
        "device",
        "precision",
        "packages",
        "jupyter",
        "language",
        "memory",
        "disk",
        "store",
        "models",
        "fonts",
        "ports",
        "terminal",
        "other",
    ):
        for language in LANGUAGES:
            assert t(f"doctor.{name}", language) != f"doctor.{name}"

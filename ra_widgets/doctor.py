"""Look at this machine: what the workbench needs, what is there, and how to mend what is not.

Each check is a small function that yields :class:`Finding`; :func:`examine` runs them all. A check that itself breaks
is a finding too, never an exception. PyTorch is asked in a process of its own: a broken one may crash, not only raise.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ra_widgets import paths
from ra_widgets.errors import ModelError, describe
from ra_widgets.i18n import t

GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: stable name for programs (``torch``, ``disk`` ...).
        state: ``ok``, ``warn`` (works, but) or ``fail`` (does not work).
        found: what was found, in the current language. remedy: how to mend it, ``""`` when there is nothing to mend.
        data: the plain facts.
    """

    name: str
    state: str
    found: str
    remedy: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is about, in the current language."""
        return t(f"doctor.{self.name.partition(':')[0]}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            "name": self.name,
            "state": self.state,
            "title": self.title,
            "found": self.found,
            "remedy": self.remedy,
            "data": self.data,
        }


def examine() -> Iterator[Finding]:
    """Run all checks, in the order in which one would read them."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as error:
            name = check.__name__.strip("_")
            yield Finding("other:" + name, "fail", describe(error), t("doctor.report_it"))


def _number(text: str) -> tuple[int, ...]:
    """A version as numbers: ``"2.13.0+cpu"`` -> ``(2, 13, 0)``."""
    parts = text.split("+")[0].split(".")
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts[:3])


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _pip(*names: str) -> str:
    return f"{Path(sys.executable)} -m pip install {' '.join(names)}"


def python() -> Iterator[Finding]:
    """The interpreter."""
    number = platform.python_version()
    found = f"{number} · {platform.system()} {platform.machine()} · {sys.executable}"
    if sys.prefix == sys.base_prefix and not os.environ.get("CONDA_PREFIX"):
        yield Finding("python", "warn", found, t("doctor.python.no_venv"), {"version": number})
    else:
        yield Finding("python", "ok", found, data={"version": number})


_PROBE = """
import json, time
import torch
facts = {"version": torch.__version__, "threads": torch.get_num_threads()}
if torch.cuda.is_available():
    p = torch.cuda.get_device_properties(0)
    facts |= {"device": "cuda", "name": p.name, "memory": p.total_memory, "bf16": torch.cuda.is_bf16_supported()}
elif getattr(torch.backends, "mps", None) and torch.backends.mps.is_available():
    facts |= {"device": "mps", "name": "Apple GPU"}
else:
    facts |= {"device": "cpu", "capability": torch.backends.cpu.get_cpu_capability()}
if facts["device"] == "cpu":
    conv = torch.nn.Conv2d(64, 64, 3, padding=1).eval()
    for kind in ("float32", "bfloat16"):
        layer, x = conv.to(getattr(torch, kind)), torch.randn(2, 64, 32, 32, dtype=getattr(torch, kind))
        with torch.inference_mode():
            layer(x)
            best = 1e9
            for _ in range(5):
                start = time.perf_counter(); layer(x); best = min(best, time.perf_counter() - start)
        facts[kind] = best
print("FACTS" + json.dumps(facts))
"""


def torch() -> Iterator[Finding]:
    """PyTorch, its device, and the precision that the device is good at."""
    found = _installed("torch")
    if not found:
        yield Finding("torch", "fail", t("doctor.missing"), _pip("torch"))
        return
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=180,
        )
    except subprocess.TimeoutExpired:
        yield Finding("torch", "fail", found, t("doctor.torch.slow"))
        return
    line = next((line[5:] for line in answer.stdout.splitlines() if line.startswith("FACTS")), "")
    if not line:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        yield Finding(
            "torch",
            "fail",
            t("doctor.torch.broken", version=found, detail=last[:200]),
            _pip("--force-reinstall", f"torch=={found}"),
        )
        return
    facts = json.loads(line)
    good = _number(facts["version"]) >= (2, 6)
    yield Finding("torch", "ok" if good else "fail", facts["version"], "" if good else t("doctor.torch.old"), facts)
    yield _device(facts)
    yield _precision(facts)


def _device(facts: dict[str, Any]) -> Finding:
    if facts["device"] == "cpu":
        remedy = t("doctor.device.gpu_unused") if shutil.which("nvidia-smi") else ""
        text = t("doctor.device.cpu", threads=facts["threads"], cores=os.cpu_count() or 1)
        return Finding(
            "device", "warn" if remedy else "ok", text, remedy, {"device": "cpu", "threads": facts["threads"]}
        )
    memory = facts.get("memory")
    text = facts["name"] + (f" · {memory / GIB:.1f} GB" if memory else "")
    return Finding("device", "ok", text, data={"device": facts["device"], "memory": memory})


def _precision(facts: dict[str, Any]) -> Finding:
    if facts["device"] == "cuda":
        return Finding("precision", "ok", "fp16" + (" · bf16" if facts["bf16"] else ""), data={"bf16": facts["bf16"]})
    if facts["device"] == "mps":
        return Finding("precision", "ok", "fp16")
    gain = facts["float32"] / facts["bfloat16"]
    key = "doctor.precision.bf16" if gain > 1.1 else "doctor.precision.fp32"
    data = {"capability": facts["capability"], "bf16_speed": round(gain, 2), "bf16": gain > 1.1}
    return Finding("precision", "ok", t(key, gain=f"{gain:.1f}", capability=facts["capability"]), data=data)


REQUIRED = {
    "diffusers": "0.36",
    "transformers": "5.0",
    "safetensors": "0.5",
    "pydantic": "2.10",
    "ipywidgets": "8.1",
    "anywidget": "0.11",
    "jupyterlab": "4.4",
    "jupyter-server": "2.18",
    "voila": "0.5.6",
    "ipykernel": "7.0",
}
"""Least versions. Older jupyter-server and voila have published security holes (CVE-2026-35397, CVE-2024-30265)."""


def packages() -> Iterator[Finding]:
    """The Python packages that the workbench stands on."""
    wrong = []
    for name, least in REQUIRED.items():
        have = _installed(name)
        if not have or _number(have) < _number(least):
            wrong.append((name, have or t("doctor.missing"), least))
    if wrong:
        text = "; ".join(f"{name} {have} (>= {least})" for name, have, least in wrong)
        yield Finding("packages", "fail", text, _pip(*(f'"{name}>={least}"' for name, _, least in wrong)))
    else:
        shown = " · ".join(
            f"{name} {_installed(name)}" for name in ("diffusers", "transformers", "jupyterlab", "voila")
        )
        yield Finding("packages", "ok", shown, data={name: _installed(name) for name in REQUIRED})


def jupyter() -> Iterator[Finding]:
    """The browser side: widget extensions, the page template, the Chinese interface."""
    from jupyter_core.paths import jupyter_path

    from ra_widgets.voila import SHARE, TEMPLATE

    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    lost = [
        package
        for package, name in (("anywidget", "anywidget"), ("jupyterlab_widgets", "@jupyter-widgets/jupyterlab-manager"))
        if not any((folder / name / "package.json").is_file() for folder in folders)
    ]
    if lost:
        text = t("doctor.jupyter.no_extension", names=", ".join(lost))
        yield Finding("jupyter", "fail", text, _pip("--force-reinstall", "--no-deps", *lost))
    elif not (SHARE / "voila" / "templates" / TEMPLATE / "index.html.j2").is_file():
        yield Finding("jupyter", "fail", t("doctor.jupyter.no_template"), t("doctor.reinstall"))
    else:
        yield Finding("jupyter", "ok", t("doctor.jupyter.fine"))
    have = _installed("jupyterlab-language-pack-zh-CN")
    remedy = "" if have else _pip("jupyterlab-language-pack-zh-CN")
    yield Finding("language", "ok" if have else "warn", have or t("doctor.missing"), remedy)


def memory() -> Iterator[Finding]:
    """Main memory."""
    import psutil

    facts = psutil.virtual_memory()
    state = "fail" if facts.available < GIB else "warn" if facts.available < 3 * GIB else "ok"
    text = t("doctor.memory.found", free=f"{facts.available / GIB:.1f}", total=f"{facts.total / GIB:.1f}")
    remedy = "" if state == "ok" else t("doctor.memory.remedy")
    yield Finding("memory", state, text, remedy, {"available": facts.available, "total": facts.total})


def disk() -> Iterator[Finding]:
    """The home folder: can it be written, is there room."""
    folder = paths.home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".ra-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        text = t("doctor.disk.not_writable", folder=str(folder), detail=error.strerror or type(error).__name__)
        yield Finding("disk", "fail", text, t("doctor.disk.choose_other"), {"folder": str(folder)})
        return
    free = shutil.disk_usage(folder).free
    state = "fail" if free < GIB // 4 else "warn" if free < 5 * GIB else "ok"
    text = t("doctor.disk.found", free=f"{free / GIB:.1f}", folder=str(folder))
    remedy = "" if state == "ok" else t("doctor.disk.remedy")
    yield Finding("disk", state, text, remedy, {"folder": str(folder), "free": free})


def store() -> Iterator[Finding]:
    """The gallery's database: SQLite with full-text search."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
    except sqlite3.OperationalError as error:
        yield Finding("store", "fail", f"SQLite {sqlite3.sqlite_version}: {error}", t("doctor.store.remedy"))
        return
    finally:
        connection.close()
    pictures = paths.gallery_dir()
    text = f"SQLite {sqlite3.sqlite_version} · FTS5 · {pictures}"
    yield Finding("store", "ok", text, data={"sqlite": sqlite3.sqlite_version, "gallery": str(pictures)})


def models() -> Iterator[Finding]:
    """The embedded model, and everything in the model folders that looks like a model and is none."""
    from ra_widgets.library import available, identify

    try:
        info = identify(paths.embedded_model())
        text = f"{info.name} · {info.hash} · {info.size_bytes / 2**20:.0f} MB"
        recorded = str(info.extra.get("hash", info.hash))
        good = info.hash.startswith(recorded[:10])
        remedy = "" if good else t("doctor.models.changed")
        yield Finding("models:embedded", "ok" if good else "warn", text, remedy, {"name": info.name, "hash": info.hash})
    except ModelError as error:
        yield Finding("models:embedded", "fail", error.text(), t("doctor.models.restore"))
        return
    others = [m for m in available() if m.path != info.path]
    broken = []
    for folder in paths.models_dirs():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() == ".safetensors" or (path / "model_index.json").is_file():
                try:
                    identify(path)
                except ModelError as error:
                    broken.append(error.text())
    names = ", ".join(m.name for m in others[:8]) + (" …" if len(others) > 8 else "")
    text = t("doctor.models.own", count=len(others)) + (f": {names}" if others else "")
    data = {"count": len(others), "broken": len(broken)}
    yield Finding("models:own", "warn" if broken else "ok", text, "\n".join(broken[:5]), data)


def fonts() -> Iterator[Finding]:
    """A font with Chinese characters for the browser, and our own one for plots."""
    found = _system_font()
    if found:
        yield Finding("fonts", "ok", found)
    elif sys.platform.startswith("linux"):
        yield Finding("fonts", "warn", t("doctor.fonts.none"), t("doctor.fonts.linux"))
    else:
        yield Finding("fonts", "warn", t("doctor.fonts.none"), t("doctor.fonts.other"))


def _system_font() -> str:
    if sys.platform == "win32":
        folder = Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"
        return next(
            (name for name in ("msyh.ttc", "simsun.ttc", "simhei.ttf", "Deng.ttf") if (folder / name).is_file()), ""
        )
    if sys.platform == "darwin":
        folders = [Path("/System/Library/Fonts"), Path("/Library/Fonts")]
        names = ("PingFang.ttc", "STHeiti Light.ttc", "Hiragino Sans GB.ttc", "Songti.ttc")
        return next((name for name in names for folder in folders if (folder / name).is_file()), "")
    if shutil.which("fc-list"):
        answer = subprocess.run(
            ["fc-list", "--format", "%{family[0]}\n", ":lang=zh-cn"], capture_output=True, text=True, timeout=30
        )
        families = sorted({line.strip() for line in answer.stdout.splitlines() if line.strip()})
        if families:
            return " · ".join(families[:3])
    folders = [Path("/usr/share/fonts"), Path.home() / ".local/share/fonts", Path.home() / ".fonts"]
    hints = ("cjk", "wqy", "sourcehan", "droidsansfallback", "notosanssc")
    for folder in folders:
        for file in folder.rglob("*.[ot]t[fc]"):
            if any(hint in file.name.lower() for hint in hints):
                return file.stem
    return ""


def ports() -> Iterator[Finding]:
    """The ports that ``ra studio`` and ``ra lab`` try first."""
    busy = []
    for port in (8866, 8888):
        with socket.socket() as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                busy.append(port)
    text = t("doctor.ports.busy", ports=", ".join(map(str, busy))) if busy else t("doctor.ports.free")
    remedy = t("doctor.ports.remedy") if busy else ""
    yield Finding("ports", "warn" if busy else "ok", text, remedy, {"busy": busy})


def terminal() -> Iterator[Finding]:
    """Can the terminal show Chinese."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    fine = encoding in ("utf8", "utf8sig", "gbk", "cp936", "gb18030")
    yield Finding("terminal", "ok" if fine else "warn", encoding or "?", "" if fine else t("doctor.terminal.remedy"))


CHECKS: list[Callable[[], Iterator[Finding]]] = [
    python,
    torch,
    packages,
    jupyter,
    memory,
    disk,
    store,
    models,
    fonts,
    ports,
    terminal,
]

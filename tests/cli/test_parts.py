"""The small parts of the commands: sizes, ports, hosts, files, the course copy, the progress line, the environment."""

from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path

import pytest

from ra_widgets import cli
from ra_widgets.commands import _jupyter, _progress, _shell, lab
from ra_widgets.commands.generate import targets
from ra_widgets.errors import GalleryError, RAError
from ra_widgets.events import Loading, Progress, Queued, Started
from ra_widgets.jobs import Job
from ra_widgets.voila.hosts import HostRule, hostname, is_loopback


# -- options -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512x768", (512, 768)),
        ("512X768", (512, 768)),
        ("512×768", (512, 768)),
        ("512 * 768", (512, 768)),
        ("64", (64, 64)),
    ],
)
def test_sizes(text, expected):
    assert _shell.size(text) == expected


@pytest.mark.parametrize("text", ["", "x", "512x", "x512", "1x2x3", "-8x8", "８x８", "8.5x8", "512 768"])
def test_what_is_no_size(text):
    with pytest.raises(_shell.UsageError):
        _shell.size(text)


def test_not_given_stays_not_given():
    assert _shell.size(None) is _shell.whole(None, "--steps") is _shell.real(None, "--cfg") is None


# -- ports -------------------------------------------------------------------------------------------------------------
def test_a_taken_port_is_a_sentence_and_the_default_moves_on():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with pytest.raises(RAError) as refused:
            _shell.listen("127.0.0.1", taken, 8866)
        assert refused.value.key == "cli.port_busy"
        sockets = _shell.listen("127.0.0.1", None, taken)
        try:
            assert sockets[0].getsockname()[1] != taken
        finally:
            for sock in sockets:
                sock.close()


def test_an_address_that_is_not_ours_is_a_sentence():
    with pytest.raises(RAError) as refused:
        _shell.listen("203.0.113.7", 0, 8866)
    assert refused.value.key == "cli.port_refused"


# -- hosts -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Example.ORG:80", "example.org"),
        ("[::1]:8866", "::1"),
        ("[::1]", "::1"),
        ("localhost.", "localhost"),
        ("a:b", ""),
        ("[::1", ""),
        ("[::1]x", ""),
        ("a@b", ""),
        ("a/b", ""),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(header, name):
    assert hostname(header) == name


@pytest.mark.parametrize(
    ("header", "answered"),
    [
        ("localhost:8866", True),
        ("127.0.0.1", True),
        ("127.8.9.1:1", True),
        ("[::1]:8866", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("192.168.1.5", False),
        ("0.0.0.0", False),
        ("2130706433", False),
        ("", False),
        (None, False),
    ],
)
def test_a_loopback_server_answers_to_loopback_names(header, answered):
    assert HostRule("127.0.0.1").allows(header) is answered


def test_an_open_server_answers_to_numbers_and_its_own_name():
    rule = HostRule("0.0.0.0", ["class.school.example"])
    for header in ("192.168.1.5:8866", "localhost", "class.school.example:8866", socket.gethostname()):
        assert rule.allows(header), header
    assert not rule.allows("evil.example")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.1.2.3", True),
        ("0.0.0.0", False),
        ("", False),
        ("host", False),
    ],
)
def test_loopback_addresses(address, local):
    assert is_loopback(address) is local


# -- where pictures go -------------------------------------------------------------------------------------------------
def test_one_file_or_numbered_files(tmp_path):
    assert targets(None, 3, force=False) == []
    assert targets(str(tmp_path / "a.png"), 1, force=False) == [tmp_path / "a.png"]
    several = targets(str(tmp_path / "a.b.JPG"), 3, force=False)
    assert [p.name for p in several] == ["a.b-1.JPG", "a.b-2.JPG", "a.b-3.JPG"]
    assert targets(str(tmp_path), 1, force=False)[0].parent == tmp_path


def test_an_existing_file_is_found_before_anything_is_made(tmp_path):
    (tmp_path / "a-2.png").write_bytes(b"mine")
    with pytest.raises(GalleryError) as refused:
        targets(str(tmp_path / "a.png"), 3, force=False)
    assert "a-2.png" in refused.value.text("en") and "--force" in refused.value.text("en")
    assert len(targets(str(tmp_path / "a.png"), 3, force=True)) == 3


# -- the course copy ---------------------------------------------------------------------------------------------------
def test_the_course_copy_never_loses_what_a_learner_wrote(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "img").mkdir(parents=True)
    for name in ("kept.ipynb", "changed.ipynb", "deleted.ipynb", "img/a.png"):
        (source / name).write_text(f"{name} 1")
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_text("x")
    assert lab.copy_course(source, target) == 4
    assert lab.copy_course(source, target) == 0
    (target / "changed.ipynb").write_text("my answer")
    (target / "own.ipynb").write_text("my own")
    (target / "deleted.ipynb").unlink()
    for name in ("kept.ipynb", "changed.ipynb", "deleted.ipynb", "new.ipynb"):
        (source / name).write_text(f"{name} 2")
    assert lab.copy_course(source, target) == 2
    texts = {path.name: path.read_text() for path in target.glob("*.ipynb")}
    assert texts == {
        "kept.ipynb": "kept.ipynb 2",
        "changed.ipynb": "my answer",
        "own.ipynb": "my own",
        "new.ipynb": "new.ipynb 2",
    }


def test_the_course_copy_takes_a_damaged_ledger_for_none(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "a.ipynb").write_text("1")
    (target / "a.ipynb").write_text("mine")
    (target / lab.LEDGER).write_text("[not a ledger")
    assert lab.copy_course(source, target) == 0
    assert (target / "a.ipynb").read_text() == "mine"


# -- Jupyter's surroundings --------------------------------------------------------------------------------------------
@pytest.fixture
def own_home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    for name in (
        "JUPYTER_PATH",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_PREFER_ENV_PATH",
    ):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", "before")
    monkeypatch.setenv("JUPYTERLAB_WORKSPACES_DIR", "before")
    return tmp_path


def test_jupyter_finds_our_kernel_and_our_template_first(own_home):
    import sys

    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.paths import jupyter_config_path, jupyter_path
    from voila.paths import collect_template_paths

    root = _jupyter.isolate()
    assert str(Path.home() / ".jupyter") not in jupyter_config_path()
    assert Path(jupyter_path()[0]) == root / "data"
    assert KernelSpecManager(data_dir=str(root / "data")).get_kernel_spec("python3").argv[0] == sys.executable
    assert any("ra_widgets" in path for path in collect_template_paths(["voila", "nbconvert"], "ra", prune=True))


def test_lab_settings_are_ours_and_the_interface_stays_the_user_s(own_home):
    root = own_home / "jupyter"
    lab.settings(root, "zh_CN", "secret-token-secret")
    server = root / "config" / "jupyter_server_config.json"
    assert json.loads(server.read_text())["IdentityProvider"]["token"] == "secret-token-secret"
    if os.name == "posix":
        assert server.stat().st_mode & 0o077 == 0
    interface = root / "lab" / "user-settings" / "@jupyterlab"
    quiet = interface / "apputils-extension" / "notification.jupyterlab-settings"
    assert json.loads(quiet.read_text())["fetchNews"] == "false"
    quiet.write_text('{"fetchNews": "true"}')
    lab.settings(root, "en", "secret-token-secret")
    assert json.loads(quiet.read_text())["fetchNews"] == "true"
    locale = interface / "translation-extension" / "plugin.jupyterlab-settings"
    assert json.loads(locale.read_text()) == {"locale": "default"}


def test_a_weak_secret_is_refused_and_a_good_one_leaves_the_environment(monkeypatch):
    for weak in ("short", "with a space in between", "口令口令口令口令口令口令口令口令"):
        monkeypatch.setenv("RA_TOKEN", weak)
        with pytest.raises(RAError):
            _jupyter.new_token()
    monkeypatch.setenv("RA_TOKEN", "a-good-long-secret")
    assert _jupyter.new_token() == "a-good-long-secret"
    assert "RA_TOKEN" not in os.environ
    assert len({_jupyter.new_token() for _ in range(50)}) == 50


def test_the_browser_gets_a_private_file_not_a_secret_on_a_command_line(own_home, monkeypatch):
    import threading

    opened: list[str] = []
    done = threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda url: (opened.append(url), done.set()))
    _jupyter.open_browser("http://127.0.0.1:8866/?token=abc&x=1")
    assert done.wait(10)
    assert opened[0].startswith("file:") and "abc" not in opened[0]
    page = own_home / "jupyter" / "runtime" / "open.html"
    assert "token=abc&amp;x=1" in page.read_text()
    if os.name == "posix":
        assert page.stat().st_mode & 0o077 == 0
    _jupyter.forget_page()
    assert not page.exists()


# -- the progress line -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"), [(0.84, "0.8"), (12.4, "12"), (59.9, "1:00"), (185, "3:05"), (3723, "1:02:03")]
)
def test_durations(value, text):
    assert _progress.seconds(value) == text


def test_plain_lines_say_each_thing_once():
    from rich.console import Console

    job = Job("request")
    job.emit(Queued(job_id=job.id))
    job.emit(Loading(job_id=job.id, model="m[bold]x", stage="read", fraction=0.0))
    job.emit(Started(job_id=job.id))
    for step in range(1, 21):
        job.emit(Progress(job_id=job.id, step=step, steps=20, images=2, image=0, fraction=step / 20, eta=1.0))
    job.cancel()
    from ra_widgets.events import Cancelled

    job.emit(Cancelled(job_id=job.id))
    stream = io.StringIO()
    _progress.follow(job, Console(file=stream, width=100))
    lines = stream.getvalue().splitlines()
    assert "m[bold]x" in lines[1]
    assert 6 <= len(lines) <= 9 and len(set(lines)) == len(lines)
    assert "100%" in lines[-1] and "20/20" in lines[-1]
    silent = io.StringIO()
    _progress.follow(job, Console(file=silent), quiet=True)
    assert silent.getvalue() == ""


def test_the_moving_bar_leaves_nothing_behind_but_itself():
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with _progress.meter(console) as display:
        display.show("正在画", None)
        display.show("正在画", 0.5, "第 10/20 步")
        display.show("正在画", 1.0)
    assert "正在画" in stream.getvalue()


def test_control_models_are_listed(tmp_path, monkeypatch, capsys):
    from diffusion.control_files import depth_estimator

    monkeypatch.setenv("RA_MODELS", str(tmp_path))
    depth_estimator(tmp_path / "my-depth")
    assert cli.main(["models", "--control", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name": "my-depth", "kind": "depth"}.items() <= next(r for r in rows if r["name"] == "my-depth").items()
    assert cli.main(["models"]) == 0
    out = capsys.readouterr().out
    assert "ra-mini" in out and "my-depth" in out and "深度估计" in out

"""Fifty processes are killed in the middle of saving. Nothing that was acknowledged may be lost, nothing half-written
may be shown.

A driver process imports everything once and forks the victims, so that fifty of them cost seconds. Each victim opens
the gallery (and so sweeps up after the one before), saves in a loop, and prints an id when a save has returned. It is
killed a few milliseconds after its first ids, at moments spread over the whole of a save. Meanwhile a bystander saves
into the same gallery all the time.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ra_widgets.gallery import Gallery, files, infotext

from .helpers import files_in, picture

KILLS = 50
DRIVER = """
import os, random, signal, sys, time
sys.path.insert(0, sys.argv[2])
from gallery.helpers import save
from ra_widgets.gallery import Gallery
root, kills = sys.argv[1], int(sys.argv[3])
dice = random.Random(20261123)

def saver(first, pipe):
    with Gallery(root) as gallery:
        for seed in range(first, first + 100_000):
            record = save(gallery, f"苹果 {seed}", seed)
            os.write(pipe, f"{record.id} {seed}\\n".encode())

def start(first):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        try:
            saver(first, write)
        except BaseException as error:
            print("DIED", repr(error), flush=True)
        os._exit(1)
    os.close(write)
    return pid, os.fdopen(read, "rb")

bystander, heard = start(10_000_000)
heard.readline()
lines = []
for kill in range(kills):
    pid, acknowledged = start(kill * 100_000)
    for _ in range(kill % 3 + 1):
        lines.append(acknowledged.readline())
    time.sleep(dice.random() * 0.03)
    os.kill(pid, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    lines += acknowledged.readlines()
os.kill(bystander, signal.SIGKILL)
os.waitpid(bystander, 0)
lines += heard.readlines()
for line in lines:
    if line.endswith(b"\\n"):
        print(line.decode(), end="")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills by signal: POSIX only")
def test_fifty_kills_lose_nothing_and_show_nothing_half(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent.parent)
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path), tests, str(KILLS)], capture_output=True, text=True, timeout=120
    )
    assert driver.returncode == 0, driver.stderr
    assert "DIED" not in driver.stdout
    acknowledged = dict(line.split() for line in driver.stdout.splitlines())
    assert len(acknowledged) > KILLS
    assert any(int(seed) > 10_000_000 for seed in acknowledged.values()), "the bystander worked"

    with Gallery(tmp_path) as gallery:
        shown = {record.id: record for record in gallery.list(10_000)}
        assert acknowledged.keys() <= shown.keys(), "acknowledged and lost"
        for record in shown.values():
            image = files.open_picture(record.path)  # type: ignore[arg-type]
            assert image.tobytes() == picture(record.seed).tobytes(), "half-written and shown"
            assert infotext.parse(record.infotext)["Seed"] == str(record.seed)
            assert record.request.prompt == f"苹果 {record.seed}"  # type: ignore[attr-defined]
        for record_id, seed in acknowledged.items():
            assert shown[record_id].seed == int(seed)
        assert gallery.count("苹果") == len(shown) == len(gallery)
        assert len(files_in(tmp_path)) == len(shown), "left-overs"
        assert gallery.rebuild() == len(shown)
    with sqlite3.connect(tmp_path / "index.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        db.execute("INSERT INTO search(search) VALUES('integrity-check')")

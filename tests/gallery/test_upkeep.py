"""Files and index stay together: sweeps, rebuilds, damaged indexes, several processes at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ra_widgets.gallery import Gallery, files, upkeep

from .helpers import files_in, picture, save


def age(path: Path, seconds: float) -> None:
    """Make a file or folder look older."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_files_without_a_row_are_taken_in(tmp_path: Path) -> None:
    with Gallery(tmp_path / "a") as source:
        records = [save(source, f"苹果{i}", i, info={"n": i}, seconds=i / 2) for i in range(5)]
    (tmp_path / "b").mkdir()
    shutil.copytree(tmp_path / "a" / "images", tmp_path / "b" / "images")
    with Gallery(tmp_path / "b") as copy:
        assert copy.last_sweep.imported == 5
        for record in records:
            again = copy.get(record.id)
            for name in ("request", "infotext", "seconds", "created", "model", "model_hash", "seed"):
                assert getattr(again, name) == getattr(record, name)
            assert dict(again.info) == dict(record.info)
        assert copy.count("苹果") == 5
        assert [r.id for r in copy.list()] == [r.id for r in records][::-1]


def test_rows_without_a_file_are_taken_out(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        gone, kept = save(gallery, "红苹果", 1), save(gallery, "绿苹果", 2)
        gone.path.unlink()  # type: ignore[union-attr]
    with Gallery(tmp_path) as gallery:
        assert gallery.last_sweep.removed == 1
        assert [r.id for r in gallery.list()] == [kept.id]
        assert gallery.count("红苹果") == 0 and gallery.count("苹果") == 1
        shutil.rmtree(kept.path.parent)  # type: ignore[union-attr]
        assert gallery.sweep()["removed"] == 1
        assert len(gallery) == 0


def test_left_over_temporary_files(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        folder = save(gallery).path.parent  # type: ignore[union-attr]
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    alive = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        names = {
            "dead": f".A.png.{dead.pid}-00000000.tmp",
            "living": f".B.png.{alive.pid}-00000000.tmp",
            "mine": f".C.png.{os.getpid()}-{files._TOKEN}.tmp",
            "earlier": f".D.png.{os.getpid()}-00000000.tmp",  # this process id, used by another process before
            "old": f".E.png.{alive.pid}-00000001.tmp",
        }
        for name in names.values():
            (folder / name).write_bytes(b"half")
        age(folder / names["old"], 7200)
        (folder / "somebody.tmp").write_bytes(b"not ours")
        with Gallery(tmp_path) as gallery:
            assert gallery.last_sweep.temporary == 3
            left = {p.name for p in folder.iterdir()}
            assert {names["living"], names["mine"], "somebody.tmp"} <= left
            assert not {names["dead"], names["earlier"], names["old"]} & left
            assert len(gallery) == 1
    finally:
        alive.communicate(b"\n")


def test_quiet_folders_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery(tmp_path) as gallery:
        folder = save(gallery).path.parent  # type: ignore[union-attr]
    age(folder, 10)
    Gallery(tmp_path).close()
    looked: list[str] = []
    original = upkeep._sweep_folder
    monkeypatch.setattr(upkeep, "_sweep_folder", lambda *args: looked.append(args[1]) or original(*args))
    Gallery(tmp_path).close()
    assert looked == []
    picture(1).save(folder / "new.png")
    with Gallery(tmp_path) as gallery:
        assert looked == [f"images/{folder.name}"] and gallery.last_sweep.imported == 1


def test_opening_takes_in_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery(tmp_path) as gallery:
        for i in range(6):
            save(gallery, seed=i)
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    monkeypatch.setattr("ra_widgets.gallery.store.SWEEP_SECONDS", -1.0)
    with Gallery(tmp_path) as gallery:
        assert not gallery.last_sweep.complete and len(gallery) == 0
        assert gallery.sweep()["imported"] == 6
        assert gallery.last_sweep.complete


def test_rebuild_from_the_files_alone(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        records = [save(gallery, f"苹果 {i}", i) for i in range(12)]
        with gallery._index.writing() as db:  # an index full of lies
            db.execute("UPDATE records SET prompt='lie', infotext='lie' WHERE rowid % 2")
            db.execute("DELETE FROM records WHERE id=?", (records[3].id,))
        records[5].path.unlink()  # type: ignore[union-attr]
        calls: list[tuple[int, int]] = []
        assert gallery.rebuild(lambda done, total: calls.append((done, total))) == 11
        assert calls == [(11, 11)]
        assert gallery.count("苹果") == 11 and gallery.count("lie") == 0
        assert [r.id for r in gallery.list()] == [r.id for r in records[::-1] if r is not records[5]]
        save(gallery, "苹果 x", 99)
        gallery.delete(records[0].id)
        assert gallery.count("苹果") == 11 == len(gallery)


def test_a_killed_rebuild_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 3)
    with Gallery(tmp_path) as gallery:
        for i in range(10):
            save(gallery, "苹果", i)

        def stop(done: int, total: int) -> None:
            if done >= 6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            gallery.rebuild(stop)
        assert len(gallery) == 10  # still listed meanwhile
        save(gallery, "苹果", 10)  # and usable
    with Gallery(tmp_path) as gallery:
        calls: list[int] = []
        assert gallery.rebuild(lambda done, total: calls.append(done)) == 11
        assert calls[0] > 6
        assert gallery.count("苹果") == 11
        assert gallery.rebuild() == 11


@pytest.mark.parametrize("damage", ["rubbish", "truncated", "overwritten"])
def test_a_damaged_index_is_replaced(tmp_path: Path, damage: str) -> None:
    with Gallery(tmp_path) as gallery:
        ids = [save(gallery, "红苹果", i).id for i in range(30)]
        gallery._index._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    index = tmp_path / "index.sqlite"
    data = index.read_bytes()
    if damage == "rubbish":
        index.write_bytes(b"this is no database" * 1000)
    elif damage == "truncated":
        index.write_bytes(data[: len(data) // 3])
    else:
        index.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))
    with Gallery(tmp_path) as gallery:
        assert gallery.rebuild() == 30
        assert [r.id for r in gallery.list()] == ids[::-1]
        assert gallery.count("苹果") == 30
    assert list(tmp_path.glob("index.sqlite.broken-*")), "the damaged file is kept aside"


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from gallery.helpers import save
from ra_widgets.gallery import Gallery
root, name, count = sys.argv[1:]
with Gallery(root) as gallery:
    for i in range(int(count)):
        print(save(gallery, f"proc{{name}} 苹果", i).id, flush=True)
        if i % 5 == 4:
            gallery.sweep()
        gallery.list(5)
        gallery.search("苹果", 5)
"""


def test_an_index_that_breaks_while_it_is_used_is_mended(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        first = save(gallery, "红苹果", 1)
        with gallery._index.writing() as db:
            db.execute("DROP TABLE search")
        second = save(gallery, "绿苹果", 2)  # the picture is not lost
        assert [r.id for r in gallery.search("苹果")] == [second.id, first.id]


def test_many_processes_share_one_gallery(tmp_path: Path) -> None:
    code = CHILD.format(tests=str(Path(__file__).parent.parent))
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), str(name), "15"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in range(4)
    ]
    answers = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0] * 4, answers
    made = {line for out, _ in answers for line in out.split()}
    with Gallery(tmp_path) as gallery:
        assert {record.id for record in gallery.list(100)} == made and len(made) == 60
        assert gallery.last_sweep.imported == gallery.last_sweep.removed == 0
        assert gallery.count("苹果") == 60 and gallery.count("proc2") == 15
        assert not [name for name in files_in(tmp_path) if name.endswith(".tmp")]
        with sqlite3.connect(tmp_path / "index.sqlite") as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            db.execute("INSERT INTO search(search) VALUES('integrity-check')")


def test_many_threads_share_one_object(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        errors: list[BaseException] = []

        def work(name: int) -> None:
            try:
                for i in range(8):
                    record = save(gallery, f"线程{name}", i)
                    assert gallery.get(record.id).seed == i
                    gallery.thumbnail(record.id, 32)
                    gallery.search("线程")
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == [] and len(gallery) == 32


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_forked_child_may_use_the_gallery(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from gallery.helpers import save\n"
        "from ra_widgets.gallery import Gallery\n"
        "g = Gallery(sys.argv[1]); save(g, seed=1); pid = os.fork()\n"
        "save(g, seed=2 if pid else 3)\n"
        "if not pid: os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0; assert len(g) == 3"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent.parent)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

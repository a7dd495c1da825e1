"""The gallery as its users see it: save, get, list, page, delete, thumbnails, errors."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from ra_widgets import paths
from ra_widgets.errors import GalleryError
from ra_widgets.gallery import Gallery, carriers, files, ids, infotext, migrations
from ra_widgets.gallery.entry import read_entry
from ra_widgets.requests import TextToImage

from .helpers import files_in, picture, save


@pytest.fixture
def gallery(tmp_path: Path):
    with Gallery(tmp_path / "图库") as opened:
        yield opened


def test_a_saved_picture_comes_back_whole(gallery: Gallery) -> None:
    info = {"job_id": "j1", "versions": {"torch": "2.13"}, "batch_index": 0, "中文": [1, 2.5, None, True]}
    record = save(gallery, "水墨山水，一只鹤", 42, seconds=0.75, info=info)
    assert ids.is_id(record.id) and record.path is not None
    assert record.path.is_relative_to(gallery.root / "images") and record.path.name == f"{record.id}.png"
    again = gallery.get(record.id)
    for name in (
        "id",
        "path",
        "request",
        "seed",
        "width",
        "height",
        "infotext",
        "model",
        "model_hash",
        "seconds",
        "created",
    ):
        assert getattr(again, name) == getattr(record, name), name
    assert dict(again.info) == info
    assert again.to_request() == record.request
    assert again.image.tobytes() == picture(42).tobytes()
    assert again.created.tzinfo is not None


def test_the_file_alone_holds_everything(gallery: Gallery) -> None:
    record = save(gallery, "红苹果", 7, seconds=1.5, info={"job_id": "j"})
    assert record.path is not None
    texts = carriers.read(record.path)
    assert texts["parameters"] == record.infotext
    assert "Seed: 7" in record.infotext and "Model: ra-mini" in record.infotext
    ours = json.loads(texts["ra"])
    assert ours["schema"] == 1 and ours["request"]["prompt"] == "红苹果" and ours["info"] == {"job_id": "j"}
    entry = read_entry(record.path, record.path.relative_to(gallery.root).as_posix())
    stored = gallery._entry(record.id)
    assert entry == stored
    with Image.open(record.path) as image:  # what any other program sees
        assert image.text["parameters"] == record.infotext  # type: ignore[attr-defined]


def test_infotext_is_the_one_given(gallery: Gallery) -> None:
    assert save(gallery, infotext="自己的文字").infotext == "自己的文字"
    record = save(gallery, "猫", 3)
    assert record.infotext == infotext.format(record.request, model="ra-mini", model_hash="0123456789")


def test_modes_and_odd_values(gallery: Gallery) -> None:
    request = TextToImage(prompt="x", seed=1)
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F"):
        record = gallery.save(Image.new(mode, (8, 8)), request=request)
        assert gallery.get(record.id).image.size == (8, 8)
    record = gallery.save(
        picture(1),
        request=request,
        infotext="a\x00b\ud800",
        model="m\x00",
        info={"n": float("nan"), "p": Path("/x"), "s": {1}},
    )
    again = gallery.get(record.id)
    assert again.infotext == "ab?" and again.model == "m"
    assert dict(again.info) == {"n": None, "p": str(Path("/x")), "s": [1]}


def test_list_pages_without_gaps(gallery: Gallery) -> None:
    saved = [save(gallery, seed=i, model="a" if i % 3 else "b").id for i in range(25)]
    assert len(gallery) == gallery.count() == 25
    assert saved == sorted(saved)
    seen: list[str] = []
    before = None
    while page := gallery.list(4, before=before):
        seen += [record.id for record in page]
        before = seen[-1]
    assert seen == saved[::-1]
    assert [r.id for r in gallery.list(100, model="b")] == saved[::-1][0::3]
    assert gallery.list(0) == [] and gallery.list(-5) == []
    gallery.delete(saved[10])
    assert [r.id for r in gallery.list(2, before=saved[10])] == [saved[9], saved[8]]  # the mark itself may be gone


def test_unknown_and_malformed_ids(gallery: Gallery) -> None:
    save(gallery)
    with pytest.raises(GalleryError) as caught:
        gallery.get(ids.new_id())
    assert caught.value.key == "gallery.unknown_id"
    for bad in (
        "../../etc/passwd",
        "",
        "x" * 26,
        "images/2026",
        None,
        5,
        "01ARZ3NDEKTSV4RRFFQ69G5FAV/",
        "C:\\x",
        "a\x00",
    ):
        for use in (gallery.get, gallery.delete, gallery.thumbnail, lambda name: gallery.list(before=name or "")):
            with pytest.raises(GalleryError) as caught:
                use(bad)  # type: ignore[arg-type]
            assert caught.value.key == "gallery.bad_id"
    assert "bad" not in gallery and gallery.list(1)[0].id in gallery


def test_delete_takes_file_thumbnail_and_row(gallery: Gallery) -> None:
    record, other = save(gallery, "红苹果", 1), save(gallery, "绿苹果", 2)
    gallery.thumbnail(record.id)
    gallery.thumbnail(record.id, 64)
    gallery.delete(record.id)
    assert gallery.count("红苹果") == 0 and gallery.count("苹果") == 1
    assert files_in(gallery.root) == {str(other.path.relative_to(gallery.root))}  # type: ignore[union-attr]
    with pytest.raises(GalleryError):
        gallery.delete(record.id)


def test_a_missing_file_is_said(gallery: Gallery) -> None:
    record = save(gallery)
    record.path.unlink()  # type: ignore[union-attr]
    for use in (gallery.get, gallery.thumbnail):
        with pytest.raises(GalleryError) as caught:
            use(record.id)
        assert caught.value.key == "gallery.gone"


def test_thumbnails(gallery: Gallery) -> None:
    request = TextToImage(prompt="x", seed=1)
    wide = gallery.save(Image.new("RGB", (400, 100), "red"), request=request)
    data = gallery.thumbnail(wide.id, 128)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP" and image.size == (128, 32)
    cached = gallery.root / "thumbs" / "128" / f"{wide.id}.webp"
    assert cached.read_bytes() == data == gallery.thumbnail(wide.id, 128)
    cached.write_bytes(b"rubbish")
    assert gallery.thumbnail(wide.id, 128) == data
    small = save(gallery)
    with Image.open(io.BytesIO(gallery.thumbnail(small.id, 256))) as image:
        assert image.size == (32, 32)  # never enlarged
    gallery.thumbnail(small.id, 10**9)  # nonsense sizes are moved into range
    gallery.thumbnail(small.id, -1)


@pytest.mark.parametrize(
    ("number", "key"),
    [(errno.ENOSPC, "gallery.disk_full"), (errno.EACCES, "gallery.no_permission"), (errno.EIO, "gallery.cannot_save")],
)
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_failed_save_is_a_sentence_and_leaves_nothing(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, number: int, key: str, where: str
) -> None:
    kept = save(gallery)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(files.os, where, fail)
        with pytest.raises(GalleryError) as caught:
            save(gallery, seed=2)
    assert caught.value.key == key
    assert caught.value.text("en") and caught.value.text("zh_CN")
    assert files_in(gallery.root) == {str(kept.path.relative_to(gallery.root))}  # type: ignore[union-attr]
    assert [record.id for record in gallery.list()] == [kept.id]
    save(gallery, seed=3)  # and the gallery works on


def test_a_really_full_disk(tmp_path: Path) -> None:
    """The limit on file size makes the kernel refuse the write half-way, as a full disk does."""
    resource = pytest.importorskip("resource", reason="POSIX only")
    import signal

    with Gallery(tmp_path) as gallery:
        save(gallery)
        before = files_in(tmp_path)
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        noise = Image.frombytes("RGB", (400, 400), os.urandom(480_000))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, old[1]))
            with pytest.raises(GalleryError):
                gallery.save(noise, request=TextToImage(prompt="x", seed=1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, handler)
        assert files_in(tmp_path) == before and len(gallery) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(GalleryError):
        Gallery(tmp_path / "file" / "gallery")


def test_closed_and_reopened(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        record = save(gallery)
    with pytest.raises(GalleryError) as caught:
        gallery.list()
    assert caught.value.key == "gallery.closed"
    with Gallery(tmp_path) as again:
        assert again.get(record.id).request == record.request


def test_an_index_from_the_future_is_refused(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        save(gallery)
        with gallery._index.reading() as db:
            db.execute("PRAGMA user_version=999")
    with pytest.raises(GalleryError) as caught:
        Gallery(tmp_path)
    assert caught.value.key == "gallery.newer"
    assert migrations.STEPS


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RA_GALLERY", raising=False)
    monkeypatch.setenv("RA_HOME", str(tmp_path))
    with Gallery() as gallery:
        assert gallery.root == tmp_path.resolve() / "gallery" == paths.gallery_dir()


def test_a_request_nobody_knows_is_still_listed(gallery: Gallery) -> None:
    record = save(gallery, "来自未来", 9)
    with gallery._index.writing() as db:
        db.execute("UPDATE records SET request='{\"kind\":\"hologram\"}', created='?' WHERE id=?", (record.id,))
    shown = gallery.list()[0]
    assert shown.prompt == "来自未来" and shown.seed == 9 and shown.info["request_unreadable"] is True


def test_rows_that_point_outside_are_not_served(gallery: Gallery, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    picture(1).save(secret)
    record = save(gallery)
    with gallery._index.writing() as db:
        db.execute("UPDATE records SET path='images/../../secret.png' WHERE id=?", (record.id,))
    assert gallery.list() == []
    for use in (gallery.get, gallery.thumbnail, gallery.delete):
        with pytest.raises(GalleryError):
            use(record.id)
    assert secret.exists()

"""Input pictures are kept by their hash beside what was made from them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

import ra_widgets as ra
from ra_widgets.gallery import Gallery, inputs

from .helpers import files_in, picture


def save(gallery: Gallery, seed: int = 1, source: int = 7, **fields: object) -> ra.Record:
    request = ra.Inpaint(
        prompt="一个红苹果",
        image=picture(source),
        mask=Image.new("L", (32, 32), 255),
        seed=seed,
        width=64,
        height=64,
        **fields,
    )
    return gallery.save(picture(seed), request=request, model="ra-mini", model_hash="0123456789")


def kept(gallery: Gallery) -> list[Path]:
    return sorted(inputs.folder(gallery.root).rglob("*.png"))


def test_each_input_is_kept_once(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        first, second = save(gallery, 1), save(gallery, 2)
        assert len(kept(gallery)) == 2  # the picture and the mask
        assert first.request.image == second.request.image
        assert {path.stem for path in kept(gallery)} == {p.sha256 for p in first.request.pictures().values()}


def test_yesterdays_picture_comes_back_in_another_process(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        record = save(gallery)
    code = (
        "import sys, hashlib; from ra_widgets.gallery import Gallery; g = Gallery(sys.argv[1]); r = g.get(sys.argv[2]).to_request()\n"
        "print(r.image.available, r.mask.image.getextrema(), hashlib.sha256(r.image.image.tobytes()).hexdigest())"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), record.id], check=True, capture_output=True, text=True
    ).stdout
    import hashlib

    assert out.split(maxsplit=1) == ["True", f"(255, 255) {hashlib.sha256(picture(7).tobytes()).hexdigest()}\n"]


def test_the_index_can_be_made_anew(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        record = save(gallery)
        gallery.rebuild()
        again = gallery.get(record.id).to_request()
        assert again == record.request and again.mask is not None and again.mask.available


def test_sweeping_takes_old_inputs_that_nobody_names(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        first, second = save(gallery, 1, 7), save(gallery, 2, 8)
        long_ago = time.time() - 2 * inputs.GRACE
        for path in kept(gallery):
            os.utime(path, (long_ago, long_ago))
        gallery.delete(first.id)
        gallery.sweep()
        assert {path.stem for path in kept(gallery)} == {p.sha256 for p in second.request.pictures().values()}
        gallery.delete(second.id)
        save(gallery, 3, 9)
        gallery.sweep()  # those of the second picture are old, those of the third are new
        assert len(kept(gallery)) == 2


def test_a_lost_input_leaves_the_record_readable(tmp_path: Path) -> None:
    with Gallery(tmp_path) as gallery:
        record = save(gallery)
        for path in kept(gallery):
            path.unlink()
        assert gallery.get(record.id).request == record.request
        assert not any("inputs" in name for name in files_in(tmp_path))

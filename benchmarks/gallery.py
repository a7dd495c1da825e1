"""Measure the gallery: saving, searching a large index, rebuilding it from files.

    python benchmarks/gallery.py --rows 100000 --files 2000

The rows are made-up entries with prompts of about 100 characters, Chinese and English mixed; the files are real. All
numbers are milliseconds, the median of several runs, warm cache. Nothing outside a temporary folder is touched.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from ra_widgets.gallery import Gallery, carriers, ids, infotext, search
from ra_widgets.gallery.entry import Entry, to_json
from ra_widgets.requests import TextToImage

ZH = "苹果 水墨 山水 竹林 仙鹤 灯笼 古塔 月亮 桃花 锦鲤 熊猫 茶壶 瓷瓶 雪景 江南 园林 宣纸 留白 国画 晨雾".split()
EN = "apple lantern pagoda crane bamboo moon blossom dragon teapot snow mist ink masterpiece portrait castle river".split()


def median_ms(action: Callable[[], object], runs: int) -> float:
    """Median wall time of ``action`` in milliseconds, after one run to warm up."""
    action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def entries(count: int, dice: random.Random) -> Iterator[Entry]:
    """Made-up index lines; the word 朱雀 is in one of a hundred."""
    maker = ids.IdMaker()
    begin = 1_700_000_000_000
    for number in range(count):
        words = [dice.choice(ZH) + dice.choice("的与和，") for _ in range(14)] + [dice.choice(EN) for _ in range(6)]
        prompt = "".join(words[:14]) + ("朱雀" if number % 100 == 0 else "") + " " + " ".join(words[14:])
        request = TextToImage(prompt=prompt, negative_prompt="模糊, 低质量", seed=number, width=512, height=512)
        moment = begin + number * 1000
        record_id = maker(moment)
        created = datetime.fromtimestamp(moment / 1000, UTC)
        yield Entry(
            id=record_id, path=f"images/{created:%Y-%m-%d}/{record_id}.png", created=created.isoformat(), kind="txt2img",
            prompt=prompt, negative=request.negative_prompt, model="ra-mini", model_hash="0123456789", seed=number,
            width=512, height=512, seconds=1.0, infotext=infotext.format(request, model="ra-mini"),
            request=to_json(request.model_dump(mode="json")), info="{}", size=1,
        )  # fmt: skip


def report(name: str, value: float, note: str = "") -> None:
    """Print one line of the table."""
    print(f"{name:<44}{value:>12.3f}  {note}")


def search_part(folder: Path, rows: int, runs: int) -> None:
    """Fill an index and ask it."""
    with Gallery(folder) as gallery:
        index = gallery._index
        dice = random.Random(1)
        made = entries(rows, dice)
        start = time.perf_counter()
        for at in range(0, rows, 1000):
            index.insert([entry for entry, _ in zip(made, range(min(1000, rows - at)), strict=False)])
        report("bulk insert, a row", (time.perf_counter() - start) / rows * 1000)
        report("index size, MB", (folder / "index.sqlite").stat().st_size / 1e6)
        for text in ("朱雀", "水墨", "水", "朱雀 竹林", "江南园林", "lantern", "水墨 dragon", "没有的词"):
            found = gallery.count(text)
            report(
                f"search {text!r}, newest 50", median_ms(lambda t=text: gallery.search(t, 50), runs), f"{found} hits"
            )
            report(f"count {text!r}", median_ms(lambda t=text: gallery.count(t), runs))
        last = gallery.search("水墨", 50)[-1].id
        report("search '水墨', the page after", median_ms(lambda: gallery.search("水墨", 50, before=last), runs))
        report("list, newest 50", median_ms(lambda: gallery.list(50), runs))
        found = search.query("水墨")
        report(
            "search '水墨', the index alone", median_ms(lambda: index.find(found, 50), runs), "without making records"
        )
        with index.reading() as db:
            query = "SELECT id FROM records WHERE infotext LIKE '%没有的词%' ORDER BY row DESC LIMIT 50"
            report("LIKE, a word that is not there", median_ms(lambda: db.execute(query).fetchall(), max(3, runs // 5)))


def files_part(folder: Path, files: int, runs: int) -> None:
    """Save real files, open the gallery again, rebuild."""
    image = Image.effect_noise((512, 512), 60).convert("RGB").resize((512, 512))
    smooth = Image.effect_mandelbrot((512, 512), (-2, -1.5, 1, 1.5), 60).convert("RGB")
    request = TextToImage(prompt="一个红苹果，水墨风格", seed=1, width=512, height=512)
    with Gallery(folder) as gallery:
        report(
            "save a 512x512 picture", median_ms(lambda: gallery.save(image, request=request), runs), "with two fsyncs"
        )
        small = image.resize((128, 128))
        report(
            "save a 128x128 picture", median_ms(lambda: gallery.save(small, request=request), runs), "with two fsyncs"
        )
        for _ in range(files):
            gallery.save(small, request=request)
        newest = gallery.list(1)[0]
        report("thumbnail, made", median_ms(lambda: _fresh_thumbnail(gallery, newest.id), runs))
        report("thumbnail, kept", median_ms(lambda: gallery.thumbnail(newest.id), runs))
        count = len(gallery)
        start = time.perf_counter()
        gallery.rebuild()
        report("rebuild, a picture", (time.perf_counter() - start) / count * 1000, f"{count} pictures")
    report("open again", median_ms(lambda: Gallery(folder).close(), 5))
    for level in (1, 4, 6):
        sizes = []
        for picture in (image, smooth):
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", compress_level=level)
            sizes.append(len(buffer.getvalue()) // 1024)
        spent = median_ms(lambda n=level: image.save(io.BytesIO(), "PNG", compress_level=n), runs)
        report(f"PNG level {level}, 512x512 noise", spent, f"{sizes[0]} KiB noise, {sizes[1]} KiB smooth")
    texts = {carriers.PARAMETERS: infotext.format(request)}
    data = carriers.encode(image, "PNG", texts)
    report("read metadata of a 512x512 PNG", median_ms(lambda: carriers.read(data), runs))


def _fresh_thumbnail(gallery: Gallery, record_id: str) -> None:
    (gallery.root / "thumbs" / "256" / f"{record_id}.webp").unlink(missing_ok=True)
    gallery.thumbnail(record_id)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="rows in the index that is searched")
    parser.add_argument("--files", type=int, default=500, help="real pictures that are saved and indexed anew")
    parser.add_argument("--runs", type=int, default=25, help="runs a number")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        search_part(Path(folder) / "search", args.rows, args.runs)
        files_part(Path(folder) / "files", args.files, args.runs)


if __name__ == "__main__":
    main()

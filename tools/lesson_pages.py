"""Execute lessons with their solutions and make pages to look at: artifacts/lessons/06_img2img_zh.html and .png.

    python tools/lesson_pages.py                       # all lessons in both languages
    python tools/lesson_pages.py 06 09 --lang zh       # some
    python tools/lesson_pages.py --no-screenshots      # only the HTML

Run it when the embedded model changes: what a lesson says of its pictures must be seen in them. A cell that fails is named at the end and
shown on the page; the exit code is then 1. The screenshots take Chromium (see tests/e2e).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "course"))
sys.path.insert(0, str(ROOT))
import build  # noqa: E402


def execute(source: Path, language: str, out: Path, home: Path) -> tuple[str, float, str]:
    """Run a lesson and write its page; (name, seconds, what failed or "")."""
    name = f"{source.stem}_{language}"
    folder = home / language
    (folder / "images").mkdir(parents=True, exist_ok=True)
    notebook = nbformat.reads(build.render(build.build(source, language, solutions=True)), as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    began, failed = time.monotonic(), ""
    try:
        client.execute()
    except CellExecutionError as error:
        failed = str(error).strip().splitlines()[-1]
    exporter = HTMLExporter(embed_images=True)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"path": str(folder), "name": name}})
    (out / f"{name}.html").write_text(page, encoding="utf-8")
    return name, time.monotonic() - began, failed


def photograph(out: Path, names: list[str], width: int) -> None:
    """A PNG of every page, as long as it is."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.conftest import CHROMIUM_ARGS, provide_chromium

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=provide_chromium(driver), args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
        for name in names:
            page.goto((out / f"{name}.html").as_uri())
            page.screenshot(path=out / f"{name}.png", full_page=True)
        browser.close()


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", help="numbers, such as 06; none: all")
    parser.add_argument("--lang", choices=build.LANGUAGES, action="append", help="zh or en; none: both")
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts" / "lessons")
    parser.add_argument("--jobs", type=int, default=2, help="lessons at a time")
    parser.add_argument("--width", type=int, default=1000, help="of the screenshots, in pixels")
    parser.add_argument("--no-screenshots", action="store_true")
    args = parser.parse_args()
    chosen = [p for p in build.lessons() if not args.lessons or p.stem[:2] in args.lessons]
    if not chosen:
        parser.error(f"no lesson {', '.join(args.lessons)}")
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    bad = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["RA_HOME"] = str(Path(home) / "ra")
        for path, text in build.outputs(Path(home), solutions=True).items():  # the drawings that the pages show
            if path.suffix == ".svg":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        with ThreadPoolExecutor(args.jobs) as pool:
            tasks = [
                pool.submit(execute, p, lang, out, Path(home)) for p in chosen for lang in args.lang or build.LANGUAGES
            ]
            for task in tasks:
                name, seconds, failed = task.result()
                print(f"{name}: {seconds:.0f} s {'FAILED: ' + failed if failed else ''}", flush=True)
                if failed:
                    bad.append(name)
    if not args.no_screenshots:
        photograph(out, sorted(p.stem for p in out.glob("*.html")), args.width)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

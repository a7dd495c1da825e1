"""Measure how smoothly the mask painter paints: frames and long tasks in a real Chromium, on a 2048x2048 picture.

    python benchmarks/painting.py --size 2048

A dashboard with one painter is served and opened in a headless browser; a mouse paints on it. For each action: the time
between frames (median, 95th percentile, longest), and tasks that kept the page busy for more than 50 ms (how many, longest).
The browser draws in software here, without a graphics card: a desktop is faster.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
from easel import Easel, notebook

WATCH = """
() => {
  window.raFrames = []; window.raTasks = [];
  let last = performance.now();
  const frame = now => { window.raFrames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver(list => list.getEntries().forEach(e => window.raTasks.push(e.duration))).observe({type: "longtask"});
}
"""


def measure(page: Page, name: str, action: Callable[[], None]) -> None:
    """Do it and print what the frames were like meanwhile."""
    page.evaluate("() => { raFrames.length = 0; raTasks.length = 0; }")
    action()
    page.wait_for_function("() => raFrames.length > 20")
    frames, tasks = sorted(page.evaluate("raFrames")), page.evaluate("raTasks")
    at = frames[min(len(frames) - 1, int(0.95 * len(frames)))]
    most = f"{max(tasks):.0f} ms" if tasks else "-"
    print(
        f"{name:<28} {len(frames):5d} {statistics.median(frames):8.1f} {at:8.1f} {frames[-1]:8.1f} {len(tasks):6d} {most:>9}"
    )


def paint(easel: Easel, size: int, brush: int, softness: int = 0) -> Callable[[], None]:
    """Three long strokes across the picture."""

    def action() -> None:
        easel.python(f"mask.brush = {brush}; mask.softness = {softness}")
        for k in range(3):
            y = size * (0.3 + 0.2 * k)
            easel.drag((size * 0.1, y), (size * 0.9, y + size * 0.1), (size * 0.2, y + size * 0.15), steps=60)

    return action


def run(page: Page, folder: Path, size: int) -> None:
    easel = Easel(page, folder, "mask")
    easel.ready()
    page.evaluate(WATCH)
    print(f"{'action':<28} {'frames':>5} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8} {'>50 ms':>6} {'longest':>9}")
    measure(page, "idle, edge marching", lambda: page.wait_for_timeout(1000))
    for brush, softness in ((40, 0), (200, 0), (200, 80), (size // 2, 0)):
        measure(page, f"brush {brush}, softness {softness}", paint(easel, size, brush, softness))
    easel.canvas.focus()

    def zoom() -> None:
        page.keyboard.down("Control")
        for k in range(60):
            page.mouse.wheel(0, -60 if k < 30 else 60)
        page.keyboard.up("Control")

    def move() -> None:
        page.keyboard.press("1")
        easel.drag(
            (size / 2, size / 2), (size / 2 + 150, size / 2 + 80), (size / 2, size / 2), steps=60, button="middle"
        )

    measure(page, "zoom by the wheel", zoom)
    measure(page, "move", move)
    page.keyboard.press("0")
    for key, name in (("Control+z", "undo"), ("i", "invert all"), ("f", "feather"), ("Delete", "clear")):
        measure(page, name, lambda key=key: page.keyboard.press(key))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--size", type=int, default=2048)
    size = words.parse_args().size
    with tempfile.TemporaryDirectory(prefix="ra-paint-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        path = notebook(folder / "paint.ipynb", {"mask": (f"ra.MaskPainter(picture({size}, {size}))", "None")})
        server = subprocess.Popen(
            [sys.executable, "-m", "ra_widgets.cli", "studio", str(path), "--port", "0", "--no-browser"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            env={**os.environ, "RA_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            found = (re.search(r"http://127\.0\.0\.1:\d+/\S*", line) for line in server.stdout)
            url = next(match.group() for match in found if match)
            with sync_playwright() as playwright:
                browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
                chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
                page = chromium.new_page(viewport={"width": 1000, "height": 1000})
                page.goto(url)
                page.wait_for_selector(".ra-mask[data-saved='1']", timeout=120_000)
                run(page, folder, size)
                chromium.close()
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)


if __name__ == "__main__":
    main()

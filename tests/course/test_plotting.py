"""Chinese labels render with the bundled font alone; the plot helpers give what the lessons expect of them."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from ra_widgets import plotting
from ra_widgets.i18n import LANGUAGES, catalogue

ROOT = Path(__file__).resolve().parents[2]
EMOJI = re.compile("[\U0001f000-\U0001ffff\ufe0f]")


@pytest.fixture(autouse=True)
def agg() -> Iterator[None]:
    with mpl.rc_context():
        mpl.use("agg")
        plotting.use_chinese_font.cache_clear()
        yield
    plotting.use_chinese_font.cache_clear()


@pytest.fixture
def only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose only font is the bundled one: no fallback can hide a missing glyph."""
    plotting.use_style()
    ours = [entry for entry in font_manager.fontManager.ttflist if entry.name == plotting.FONT_FAMILY]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", ours[:1])
    monkeypatch.setitem(mpl.rcParams, "font.sans-serif", [plotting.FONT_FAMILY])
    font_manager._get_font.cache_clear() if hasattr(font_manager._get_font, "cache_clear") else None
    font_manager.fontManager._findfont_cached.cache_clear()


def all_texts() -> str:
    parts = [text for language in LANGUAGES for text in catalogue(language).values()]
    parts += [path.read_text("utf-8") for path in sorted((ROOT / "course" / "lessons").rglob("*.py"))]
    return EMOJI.sub("", "".join(parts))


def render(text: str) -> list[str]:
    """Draw a text and return the complaints of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = Figure(figsize=(2, 2))
        figure.text(0, 0, text, parse_math=False)
        FigureCanvasAgg(figure).draw()
    return [str(warning.message) for warning in caught]


def test_the_bundled_font_is_used_first() -> None:
    plotting.use_style()
    path = font_manager.findfont(font_manager.FontProperties(), fallback_to_default=False)
    assert Path(path).resolve() == plotting.FONT_FILE.resolve()


def test_all_texts_of_lessons_and_catalogues_have_glyphs(only_ours: None) -> None:
    characters = sorted({c for c in all_texts() if c.isprintable()})
    assert len(characters) > 800
    complaints = []
    for start in range(0, len(characters), 100):
        complaints += render("".join(characters[start : start + 100]))
    assert not complaints, complaints


def test_this_test_would_notice_a_missing_glyph(only_ours: None) -> None:
    assert any("missing from font" in complaint for complaint in render("\u4e02\ua000"))


def test_the_fonts_licence_travels_with_it() -> None:
    from fontTools.ttLib import TTFont

    text = (plotting.FONT_FILE.parent / "OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in text and "Reserved Font Name 'Source'" in text
    assert plotting.FONT_FILE.stat().st_size < 1_600_000
    with TTFont(plotting.FONT_FILE) as font:
        names = {record.nameID: str(record) for record in font["name"].names}
    assert names[1] == plotting.FONT_FAMILY and "Source" not in names[1] + names[4] + names[6]
    assert "Adobe" in names[0] and "Open Font License" in names[13]


def test_the_tool_says_what_the_font_lacks() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "make_font.py"), "--check"], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout


def test_importing_is_light() -> None:
    code = (
        "import sys, ra_widgets.plotting, ra_widgets.course; print('matplotlib' in sys.modules, 'torch' in sys.modules)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("dark", [False, True])
def test_style_uses_the_palette(dark: bool) -> None:
    colours = plotting.use_style(dark)
    assert set(colours) == set(plotting.PAPER) == set(plotting.NIGHT)
    assert mpl.rcParams["axes.facecolor"] == colours["paper"]
    assert mpl.rcParams["axes.prop_cycle"].by_key()["color"][0] == colours["vermilion"]


def test_colours_are_those_of_the_themes() -> None:
    """One palette for pages and plots: the tokens of the light and the dark skin."""
    tokens = (ROOT / "ra_widgets" / "themes" / "tokens.css").read_text("utf-8").lower()
    for colours in (plotting.PAPER, plotting.NIGHT):
        for name in ("paper", "ink", "vermilion"):
            assert colours[name] in tokens, name


def test_images_in_rows_and_columns() -> None:
    plotting.use_style()
    pictures: list[Any] = [
        Image.new("RGB", (16, 16)),
        np.zeros((16, 16)),
        np.zeros((3, 16, 16)),
        None,
        np.zeros((1, 3, 8, 8)),
        None,
    ]
    figure = plotting.show_images(pictures, ["一", "二", "三"], columns=3, rows=["甲", "乙"], heading="题")
    assert [axis.get_title() for axis in figure.axes] == ["一", "二", "三", "", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes][::3] == ["甲", "乙"]
    assert [bool(axis.images) for axis in figure.axes] == [True, True, True, False, True, False]
    assert figure.get_size_inches()[0] <= plotting.MAX_WIDTH + 1
    from matplotlib import pyplot as plt

    assert figure.number not in plt.get_fignums(), "closed, or a notebook would show it twice"


def test_many_images_stay_within_the_page() -> None:
    figure = plotting.show_images([np.zeros((8, 8))] * 12, columns=12, size=3)
    assert figure.get_size_inches()[0] <= plotting.MAX_WIDTH + 0.01


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 8, 9), (8, 9, 3)),
        ((1, 8, 9), (8, 9)),
        ((8, 9, 3), (8, 9, 3)),
        ((1, 3, 8, 9), (8, 9, 3)),
        ((8, 9), (8, 9)),
        ((8, 9, 1), (8, 9)),
    ],
)
def test_array_shapes(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert plotting.as_array(np.zeros(shape)).shape == expected

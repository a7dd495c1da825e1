"""What verifying pictures found: the report of one, a table of many, each in words, as data and as HTML."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ra_widgets.errors import RAError
from ra_widgets.experiments.metrics import Difference, heat_map
from ra_widgets.i18n import t
from ra_widgets.requests import Request

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Reason:
    """Why a picture cannot be made, or may come out differently.

    Attributes:
        code: stable name, e.g. ``model_missing``. fatal: True if nothing could be made. values: fill the sentence.
    """

    code: str
    fatal: bool = False
    values: dict[str, Any] = field(default_factory=dict)

    def text(self, lang: str | None = None) -> str:
        """The sentence in a language."""
        sentence = self.values.get("sentence")
        if sentence is not None:
            return sentence.text(lang) if isinstance(sentence, RAError) else str(sentence)
        return t(f"verify.reason.{self.code}", lang, **self.values)

    def __str__(self) -> str:
        return self.text()


@dataclass(eq=False)
class Report:
    """What :func:`ra_widgets.experiments.verify.verify` found.

    Attributes:
        name: file name, or id. source: program that wrote the metadata ("" if none was understood).
        request: what was made, or None. original, made: the pictures. difference: their measures, or None.
        reasons: everything that prevented, or may explain, a difference.
        tolerance: largest channel difference that still counts as the same (0, or 2 for members of a batch).
    """

    name: str
    source: str = ""
    request: Request | None = None
    original: Image | None = None
    made: Image | None = None
    difference: Difference | None = None
    reasons: list[Reason] = field(default_factory=list)
    tolerance: int = 0
    seconds: float = 0.0

    @property
    def same(self) -> bool:
        """True if it was made again and is the same picture."""
        return self.difference is not None and self.difference.maximum <= self.tolerance

    @property
    def max_difference(self) -> int | None:
        """Largest difference of a channel value, 0..255; None if nothing could be made."""
        return None if self.difference is None else self.difference.maximum

    @property
    def state(self) -> str:
        """``same``, ``close`` (SSIM 0.95 or more), ``different`` or ``failed``."""
        if self.difference is None:
            return "failed"
        return "same" if self.same else "close" if self.difference.ssim >= 0.95 else "different"

    def heat_map(self) -> Image | None:
        """Where the pictures differ."""
        if self.original is None or self.made is None or self.original.size != self.made.size:
            return None
        return heat_map(self.original, self.made)

    def text(self, lang: str | None = None) -> str:
        """The findings in one sentence."""
        if self.difference is None:
            return t("verify.failed", lang)
        numbers = {
            "maximum": self.difference.maximum,
            "ssim": f"{self.difference.ssim:.3f}",
            "changed": f"{self.difference.changed:.1%}",
        }
        return t(f"verify.{self.state}", lang, **numbers)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: state, measures, reasons."""
        measures = None if self.difference is None else {k: _plain(v) for k, v in vars(self.difference).items()}
        return {
            "name": self.name,
            "state": self.state,
            "same": self.same,
            "source": self.source,
            "difference": measures,
            "reasons": [{"code": reason.code, "fatal": reason.fatal, "text": reason.text()} for reason in self.reasons],
            "request": None if self.request is None else self.request.model_dump(mode="json", exclude_defaults=True),
            "seconds": round(self.seconds, 3),
        }

    def __repr__(self) -> str:
        return f"Report({self.name!r}, {self.state}, max_difference={self.max_difference}, {len(self.reasons)} reasons)"

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self, lang: str | None = None) -> str:
        """Findings, pictures, heat map and reasons as HTML; all texts are escaped."""
        figures = [("verify.original", self.original), ("verify.made", self.made), ("verify.heat", self.heat_map())]
        cells = "".join(_figure(t(key, lang), image) for key, image in figures if image is not None)
        reasons = "".join(f"<li>{html.escape(reason.text(lang))}</li>" for reason in self.reasons)
        mark = {"same": "✓", "close": "≈"}.get(self.state, "✗")
        return (
            f'<div class="ra-verify" data-state="{self.state}" style="font-size:14px;line-height:1.6">'
            f"<b>{mark} {html.escape(self.name)}</b> {html.escape(self.text(lang))}"
            f'<div style="display:flex;gap:10px;flex-wrap:wrap;margin:8px 0">{cells}</div><ul>{reasons}</ul></div>'
        )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def _figure(caption: str, image: Image) -> str:
    import base64

    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG", compress_level=1)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure style="margin:0"><img width="{max(image.width, min(192, image.width * 2))}" style="border-radius:8px;'
        f'display:block;max-width:100%" src="data:image/png;base64,{data}"><figcaption style="opacity:.75">'
        f"{html.escape(caption)}</figcaption></figure>"
    )


class Table(list[Report]):
    """Reports of many pictures; shows itself as a table in a notebook."""

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self, lang: str | None = None) -> str:
        """The table as HTML; all texts are escaped."""
        columns = ("name", "state", "max", "ssim", "why")
        heads = "".join(
            f'<th style="text-align:left">{html.escape(t(f"verify.column.{key}", lang))}</th>' for key in columns
        )
        return (
            '<table class="ra-verify-table" style="font-size:14px;line-height:1.6;border-spacing:14px 4px">'
            f"<tr>{heads}</tr>{''.join(self._rows(lang))}</table>"
        )

    def _rows(self, lang: str | None) -> Iterator[str]:
        for row in self.cells(lang):
            yield "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row) + "</tr>"

    def cells(self, lang: str | None = None) -> list[tuple[str, str, str, str, str]]:
        """Name, state, largest difference, SSIM and reasons as texts, a row a picture."""
        return [
            (
                report.name,
                t(f"verify.state.{report.state}", lang),
                "" if report.max_difference is None else str(report.max_difference),
                "" if report.difference is None else f"{report.difference.ssim:.3f}",
                " ".join(reason.text(lang) for reason in report.reasons),
            )
            for report in self
        ]

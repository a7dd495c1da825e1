"""Style mix: one prompt in several styles at once, along a line, over a square, over a triangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ra_widgets.errors import InvalidRequest
from ra_widgets.experiments.plans import Cell, Label, Plan, base_request, blended
from ra_widgets.prompt import Style, StyleBook, apply_styles

MOST = 12
"""Pictures along a side, at most."""


def style_mix(
    source: Any,
    styles: Sequence[str | Style],
    *,
    side: int = 4,
    weights: Sequence[Sequence[float]] | None = None,
    book: StyleBook | None = None,
    mode: Literal["lerp", "slerp"] = "lerp",
    **fields: Any,
) -> Plan:
    """One picture in mixtures of styles.

    With one style: a strip from none of it to all of it. With two: a square, one way from the first to the second, the other how much
    of them. With three: a triangle whose corners are the three. Corners are exactly the picture with that style alone.

    Args:
        source: what to draw. styles: names in ``book``, :class:`~ra_widgets.prompt.Style` objects, or pieces of prompt.
        side: pictures along a side, 2..12.
        weights: instead of all that: one row of weights a picture, a weight a style, together at most 1; the rest is no style.
        mode: ``"lerp"``: the order of the styles means nothing; ``"slerp"``: along arcs, one style after another.

    Raises:
        InvalidRequest: no style, more than three without ``weights``, weights that are none.
    """
    request = base_request(source, **fields)
    chosen = [_style(style, book) for style in styles]
    if not chosen or (weights is None and len(chosen) > 3):
        raise InvalidRequest("experiments.styles", field="styles", got=len(chosen))
    if isinstance(side, bool) or not isinstance(side, int) or not 2 <= side <= MOST:
        raise InvalidRequest("experiments.count", field="side", got=side, low=2, high=MOST)
    members = [(request.prompt, request.negative_prompt)]
    members += [apply_styles([style], request.prompt, request.negative_prompt) for style in chosen]

    def mixed(shares: Sequence[float]) -> Any:
        rest = max(0.0, round(1 - sum(shares), 9))
        return blended(
            request, [(*member, share) for member, share in zip(members, (rest, *shares), strict=True)], mode
        )

    title = Label("experiments.title.style_mix", {"seed": request.seed, "prompt": request.prompt})
    names = [style.name for style in chosen]
    if weights is not None:
        rows = [_weights(row, len(chosen)) for row in weights]
        if not rows:
            raise InvalidRequest("experiments.weights", field="weights", got="-", count=len(chosen))
        return _strip(title, [(mixed(row), _shares(names, row)) for row in rows])
    ticks = [round(step / (side - 1), 6) for step in range(side)]
    if len(chosen) == 1:
        return _strip(title, [(mixed((tick,)), _shares(names, (tick,))) for tick in ticks])
    if len(chosen) == 2:
        cells = []
        for row, much in enumerate(ticks):
            for column, over in enumerate(ticks):
                shares = (round(much * (1 - over), 6), round(much * over, 6))
                cells.append(Cell(row, column, mixed(shares), _shares(names, shares)))
        heads = tuple(Label("experiments.amount", {"share": f"{tick:.0%}"}) for tick in ticks)
        towards = tuple(_shares(names, (1 - tick, tick)) for tick in ticks)
        return Plan("style_mix", title, tuple(cells), heads, towards)
    cells = []
    for row in range(side):
        for column in range(row + 1):
            third = column / (side - 1)
            second = (row - column) / (side - 1)
            first = 1 - row / (side - 1)
            shares3 = tuple(round(share, 6) for share in (first, second, third))
            if sum(shares3) != 1:  # thirds do not add up in decimals: the largest takes the rest
                largest = shares3.index(max(shares3))
                others = sum(share for index, share in enumerate(shares3) if index != largest)
                shares3 = tuple(1 - others if index == largest else share for index, share in enumerate(shares3))
            cells.append(Cell(row, column, mixed(shares3), _shares(names, shares3)))
    return Plan("style_mix", title, tuple(cells))


def _style(style: str | Style, book: StyleBook | None) -> Style:
    if isinstance(style, Style):
        return style
    if book is not None and style in book:
        return book[style]
    return Style(style, style)


def _weights(row: Sequence[float], count: int) -> tuple[float, ...]:
    shares = tuple(float(share) for share in row)
    if len(shares) != count or not all(0 <= share <= 1 for share in shares) or sum(shares) > 1.000001:
        raise InvalidRequest("experiments.weights", field="weights", got=repr(row)[:60], count=count)
    return shares


def _shares(names: Sequence[str], shares: Sequence[float]) -> Label:
    words = " · ".join(f"{name} {share:.0%}" for name, share in zip(names, shares, strict=True) if share > 0)
    return Label("experiments.words", {"words": words}) if words else Label("experiments.no_style")


def _strip(title: Label, made: list[tuple[Any, Label]]) -> Plan:
    wide = min(len(made), 8)
    return Plan("style_mix", title, tuple(Cell(i // wide, i % wide, one, label) for i, (one, label) in enumerate(made)))

"""The drawings of the lessons on outpainting and on control."""

from __future__ import annotations

import math

from drawing_sheet import AMBER, INK, JADE, LINE, MUTED, PAPER, SUNKEN, TINTS, VERMILION, Pick, Sheet


def outpaint(T: Pick) -> str:
    """Outpainting: a larger frame, its mask, the new ground painted, the old pixels laid back."""
    s = Sheet(900, 236, T("外扩的四步", "Outpainting in four steps"))
    w, h, more, y = 88, 88, 56, 58  # the old picture, what is added at its right, where it all hangs

    def scene(x: float, width: float) -> None:
        s.add(f'<rect x="{x}" y="{y}" width="{width}" height="{h}" fill="#cfe3f1"/>')
        s.add(f'<rect x="{x}" y="{y + 56}" width="{width}" height="{h - 56}" fill="#a9c98f"/>')

    def house(x: float) -> None:
        s.add(f'<rect x="{x + 22}" y="{y + 38}" width="36" height="30" fill="{PAPER}" stroke="{MUTED}"/>')
        s.add(f'<polygon points="{x + 16},{y + 38} {x + 40},{y + 18} {x + 64},{y + 38}" fill="{VERMILION}"/>')

    def frame(x: float, width: float, colour: str, dash: str = "") -> None:
        s.add(
            f'<rect x="{x}" y="{y}" width="{width}" height="{h}" fill="none" stroke="{colour}" stroke-width="1.6"'
            f' stroke-dasharray="{dash or "none"}"/>'
        )

    lefts = (40, 214, 448, 690)
    scene(lefts[0], w)
    house(lefts[0])
    frame(lefts[0], w, INK)
    s.add(f'<rect x="{lefts[1]}" y="{y}" width="{w + more}" height="{h}" fill="{SUNKEN}"/>')
    scene(lefts[1], w)
    house(lefts[1])
    for k in range(5):
        x = lefts[1] + w + 8 + 10 * k
        s.add(f'<line x1="{x}" y1="{y + 6}" x2="{x}" y2="{y + h - 6}" stroke="{LINE}" stroke-width="3"/>')
    frame(lefts[1], w + more, VERMILION, "6 4")
    s.add(f'<rect x="{lefts[2]}" y="{y}" width="{w}" height="{h}" fill="{INK}"/>')
    s.add(f'<rect x="{lefts[2] + w}" y="{y}" width="{more}" height="{h}" fill="#ffffff"/>')
    frame(lefts[2], w + more, MUTED)
    s.text(lefts[2] + w / 2, y + h / 2, T("不动", "keep"), size=13, colour=PAPER)
    s.text(lefts[2] + w + more / 2, y + h / 2, T("画", "paint"), size=13)
    scene(lefts[3], w + more)
    house(lefts[3])
    x = lefts[3] + w + 30
    s.add(f'<rect x="{x - 3}" y="{y + 44}" width="6" height="24" fill="{AMBER}"/>')
    s.add(f'<circle cx="{x}" cy="{y + 36}" r="17" fill="{JADE}"/>')
    frame(lefts[3], w, JADE)
    frame(lefts[3], w + more, INK)
    texts = (
        (w, T("① 旧图", "① The picture"), T("128 × 128", "128 × 128")),
        (w + more, T("② 大一些的画框", "② A larger frame"), T("新地先铺一个底", "something lies on the new ground")),
        (w + more, T("③ 蒙版", "③ The mask"), T("白的要画，黑的不动", "white: paint; black: keep")),
        (w + more, T("④ 局部重绘", "④ Inpainting"), T("最后把旧像素贴回去", "then the old pixels are laid back")),
    )
    for left, (width, head, line) in zip(lefts, texts, strict=True):
        s.text(left + width / 2, 30, head, size=15, weight=600)
        s.text(left + width / 2, y + h + 24, line, size=12, colour=MUTED)
    for start, end in ((134, 206), (364, 440), (598, 682)):
        s.arrow(start, y + h / 2, end, y + h / 2)
    s.text(
        24,
        214,
        T(
            "模型看着整幅画来接，可是只有白的地方会被换掉。",
            "The model looks at the whole picture to go on, but only what is white will be replaced.",
        ),
        size=12.5,
        colour=MUTED,
        anchor="start",
    )
    return s.svg()


def control(T: Pick) -> str:
    """A ControlNet beside the UNet: a copy of its first half that looks at a map and adds to the skips."""
    s = Sheet(900, 398, T("ControlNet：给 UNet 添一只眼睛", "ControlNet: another eye for the UNet"))
    top, low, wide = 132.0, 278.0, 58.0
    down, up, middle = (232.0, 315.0, 398.0), (730.0, 647.0, 564.0), 481.0

    def block(x: float, y: float, h: float, colour: str, words: str = "") -> None:
        s.add(
            f'<rect x="{x - wide / 2:g}" y="{y - h / 2:g}" width="{wide:g}" height="{h:g}" rx="8" fill="{TINTS[colour]}" '
            f'stroke="{colour}" stroke-opacity=".7" stroke-width="1.4"/>'
        )
        s.text(x, y, words, size=12.5, colour=colour)

    def zero(x: float, y: float) -> None:
        s.add(f'<circle cx="{x:g}" cy="{y:g}" r="9" fill="{PAPER}" stroke="{JADE}" stroke-width="1.6"/>')
        s.text(x, y, "0", size=11.5, colour=JADE, mono=True)

    s.box(24, top - 34, 128, 68, T("带噪的潜变量", "Noisy latent"), [T("第几步", "and the step")])
    s.box(24, low - 34, 128, 68, T("控制图", "Control map"), [T("边缘、深度……", "edges, depth ...")], JADE)
    s.arrow(152, top, 200, top)
    s.arrow(152, low, 200, low, JADE)
    for number, (left, right, high) in enumerate(zip(down, up, (112.0, 86.0, 60.0), strict=True)):
        block(left, top, high, VERMILION)
        block(right, top, high, VERMILION)
        block(left, low, high * 0.78, JADE)
        y, floor = low + high * 0.39, 368 - 16 * number
        over, roof = top - high / 2, 48 + 10 * number
        s.add(
            f'<path d="M{left:g} {over:g} V {roof} H {right:g} V {over - 9:g}" fill="none" stroke="{MUTED}" '
            f'stroke-width="1.3" stroke-dasharray="5 4"/>'
        )
        s.head(right, over - 1, math.pi / 2, MUTED)
        s.add(
            f'<path d="M{left:g} {y:g} V {floor} H {right:g} V {top + high / 2 + 10:g}" fill="none" stroke="{JADE}" '
            f'stroke-width="1.6" stroke-linejoin="round"/>'
        )
        s.head(right, top + high / 2 + 2, -math.pi / 2, JADE)
        zero(right, low)
    block(middle, top, 44, VERMILION)
    block(middle, low, 36, JADE)
    s.arrow(middle, low - 18, middle, top + 24, JADE, 1.6)
    zero(middle, (low + top) / 2 + 2)
    for x in (*down, middle, up[2], up[1]):
        s.add(f'<line x1="{x + 29:g}" y1="{top}" x2="{x + 54:g}" y2="{top}" stroke="{VERMILION}" stroke-width="1.4"/>')
    for x in down:
        s.add(f'<line x1="{x + 29:g}" y1="{low}" x2="{x + 54:g}" y2="{low}" stroke="{JADE}" stroke-width="1.4"/>')
    s.text(middle, 36, T("跳接", "skips"), size=12, colour=MUTED)
    s.arrow(759, top, 804, top, VERMILION)
    s.text(850, top - 10, T("预测的", "the noise"), size=13)
    s.text(850, top + 10, T("噪声", "it predicts"), size=13)
    s.text(
        down[0] - 29,
        26,
        T("UNet，权重不动", "UNet, its weights untouched"),
        size=14,
        weight=600,
        colour=VERMILION,
        anchor="start",
    )
    s.text(
        down[0] - 29,
        low - 60,
        T("前一半的副本", "a copy of the first half"),
        size=13.5,
        weight=600,
        colour=JADE,
        anchor="start",
    )
    zero(36, 374)
    s.text(
        52, 374, T("出口：训练前是零", "exits: zero before training"), size=12, colour=MUTED, anchor="start"
    )  # fmt: skip
    return s.svg()

"""The drawings of the lessons: plain SVG in the colours of the house, one set a language, the same bytes each time."""

from __future__ import annotations

import html
import math
from collections.abc import Callable

PAPER, SUNKEN, INK, MUTED, LINE = "#fffefb", "#f1eee6", "#23262b", "#71757c", "#d9d3c4"
VERMILION, JADE, AMBER, VIOLET = "#c2402d", "#2b7a6b", "#b7791f", "#5b5bd6"
TINTS = {VERMILION: "#f8e6e1", JADE: "#e2f0ec", AMBER: "#f7ecd6", VIOLET: "#e9e9fb", MUTED: SUNKEN}
FONT = "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Source Han Sans SC',system-ui,sans-serif"
MONO = "ui-monospace,'JetBrains Mono',Consolas,monospace"

Pick = Callable[[str, str], str]


class Sheet:
    """An SVG in the making; coordinates in pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height = width, height
        self.parts = [f"<title>{html.escape(title)}</title>"]

    def add(self, text: str) -> None:
        """Put raw SVG on the sheet."""
        self.parts.append(text)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 14,
        colour: str = INK,
        anchor: str = "middle",
        weight: int = 400,
        mono: bool = False,
    ) -> None:
        """A line of text; ``y`` is its middle."""
        self.add(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}" '
            f'dominant-baseline="central" font-family="{MONO if mono else FONT}">{html.escape(words)}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, head: str, lines: list[str], colour: str = MUTED) -> None:
        """A rounded box with a head in its colour and lines under it."""
        self.add(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="10" fill="{TINTS[colour]}" stroke="{colour}" '
            f'stroke-opacity=".55" stroke-width="1.3"/>'
        )
        total = 22 + 19 * len(lines)
        top = y + h / 2 - total / 2 + 11
        self.text(x + w / 2, top, head, size=15, weight=600, colour=colour if colour != MUTED else INK)
        for index, line in enumerate(lines):
            self.text(x + w / 2, top + 22 + 19 * index, line, size=12.5, colour=INK if colour != MUTED else MUTED)

    def arrow(self, x1: float, y1: float, x2: float, y2: float, colour: str = MUTED, width: float = 1.8) -> None:
        """A straight arrow."""
        angle = math.atan2(y2 - y1, x2 - x1)
        bx, by = x2 - 9 * math.cos(angle), y2 - 9 * math.sin(angle)
        self.add(
            f'<line x1="{x1:g}" y1="{y1:g}" x2="{bx:.1f}" y2="{by:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'
        )
        self.head(x2, y2, angle, colour)

    def head(self, x: float, y: float, angle: float, colour: str) -> None:
        """The point of an arrow."""
        points = []
        for turn, reach in ((0.0, 0.0), (2.72, 11.0), (-2.72, 11.0)):
            points.append(f"{x + reach * math.cos(angle + turn):.1f},{y + reach * math.sin(angle + turn):.1f}")
        self.add(f'<polygon points="{" ".join(points)}" fill="{colour}"/>')

    def svg(self) -> str:
        """The whole file."""
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img">\n<rect width="{self.width}" height="{self.height}" rx="14" fill="{PAPER}"/>\n'
            f"{body}\n</svg>\n"
        )


def architecture(T: Pick) -> str:
    """The four parts of a latent diffusion model and what flows between them."""
    s = Sheet(900, 330, T("潜空间扩散模型的四个部件", "The four parts of a latent diffusion model"))
    s.box(24, 36, 168, 74, T("提示词", "Prompt"), [T("“雪地里的企鹅”", "“a penguin in the snow”")])
    s.box(
        238, 36, 178, 74, T("① 文本编码器", "① Text encoder"), [T("字 → 词元 → 向量", "words → tokens → vectors")], JADE
    )
    s.box(
        24,
        186,
        168,
        92,
        T("随机噪声", "Random noise"),
        [T("由种子决定", "decided by the seed"), T("潜空间，4 个通道", "latent, 4 channels")],
    )
    s.box(
        238,
        176,
        178,
        112,
        "② UNet",
        [T("看着文字的向量，", "looks at the text vectors,"), T("预测画里有多少噪声", "predicts the noise in it")],
        VERMILION,
    )
    s.box(
        486,
        176,
        168,
        112,
        T("③ 调度器", "③ Scheduler"),
        [T("按预测去掉一点噪声，", "removes a little of it,"), T("再走下一步", "takes the next step")],
        AMBER,
    )
    s.box(
        724,
        176,
        152,
        112,
        T("④ VAE 解码器", "④ VAE decoder"),
        [T("潜空间 → 像素", "latent → pixels"), T("边长 ×8", "8 × as wide and high")],
        VIOLET,
    )
    s.box(724, 36, 152, 74, T("图像", "Picture"), [T("红、绿、蓝", "red, green, blue")])
    s.arrow(192, 73, 236, 73)
    s.arrow(327, 110, 327, 174, JADE)
    s.text(338, 142, T("条件（交叉注意力）", "condition (cross-attention)"), size=12.5, colour=JADE, anchor="start")
    s.arrow(192, 232, 236, 232)
    s.arrow(416, 214, 484, 214, VERMILION)
    s.text(450, 198, T("预测", "guess"), size=12, colour=VERMILION)
    s.add(f'<path d="M484 252 H 428" fill="none" stroke="{AMBER}" stroke-width="1.8"/>')
    s.head(418, 252, math.pi, AMBER)
    s.text(450, 270, T("重复 20 步", "20 times"), size=12, colour=AMBER)
    s.arrow(654, 232, 722, 232, VIOLET)
    s.text(688, 216, T("画成了", "done"), size=12, colour=VIOLET)
    s.arrow(800, 176, 800, 112, VIOLET)
    s.text(
        24,
        310,
        T(
            "画画发生在小小的潜空间里；只有最后一次，才变成像素。",
            "The painting happens in a small latent space; only at the very end does it become pixels.",
        ),
        size=12.5,
        colour=MUTED,
        anchor="start",
    )
    return s.svg()


def history(T: Pick) -> str:
    """From GAN to Stable Diffusion on a line of years."""
    s = Sheet(900, 300, T("从 GAN 到 Stable Diffusion", "From GAN to Stable Diffusion"))
    stops = [
        ("2013", "VAE", T("把图压缩成几个数", "a picture in few numbers"), VIOLET),
        ("2014", "GAN", T("造假者与鉴定师", "forger against expert"), MUTED),
        ("2015", T("扩散", "Diffusion"), T("加噪，再学会去噪", "add noise, learn to remove it"), VERMILION),
        ("2020", "DDPM", T("扩散也能画得清楚", "diffusion paints sharply"), VERMILION),
        ("2021", "CLIP", T("文字与图像同一空间", "words and pictures together"), JADE),
        ("2022", "Stable Diffusion", T("潜空间扩散，开放权重", "latent diffusion, open weights"), VERMILION),
        ("2023", "SDXL", T("更大的 UNet，两个编码器", "larger UNet, two encoders"), VERMILION),
        ("2024", "SD3 · FLUX", T("Transformer + 流匹配", "transformer + flow matching"), AMBER),
    ]
    y = 150
    s.add(f'<line x1="36" y1="{y}" x2="864" y2="{y}" stroke="{LINE}" stroke-width="3" stroke-linecap="round"/>')
    for index, (year, name, words, colour) in enumerate(stops):
        x = 90 + index * 103
        up = index % 2 == 0
        end = y - 34 if up else y + 34
        s.add(f'<line x1="{x}" y1="{y}" x2="{x}" y2="{end}" stroke="{colour}" stroke-width="1.4"/>')
        s.add(f'<circle cx="{x}" cy="{y}" r="8" fill="{PAPER}" stroke="{colour}" stroke-width="3.5"/>')
        s.text(x, y + (24 if up else -24), year, size=12.5, colour=MUTED, mono=True)
        if up:
            s.text(x, y - 72, name, size=15.5, weight=600, colour=colour if colour != MUTED else INK)
            s.text(x, y - 50, words, size=11.5, colour=MUTED)
        else:
            s.text(x, y + 50, name, size=15.5, weight=600, colour=colour if colour != MUTED else INK)
            s.text(x, y + 72, words, size=11.5, colour=MUTED)
    s.text(
        36,
        270,
        T(
            "红：扩散的主线　紫：压缩　绿：读懂文字　黄：新的一代",
            "red: the line of diffusion · violet: compression · green: reading words · amber: a new generation",
        ),
        size=12,
        colour=MUTED,
        anchor="start",
    )
    return s.svg()


def workbench(T: Pick) -> str:
    """What happens between a prompt and a picture in the gallery."""
    s = Sheet(900, 190, T("一次生成经过哪里", "The way of one picture"))
    s.box(
        24,
        40,
        178,
        86,
        T("请求", "Request"),
        ["TextToImage(...)", T("要画什么，怎么画", "what to paint, and how")],
        JADE,
    )
    s.box(256, 40, 178, 86, "PipelineKernel", [T("排队，一次做一件", "one job at a time")], VERMILION)
    s.box(488, 40, 160, 86, T("模型", "Model"), [T("文字 → 潜空间 → 图", "text → latent → picture")], VIOLET)
    s.box(
        702,
        40,
        174,
        86,
        T("结果 + 画廊", "Result + gallery"),
        [T("图，和它的全部来历", "with all that made it")],
        AMBER,
    )
    s.arrow(202, 83, 254, 83)
    s.arrow(434, 83, 486, 83)
    s.arrow(648, 83, 700, 83)
    s.add(
        f'<path d="M789 128 V 152 H 113 V 138" fill="none" stroke="{MUTED}" stroke-width="1.6" stroke-dasharray="5 4"/>'
    )
    s.head(113, 129, -math.pi / 2, MUTED)
    s.text(
        451,
        168,
        T("record.to_request()：从图回到请求", "record.to_request(): from the picture back to the request"),
        size=12.5,
        colour=MUTED,
    )
    return s.svg()


def guidance(T: Pick) -> str:
    """Classifier-free guidance as two arrows: from "no words" to "with words", and on in this direction."""
    s = Sheet(900, 230, T("CFG：沿着文字的方向再多走一段", "CFG: further in the direction of the words"))
    ux, uy, cx, cy = 150.0, 184.0, 300.0, 164.0
    for scale, colour, label in ((4.0, VERMILION, "CFG = 4"), (2.0, AMBER, "CFG = 2")):
        x, y = ux + scale * (cx - ux), uy + scale * (cy - uy)
        s.arrow(ux, uy, x, y, colour, 2.4)
        s.text(x - 10, y - 20, label, size=13.5, weight=600, colour=colour)
    s.arrow(ux, uy, cx, cy, JADE, 2.4)
    s.add(f'<circle cx="{ux:g}" cy="{uy:g}" r="6" fill="{INK}"/>')
    s.text(ux, uy + 24, T("不看提示词的预测", "the guess without words"), size=13)
    s.text(
        cx + 6,
        cy + 26,
        T("看提示词的预测（CFG = 1）", "the guess with words (CFG = 1)"),
        size=13,
        colour=JADE,
        anchor="start",
    )
    s.text(
        24,
        30,
        T("预测 = 不看文字 + CFG ×（看文字 − 不看文字）", "guess = without words + CFG × (with words − without words)"),
        size=15,
        weight=600,
        anchor="start",
    )
    s.text(
        24,
        54,
        T(
            "反向提示词：把“不看文字”换成“看反向提示词”，于是朝着离它更远的方向走。",
            "A negative prompt takes the place of “without words”: the step then leads away from it.",
        ),
        size=12.5,
        colour=MUTED,
        anchor="start",
    )
    return s.svg()


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


def all_drawings(language: str) -> dict[str, str]:
    """Every drawing in one language (``zh`` or ``en``): ``{name: svg}``."""

    def pick(zh: str, en: str) -> str:
        return zh if language == "zh" else en

    drawn = {
        "architecture": architecture,
        "history": history,
        "workbench": workbench,
        "guidance": guidance,
        "outpaint": outpaint,
        "control": control,
    }
    return {name: draw(pick) for name, draw in drawn.items()}

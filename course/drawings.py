"""The drawings of the lessons: plain SVG in the colours of the house, one set a language, the same bytes each time."""

from __future__ import annotations

import math

from drawing_sheet import AMBER, INK, JADE, LINE, MUTED, PAPER, VERMILION, VIOLET, Pick, Sheet
from drawings_frames import control, outpaint
from drawings_pictures import hires, img2img, inpaint


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


def all_drawings(language: str) -> dict[str, str]:
    """Every drawing in one language (``zh`` or ``en``): ``{name: svg}``."""

    def pick(zh: str, en: str) -> str:
        return zh if language == "zh" else en

    drawn = (architecture, history, workbench, guidance, hires, img2img, inpaint, outpaint, control)
    return {draw.__name__: draw(pick) for draw in drawn}

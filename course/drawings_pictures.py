"""The drawings of the lessons that start from a picture: hires fix, image to image, inpainting."""

from __future__ import annotations

from drawing_sheet import AMBER, JADE, LINE, MUTED, TINTS, VERMILION, VIOLET, Pick, Sheet


def _slope(s: Sheet, x: float, y: float, width: float, height: float, colour: str) -> None:
    """A wedge that falls to zero: the noise of a run, from its first step to its last."""
    points = f"{x:g},{y:g} {x:g},{y - height:g} {x + width:g},{y:g}"
    s.add(
        f'<polygon points="{points}" fill="{TINTS[colour]}" stroke="{colour}" stroke-width="1.5" stroke-linejoin="round"/>'
    )


def hires(T: Pick) -> str:
    """Two passes: small from pure noise, then large from a little noise."""
    s = Sheet(900, 330, T("高清修复：两遍画成", "Hires fix: painted in two passes"))
    s.box(24, 44, 150, 84, T("① 小画布", "① Small canvas"), [T("从纯噪声画到底", "from pure noise"), "128 × 128"], JADE)
    s.box(240, 44, 150, 84, T("② 放大", "② Enlarge"), ["hr_upscaler", "× hr_scale"], AMBER)
    s.box(
        456,
        44,
        196,
        84,
        T("③ 掺回一部分噪声", "③ Some noise back in"),
        ["denoising_strength", T("0 到 1", "0 to 1")],
        VIOLET,
    )
    s.box(
        718,
        44,
        158,
        84,
        T("④ 大画布", "④ Large canvas"),
        [T("走完剩下的路", "the rest of the way"), "256 × 256"],
        VERMILION,
    )
    for x1, x2 in ((174, 238), (390, 454), (652, 716)):
        s.arrow(x1, 86, x2, 86)
    base = 286.0
    s.text(24, 166, T("噪声有多少", "how much noise"), size=12.5, colour=MUTED, anchor="start")
    s.add(f'<line x1="24" y1="{base:g}" x2="876" y2="{base:g}" stroke="{LINE}" stroke-width="2"/>')
    _slope(s, 30, base, 250, 104, JADE)
    s.text(196, 214, T("大局在这里定下", "the composition is settled here"), size=12.5, colour=JADE, anchor="start")
    s.add(f'<line x1="98" y1="214" x2="190" y2="214" stroke="{JADE}" stroke-width="1.2"/>')
    _slope(s, 610, base, 200, 44, VERMILION)
    s.add(
        f'<line x1="600" y1="{base - 104:g}" x2="600" y2="{base:g}" stroke="{MUTED}" stroke-width="1.2" stroke-dasharray="4 4"/>'
    )
    s.add(f'<line x1="600" y1="{base - 44:g}" x2="600" y2="{base:g}" stroke="{VIOLET}" stroke-width="4"/>')
    s.text(586, base - 24, "strength", size=12.5, colour=VIOLET, anchor="end", mono=True)
    s.text(
        616,
        222,
        T("只添细节，大局不动", "details only, the composition stays"),
        size=12.5,
        colour=VERMILION,
        anchor="start",
    )
    s.text(155, base + 20, T("第一遍", "first pass"), size=13, weight=600)
    s.text(710, base + 20, T("第二遍", "second pass"), size=13, weight=600)
    return s.svg()


def img2img(T: Pick) -> str:
    """The way from noise to picture, boarded half way by a picture with noise on it."""
    s = Sheet(900, 300, T("图生图：从半路上船", "Image to image: boarding half way"))
    base, top, left, right, enter = 246.0, 92.0, 40.0, 860.0, 450.0
    height = (base - top) * (right - enter) / (right - left)
    s.add(
        f'<polygon points="{left:g},{base:g} {left:g},{top:g} {enter:g},{base - height:g} {enter:g},{base:g}" '
        f'fill="none" stroke="{LINE}" stroke-width="2" stroke-dasharray="6 5"/>'
    )
    _slope(s, enter, base, right - enter, height, VERMILION)
    s.text(left + 4, top - 20, T("纯噪声", "pure noise"), size=13, anchor="start", colour=MUTED)
    s.text(right, base - 24, T("画", "picture"), size=13, anchor="end", colour=VERMILION)
    s.text((left + enter) / 2, base - 34, T("跳过的步", "steps skipped"), size=13, colour=MUTED)
    s.text(enter + 130, base - 24, T("真正走的步", "steps walked"), size=13, colour=VERMILION, weight=600)
    for index in range(21):
        x = left + (right - left) * index / 20
        colour = VERMILION if x >= enter else LINE
        s.add(f'<line x1="{x:g}" y1="{base:g}" x2="{x:g}" y2="{base + 7:g}" stroke="{colour}" stroke-width="2"/>')
    s.box(330, 24, 130, 62, T("你的图", "Your picture"), [T("编码成潜变量", "as a latent")], JADE)
    s.text(486, 55, "+", size=24, weight=600, colour=MUTED)
    s.box(512, 24, 150, 62, T("噪声", "Noise"), [T("半路上该有的那么多", "as much as half way")], VIOLET)
    s.add(f'<path d="M490 76 V 122 H {enter:g} V 150" fill="none" stroke="{MUTED}" stroke-width="1.8"/>')
    s.head(enter, base - height - 3, 1.5708, MUTED)
    y = base + 26
    s.arrow((enter + right) / 2, y, enter, y, VIOLET)
    s.arrow((enter + right) / 2, y, right, y, VIOLET)
    s.text((enter + right) / 2, y + 16, "denoising_strength", size=13, colour=VIOLET, mono=True)
    return s.svg()


def inpaint(T: Pick) -> str:
    """One step of inpainting: new inside the mask, the old picture outside, at every step."""
    s = Sheet(900, 250, T("局部重绘的每一步", "Every step of inpainting"))
    s.box(24, 82, 150, 78, T("带噪的潜变量", "Noisy latent"), [T("整张图都有", "of the whole picture")])
    s.box(226, 82, 140, 78, "UNet", [T("猜出整张画", "guesses all of it")], VERMILION)
    s.box(424, 24, 196, 78, T("蒙版里：猜的画", "Inside: the guess"), [T("× 蒙版", "× mask")], VERMILION)
    s.box(424, 142, 196, 78, T("蒙版外：你的图", "Outside: your picture"), [T("×（1 − 蒙版）", "× (1 − mask)")], JADE)
    s.box(
        706, 82, 170, 78, T("拼在一起", "Put together"), [T("去掉一点噪声，再来", "a little less noise, again")], AMBER
    )
    s.arrow(174, 121, 224, 121)
    s.arrow(366, 110, 422, 72, VERMILION)
    s.arrow(620, 63, 712, 96, VERMILION)
    s.arrow(620, 181, 712, 146, JADE)
    s.text(664, 121, "+", size=20, weight=600, colour=MUTED)
    s.add(
        f'<path d="M791 160 V 236 H 99 V 172" fill="none" stroke="{MUTED}" stroke-width="1.6" stroke-dasharray="5 4"/>'
    )
    s.head(99, 162, -1.5708, MUTED)
    return s.svg()

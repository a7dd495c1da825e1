# %% tags=["source-only"]
"""Lesson 08: outpainting, or a picture continued past its border. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B015, B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 8 课 · 外扩：画到画框外面去
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 说清楚外扩是怎么做的：一个更大的画框、一张蒙版、一次局部重绘；
# - **证明**旧的像素一个都没有变，并说出为什么不是模型的功劳；
# - 为新地选一个底，看懂接缝，知道羽化管什么；
# - 一步一步地往外画，画出一幅长卷。

# %% [markdown] tags=["lang-en"]
# # Lesson 8 · Outpainting: beyond the border
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - tell how outpainting works: a larger frame, a mask, and one inpainting;
# - **prove** that not one old pixel has changed, and say why the model deserves no praise for it;
# - choose what the new ground holds before it is painted, read a seam, and tell what the blur does;
# - go outwards step by step, and paint a scroll.

# %%
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image, ImageOps

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz, stepper
from ra_widgets.plotting import finish, show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
kernel = ra.PipelineKernel()

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 一张图，往右再画一截

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### A picture, and a piece more to the right

# %%
words = T("草地上的一只猫", "a cat on the grass")
base = kernel.generate(words, seed=10, steps=16).image

request = ra.Outpaint(prompt=words, image=base, right=64, seed=7, steps=12)
wide = kernel.generate(request)
before = ImageOps.expand(base, (0, 0, 64, 0), fill=colours["paper"])
show_images(
    [before, wide.image], [f"{base.width} × {base.height}", f"{wide.image.width} × {wide.image.height}"], size=3.4
)

# %% [markdown] tags=["lang-zh"]
# `left`、`right`、`top`、`bottom` 是每一边添多少像素；宽和高不用写，加起来就是。
# 提示词说的是**整幅画**，不只是新添的那一块：模型看着整幅画来接。
# （画布比模型学画时大出不少时，工作台先缩小了定构图，再放大添细节，就像第 5 课的高清修复。）

# %% [markdown] tags=["lang-en"]
# `left`, `right`, `top` and `bottom` are the pixels to add on each side; width and height need not be given, they are the sum.
# The prompt is about the **whole picture**, not only the new piece: the model looks at all of it to go on.
# (When the canvas is much larger than what the model learned on, the workbench composes it small first and then adds the details, as the hires fix of lesson 5 does.)

# %% [markdown] tags=["lang-zh"]
# ### 画框和蒙版
#
# ![外扩](images/outpaint.svg)
#
# 外扩没有新本领，它就是[第 7 课](07_inpaint.ipynb)的局部重绘：先把画布放大，旧图摆在原位；再做一张蒙版，黑的地方（旧图）不动，白的地方（新地）重画。
# 这几行就能摆出来：

# %% [markdown] tags=["lang-en"]
# ### The frame and the mask
#
# ![Outpainting](images/outpaint.svg)
#
# Outpainting has no skill of its own, it is the inpainting of [lesson 7](07_inpaint.ipynb): enlarge the canvas with the old picture in its place, then make a mask, black where nothing may change (the old), white where to paint (the new).
# These few lines lay it out:


# %%
def frame(image, left=0, right=0, top=0, bottom=0):
    size = (image.width + left + right, image.height + top + bottom)
    canvas, mask = Image.new("RGB", size, colours["line"]), Image.new("L", size, 255)
    canvas.paste(image, (left, top))
    mask.paste(0, (left, top, left + image.width, top + image.height))
    return canvas, mask


canvas, mask = frame(base, left=32, right=64, top=40)
around = kernel.generate(request, left=32, right=64, top=40).image
show_images(
    [canvas, ImageOps.expand(mask, 1, 128), around],
    T(
        ["画布：旧图在原位", "蒙版：白的要画", "结果"],
        ["canvas: the old in its place", "mask: paint the white", "result"],
    ),
    size=3.0,
)

# %% [markdown] tags=["lang-zh"]
# ### 旧像素为什么不变
#
# 先检查：从结果里把旧图那一块剪下来，逐个字节比。

# %% [markdown] tags=["lang-en"]
# ### Why the old pixels stay
#
# Check first: cut the old part out of the result, and compare every byte.

# %%
box = (32, 40, 32 + base.width, 40 + base.height)
around.crop(box).tobytes() == base.tobytes()

# %% [markdown] tags=["lang-zh"]
# 这是模型的功劳吗？不是。模型在潜空间里工作，一张图只要进去再出来，哪怕什么都不改，像素也会变一点。
# 让图生图“一点都不重绘”（`denoising_strength=0`），看看少了什么：

# %% [markdown] tags=["lang-en"]
# Is that the model's doing? No. The model works in latent space, and a picture that only goes in and comes out again has changed a little, even if nothing was to be changed.
# Ask image-to-image to repaint nothing at all (`denoising_strength=0`), and see what is lost:

# %%
untouched = kernel.generate(ra.ImageToImage(prompt=words, image=base, denoising_strength=0, seed=1)).image


def change(a, b):
    return np.abs(np.asarray(a, float) - np.asarray(b, float)).mean(axis=2)


lost, kept = change(base, untouched), change(base, around.crop(box))
show_images(
    [untouched, lost, kept],
    [
        T("进出一次潜空间", "in and out of latent space"),
        T(f"变了多少（平均 {lost.mean():.1f}）", f"how much it changed (mean {lost.mean():.1f})"),
        T(f"外扩（平均 {kept.mean():.1f}）", f"outpainted (mean {kept.mean():.1f})"),
    ],
    limits=(0, 40),
    size=2.4,
)

# %% [markdown] tags=["lang-zh"]
# 中间那张越亮，变得越多；右边全黑，一点没变。秘密在最后一步：画完以后，工作台把**原来的像素**贴回原位。
# 所以无论外扩多少次，第一张图都原封不动地在里面。

# %% [markdown] tags=["lang-en"]
# The brighter the middle one, the larger the change; the right one is black: none. The secret is the last step: when the painting is done, the workbench lays the **original pixels** back in their place.
# So however often you outpaint, the first picture is still in there, untouched.

# %% [markdown] tags=["lang-zh"]
# ### 新地的底
#
# 开画之前，新地上总得有点什么。`fill_mode` 有四种：`edge` 把边上的颜色拉过来，`mirror` 照镜子，
# `noise` 撒上和原图颜色相近的杂点，`latent noise` 全是噪声。`denoising_strength` 管底留下多少：

# %% [markdown] tags=["lang-en"]
# ### What the new ground holds
#
# Before the painting begins, something must lie on the new ground. There are four of `fill_mode`: `edge` draws the border's colours out, `mirror` is a mirror,
# `noise` scatters specks with the picture's colours, `latent noise` is nothing but noise. `denoising_strength` says how much of it remains:

# %%
modes, strengths = ["edge", "mirror", "noise", "latent noise"], [0.2, 0.4, 0.7, 1.0]
grounds = [kernel.generate(request, fill_mode=m, denoising_strength=s, steps=8).image for m in modes for s in strengths]
show_images(grounds, [T(f"幅度 {s}", f"strength {s}") for s in strengths], columns=4, rows=modes, size=2.2)

# %% [markdown] tags=["lang-zh"]
# 幅度小，四行各不相同：底还看得出来。幅度大，底被噪声盖住，四行越来越像。
# 所以外扩用**大幅度**（默认 0.9），底只是帮它起个颜色。

# %% [markdown] tags=["lang-en"]
# At small strengths the rows differ: the ground still shows. At large ones noise covers it, and the four rows grow alike.
# Hence outpainting uses a **large strength** (0.9 by default), and the ground only lends it some colour.

# %% [markdown] tags=["lang-zh"]
# ### 接缝
#
# 旧像素不能动，新像素是另画的，两边在边界上相遇，可能会“错牙”。`mask_blur` 是让新的一侧在多宽的范围里慢慢靠向旧的。
# 把每一列和它右边一列差多少画出来，错牙就是一个尖：

# %% [markdown] tags=["lang-en"]
# ### The seam
#
# The old pixels may not move and the new are painted afresh; where they meet they may not match. `mask_blur` is the width in which the new side is drawn to the old.
# Plot how much each column differs from the one at its right, and a bad seam is a spike:

# %%
blurs = {0: "vermilion", 2: "amber", 16: "jade"}
seams = {blur: kernel.generate(request, mask_blur=blur, seed=8).image for blur in blurs}

figure, axis = plt.subplots(figsize=(8.2, 2.9))
for blur, image in seams.items():
    jumps = np.abs(np.diff(np.asarray(image, float), axis=1)).mean(axis=(0, 2))
    axis.plot(np.arange(len(jumps)) + 1, jumps, color=colours[blurs[blur]], label=f"mask_blur = {blur}", linewidth=1.6)
axis.axvline(base.width, color=colours["ink"], linewidth=1, linestyle=":")
axis.set_xlim(base.width - 48, base.width + 48)
axis.set_xlabel(T("列（虚线是边界，右边是新画的）", "column (the dotted line is the border; new at its right)"))
axis.set_ylabel(T("和右邻差多少", "difference to the right"))
axis.legend()
finish(figure)

# %%
near = (base.width - 40, 24, base.width + 40, 104)
show_images(
    [image.crop(near).resize((240, 240), Image.Resampling.NEAREST) for image in seams.values()],
    [f"mask_blur = {b}" for b in seams],
    size=2.6,
)

# %% [markdown] tags=["lang-zh"]
# 尖降到和画里别处差不多，缝就不显眼了；再宽，只是让过渡更缓。还剩的细线是旧图自己的最后一列：解码器在画框边上画得暗一点，而旧像素不能动。
# 要是两边画的东西本来就接不上，羽化也救不了：换个种子。
#
# ### 一步一步，画一幅长卷
#
# 一次推得很远，离旧图远的地方就没有什么可接的，同一句话也只好说到底。好办法是每次推一小截，再以结果为起点接着推。
# 每一截可以换一句提示词，这就是**提示词旅行**：

# %% [markdown] tags=["lang-en"]
# Once the spike is no higher than what is elsewhere in the picture, the seam is no longer conspicuous; a wider blur only makes the transition gentler. The thin line that remains is the last column of the old picture: at the frame the decoder paints a little darker, and old pixels may not move.
# Where the two sides show things that do not meet, no blur helps: take another seed.
#
# ### Step by step: a scroll
#
# Far at once, and what is far from the old picture has nothing to go on from, and the same words must do for all of it. Better go a little way each time, and start the next from the result.
# Each piece may have a prompt of its own: **prompt travel**.

# %%
stations = T(
    ["草地上的一座房子", "草地上的一个南瓜", "草地上的一个蘑菇"],
    ["a house on the grass", "a pumpkin on the grass", "a mushroom on the grass"],
)
scroll = [kernel.generate(stations[0], seed=3, steps=16).image]
for number, station in enumerate(stations[1:], 18):
    scroll.append(
        kernel.generate(ra.Outpaint(prompt=station, image=scroll[-1], right=128, seed=number, steps=12)).image
    )
at_once = kernel.generate(ra.Outpaint(prompt=stations[0], image=scroll[0], right=256, seed=1, steps=12)).image
titles = T(
    ["一次推 256 像素", "每次推 128 像素，两次，两句话"],
    ["256 pixels at once", "128 pixels, twice, two prompts"],
)
show_images([at_once, scroll[-1]], titles, columns=1, size=7.6)

# %%
stepper(scroll, [f"{station} · {image.width} × {image.height}" for station, image in zip(stations, scroll)], width=560)

# %% [markdown] tags=["lang-zh"]
# 每一步都不碰前面的画，所以画坏了只要退一步，换个种子再来，不用从头开始。第一张图还在吗？

# %% [markdown] tags=["lang-en"]
# No step touches what was painted before; if one goes wrong, go back one, take another seed, and need not begin anew. Is the first picture still there?

# %%
scroll[-1].crop((0, 0, 128, 128)).tobytes() == scroll[0].tobytes()

# %% [markdown] tags=["lang-zh"]
# ### 用手拉画框
#
# 拖红色的边框，尺寸和要用的内存随手就变；`snap` 让它一格一格地走。拉好以后，`values()` 就是请求里的四个数：

# %% [markdown] tags=["lang-en"]
# ### Pull the frame by hand
#
# Drag the border; size and memory follow your hand, and `snap` makes it go in steps. When it is right, `values()` are the four numbers of the request:

# %%
by_hand = ra.OutpaintFrame(base, left=40, top=32, model=kernel.model)
by_hand

# %%
kernel.generate(ra.Outpaint(prompt=words, image=by_hand.image, **by_hand.values(), seed=2, steps=12)).image

# %% [markdown] tags=["lang-zh"]
# ### 彩蛋：种子旅行
#
# 第 4 课的散步在这里更有意思：只有新地在变，旧图纹丝不动。

# %% [markdown] tags=["lang-en"]
# ### A bonus: seed travel
#
# The walks of lesson 4 are even nicer here: only the new ground changes, and the old stays still.

# %%
distances = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
travel = [kernel.generate(request, subseed=8, subseed_strength=d, steps=8).image for d in distances]
stepper(travel, [f"subseed_strength = {d}" for d in distances], width=384)

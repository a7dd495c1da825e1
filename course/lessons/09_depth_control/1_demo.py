# %% tags=["source-only"]
"""Lesson 09: control by pictures: edges, depth, weights and windows. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 9 课 · 深度与可控：用图来说话
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 说清楚 ControlNet 给 UNet 添了什么，又没有动什么；
# - 从一张图里取出边缘和深度，看懂它们，调好它们；
# - 用权重和起止区间决定“听图的”还是“听话的”，并用数字检查它听了多少；
# - 认出用错的控制图，知道怎么补救。

# %% [markdown] tags=["lang-en"]
# # Lesson 9 · Depth and control: speaking in pictures
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - tell what a ControlNet adds to the UNet, and what it leaves alone;
# - take edges and depth from a picture, read them, and tune them;
# - decide with weights and windows whether the map or the words are heard, and measure how much;
# - recognise a wrong map, and know the remedies.

# %%
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image, ImageOps
from scipy import ndimage

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz
from ra_widgets.plotting import finish, show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
kernel = ra.PipelineKernel()

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 有些事用话说不清
#
# 提示词会说画什么，却说不清画在哪里、多大、什么轮廓：这些由模型和种子说了算。下面是同一句话，换了四个种子：

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### Some things cannot be said in words
#
# A prompt tells what to paint, but hardly where, how large, or in which outline: that is up to the model and the seed. Here are the same words with four seeds:

# %%
house = ra.TextToImage(prompt=T("一座房子，白色背景", "a house on a white background"), steps=12)
loose = [kernel.generate(house, seed=s).image for s in (3, 6, 7, 11)]
show_images(loose, size=2.0)

# %% [markdown] tags=["lang-zh"]
# 要是想让房子小一点、靠右下角呢？话说不清，图一摆就清楚：把其中一座缩小，四周用边上的颜色补齐。

# %% [markdown] tags=["lang-en"]
# And if the house shall be smaller, and down at the right? Words fail, a picture does not: shrink one of them, and fill up around it with the colours of its border.

# %%
small = np.asarray(loose[0].resize((90, 90)))
source = Image.fromarray(np.pad(small, ((32, 6), (36, 2), (0, 0)), mode="edge"))
source

# %% [markdown] tags=["lang-zh"]
# ### ControlNet：给 UNet 添一只眼睛
#
# ![ControlNet](images/control.svg)
#
# UNet 的权重一个也不改。旁边站着一个小网络，它是 UNet 前一半的副本，看的是一张**控制图**：边缘、深度、线稿……
# 它每一步都算出几叠“修正”，加进 UNet 的跳接里。刚开始训练时，出口全是零，所以什么也不改；训练让它慢慢学会该加多少。

# %% [markdown] tags=["lang-en"]
# ### ControlNet: another eye for the UNet
#
# ![ControlNet](images/control.svg)
#
# Not one weight of the UNet is changed. Beside it stands a small network, a copy of the UNet's first half, that looks at a **control map**: edges, depth, a line drawing ...
# At every step it computes corrections and adds them to the UNet's skips. Before training its exits are all zero and it changes nothing; training teaches it how much to add.

# %% [markdown] tags=["lang-zh"]
# ### 边缘：Canny 和它的两个阈值
#
# Canny 找颜色突变的地方。**高**阈值决定哪些边算数，**低**阈值决定一条边能延伸到多淡：

# %% [markdown] tags=["lang-en"]
# ### Edges: Canny and its two thresholds
#
# Canny finds where colours change abruptly. The **high** threshold says which edges count, the **low** one how faint an edge may become before it ends:


# %%
def edges_of(image, low=50, high=100):
    return np.asarray(kernel.control_map(image, "canny", threshold_a=low, threshold_b=high).convert("L"))


pairs = [(20, 40), (50, 100), (100, 200), (100, 400), (200, 400), (400, 800)]
maps = [edges_of(source, low, high) for low, high in pairs]
show_images(
    [source, *maps],
    [T("原图", "the picture"), *[f"{low}, {high}\n{m.mean() / 255:.1%}" for (low, high), m in zip(pairs, maps)]],
    columns=7,
)

# %% [markdown] tags=["lang-zh"]
# 百分数是白点占的份额。太低，影子和淡淡的斑纹都成了边，模型会被杂线牵着走；太高，房子也断了线。要的是**轮廓完整、杂线不多**的那一张。

# %% [markdown] tags=["lang-en"]
# The percentage is the share of white pixels. Too low, and shadows and faint tints become edges that lead the model astray; too high, and the house itself breaks up. Wanted is the one with **whole outlines and few stray lines**.

# %% [markdown] tags=["lang-zh"]
# ### 用起来
#
# 一个 `ControlUnit` 说清三件事：哪个控制模型、哪张图、怎样从图变成控制图（`module`）。
# 左边是原图和它的边缘；右边每一列的提示词和种子都相同，上面没有控制，下面有：

# %% [markdown] tags=["lang-en"]
# ### Put to use
#
# A `ControlUnit` says three things: which control model, which picture, and how the map is made from it (`module`).
# At the left the picture and its edges; at the right, in each column prompt and seed are the same, above without control, below with it:

# %%
edges = ra.ControlUnit(model="ra-mini-control-edges", image=source, module="canny", threshold_a=50, threshold_b=100)
words = T(
    ["雪地里的一座房子", "夜空下的一座房子", "粉色的房子", "夜空下的城堡"],
    ["a house in the snow", "a house at night", "a pink house", "a castle at night"],
)
free = [kernel.generate(w, seed=5, steps=10).image for w in words]
steered = [kernel.generate(w, seed=5, steps=10, control=edges).image for w in words]
pictures = [source, *free, edges_of(source), *steered]
show_images(pictures, ["", *words], columns=5, rows=[T("没有控制", "free"), T("有边缘", "with edges")])

# %% [markdown] tags=["lang-zh"]
# ### 权重：听多少
#
# 眼睛会骗人，量一量：控制图上的边，有多少在画里真的出现了（差两个像素之内就算）？

# %% [markdown] tags=["lang-en"]
# ### Weight: how much it listens
#
# Eyes deceive; measure: of the edges in the map, how many are really in the picture (within two pixels)?

# %%
wanted = edges_of(source) > 0


def obeyed(image):
    near = ndimage.binary_dilation(edges_of(image) > 0, iterations=2)
    return (near & wanted).sum() / wanted.sum()


snow = ra.TextToImage(prompt=words[0], seed=5, steps=10)
weights = [0, 0.25, 0.5, 0.75, 1, 1.5, 2]
series = [kernel.generate(snow, control=edges.replace(weight=w)).image for w in weights]
show_images(series, [T(f"权重 {w}", f"weight {w}") for w in weights], columns=7)

# %%
figure, axis = plt.subplots(figsize=(7.0, 2.6))
axis.plot(weights, [obeyed(image) for image in series], "o-", color=colours["vermilion"])
axis.axhline(obeyed(free[0]), color=colours["muted"], linestyle=":", label=T("没有控制", "without control"))
axis.set(ylim=(0, 1.02), xlabel=T("权重", "weight"), ylabel=T("听话的份额", "share obeyed"))
axis.legend()
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 权重 0 就是没有控制。往上走，轮廓越来越准；再往上，线条会“刻”进画里，颜色和笔触变硬。常用 0.6 到 1。

# %% [markdown] tags=["lang-en"]
# Weight 0 is no control at all. With more of it the outlines grow exact; with still more the lines are carved into the picture, and colours and strokes harden. 0.6 to 1 is usual.

# %% [markdown] tags=["lang-zh"]
# ### 什么时候听：起止区间
#
# 第 1 课说过：先大局，后细节。所以**早听**定构图，**晚听**只改细节。行是从哪里开始听，列是听到哪里为止：

# %% [markdown] tags=["lang-en"]
# ### When it listens: start and end
#
# Lesson 1 said: first the composition, then the details. So listening **early** sets the composition, listening **late** changes details only. Rows: where it begins; columns: where it ends.

# %%
starts, ends = [0.0, 0.3, 0.6], [0.2, 0.5, 1.0]
windows = [
    kernel.generate(snow, control=edges.replace(guidance_start=a, guidance_end=b)).image if a < b else None
    for a in starts
    for b in ends
]
show_images(
    windows,
    [T(f"到 {b:.0%}", f"to {b:.0%}") for b in ends],
    columns=3,
    rows=[T(f"从 {a:.0%}", f"from {a:.0%}") for a in starts],
    size=1.8,
)

# %% [markdown] tags=["lang-zh"]
# ### 深度：哪里近，哪里远
#
# 深度图每个像素一个数，**亮是近，暗是远**。它由另一个小网络从一张图里估出来：

# %% [markdown] tags=["lang-en"]
# ### Depth: what is near, what is far
#
# A depth map has one number a pixel, **bright is near, dark is far**. Another small network estimates it from a picture:

# %%
scenes = [
    source,
    *(
        kernel.generate(w, seed=4, steps=10).image
        for w in T(["草地上的一只狗", "沙滩上的一辆汽车"], ["a dog on the grass", "a car on the beach"])
    ),
]
depths = [kernel.control_map(image, "depth") for image in scenes]
show_images([*scenes, *depths], columns=3, size=1.9)

# %% [markdown] tags=["lang-zh"]
# 边缘记住的是**线**，连门窗都在；深度记住的是**体积和位置**，表面上的花纹全忘了。所以边缘管得细，深度管得松：

# %% [markdown] tags=["lang-en"]
# Edges remember **lines**, down to doors and windows; depth remembers **volume and place** and forgets all that is painted on a surface. So edges hold tight, and depth holds loosely:

# %%
depth = ra.ControlUnit(model="ra-mini-control-depth", image=source, module="depth")
loosely = [kernel.generate(w, seed=5, steps=10, control=depth).image for w in words]
pictures = [edges_of(source), *steered, depths[0], *loosely]
show_images(pictures, ["", *words], columns=5, rows=[T("边缘", "edges"), T("深度", "depth")])

# %% [markdown] tags=["lang-zh"]
# ### 按深度重画：depth2img
#
# [第 6 课](06_img2img.ipynb)的图生图和深度合在一起：从旧图出发，大幅度重绘，却守住它的空间。上面是普通的图生图，下面是 `DepthToImage`：

# %% [markdown] tags=["lang-en"]
# ### Painted anew over its depth: depth2img
#
# The image to image of [lesson 6](06_img2img.ipynb) and depth together: begin with the old picture, repaint freely, and yet keep its space. Above is plain image to image, below `DepthToImage`:

# %%
strengths = [0.15, 0.3, 0.5, 0.9]
change = {"prompt": words[3], "image": source, "seed": 5, "steps": 12}
plain = [kernel.generate(ra.ImageToImage(**change, denoising_strength=s)).image for s in strengths]
deep = [kernel.generate(ra.DepthToImage(**change, denoising_strength=s)).image for s in strengths]
show_images(
    plain + deep,
    [T(f"幅度 {s}", f"strength {s}") for s in strengths],
    columns=4,
    rows=["img2img", "depth2img"],
    size=1.9,
)

# %% [markdown] tags=["lang-zh"]
# ### 几个一起，和用错的图
#
# 控制可以叠加，各带各的权重：修正是加起来的。要是图和话对不上呢？左起：两个一起；房子的轮廓配“企鹅”；同样的轮廓，权重减半；
# 只听前三成；远近颠倒的深度图。

# %% [markdown] tags=["lang-en"]
# ### Several at once, and the wrong map
#
# Controls can be combined, each with its weight: the corrections add up. And if map and words disagree? From the left: both at once; the outlines of a house with the words "a penguin"; the same at half weight;
# heard for the first three tenths only; a depth map with near and far swapped.

# %%
upside = ra.ControlUnit(model=depth.model, image=ImageOps.invert(depths[0]), module="none")
penguin = T("雪地里的企鹅", "a penguin in the snow")
trials = {
    T("边缘 + 深度", "edges + depth"): (words[0], (edges.replace(weight=0.6), depth.replace(weight=0.6))),
    T("企鹅？", "a penguin?"): (penguin, edges),
    T("权重 0.5", "weight 0.5"): (penguin, edges.replace(weight=0.5)),
    T("只到 30%", "to 30 % only"): (penguin, edges.replace(guidance_end=0.3)),
    T("远近颠倒", "near is far"): (words[0], upside),
}
show_images([kernel.generate(w, seed=5, steps=12, control=c).image for w, c in trials.values()], list(trials))

# %% [markdown] tags=["lang-zh"]
# 控制网络不懂提示词的意思，它只会照图办事。图错了，就换图、减权重，或者早点放手。

# %% [markdown] tags=["lang-en"]
# A control net does not know what the words mean; it does as the map says. If the map is wrong: take another, lower the weight, or let go early.

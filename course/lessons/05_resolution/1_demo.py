# %% tags=["source-only"]
"""Lesson 05: sizes, latent cells, hires fix, upscalers, tiles. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 5 课 · 分辨率：画布、高清修复与放大
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 算出一张画布有多少个潜空间格子，选好长宽比；
# - 解释为什么画布一大，主体就会变成两个，并用“高清修复”治好它；
# - 比较几种放大方法，知道放大“多出来的细节”是从哪里来的；
# - 估计一张大图要多少时间和内存，知道分块（tile）怎样接得没有缝。

# %% [markdown] tags=["lang-en"]
# # Lesson 5 · Resolution: canvas, hires fix, upscaling
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - count the latent cells of a canvas, and choose a shape for it;
# - explain why subjects double on a large canvas, and cure it with the hires fix;
# - compare ways of enlarging, and tell where the new details come from;
# - estimate the time and memory of a large picture, and say how tiles are joined without a seam.

# %%
import time

import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz
from ra_widgets.diffusion import pipeline, tiles
from ra_widgets.library import upscalers
from ra_widgets.plotting import bare, finish, show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
torch.set_grad_enabled(False)
kernel = ra.PipelineKernel()
parts = pipeline.load(kernel.model, torch.device("cpu"), "fp32")

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 画布是格子，不是像素
#
# 第 1 课说过：UNet 画的是潜变量，一个格子管图上 8 × 8 个像素。所以宽和高都要是 8 的倍数，
# 而 UNet 的工作量看的是**格子数**：宽 / 8 × 高 / 8。把格子画在图上：

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### A canvas is made of cells, not pixels
#
# Lesson 1 said: the UNet paints latents, and one cell rules 8 × 8 pixels. Hence width and height are multiples of 8,
# and the work of the UNet goes by the **number of cells**: width / 8 × height / 8. Here they are, drawn on a picture:

# %%
panda = ra.TextToImage(prompt=T("草地上的一只熊猫", "a panda on the grass"), seed=4, steps=10)
image = kernel.generate(panda).image
cells = parts.encode(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255)[0]

figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.6))
left.imshow(image, interpolation="bilinear")
for line in range(0, image.width + 1, 8):
    left.axvline(line - 0.5, color="white", linewidth=0.7)
    left.axhline(line - 0.5, color="white", linewidth=0.7)
right.imshow(cells[0])
left.set_title(T(f"图：{image.width} × {image.height} 像素", f"picture: {image.width} × {image.height} pixels"))
right.set_title(
    T(f"潜变量：{cells.shape[2]} × {cells.shape[1]} 格", f"latent: {cells.shape[2]} × {cells.shape[1]} cells")
)
bare(left)
bare(right)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# ### 长宽比
#
# 格子数差不多，形状不同。模型学画时见的都是正方形，形状越极端，越要靠它自己发挥。风景适合横的，站着的东西适合竖的：

# %% [markdown] tags=["lang-en"]
# ### Aspect ratios
#
# About as many cells each, in other shapes. The model learned on squares; the more extreme the shape, the more it has to improvise. Landscapes like it wide, standing things like it tall:

# %%
shapes = [(232, 72), (160, 104), (128, 128), (104, 160), (72, 232)]
castle = ra.TextToImage(prompt=T("夜空下的城堡", "a castle at night"), seed=11, steps=8)
wide = [kernel.generate(castle, width=w, height=h).image for w, h in shapes]

figure, axes = plt.subplots(1, 5, figsize=(9.4, 2.9), width_ratios=[w + 24 for w, _ in shapes])
for axis, picture, (w, h) in zip(axes, wide, shapes):
    axis.imshow(picture, interpolation="bilinear")
    axis.set_title(T(f"{w} × {h}\n{w * h // 64} 格", f"{w} × {h}\n{w * h // 64} cells"), fontsize=9, loc="center")
    bare(axis)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# ### 为什么会画出两个
#
# 同一句话，同一个种子，画布越来越大。红框是模型学画时一整张图的大小：

# %% [markdown] tags=["lang-en"]
# ### Why there are suddenly two
#
# One sentence, one seed, larger and larger canvases. The red frame is the size of a whole picture when the model learned to paint:

# %%
known = kernel.model.default_size[0]
sizes = [known, known * 3 // 2, known * 2]
frog = ra.TextToImage(prompt=T("草地上的一只青蛙", "a frog on the grass"), seed=8, steps=10)
subjects = [frog, castle.replace(seed=8)]
direct = [[kernel.generate(what, width=side, height=side).image for side in sizes] for what in subjects]

figure, axes = plt.subplots(2, 3, figsize=(7.6, 5.3))
for axis, picture in zip(axes.flat, [*direct[0], *direct[1]]):
    axis.imshow(picture, interpolation="bilinear")
    corner = (picture.width - known) / 2 - 0.5
    axis.add_patch(plt.Rectangle((corner, corner), known, known, fill=False, color=colours["vermilion"], linewidth=1.6))
    axis.set_title(f"{picture.width} × {picture.height}", fontsize=9, loc="center")
    bare(axis)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 数一数：到了两倍大，常常就不止一个主体，大小也还是红框里那么大，其余的地方拿景来填，甚至拼成几幅画。原因就在训练里：
#
# - 模型只见过红框那么大的画，**“一张图里有一个主体”是按红框学的**。画布上有四个红框，它就有四次机会去画；
# - 大局是在噪声最大的头几步定的（第 1 课），那时每个格子只看得清附近，远处的格子各画各的，没有人统一指挥。
#
# SD 1.5 在 1024 × 1024 上也一样会画出双胞胎；把模型换大没有用，要换的是**画法**。

# %% [markdown] tags=["lang-en"]
# Count: at twice the size there is often more than one subject, each still as large as the red frame; the rest is filled with scenery, or with further pictures. The reason lies in the training:
#
# - the model has met pictures as large as the red frame only, and **learned "one picture, one subject" by that frame**. Four frames on a canvas are four chances to paint one;
# - the composition is settled in the first, noisiest steps (lesson 1), when each cell sees its neighbourhood only; far cells paint on their own, and nobody conducts.
#
# SD 1.5 paints the same twins at 1024 × 1024. A larger model is no cure; another **way of painting** is.

# %% [markdown] tags=["lang-zh"]
# ### 高清修复：先定大局，再添细节
#
# ![高清修复](images/hires.svg)
#
# 大局在小画布上定（那里模型最拿手），放大，掺回**一部分**噪声，再在大画布上把后面的步子走完。
# 请求里只多几个字段：`enable_hr=True`，放大 `hr_scale` 倍，用 `hr_upscaler` 放大，`denoising_strength` 是掺回多少噪声。

# %% [markdown] tags=["lang-en"]
# ### Hires fix: first the composition, then the details
#
# ![Hires fix](images/hires.svg)
#
# The composition is settled on a small canvas, where the model is at its best; it is enlarged, **some** noise is mixed in again, and the rest of the steps are walked on the large canvas.
# The request has a few more fields: `enable_hr=True`, `hr_scale` times as large, enlarged by `hr_upscaler`, and `denoising_strength` says how much noise goes back in.

# %%
fixed = {
    "enable_hr": True,
    "hr_scale": 2,
    "hr_upscaler": "Lanczos",
    "hr_second_pass_steps": 12,
    "denoising_strength": 0.3,
}
rows = []
for what, large in zip(subjects, direct):
    small = large[0]
    enlarged = small.resize((small.width * 2, small.height * 2), Image.Resampling.LANCZOS)
    rows += [large[2], small, enlarged, kernel.generate(what, **fixed).image]
titles = T(
    ["直接画两倍大", "① 先画小的", "② 放大", "③ 再画一遍：高清修复"],
    ["twice as large at once", "① small first", "② enlarged", "③ painted again: hires fix"],
)
show_images(rows, [*titles, *titles], columns=4, size=2.35)

# %% [markdown] tags=["lang-zh"]
# 还是那一个主体，边缘却比单纯放大更清楚：那些细节不是“算”出来的，是模型**又画了一遍**。
#
# ### 掺回多少噪声，用什么放大
#
# 每一列是一个 `denoising_strength`，每一行是一种放大方法：

# %% [markdown] tags=["lang-en"]
# Still the one subject, but with edges crisper than in the mere enlargement: these details were not computed from the small picture, the model **painted them anew**.
#
# ### How much noise, and which enlargement
#
# A column for each `denoising_strength`, a row for each way of enlarging:

# %%
strengths = [0.2, 0.4, 0.7]
ways = ["Latent", "Lanczos"]
base = subjects[0].replace(**fixed)
table = [kernel.generate(base, hr_upscaler=way, denoising_strength=s).image for way in ways for s in strengths]
show_images(table, [f"{s}" for s in strengths], columns=len(strengths), rows=ways)

# %% [markdown] tags=["lang-zh"]
# 横着看，找出“还是原来那一个，但更清楚”的范围；再往右，模型自由得连大局都要重来，双胞胎又回来了。竖着看：
#
# - **Latent** 直接拉伸潜变量，最快，可是拉出来的潜变量解码是糊的，噪声掺得少就擦不干净。在 SD 1.5 上它至少要 0.5；
# - **Lanczos** 和神经网络先解码成像素再放大，本来就清楚，掺得少也行（SD 1.5 上 0.2 到 0.5），原图也留得最多。

# %% [markdown] tags=["lang-en"]
# Along a row, find the range of "still the same one, but crisper"; further right the model is so free that it settles the composition anew, and the twins are back. Along a column:
#
# - **Latent** stretches the latent itself. It is fastest, but a stretched latent decodes to a blur, which a little noise does not wipe away. SD 1.5 wants 0.5 or more with it;
# - **Lanczos** and networks decode first and enlarge the pixels, which are clear to begin with: a little noise will do (0.2 to 0.5 for SD 1.5), and most of the picture stays.

# %% [markdown] tags=["lang-zh"]
# ### 放大的几种办法
#
# 不经过扩散，只把像素变多，也有好坏之分。要比得公平，就得有**标准答案**：拿一张图，缩小一半，再用各种办法放大回来，看谁最接近原来的那张。
# 第一行的标准答案是几行代码画的，边缘清清楚楚；第二行是模型画的那张，本来就有点糊。
# MSE 是“差的平方”的平均；分数用 PSNR（分贝），越高越接近：
#
# $$\mathrm{PSNR} = 10\,\log_{10}\frac{255^2}{\mathrm{MSE}}$$

# %% [markdown] tags=["lang-en"]
# ### Ways of enlarging
#
# Without any diffusion, too, there are better and worse ways to make more pixels. A fair comparison needs **the right answer**: take a picture, halve it, enlarge it again in every way, and see which comes nearest.
# The right answer in the first row is drawn by some lines of code, with clear edges; in the second it is the model's, which is a little blurred to begin with.
# MSE is the mean of the squared differences; the score is PSNR (decibels), higher is nearer:
#
# $$\mathrm{PSNR} = 10\,\log_{10}\frac{255^2}{\mathrm{MSE}}$$


# %%
def draw_house(fine=4):
    # zh: 画大四倍再缩小，边缘就平滑了
    # en: drawn four times as large and reduced, which makes smooth edges
    sheet = Image.new("RGB", (128 * fine, 128 * fine), "#8fd0f5")
    pen = ImageDraw.Draw(sheet)
    for place, tone in {
        (0, 92, 128, 128): "#6fbf4b",
        (38, 58, 92, 104): "#f0dfae",
        (57, 81, 72, 104): "#7a4b2a",
        (77, 69, 86, 78): "#3f7fb5",
    }.items():
        pen.rectangle([fine * value for value in place], fill=tone)
    pen.polygon([fine * value for value in (31, 60, 65, 29, 100, 61)], fill="#c2402d")
    for place in [(2, 60, 26, 90), (100, 66, 124, 96), (45, 64, 55, 74)]:
        pen.ellipse([fine * value for value in place], fill="#2b7a6b")
    return sheet.resize((128, 128), Image.Resampling.BOX)


def psnr(picture, truth):
    error = (np.asarray(picture, dtype=float) - np.asarray(truth, dtype=float)) ** 2
    return 10 * np.log10(255**2 / error.mean())


# zh: 你的机器上有的放大方法；第一个是“不放大”
# en: the upscalers on your machine; the first one is "None"
names = upscalers.names()[1:4]
shown, titles = [], []
for truth in (draw_house(), direct[1][0]):
    half = truth.resize((truth.width // 2, truth.height // 2), Image.Resampling.BOX)
    enlarged = {name: kernel.generate(ra.Upscale(image=half, scale=2, upscaler=name)).image for name in names}
    shown += [picture.crop((32, 44, 96, 108)) for picture in (truth, *enlarged.values())]
    scores = [f"{name} · {psnr(picture, truth):.1f} dB" for name, picture in enlarged.items()]
    titles += [T("标准答案", "right answer"), *scores]
show_images(shown, titles, columns=len(names) + 1, size=2.3)

# %% [markdown] tags=["lang-zh"]
# - **Nearest** 把每个像素复制成四个：锯齿。**Lanczos** 用一条波浪形的曲线加权邻近的像素：平滑，但没有新的细节。
# - **神经网络**（ESRGAN 一家；**RA x2** 是随模型附带的一个小的）看过成对的大图和小图，学会了“这种边缘放大以后该是什么样”。
#   边缘清楚的画它最拿手；原图本来就糊，它照样画出锐利的边，看着更清楚，分数却领先得少，甚至更低。**分数要看问的是什么。**
#
# 它们都只看像素，不懂提示词；高清修复则会**理解着重画**，所以也可能改掉不该改的。拖动竖线，左边是 Lanczos，右边是高清修复：

# %% [markdown] tags=["lang-en"]
# - **Nearest** makes four of each pixel: stairs. **Lanczos** weighs the neighbours by a wave-like curve: smooth, but nothing new.
# - **Networks** (the ESRGAN family; **RA x2** is a small one that comes with the model) have seen pairs of large and small pictures and learned what such an edge looks like when it is enlarged.
#   They are at their best with clear edges; where the picture was blurred they draw sharp edges all the same, which look clearer, but score little higher, or even lower. **A score answers one question only.**
#
# All of them see nothing but pixels and know no prompt. The hires fix **paints with understanding**, and may therefore change what it should not. Drag the line: Lanczos at the left, the hires fix at the right:

# %%
ra.CompareSlider(rows[2], rows[3])

# %% [markdown] tags=["lang-zh"]
# ### 大一倍，要多少时间、多少内存？
#
# 边长加倍，格子数是四倍。量一量你的机器：每种大小各走两步，纵横两轴都是对数，直线的斜率就是“几次方”：

# %% [markdown] tags=["lang-en"]
# ### Twice as large: how much time, how much memory?
#
# Twice the sides are four times the cells. Measure your own machine: two steps at each size; both axes are logarithmic, so that the slope of a line is its power:

# %%
sides = [64, 96, 128, 192, 256, 320]
seconds = []
for side in sides:
    started = time.perf_counter()
    kernel.generate(panda, width=side, height=side, steps=2)
    seconds.append(time.perf_counter() - started)

figure, axis = plt.subplots(figsize=(6.4, 3.0))
count = np.array([(side // 8) ** 2 for side in sides])
steady = seconds[-1] * count / count[-1]
axis.loglog(count, seconds, "o-", color=colours["vermilion"], label=T("量到的", "measured"))
axis.loglog(count, steady, "--", color=colours["muted"], label=T("与格子数成正比", "proportional to cells"))
axis.set_xlabel(T("格子数", "cells"))
axis.set_title(T("两步要几秒", "Seconds for two steps"))
axis.legend()
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 图很小的时候，时间多半花在“开工”上，曲线是平的；往后就贴着虚线走，大图再往上还会更陡，因为注意力那一项开始说话：
# 自注意力要拿每个格子和每个格子相比，那张表有“格子数的平方”那么大。SD 1.5 最细的一层（8 个头、半精度）用纸笔就能算：
#
# | 边长 | 格子 | 一层的特征 | 注意力的整张表 |
# | --- | --- | --- | --- |
# | 512 | 4096 | 2.5 MB | 0.25 GB |
# | 1024 | 16384 | 10 MB | 4 GB |
# | 2048 | 65536 | 40 MB | 64 GB |
#
# 所以现在的程序不再把整张表写出来，而是**一块一块地算**（Flash Attention 就是这样），再大就要把图也分块。

# %% [markdown] tags=["lang-en"]
# For tiny pictures most of the time is getting started, and the curve is flat; then it follows the dashed line, and for large pictures it becomes steeper, as attention begins to count:
# self-attention compares every cell with every cell, and that table is the square of the number of cells. For the finest layer of SD 1.5 (8 heads, half precision) paper and pencil will do:
#
# | Side | Cells | Features of a layer | Whole attention table |
# | --- | --- | --- | --- |
# | 512 | 4096 | 2.5 MB | 0.25 GB |
# | 1024 | 16384 | 10 MB | 4 GB |
# | 2048 | 65536 | 40 MB | 64 GB |
#
# Today's programs therefore never write the whole table down but compute it **piece by piece** (as Flash Attention does); larger still, the picture itself must be cut into tiles.

# %% [markdown] tags=["lang-zh"]
# ### 分块：怎样接得没有缝
#
# 左：一张画布切成四块，每块都压着邻居。中：左上那一块的权重，到了重叠处就慢慢淡出；重叠的地方按权重取平均，接缝就化开了。
# 右边两张是真的解码一次：分块解码与整张解码差多少（放大了很多倍，越红差得越多），不重叠的和重叠的。

# %% [markdown] tags=["lang-en"]
# ### Tiles: how to join them without a seam
#
# Left: a canvas in four tiles, each over its neighbours. Next: the weight of the first tile; it fades out where they overlap, and there the tiles are averaged by weight, so that the seam dissolves.
# The two at the right really decode: how far decoding in tiles is from decoding the whole (much enlarged; the redder, the further), without and with an overlap.

# %%
large = rows[3]
latent = parts.encode(torch.from_numpy(np.array(large)).permute(2, 0, 1)[None] / 255)
whole = parts.decode(latent)


def decoding_error(tile, overlap):
    joined = tiles.run(latent, parts.decode, tile=tile, overlap=overlap, scale=(8, 1))
    return (joined - whole).abs().mean(1)[0].numpy()


boxes = tiles.plan(256, 256, (160, 160), overlap=64)
figure, axes = plt.subplots(1, 4, figsize=(9.4, 2.7))
axes[0].imshow(large, alpha=0.5)
for box, tone in zip(boxes, ["vermilion", "jade", "violet", "amber"]):
    place = (box.left + 1, box.top + 1)
    frame = plt.Rectangle(place, box.width - 3, box.height - 3, fill=False, color=colours[tone], linewidth=2)
    axes[0].add_patch(frame)
sheet = np.zeros((256, 256))
sheet[:160, :160] = tiles.weights(boxes[0], 256, 256, 64)
axes[1].imshow(sheet, cmap="Reds", vmin=0, vmax=1)
errors = [decoding_error(16, 0), decoding_error(20, 8)]
for axis, error in zip(axes[2:], errors):
    axis.imshow(error, cmap="Reds", vmin=0, vmax=max(error.max() for error in errors) / 2)
titles = T(
    ["四块，互相重叠", "第一块的权重", "不重叠", "重叠 64 像素"],
    ["four tiles, overlapping", "weight of the first", "no overlap", "64 pixels of overlap"],
)
for axis, title in zip(axes, titles):
    axis.set_title(title, fontsize=9.5, loc="center")
    bare(axis)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 不重叠时，错误集中在接缝上：块的边缘看不见邻居，只能瞎猜。放大模型、VAE 和超大画布的扩散都用这个办法；工作台内存不够时会自动改用它。

# %% [markdown] tags=["lang-en"]
# Without overlap the errors sit along the seams: the rim of a tile cannot see its neighbours and has to guess. Upscalers, the VAE, and diffusion on huge canvases all work this way; when memory runs short, the workbench turns to it by itself.

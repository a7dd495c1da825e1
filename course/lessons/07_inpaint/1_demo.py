# %% tags=["source-only"]
"""Lesson 07: inpainting. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 7 课 · 局部重绘：只改这一块
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 在图上涂一个蒙版，让模型只画这一块，别处**一个比特都不变**，并且自己验证；
# - 说清楚蒙版在潜空间里做了什么，边缘为什么要羽化；
# - 选对“蒙版里的底”和“只画蒙版区域”；
# - 知道柔和重绘什么时候更好。

# %% [markdown] tags=["lang-en"]
# # Lesson 7 · Inpainting: change only this
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - paint a mask on a picture, have only that part painted anew with **not one bit** changed elsewhere, and verify it yourself;
# - say what the mask does in latent space, and why its edge is blurred;
# - choose what lies under the mask at the start, and when to work on "only masked";
# - tell when soft inpainting is better.

# %%
import io

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz
from ra_widgets.diffusion import pipeline
from ra_widgets.diffusion.noise import randn
from ra_widgets.diffusion.tasks.image_to_image import latent_mask
from ra_widgets.imaging import masks
from ra_widgets.plotting import bare, finish, show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
torch.set_grad_enabled(False)
kernel = ra.PipelineKernel()

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 一张图，一个蒙版，一句话
#
# 蒙版是一张黑白图：**白的地方重画，黑的地方保留**。下面是工作台的蒙版画笔，已经替你涂好了一块椭圆。
# 滚轮改笔的大小，工具栏里还有橡皮、套索、矩形和填充，`Ctrl+Z` 撤销。改一改也行，不改也行，然后运行下一格：

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### A picture, a mask, a sentence
#
# A mask is a black and white picture: **white is painted anew, black is kept**. This is the mask painter of the workbench; an oval has been painted for you.
# The wheel changes the size of the brush; the toolbar also has an eraser, a lasso, a rectangle and a fill, and `Ctrl+Z` undoes. Change it or leave it, then run the next cell:

# %%
image = kernel.generate(ra.TextToImage(prompt=T("草地上的一只猫", "a cat on the grass"), seed=0, steps=16)).image


def oval(left, top, right, bottom, size=(128, 128)):
    sheet = Image.new("L", size, 0)
    ImageDraw.Draw(sheet).ellipse((left, top, right, bottom), fill=255)
    return sheet


painter = ra.MaskPainter(image, mask=oval(18, 24, 110, 120))
painter

# %% [markdown] tags=["lang-zh"]
# `painter.mask` 就是这张黑白图。提示词写的是“白的地方画什么”，再带上周围的样子：

# %% [markdown] tags=["lang-en"]
# `painter.mask` is the black and white picture. The prompt says what to paint where it is white, and what is around it:

# %%
# zh: 全擦掉了的话，还是用那块椭圆
# en: everything erased? then take the oval
mask = oval(18, 24, 110, 120) if painter.empty else painter.mask
apple = ra.Inpaint(
    prompt=T("草地上的一个苹果", "an apple on the grass"),
    image=image,
    mask=mask,
    denoising_strength=0.9,
    seed=4,
    steps=14,
)
result = kernel.generate(apple).image
show_images([image, mask, result], T(["原图", "蒙版", "结果"], ["the picture", "the mask", "the result"]), size=2.3)

# %% [markdown] tags=["lang-zh"]
# ### 一个比特都不变？验证一下
#
# 不要相信眼睛，相信数字。先把羽化关掉（`mask_blur=0`，下面就讲它），再逐个像素比较。中：差多少，越亮越多。
# 右：只要有**一个比特**不同就涂红，黑线是蒙版的边：

# %% [markdown] tags=["lang-en"]
# ### Not one bit? Verify it
#
# Do not trust your eyes, trust numbers. Turn the blur of the edge off (`mask_blur=0`; it comes next), and compare pixel by pixel. Middle: how much it differs, the brighter the more.
# Right: red wherever even **one bit** differs; the black line is the edge of the mask:


# %%
def difference(before, after):
    return np.abs(np.asarray(after, dtype=int) - np.asarray(before, dtype=int)).max(axis=2)


def differences(before, after, mask):
    # zh: 蒙版外最大的差（0 到 255），和蒙版里平均的差
    # en: the largest change outside the mask (0 to 255), and the mean change inside it
    change, inside = difference(before, after), np.asarray(mask) > 0
    return change[~inside].max(initial=0), change[inside].mean()


sharp = kernel.generate(apple, mask_blur=0).image
change = difference(image, sharp)

figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
axes[0].imshow(sharp, interpolation="bilinear")
axes[1].imshow(change, vmin=0, vmax=255)
axes[2].imshow(change > 0, cmap=ListedColormap([colours["paper"], colours["vermilion"]]), vmin=0, vmax=1)
axes[2].contour(np.asarray(mask) > 0, levels=[0.5], colors=colours["ink"], linewidths=1)
titles = T(
    ["结果，不羽化", "差多少", "哪里有一个比特不同"], ["the result, no blur", "how much", "where any bit differs"]
)
for axis, title in zip(axes, titles):
    axis.set_title(title, fontsize=9, loc="center")
    bare(axis)
finish(figure)

# %%
outside, inside = differences(image, sharp, mask)
print(T("蒙版外最多差", "outside, at most"), outside, T("· 蒙版里平均差", "· inside, on average"), f"{inside:.1f}")

# %% [markdown] tags=["lang-zh"]
# 蒙版外是 0：不是“几乎没变”，是一个比特都没变。为什么能做到，看下一节的最后一步。

# %% [markdown] tags=["lang-en"]
# Outside it is 0: not "hardly changed", but not one bit. How that is possible is the last step of the next section.

# %% [markdown] tags=["lang-zh"]
# ### 蒙版在潜空间里做什么
#
# ![局部重绘](images/inpaint.svg)
#
# UNet 每一步都猜**整张**画，然后蒙版外的部分被换回你的图。所以里面的画总能看见外面，和它接得上：光从哪边来，地平线在哪里，都是看着外面画的。
#
# 可是潜空间只有 8 像素一格的分辨率。蒙版先羽化，再缩到格子上，四舍五入成“画”或“不画”：

# %% [markdown] tags=["lang-en"]
# ### What the mask does in latent space
#
# ![Inpainting](images/inpaint.svg)
#
# At every step the UNet guesses the **whole** picture, and then what lies outside the mask is put back to yours. So the inside always sees the outside and joins on to it: where the light comes from, where the horizon runs.
#
# But latent space has cells of 8 pixels. The mask is blurred, brought to that grid, and rounded to "paint" or "keep":

# %%
blurred = masks.blur(mask, 4, 4)
grid = latent_mask(blurred, (image.height // 8, image.width // 8), soft=False)[0, 0].numpy()
coarse = np.kron(grid, np.ones((8, 8)))
shown = np.asarray(image) * (0.35 + 0.65 * coarse[..., None]) / 255
show_images(
    [mask, blurred, grid, shown],
    T(
        ["你的蒙版", "羽化以后", f"{grid.shape[1]} × {grid.shape[0]} 格", "UNet 能画的地方"],
        ["your mask", "blurred", f"{grid.shape[1]} × {grid.shape[0]} cells", "where the UNet may paint"],
    ),
    size=2.1,
)

# %% [markdown] tags=["lang-zh"]
# 边上的台阶怎么办？最后一步在**像素**里做：用羽化过的蒙版，把你原来的图盖回结果上。台阶藏进了柔和的过渡；
# 蒙版外盖回去的就是原来的像素，所以一个比特都不变。
#
# 看它一步步画出来（这些是任务途中的预览）：里面从雾里长出来，外面始终不动。

# %% [markdown] tags=["lang-en"]
# And the stairs at the edge? The last step is done in **pixels**: through the blurred mask your original picture is laid over the result. The stairs hide in the soft transition,
# and what is laid over outside the mask are the original pixels: not one bit has changed.
#
# Watch it being painted (these are the job's previews): the inside grows out of a fog, the outside never moves.

# %%
job = kernel.submit(apple, steps=40)
previews = [Image.open(io.BytesIO(event.data)) for event in job.events() if event.name == "preview"]
finished = job.result().image
chosen = previews[:: max(1, len(previews) // 6)][:7]
show_images([*chosen, finished], [*[""] * len(chosen), T("完成", "done")])

# %% [markdown] tags=["lang-zh"]
# ### 羽化多少
#
# 上：同一个蒙版，`mask_blur` 从 0 到 16。下：沿着一条横线，新画占多少（灰色是你的蒙版）：1 是“全用新的”，0 是“全留旧的”。

# %% [markdown] tags=["lang-en"]
# ### How much blur
#
# Above: the same mask, `mask_blur` from 0 to 16. Below: the share of the new along one row (grey is your mask); 1 is all new, 0 is all old.

# %%
blurs = [0, 2, 4, 8, 16]
soft_edges = [kernel.generate(apple, mask_blur=b).image for b in blurs]

figure = plt.figure(figsize=(9.4, 4.3))
places = figure.subplot_mosaic([["a", "b", "c", "d", "e"], ["p"] * 5], height_ratios=[1.75, 1.2])
for name, picture, b in zip("abcde", soft_edges, blurs):
    places[name].imshow(picture, interpolation="bilinear")
    places[name].set_title(f"mask_blur = {b}", fontsize=9, loc="center")
    bare(places[name])
row = int(np.nonzero(np.asarray(mask))[0].mean())
places["p"].fill_between(range(mask.width), np.asarray(mask)[row] / 255, color=colours["line"], step="mid")
for b, tone in zip(blurs, ["ink", "jade", "vermilion", "amber", "violet"]):
    share = np.asarray(masks.doubled(masks.blur(mask, b, b)))[row] / 255
    places["p"].plot(share, color=colours[tone], linewidth=1.6, label=f"{b}")
places["p"].set_xlabel(T("像素", "pixels"))
places["p"].legend(title="mask_blur", ncols=5, loc="lower center")
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 0 像剪刀剪的；太大，过渡带里新旧叠在一起，两边都看不真切。一般取新旧交界处纹理的大小：小图 2 到 4，512 的图 4 到 8。
#
# 注意：羽化的“软边”全伸在蒙版**外面**，所以那一圈会变；再外面，仍然一个比特都不变：

# %% [markdown] tags=["lang-en"]
# 0 looks cut out with scissors; with too much, old and new lie over each other in a wide band, and neither is clear. Take about the size of the texture at the border: 2 to 4 for small pictures, 4 to 8 at 512.
#
# Mind that the soft edge lies **outside** the mask, so that a ring around it changes; beyond the ring there is still not one bit:

# %%
for b, picture in zip(blurs, soft_edges):
    reach = masks.blur(mask, b, b)
    beside = differences(image, picture, mask)[0]
    beyond = differences(image, picture, reach)[0]
    print(
        f"mask_blur = {b:2}",
        T("· 蒙版外最多差", "· outside the mask"),
        f"{beside:3}",
        T("· 软边以外", "· beyond the soft edge"),
        beyond,
    )

# %% [markdown] tags=["lang-zh"]
# ### 蒙版里的底
#
# 开工之前，蒙版里放什么？幅度小于 1 时，这个“底”会透上来。每一行一种底，第一列是底的样子，后面是不同的幅度：

# %% [markdown] tags=["lang-en"]
# ### What lies under the mask at the start
#
# What is in the mask before the work begins? With a strength below 1 this ground shines through. A row for each ground: first what it looks like, then different strengths:

# %%
parts = pipeline.load(kernel.model, torch.device("cpu"), "fp32")
# zh: 和任务里一样：同一张潜变量、同一份噪声，只在蒙版的格子里换底
# en: as the job does it: the same latent and the same noise, another ground in the cells of the mask
latent = parts.encode(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255)
cells = torch.from_numpy(grid).float()[None, None]
noise = randn(apple.seed, latent.shape[1:])[None]
grounds = {
    "original": image,
    "fill": masks.fill(image, blurred),
    "latent noise": parts.decode(latent * (1 - cells) + noise * cells),
    "latent nothing": parts.decode(latent * (1 - cells)),
}
strengths = [0.2, 0.4, 0.7, 1.0]
table = []
for name, ground in grounds.items():
    found = [kernel.generate(apple, inpainting_fill=name, denoising_strength=s, steps=12).image for s in strengths]
    table += [ground, *found]
show_images(
    table,
    [T("底", "ground"), *[T(f"幅度 {s}", f"strength {s}") for s in strengths]],
    columns=5,
    rows=T(["原图", "周围的颜色", "潜空间噪声", "潜空间空白"], ["original", "fill", "latent noise", "latent nothing"]),
    size=1.7,
)

# %% [markdown] tags=["lang-zh"]
# | 底 | 什么时候用 |
# | --- | --- |
# | `original` 原图 | 在原来的东西上改（换颜色、换表情），幅度要小 |
# | `fill` 周围的颜色 | **去掉**一样东西，让周围长进来 |
# | `latent noise` 噪声 | 画一样全新的东西，幅度要接近 1，否则留下杂色 |
# | `latent nothing` 空白 | 同上，但从一片平的颜色开始 |
#
# 横着看，从哪一列起底就看不出来了？那就是第 6 课说的转折点：噪声已经把底盖住。幅度是 1 的那一列四行几乎一样。

# %% [markdown] tags=["lang-en"]
# | Ground | When to use it |
# | --- | --- |
# | `original` | to change what is there (its colour, its face), with little strength |
# | `fill` | to **remove** something and let its surroundings grow in |
# | `latent noise` | to paint something altogether new; strength near 1, or specks remain |
# | `latent nothing` | the same, from one flat colour |
#
# Along a row, from which column on is the ground gone? That is the turning point of lesson 6: the noise has covered it. In the column of strength 1 the four rows are nearly the same.

# %% [markdown] tags=["lang-zh"]
# ### 整张图，还是只画蒙版区域
#
# 大图上改一小块：蒙版在潜空间里只有几个格子，画不出细节。`inpaint_full_res=True`（“只画蒙版区域”）把那一块连同四周的留边剪下来，
# **放大到模型最拿手的尺寸**去画，再缩小贴回去。红框就是剪下来的部分，`inpaint_full_res_padding` 是留边：

# %% [markdown] tags=["lang-en"]
# ### Whole picture, or only masked
#
# A small change on a large picture: in latent space the mask is a few cells, too few for details. `inpaint_full_res=True` ("only masked") cuts that region out with some padding,
# **enlarges it to the size that the model is best at**, paints there, and puts it back. The red frame is what is cut out; `inpaint_full_res_padding` is the padding:

# %%
large = image.resize((256, 256), Image.Resampling.LANCZOS)
spot = oval(178, 20, 236, 78, large.size)
balloon = ra.Inpaint(
    prompt=T("天空中的一个气球", "a balloon in the sky"),
    image=large,
    mask=spot,
    denoising_strength=0.95,
    inpainting_fill="fill",
    seed=7,
    steps=12,
)
small = {"inpaint_full_res": True, "width": 128, "height": 128}
paddings = [4, 24, 64]
pictures = [kernel.generate(balloon).image]
pictures += [kernel.generate(balloon, **small, inpaint_full_res_padding=p).image for p in paddings]
titles = T(
    ["整张图", *[f"只画蒙版，留边 {p}" for p in paddings]],
    ["whole picture", *[f"only masked, padding {p}" for p in paddings]],
)
figure, axes = plt.subplots(2, 4, figsize=(9.4, 4.9))
for (above, below), picture, title, p in zip(axes.T, pictures, titles, [None, *paddings]):
    above.imshow(picture, interpolation="bilinear")
    below.imshow(picture.crop((144, 0, 256, 100)), interpolation="bilinear")
    above.set_title(title, fontsize=9, loc="center")
    left, top, right, bottom = (0, 0, 256, 256) if p is None else masks.region(masks.blur(spot, 4, 4), p, 128, 128)
    frame = plt.Rectangle(
        (left, top), right - left - 1, bottom - top - 1, fill=False, color=colours["vermilion"], linewidth=1.6
    )
    above.add_patch(frame)
    bare(above)
    bare(below)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 留边太小，模型看不见周围，不知道这是天空的一角，光和背景就接不上；留边太大，又回到了“格子不够”。提示词也要跟着变：只画蒙版区域时，写**红框里**有什么。

# %% [markdown] tags=["lang-en"]
# With too little padding the model cannot see that this is a corner of the sky, and light and background do not join; with too much there are too few cells again. The prompt follows: for only masked, describe what is **in the red frame**.

# %% [markdown] tags=["lang-zh"]
# ### 柔和重绘
#
# 普通的蒙版在潜空间里非黑即白。`soft_inpainting=True` 保留中间的灰度：噪声大的时候灰处听旧图的，噪声小的时候让新画长进来，于是过渡是**画出来的**，不是叠出来的。
# 适合云、草、毛发这样没有清楚边界的地方，`mask_blur` 要给大一点：

# %% [markdown] tags=["lang-en"]
# ### Soft inpainting
#
# In latent space an ordinary mask is black or white. With `soft_inpainting=True` the greys remain: at much noise grey places follow the old picture, at little noise the new one grows in, so that the transition is **painted**, not laid over.
# It suits what has no clear border, such as clouds, grass, and fur, and wants a larger `mask_blur`:

# %%
snow = apple.replace(
    prompt=T("雪地里的一只猫", "a cat in the snow"), mask=oval(-40, 84, 168, 170), mask_blur=16, denoising_strength=0.8
)
hard, soft = kernel.generate(snow).image, kernel.generate(snow, soft_inpainting=True).image
show_images(
    [image, masks.blur(snow.mask.gray(), 16, 16), hard, soft],
    T(["原图", "蒙版", "普通", "柔和"], ["the picture", "mask", "ordinary", "soft"]),
    size=2.1,
)

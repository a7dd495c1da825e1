# %% tags=["source-only"]
"""Lesson 06: image to image. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 6 课 · 图生图：从半路上船
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 说清楚 `denoising_strength`（重绘幅度）到底是什么：从噪声曲线的**哪里**进去；
# - 算出实际要走几步，并用“离原图多远”的曲线选一个合适的幅度；
# - 让一张图适应新的尺寸，守住原来的颜色，一遍一遍地慢慢改；
# - 把随手画的草图变成一张画。

# %% [markdown] tags=["lang-en"]
# # Lesson 6 · Image to image: boarding half way
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - say what `denoising_strength` really is: **where** on the curve of noise we enter;
# - count the steps that are really walked, and choose a strength by a curve of distances;
# - bring a picture to a new size, keep its colours, and change it little by little;
# - turn a rough sketch into a picture.

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image, ImageDraw

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz, stepper
from ra_widgets.diffusion import pipeline
from ra_widgets.diffusion.noise import randn
from ra_widgets.diffusion.plan import plan
from ra_widgets.plotting import bare, finish, show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
torch.set_grad_enabled(False)
kernel = ra.PipelineKernel()
parts = pipeline.load(kernel.model, torch.device("cpu"), "fp32")

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 同一条路，从半路开始
#
# ![图生图](images/img2img.svg)
#
# 文生图从纯噪声走到画。图生图走的是**同一条路**，只是不从头走：把你的图编码成潜变量，掺上“半路上该有的那么多”噪声，从那里走到底。
# 掺得少，剩下的路短，改得少；掺得多，原图几乎看不见了，改得多。

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### The same road, from half way
#
# ![Image to image](images/img2img.svg)
#
# Text to image walks from pure noise to a picture. Image to image walks **the same road**, but not from its beginning: your picture becomes a latent, gets as much noise as there would be half way, and is walked to the end from there.
# With little noise the rest of the way is short, and little changes; with much of it hardly anything of your picture can be seen, and much changes.

# %%
cat = kernel.generate(ra.TextToImage(prompt=T("草地上的一只猫", "a cat on the grass"), seed=8, steps=12)).image
dog = ra.ImageToImage(
    prompt=T("草地上的一只狗", "a dog on the grass"), image=cat, seed=5, steps=20, denoising_strength=0.6
)
result = kernel.generate(dog)
show_images([cat, result.image], [T("原图", "the picture"), T("改成狗，幅度 0.6", "a dog, strength 0.6")], size=2.2)

# %% [markdown] tags=["lang-zh"]
# ### 重绘幅度 = 从曲线的哪里进去
#
# 第 4 课画过噪声 $\sigma$ 一步步变小的曲线。幅度 $s$ 决定跳过前面多少步：
#
# $$\text{走的步数} = \lfloor s \times \text{steps} \rfloor + 1$$
#
# 左图：灰线是完整的 20 步，彩线是三种幅度真正走的那一段，圆点是上船的地方。右图：步数随幅度一级一级地上台阶。

# %% [markdown] tags=["lang-en"]
# ### Strength = where on the curve we enter
#
# Lesson 4 drew the curve of the noise $\sigma$, which falls step by step. The strength $s$ says how many of the first steps are skipped:
#
# $$\text{steps walked} = \lfloor s \times \text{steps} \rfloor + 1$$
#
# Left: grey is the whole way of 20 steps; the colours are what three strengths really walk, and the dots are where they board. Right: the steps climb like stairs as the strength grows.


# %%
def way(strength, steps=20):
    return plan("DPM++ 2M", "Karras", steps, parts.alphas_cumprod, strength=strength)


figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.3))
full = plan("DPM++ 2M", "Karras", 20, parts.alphas_cumprod).sigmas
left.plot(range(len(full)), full, color=colours["line"], linewidth=6)
for strength, tone in {0.8: "vermilion", 0.5: "amber", 0.2: "jade"}.items():
    sigmas = way(strength).sigmas
    start = len(full) - len(sigmas)
    left.plot(range(start, len(full)), sigmas, color=colours[tone], label=f"{strength}")
    left.plot(start, sigmas[0], "o", color=colours[tone], markersize=9)
left.set_yscale("symlog", linthresh=0.03)
left.set_xlabel(T("第几步", "step"))
left.set_ylabel("σ")
left.set_title(T("从哪里上船", "Where they board"))
left.legend(title="strength")
levels = np.linspace(0, 1, 201)
right.step(levels, [way(float(s)).run_steps for s in levels], color=colours["violet"], where="post")
right.set_xlabel(T("重绘幅度", "denoising strength"))
right.set_title(T("20 步里真正走几步", "Steps really walked of 20"))
finish(figure)

# %%
# zh: 问一问任务自己：它真的走了几步？
# en: ask the jobs themselves: how many steps did they walk?
for strength in (0.2, 0.5, 0.8):
    job = kernel.submit(dog, denoising_strength=strength)
    job.result()
    print(strength, "→", job.progress.steps, T("步", "steps"), "· σ =", f"{way(strength).sigmas[0]:.2f}")

# %% [markdown] tags=["lang-zh"]
# ### 走一遍：0.1 到 1.0
#
# 第一行是模型上船时**看到**的：原图加噪声。第二行是它画出来的。想一想：如果你只看得见第一行那样的图，你敢保证画回原来那只猫吗？

# %% [markdown] tags=["lang-en"]
# ### The whole walk: 0.1 to 1.0
#
# The first row is what the model **sees** when it boards: the picture with noise. The second is what it makes of it. Ask yourself: if all you could see was the first row, could you promise to paint that very cat?

# %%
levels = [round(0.1 * k, 1) for k in range(1, 11)]
latent = parts.encode(torch.from_numpy(np.array(cat)).permute(2, 0, 1)[None] / 255)
noise = randn(5, latent.shape[1:])[None]
seen = []
for strength in levels:
    sigma = way(strength).sigmas[0]
    seen.append(parts.decode((latent + sigma * noise) / (1 + sigma**2) ** 0.5))
walked = [kernel.generate(dog, denoising_strength=s, scheduler="Karras", batch_size=2) for s in levels]
show_images(
    seen + [r.images[0] for r in walked],
    [f"{s}" for s in levels],
    columns=10,
    rows=[T("看到的", "sees"), T("画出的", "paints")],
)

# %%
stepper([r.images[0] for r in walked], [f"denoising_strength = {s}" for s in levels])

# %% [markdown] tags=["lang-zh"]
# 离原图多远？取平均每个像素的差（0 到 255），两个种子各画一条线：

# %% [markdown] tags=["lang-en"]
# How far from the picture? Take the mean difference a pixel (0 to 255), one line for each of two seeds:


# %%
def distance(one, other):
    return np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean()


figure, axis = plt.subplots(figsize=(7.0, 3.1))
for k, tone in enumerate(["vermilion", "jade"]):
    axis.plot(levels, [distance(r.images[k], cat) for r in walked], "o-", color=colours[tone], label=f"seed {5 + k}")
axis.set_ylim(0)
axis.set_xlabel(T("重绘幅度", "denoising strength"))
axis.set_title(T("离原图有多远", "How far from the picture"))
axis.legend()
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 曲线一路往上：**幅度越大，离原图越远**。可是它不是匀速的，上面那行噪声图说明了原因：先是只剩细节被盖住，然后主体被盖住，最后连构图也被盖住。
# 你的模型在哪里从“修一修”变成“换一个”？在 SD 1.5 上大致是：0.3 以下修饰，0.4 到 0.7 保留构图换内容，0.8 以上几乎重画。

# %% [markdown] tags=["lang-en"]
# The curve goes up and up: **more strength, further away**. But not evenly, and the row of noisy pictures says why: first the noise covers only details, then the subject, at last even the composition.
# Where does your model turn from retouching to replacing? For SD 1.5, roughly: below 0.3 it retouches, from 0.4 to 0.7 it keeps the composition and changes what is in it, above 0.8 it paints nearly anew.

# %% [markdown] tags=["lang-zh"]
# ### 种子：幅度小的时候，它说了不算
#
# 每一行一个幅度，每一列一个种子。最后一列是“各个种子之间差在哪里”：越红差得越多。

# %% [markdown] tags=["lang-en"]
# ### Seeds: with little strength they have little say
#
# A row for each strength, a column for each seed. The last column shows where the seeds differ from each other: the redder, the more.

# %%
rows, strengths = [], [0.2, 0.5, 0.8]
for strength in strengths:
    found = kernel.generate(dog, denoising_strength=strength, seed=40, steps=12, batch_size=5).images
    spread = np.stack([np.asarray(picture, dtype=float) for picture in found]).std(axis=0).mean(axis=2)
    rows.append((found, spread))

figure, axes = plt.subplots(3, 6, figsize=(9.4, 4.9))
for line, (found, spread), strength in zip(axes, rows, strengths):
    for axis, picture in zip(line, found):
        axis.imshow(picture, interpolation="bilinear")
    line[5].imshow(spread, cmap="Reds", vmin=0, vmax=60)
    line[0].set_ylabel(f"{strength}", rotation=0, ha="right", va="center", labelpad=8)
for axis in axes.flat:
    bare(axis)
for axis, title in zip(axes[0], [*[f"seed {40 + k}" for k in range(5)], T("差在哪里", "where they differ")]):
    axis.set_title(title, fontsize=9, loc="center")
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 想要“同一张图的几个小变化”，就用小幅度多换几个种子；想要“同一个构图的几种可能”，就用中等幅度。
#
# ### 尺寸不合适怎么办
#
# 原图是横的，要的是方的。`resize_mode` 有四种办法（这里幅度很小，好看清办法本身）：

# %% [markdown] tags=["lang-en"]
# For small variations of one picture, take little strength and many seeds; for other possibilities of one composition, a middle strength.
#
# ### When the size does not fit
#
# The picture is wide, and a square is wanted. `resize_mode` knows four ways (with little strength here, to show the ways themselves):

# %%
wide = kernel.generate(
    ra.TextToImage(prompt=T("夜空下的城堡", "a castle at night"), seed=11, steps=10), width=192, height=96
).image
square = ra.ImageToImage(
    prompt=T("夜空下的城堡", "a castle at night"), image=wide, seed=1, steps=10, width=128, height=128
)
modes = ["Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)"]
fitted = [kernel.generate(square, denoising_strength=0.1, resize_mode=mode).image for mode in modes]

figure, axes = plt.subplots(1, 5, figsize=(9.4, 2.4), width_ratios=[1.5, 1, 1, 1, 1])
words = T(
    ["原图", "拉伸", "裁剪", "填边", "在潜空间拉伸"], ["the picture", "stretch", "crop", "fill", "stretch the latent"]
)
for axis, picture, word in zip(axes, [wide, *fitted], words):
    axis.imshow(picture, interpolation="bilinear")
    axis.set_title(word, fontsize=9.5, loc="center")
    bare(axis)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 拉伸会变形，裁剪会丢掉两边，填边用边缘的颜色补上下（幅度大一点，模型会把补的地方画成景）。潜空间拉伸会糊，要配大一些的幅度。
#
# ### 守住颜色
#
# 换主体时，颜色常常跟着跑。`color_correction=True` 把结果的颜色调回原图的分布。柱子是红、绿、蓝各自的平均亮度：

# %% [markdown] tags=["lang-en"]
# Stretching distorts, cropping loses the sides, filling adds the colours of the border above and below (with more strength the model paints scenery there). Stretching the latent blurs, and wants more strength.
#
# ### Keep the colours
#
# With another subject the colours often wander off, too. `color_correction=True` brings the result back to the colours of the picture. The bars are the mean brightness of red, green and blue:

# %%
night = ra.ImageToImage(prompt=T("夜晚的一只猫", "a cat at night"), image=cat, seed=3, steps=16, denoising_strength=0.7)
plain, corrected = kernel.generate(night).image, kernel.generate(night, color_correction=True).image
words = T(["原图", "不校正", "校正颜色"], ["the picture", "as it comes", "corrected"])

figure, axes = plt.subplots(2, 3, figsize=(7.6, 4.0), height_ratios=[2.2, 1])
for column, (picture, word) in enumerate(zip([cat, plain, corrected], words)):
    axes[0, column].imshow(picture, interpolation="bilinear")
    axes[0, column].set_title(word, loc="center")
    bare(axes[0, column])
    means = np.asarray(picture, dtype=float).mean(axis=(0, 1))
    axes[1, column].bar(
        T(["红", "绿", "蓝"], ["R", "G", "B"]), means, color=["#c2402d", "#2b7a6b", "#3f7fb5"], width=0.6
    )
    axes[1, column].set_ylim(0, 255)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 要不要校正，看你要什么：这里“夜晚”本来就要换颜色，校正反而帮了倒忙；把猫换成狗而想留住天色时，它就有用。
#
# ### 一遍一遍地改：loopback
#
# 每次只改一点，把结果当下一次的原图，种子每次加一。小步子连着走，可以走得很远，而相邻两张总是相像（动画就常这样做）：

# %% [markdown] tags=["lang-en"]
# Whether to correct depends on what you want: here "at night" was meant to change the colours, and the correction is in its way; to make the cat a dog under the same sky it helps.
#
# ### Again and again: loopback
#
# Change a little, take the result as the next picture, and count the seed up. Small steps in a row lead far, while neighbours stay alike (animations are often made so):

# %%
chain = kernel.generate(dog, denoising_strength=0.3, loopback=6, steps=16).images
titles = [T("原图", "start"), *[f"{k + 1} · {distance(picture, cat):.0f}" for k, picture in enumerate(chain)]]
show_images([cat, *chain], titles)

# %% [markdown] tags=["lang-zh"]
# 标题里的数是离**最初那张**有多远。走得太久会怎样？颜色和边缘会越来越“浓”，因为每一遍都要解码再编码。这叫漂移，别走太多遍。
#
# ### 草图变成画
#
# 图生图的另一个用处：几笔色块就是一个请求，位置、大小、颜色全由你定，文字只说“是什么”。

# %% [markdown] tags=["lang-en"]
# The numbers are the distance from **the very first**. And walking on for long? Colours and edges grow heavier, since every round decodes and encodes again. That is called drift; do not go too many rounds.
#
# ### A sketch becomes a picture
#
# Another use: a few patches of colour are a request. Place, size and colours are yours; the words only say what it is.

# %%
sketch = Image.new("RGB", (128, 128), "#8fd0f5")
pen = ImageDraw.Draw(sketch)
pen.rectangle((0, 92, 128, 128), fill="#6fbf4b")
pen.rectangle((38, 58, 92, 104), fill="#f0dfae")
pen.polygon([(30, 60), (65, 28), (100, 60)], fill="#c2402d")
pen.rectangle((58, 80, 72, 104), fill="#7a4b2a")
pen.ellipse((100, 10, 118, 28), fill="#f7d64a")

house = ra.ImageToImage(prompt=T("草地上的一座房子", "a house on the grass"), image=sketch, seed=2, steps=16)
strengths = [0.2, 0.4, 0.55, 0.7, 0.85]
built = [kernel.generate(house, denoising_strength=s).image for s in strengths]
show_images([sketch, *built], [T("草图", "sketch"), *[f"{s}" for s in strengths]], size=1.6)

# %% [markdown] tags=["lang-zh"]
# 幅度太小，画出来还是色块；太大，草图就白画了。中间那一段既听你的构图，又补上了质感。
#
# ## 调一调
#
# 拖动幅度，再换提示词（苹果、城堡、汽车……）：同一张草图能变成多少种东西？

# %% [markdown] tags=["lang-en"]
# With too little strength it is still patches; with too much the sketch was drawn in vain. Between the two it follows your composition and adds the texture.
#
# ## Try it
#
# Move the strength, then change the prompt (an apple, a castle, a car ...): how many things can one sketch become?

# %%
controls = ("prompt", "denoising_strength", "seed", "steps", "cfg_scale", "color_correction")
playground(kernel, house.replace(denoising_strength=0.6), controls=controls)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 06.1** `steps=30`，`denoising_strength=0.4`：实际走几步？

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 06.1** `steps=30`, `denoising_strength=0.4`: how many steps are really walked?

# %% tags=["exercise"]
steps_walked = ...

check("06.1", steps_walked)

# %% tags=["solution"]
steps_walked = int(0.4 * 30) + 1

check("06.1", steps_walked).require()

# %% [markdown] tags=["lang-zh"]
# **练习 06.2** 做一个幅度系列：至少四张，从 0.3 以下到 0.7 以上，别的都不变。检查还会看最后一张是不是比第一张离原图更远。

# %% [markdown] tags=["lang-en"]
# **Exercise 06.2** Make a series of strengths: at least four, from 0.3 or less to 0.7 or more, and all else held. The check also looks whether the last is further from your picture than the first.

# %% tags=["exercise"]
series = [..., ..., ..., ...]

check("06.2", series)

# %% tags=["solution"]
apple = kernel.generate(T("一个苹果", "an apple"), seed=3, steps=8).image
flower = ra.ImageToImage(prompt=T("一朵花", "a flower"), image=apple, seed=7, steps=10)
series = [kernel.generate(flower, denoising_strength=s) for s in (0.2, 0.4, 0.6, 0.8)]

check("06.2", series).require()

# %% [markdown] tags=["lang-zh"]
# **练习 06.3** 同一张原图、同样的幅度，画出至少三个“兄弟”：只有种子不同。

# %% [markdown] tags=["lang-en"]
# **Exercise 06.3** From one picture with one strength make at least three siblings: only the seed differs.

# %% tags=["exercise"]
siblings = [..., ..., ...]

check("06.3", siblings)

# %% tags=["solution"]
siblings = kernel.generate(flower, denoising_strength=0.5, seed=20, batch_size=3)

check("06.3", siblings).require()

# %% [markdown] tags=["lang-zh"]
# **练习 06.4** 自己画一张草图（至少三种颜色的色块），用 0.3 到 0.9 的幅度把它变成一张画。

# %% [markdown] tags=["lang-en"]
# **Exercise 06.4** Draw a sketch of your own (patches of at least three colours), and turn it into a picture with a strength of 0.3 to 0.9.

# %% tags=["exercise"]
my_sketch = ...
from_sketch = ...

check("06.4", from_sketch)

# %% tags=["solution"]
my_sketch = Image.new("RGB", (128, 128), "#f4d9a0")
pen = ImageDraw.Draw(my_sketch)
pen.ellipse((30, 40, 100, 112), fill="#c2402d")
pen.rectangle((61, 24, 67, 44), fill="#4d7a2b")
from_sketch = kernel.generate(
    ra.ImageToImage(prompt=T("一个苹果", "an apple"), image=my_sketch, denoising_strength=0.6, seed=4, steps=12)
)

check("06.4", from_sketch).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("06.a")

# %%
quiz("06.b")

# %%
quiz("06.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 想要 | 幅度 | 还要注意 |
# | --- | --- | --- |
# | 修饰、加细节 | 0.1 到 0.3 | 种子几乎不起作用 |
# | 留构图，换内容 | 0.4 到 0.7 | 提示词写**整张图**，不只写要改的 |
# | 只借一点颜色和位置 | 0.8 以上 | 和文生图差不多了 |
# | 慢慢变过去 | 0.2 到 0.4，loopback | 走多了会漂移 |
#
# 走的步数 = ⌊幅度 × 步数⌋ + 1。全图一起改常常太多：下一课只改你涂出来的那一块。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want to | Strength | Mind that |
# | --- | --- | --- |
# | retouch, add details | 0.1 to 0.3 | the seed has hardly any say |
# | keep the composition, change what is in it | 0.4 to 0.7 | the prompt describes the **whole picture**, not only the change |
# | borrow only some colour and place | 0.8 and more | nearly text to image |
# | change slowly | 0.2 to 0.4, loopback | long walks drift |
#
# Steps walked = ⌊strength × steps⌋ + 1. To change the whole picture is often too much: the next lesson changes only what you paint over.

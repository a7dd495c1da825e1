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
cat = kernel.generate(ra.TextToImage(prompt=T("草地上的一只猫", "a cat on the grass"), seed=0, steps=16)).image
dog = ra.ImageToImage(
    prompt=T("草地上的一只狗", "a dog on the grass"), image=cat, seed=5, steps=20, denoising_strength=0.6
)
result = kernel.generate(dog)
show_images([cat, result.image], [T("原图", "the picture"), T("改成狗，幅度 0.6", "a dog, strength 0.6")], size=2.2)

# %% [markdown] tags=["lang-zh"]
# 拖动中间的竖线对照着看：天空、草地、头的大小和位置都从原图来，狗是提示词给的。

# %% [markdown] tags=["lang-en"]
# Drag the line across: sky, grass, and the place and size of the head come from your picture, the dog comes from the prompt.

# %%
ra.CompareSlider(cat, result.image)

# %% [markdown] tags=["lang-zh"]
# ### 重绘幅度 = 从曲线的哪里进去
#
# 第 4 课画过噪声 $\sigma$ 一步步变小的曲线。幅度 $s$ 决定跳过前面多少步：
#
# $$\text{走的步数} = \mathrm{int}(s \times \text{steps}) + 1$$
#
# 左图：灰线是完整的 20 步，彩线是三种幅度真正走的那一段，圆点是上船的地方。中图：步数随幅度一级一级地上台阶。
# 右图：同一个幅度，换一种时间表，上船时的噪声就不同。所以幅度只是一个**路标**，真正起作用的是那里的 $\sigma$。

# %% [markdown] tags=["lang-en"]
# ### Strength = where on the curve we enter
#
# Lesson 4 drew the curve of the noise $\sigma$, which falls step by step. The strength $s$ says how many of the first steps are skipped:
#
# $$\text{steps walked} = \mathrm{int}(s \times \text{steps}) + 1$$
#
# Left: grey is the whole way of 20 steps; the colours are what three strengths really walk, and the dots are where they board. Middle: the steps climb like stairs as the strength grows.
# Right: with another schedule, the same strength boards at another noise. The strength is only a **signpost**; what acts is the $\sigma$ that stands there.


# %%
def way(strength, steps=20, scheduler="Karras"):
    return plan("DPM++ 2M", scheduler, steps, parts.alphas_cumprod, strength=strength)


figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.6, 3.1))
full = plan("DPM++ 2M", "Karras", 20, parts.alphas_cumprod).sigmas
left.plot(range(len(full)), full, color=colours["line"], linewidth=6)
for strength, tone in {0.8: "vermilion", 0.5: "amber", 0.2: "jade"}.items():
    sigmas = way(strength).sigmas
    start = len(full) - len(sigmas)
    left.plot(range(start, len(full)), sigmas, color=colours[tone], label=f"{strength}")
    left.plot(start, sigmas[0], "o", color=colours[tone], markersize=9)
left.set_yscale("symlog", linthresh=0.03)
left.set_xticks(range(0, 21, 5))
left.set_xlabel(T("第几步", "step"))
left.set_title(T("从哪里上船（纵轴 σ）", "Where they board (σ)"))
left.legend(title=T("幅度", "strength"))
levels = np.linspace(0, 1, 201)
middle.step(levels, [way(float(s)).run_steps for s in levels], color=colours["violet"], where="post")
middle.set_yticks(range(0, 21, 5))
middle.set_xlabel(T("重绘幅度", "denoising strength"))
middle.set_title(T("20 步里真正走几步", "Steps walked of 20"))
for name, tone in {"Karras": "vermilion", "Exponential": "sky", "Uniform": "jade"}.items():
    right.plot(
        levels[::10], [way(float(s), scheduler=name).sigmas[0] for s in levels[::10]], color=colours[tone], label=name
    )
right.set_yscale("log")
right.set_xlabel(T("重绘幅度", "denoising strength"))
right.set_title(T("上船时的 σ", "σ when boarding"))
right.legend()
finish(figure)

# %%
# zh: 问一问任务自己：它真的走了几步？
# en: ask the jobs themselves: how many steps did they walk?
for strength in (0.1, 0.25, 0.5):
    job = kernel.submit(dog, denoising_strength=strength)
    walked = max(event.steps for event in job.events() if event.name == "progress")
    print(T("幅度", "strength"), strength, "→", walked, T("步", "steps"), "· σ =", f"{way(strength).sigmas[0]:.2f}")

# %% [markdown] tags=["lang-zh"]
# ### 走一遍：噪声一倍一倍地加
#
# 既然起作用的是 $\sigma$，就让它每一列大到约 1.6 倍，再问时间表：这个 $\sigma$ 对应多大的幅度？
# 第一行是模型上船时**看到**的：原图加噪声。第二行是它画出来的。如果你只看得见第一行那样的图，你敢保证画回原来那只猫吗？

# %% [markdown] tags=["lang-en"]
# ### The whole walk: more and more noise
#
# As it is $\sigma$ that acts, let it grow about 1.6-fold from column to column, and ask the schedule which strength stands there.
# The first row is what the model **sees** when it boards: the picture with noise. The second is what it makes of it. If all you could see was the first row, could you promise to paint that very cat?

# %%
marks = [round(0.025 * k, 3) for k in range(1, 41)]
entry = {s: float(way(s, 40).sigmas[0]) for s in marks}
levels = sorted({min(marks, key=lambda s: abs(np.log(entry[s] / wanted))) for wanted in np.geomspace(0.1, 8, 10)})

latent = parts.encode(torch.from_numpy(np.array(cat)).permute(2, 0, 1)[None] / 255)
noise = randn(5, latent.shape[1:])[None]
seen = [parts.decode((latent + entry[s] * noise) / (1 + entry[s] ** 2) ** 0.5) for s in levels]
walked = [kernel.generate(dog, denoising_strength=s, scheduler="Karras", steps=40, batch_size=2) for s in levels]
show_images(
    seen + [r.images[0] for r in walked],
    [f"{s:g}\nσ {entry[s]:.2g}" for s in levels],
    columns=len(levels),
    rows=[T("看到的", "sees"), T("画出的", "paints")],
)

# %%
stepper([r.images[0] for r in walked], [f"denoising_strength = {s:g} · σ = {entry[s]:.2f}" for s in levels])

# %% [markdown] tags=["lang-zh"]
# 离原图多远？取平均每个像素的差（0 到 255），两个种子各画一条线。左边按幅度，右边按 $\sigma$：

# %% [markdown] tags=["lang-en"]
# How far from the picture? Take the mean difference a pixel (0 to 255), one line for each of two seeds. At the left by the strength, at the right by $\sigma$:


# %%
def distance(one, other):
    return np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean()


walked.append(kernel.generate(dog, denoising_strength=1, scheduler="Karras", batch_size=2))
shown = [*levels, 1.0]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.0), sharey=True)
for k, tone in enumerate(["vermilion", "jade"]):
    far = [distance(r.images[k], cat) for r in walked]
    label = T(f"种子 {5 + k}", f"seed {5 + k}")
    left.plot(shown, far, "o-", color=colours[tone], label=label)
    right.plot([entry[s] for s in shown], far, "o-", color=colours[tone], label=label)
right.set_xscale("log")
left.set_ylim(0)
left.set_xlabel(T("重绘幅度", "denoising strength"))
right.set_xlabel(T("上船时的 σ", "σ when boarding"))
left.set_title(T("离原图有多远", "How far from the picture"))
left.legend()
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 幅度越大，离原图越远，但不是匀速的，上面那行噪声图说明了原因：先是细节被盖住，然后主体被盖住，最后连构图也被盖住；
# 再往后已经没有什么可盖，两个种子各画各的。你的模型在哪一列从“修一修”变成“换一个”？记下那里的幅度：那是**这个模型、这种时间表**的转折点。
#
# SD 1.5 也差不多，大致是：0.3 以下修饰，0.4 到 0.7 保留构图换内容，0.8 以上几乎重画。

# %% [markdown] tags=["lang-en"]
# With more strength it is further away, but not evenly, and the row of noisy pictures says why: first the noise covers details, then the subject, at last even the composition;
# beyond that there is nothing left to cover, and the two seeds go their own ways. In which column does your model turn from retouching to replacing? Note the strength there: it is the turning point of **this model with this schedule**.
#
# SD 1.5 is much alike, roughly: below 0.3 it retouches, from 0.4 to 0.7 it keeps the composition and changes what is in it, above 0.8 it paints nearly anew.

# %% [markdown] tags=["lang-zh"]
# ### 种子：幅度小的时候，它说了不算
#
# 幅度取上面那排的两头和中间。每一行一个幅度，每一列一个种子。最后一列是“各个种子之间差在哪里”：越红差得越多。

# %% [markdown] tags=["lang-en"]
# ### Seeds: with little strength they have little say
#
# Take the ends and the middle of the strip above. A row for each strength, a column for each seed. The last column shows where the seeds differ from each other: the redder, the more.

# %%
rows, strengths = [], [levels[1], levels[len(levels) // 2], levels[-1]]
for strength in strengths:
    found = kernel.generate(dog, denoising_strength=strength, seed=40, steps=16, batch_size=4).images
    spread = np.stack([np.asarray(picture, dtype=float) for picture in found]).std(axis=0).mean(axis=2)
    rows.append((found, spread))

figure, axes = plt.subplots(3, 5, figsize=(8.0, 4.9))
for line, (found, spread), strength in zip(axes, rows, strengths):
    for axis, picture in zip(line, found):
        axis.imshow(picture, interpolation="bilinear")
    line[4].imshow(spread, cmap="Reds", vmin=0, vmax=60)
    line[0].set_ylabel(f"{strength:g}", rotation=0, ha="right", va="center", labelpad=8)
for axis in axes.flat:
    bare(axis)
for axis, title in zip(
    axes[0], [*[T(f"种子 {40 + k}", f"seed {40 + k}") for k in range(4)], T("差在哪里", "where they differ")]
):
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
night = T("夜晚的一座房子", "a house at night")
wide = kernel.generate(night, seed=0, steps=12, width=192, height=96).image
square = ra.ImageToImage(prompt=night, image=wide, seed=1, steps=10, width=128, height=128)
modes = ["Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)"]
fitted = [kernel.generate(square, denoising_strength=0.05, resize_mode=mode).image for mode in modes]

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
# 裁哪一块最好由你来定。`CropResize` 里拖红框：框住想要的部分，它自动裁下来、缩放到 `width` × `height`：

# %% [markdown] tags=["lang-en"]
# Stretching distorts, cropping loses the sides, filling adds the colours of the border above and below (with more strength the model paints scenery there). Stretching the latent blurs, and wants more strength.
#
# What to crop is best decided by you. Drag the frame of `CropResize` around the part that you want; it is cut out and brought to `width` × `height`:

# %%
crop = ra.CropResize(wide, width=128, height=128, box=(64, 0, 160, 96))
crop

# %%
winter = T("雪地里的一座房子", "a house in the snow")
snowed = square.replace(prompt=winter, image=crop.result, denoising_strength=0.75, steps=12)
show_images(
    [crop.result, kernel.generate(snowed).image],
    T(["框里的部分", "再图生图"], ["what the frame holds", "and image to image"]),
    size=1.9,
)

# %% [markdown] tags=["lang-zh"]
# ### 守住颜色
#
# 换了内容，颜色常常跟着跑。`color_correction=True` 把结果的颜色调回原图的分布。每张图下面的色带是它的平均颜色：

# %% [markdown] tags=["lang-en"]
# ### Keep the colours
#
# With other contents the colours often wander off, too. `color_correction=True` brings the result back to the colours of the picture. The band under each picture is its mean colour:


# %%
def with_band(picture, height=14):
    sheet = np.asarray(picture).copy()
    sheet[-height:] = sheet[:-height].mean(axis=(0, 1))
    sheet[-height - 2 : -height] = 255
    return sheet


seven = {"seed": 3, "steps": 12, "denoising_strength": 0.7}
tasks = [
    ra.ImageToImage(prompt=T("雪地里的一只猫", "a cat in the snow"), image=cat, **seven),
    ra.ImageToImage(prompt=T("夜晚的一只猫", "a cat at night"), image=cat, **seven),
]
pictures = []
for task in tasks:
    pictures += [cat, kernel.generate(task).image, kernel.generate(task, color_correction=True).image]
show_images(
    [with_band(picture) for picture in pictures],
    T(["原图", "不校正", "校正颜色"], ["the picture", "as it comes", "corrected"]),
    columns=3,
    rows=T(["雪地", "夜晚"], ["snow", "night"]),
    size=1.9,
)

# %% [markdown] tags=["lang-zh"]
# 校正以后，色带的**色调**回到了原图（亮暗仍是新画的）。可是对不对，要看你要什么。只想换样子、留住色调，就打开它（下面的 loopback 也常用）；
# “夜晚”本来就是要换颜色，再校正就把夜色硬拧成白天的颜色，反而坏事。
#
# ### 一遍一遍地改：loopback
#
# 每次只改一点（这里幅度 0.35），把结果当下一次的原图，种子每次加一。小步子连着走，可以走得很远，而相邻两张总是相像（动画就常这样做）：

# %% [markdown] tags=["lang-en"]
# Corrected, the band has the **hue** of the picture again (light and dark stay as newly painted); whether that is right depends on what you want. To change the forms and keep the tone, switch it on (it is useful for the loopback below, too);
# "at night" was meant to change the colours, and the correction twists the night back to the colours of the day.
#
# ### Again and again: loopback
#
# Change a little (here with strength 0.35), take the result as the next picture, and count the seed up. Small steps in a row lead far, while neighbours stay alike (animations are often made so):

# %%
chain = kernel.generate(dog, denoising_strength=0.35, loopback=7).images
titles = [
    T("原图", "start"),
    *[T(f"{k + 1}：{distance(c, cat):.0f}", f"{k + 1}: {distance(c, cat):.0f}") for k, c in enumerate(chain)],
]
show_images([cat, *chain], titles)

# %% [markdown] tags=["lang-zh"]
# 冒号后面是离**最初那张**有多远：一遍走不到的地方，多走几遍就到了。走得太久会怎样？每一遍都要解码再编码，误差越积越多，这叫漂移，别走太多遍。
#
# ### 草图变成画
#
# 图生图的另一个用处：几笔色块就是一个请求，位置、大小、颜色全由你定，文字只说“是什么”。

# %% [markdown] tags=["lang-en"]
# After the colon stands the distance from **the very first**: several rounds get where one round does not. And walking on for long? Every round decodes and encodes again, and the errors pile up. That is called drift; do not go too many rounds.
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

paper = ra.Sketch(sketch)
paper

# %% [markdown] tags=["lang-zh"]
# 上面是工作台的画板：选颜色、改笔的粗细，直接在草图上添几笔（给房子加扇窗，加棵树），再运行下一格。`paper.result` 就是现在的草图：

# %% [markdown] tags=["lang-en"]
# This is the sketch pad of the workbench: choose a colour and a size, and add some strokes to the sketch (a window, a tree), then run the next cell. `paper.result` is the sketch as it is now:

# %%
house = ra.ImageToImage(prompt=T("草地上的一座房子", "a house on the grass"), image=paper.result, seed=2, steps=16)
strengths = [0.2, 0.4, 0.6, 0.75, 0.9]
built = [kernel.generate(house, denoising_strength=s).image for s in strengths]
show_images([paper.result, *built], [T("草图", "sketch"), *[f"{s:g}" for s in strengths]], size=1.6)

# %% tags=["source-only"]
"""Lesson 04: samplers, steps, guidance and walks between seeds. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 4 课 · 采样器：从噪声走到画的路
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 看懂时间表（Karras、Uniform……）的曲线：步子放在哪里；
# - 说出几类采样器怎样走、每步问模型几次；
# - 用数字判断“多少步才够”；
# - 在两个种子之间散步，并做一张公平的对照表。

# %% [markdown] tags=["lang-en"]
# # Lesson 4 · Samplers: the way from noise to picture
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - read the curves of schedules (Karras, Uniform ...): where the steps are put;
# - tell how the kinds of samplers walk, and how often each step asks the model;
# - decide with numbers how many steps are enough;
# - walk between two seeds, and make a fair table of comparison.

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz, stepper
from ra_widgets.diffusion import pipeline, schedules
from ra_widgets.diffusion.noise import randn, slerp
from ra_widgets.diffusion.sampling import SAMPLERS
from ra_widgets.plotting import finish, show_images, use_style
from ra_widgets.samplers import SCHEDULER_NAMES

ra.set_language(T("zh_CN", "en"))
colours = use_style()
torch.set_grad_enabled(False)
kernel = ra.PipelineKernel()
parts = pipeline.load(kernel.model, torch.device("cpu"), "fp32")

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 时间表：步子放在哪里
#
# 采样从很大的噪声 $\sigma$ 走到 0。走多少步由 `steps` 定，**每一步停在哪个 $\sigma$** 由时间表定。
# 同样 12 步，每个点是一步（横轴是对数，右边噪声大，从右往左走）：

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### Schedules: where the steps are put
#
# Sampling walks from a large noise $\sigma$ down to 0. How many steps is up to `steps`; **at which $\sigma$ each one stops** is up to the schedule.
# Twelve steps each, every dot is one (the axis is logarithmic, much noise at the right; the walk goes from right to left):

# %%
# zh: 第一个是“自动”，跳过它
# en: the first is "Automatic"; leave it out
names = SCHEDULER_NAMES[1:]
curves = {name: schedules.sigmas(name, 12, parts.alphas_cumprod).numpy() for name in names}

figure, axis = plt.subplots(figsize=(8.2, 4.0))
for row, (name, sigmas) in enumerate(curves.items()):
    tone = colours["vermilion"] if name == "Karras" else colours["jade"]
    axis.plot(sigmas[:-1], np.full(len(sigmas) - 1, row), "o-", color=tone, linewidth=1, markersize=6)
axis.set_xscale("log")
axis.set_yticks(range(len(names)), names)
axis.invert_yaxis()
axis.set_xlabel(T("噪声 σ（最后一步都走到 0，图上不画）", "noise σ (all end at 0, which is not drawn)"))
axis.set_title(T("12 步停在哪里", "Where twelve steps stop"))
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 点密的地方走得细。**Uniform** 在时间上均匀，点都挤在中间，头一步和最后一步却很大；
# **Karras** 分得更开，在噪声很小的一端也留了几步，细节就在那里收尾。

# %% [markdown] tags=["lang-en"]
# Where the dots are dense, the walk is fine. **Uniform** is even in time: its dots crowd in the middle, while its first stride and its last are long;
# **Karras** spreads them, and keeps some steps where the noise is very small and details are finished.

# %%
figure, axis = plt.subplots(figsize=(8.2, 3.2))
highlighted = ["Uniform", "Karras", "Exponential", "Align Your Steps", "Beta"]
for name in highlighted:
    axis.plot(range(13), curves[name], "o-", label=name, linewidth=1.6)
axis.set_yscale("symlog", linthresh=0.03)
axis.set_xlabel(T("第几步", "step"))
axis.set_ylabel("σ")
axis.set_title(T("噪声怎样随着步子变小", "How the noise falls, step by step"))
axis.legend(ncols=3, loc="lower left")
finish(figure)

# %% [markdown] tags=["lang-zh"]
# ### 采样器：怎样走一步
#
# 用一个看得见全貌的小世界来说明。假设“所有的画”只是平面上的三团点，那么“去噪”有现成的公式，不需要神经网络：
# 看到一个带噪的点，猜它原来在哪里，就是三团点的加权平均。真正的采样器在上面照样能跑。

# %% [markdown] tags=["lang-en"]
# ### Samplers: how to take a step
#
# A small world that can be seen whole explains it. Suppose "all pictures" were three clouds of points in a plane. Then denoising has a formula and needs no network:
# given a noisy point, the guess of where it came from is a weighted mean of the three clouds. The real samplers run on it as they are.

# %%
centres = torch.tensor([[-2.0, 0.6], [1.6, 1.8], [0.8, -1.9]])
spread = 0.12


def toy_model(x, sigma):
    # zh: 高斯混合分布的后验均值：最好的去噪器
    # en: the posterior mean of a mixture of Gaussians: the best possible denoiser
    s = sigma.view(-1, 1)
    points = x.flatten(1)
    distance = ((points[:, None] - centres) ** 2).sum(-1)
    share = torch.softmax(-distance / (2 * (spread**2 + s**2)), dim=1)
    pull = (centres * s[:, :, None] ** 2 + points[:, None] * spread**2) / (spread**2 + s[:, :, None] ** 2)
    return (share[:, :, None] * pull).sum(1).view_as(x)


def toy_paths(name, steps=12, **options):
    generator = torch.Generator().manual_seed(4)
    sigmas = schedules.karras(steps, 0.05, 4.0)
    x = torch.randn(24, 2, 1, 1, generator=generator) * sigmas[0]
    path = [x.flatten(1)]
    end = SAMPLERS[name](
        toy_model,
        x,
        sigmas,
        noise_sampler=lambda sigma, sigma_next: torch.randn(x.shape, generator=generator),
        callback=lambda step: path.append(step.x.flatten(1)),
        **options,
    )
    return torch.stack([*path[1:], end.flatten(1)]).numpy()


shown = ["Euler", "Heun", "DPM++ 2M", "Euler a"]
figure, axes = plt.subplots(1, 4, figsize=(10.4, 2.9), sharex=True, sharey=True)
for axis, name in zip(axes, shown):
    path = toy_paths(name)
    axis.plot(path[..., 0], path[..., 1], color=colours["muted"], linewidth=0.7, alpha=0.7)
    axis.plot(path[0, :, 0], path[0, :, 1], ".", color=colours["sky"], markersize=4)
    axis.plot(path[-1, :, 0], path[-1, :, 1], ".", color=colours["vermilion"], markersize=7)
    axis.set(xlim=(-9, 9), ylim=(-9, 9), title=name, xticks=[], yticks=[], aspect="equal")
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 蓝点是起点（噪声），红点是终点（画）。
#
# - **Euler**：看一眼方向，直直地走一步。每步问模型一次。
# - **Heun**：先试着走一步，看看那里的方向，取平均再走。更准，但每步要问两次。
# - **DPM++ 2M**：记得上一步的方向，用来修正这一步。只问一次，却几乎和 Heun 一样准，所以是默认的选择。
# - **Euler a**（带 *a*，ancestral）：每走一步再加一点新噪声，路线抖动。它有自己的味道，但步数一变，图也跟着变。

# %% [markdown] tags=["lang-en"]
# Blue is where it starts (noise), red where it ends (pictures).
#
# - **Euler**: look once, take a straight step. One question a step.
# - **Heun**: try a step, look there too, and go by the mean of both. More exact, but two questions a step.
# - **DPM++ 2M**: remembers the last direction and corrects this step with it. One question, nearly as exact as Heun; hence it is the default.
# - **Euler a** (the *a* is for ancestral): adds a little new noise after each step, and the path trembles. It has a flavour of its own, but other step counts give other pictures.

# %% [markdown] tags=["lang-zh"]
# ### 数一数：每个采样器问模型几次
#
# 一步要花多少时间，几乎全看问了模型几次。给模型套上一个计数器：

# %% [markdown] tags=["lang-en"]
# ### Count: how often does a sampler ask the model?
#
# The time a step takes is nearly all in the questions to the model. Put a counter around it:


# %%
def count_calls(name, steps=20):
    calls = 0

    def counting(x, sigma):
        nonlocal calls
        calls += 1
        return toy_model(x, sigma)

    sigmas = schedules.sigmas("Karras", steps, parts.alphas_cumprod)
    x = torch.randn(1, 2, 1, 1) * sigmas[0]
    SAMPLERS[name](counting, x, sigmas, noise_sampler=lambda s, n: torch.randn_like(x))
    return calls


for name in ["Euler", "Euler a", "DPM++ 2M", "LMS", "DPM2", "DPM++ 2S a", "DPM++ SDE"]:
    print(T(f"{name:12} 20 步问了 {count_calls(name)} 次", f"{name:12} {count_calls(name)} calls in 20 steps"))

# %% [markdown] tags=["lang-zh"]
# ### 同一份噪声，不同的走法
#
# 回到真正的模型。提示词、种子、步数、时间表都一样，只换采样器：

# %% [markdown] tags=["lang-en"]
# ### The same noise, other ways of walking
#
# Back to the real model. Same prompt, seed, steps and schedule; only the sampler changes:

# %%
base = ra.TextToImage(prompt=T("草地上的一只狐狸", "a fox on the grass"), seed=33, steps=12, scheduler="Karras")
steady = ["Heun", "Euler", "DPM++ 2M", "LMS", "UniPC", "DDIM"]
random = ["Euler a", "DPM++ 2S a", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE", "DPM2 a"]


def pixels(result):
    return np.asarray(result.image, dtype=float)


def difference(result, other):
    return np.abs(pixels(result) - pixels(other)).mean()


walked = {name: kernel.generate(base, sampler=name) for name in steady + random}
titles = [f"{name} · {difference(result, walked['Heun']):.1f}" for name, result in walked.items()]
show_images([result.image for result in walked.values()], titles, columns=6)

# %% [markdown] tags=["lang-zh"]
# 名字后面的数是它和 Heun 平均每个像素差多少（0 到 255）。第一排不加新噪声，走的是同一条路，差别只来自走法的精度；
# 带 *a* 和 *SDE* 的每一步都掷骰子，于是走到了别处。（这个小模型对每样东西只会几个姿势，“别处”也不太远；在大模型上，差别常常大得多。）

# %% [markdown] tags=["lang-en"]
# The number after the name is the mean difference from Heun a pixel (0 to 255). The first row adds no noise: it is one road, walked more or less exactly;
# the ones with *a* or *SDE* throw dice at each step and end up elsewhere. (This small model knows few poses of each thing, so that "elsewhere" is not far; in large models it often is.)

# %% [markdown] tags=["lang-zh"]
# ### 多少步才够？
#
# 不要凭感觉。以 Heun 走 30 步作为“标准答案”，看看别的走法离它有多远：

# %% [markdown] tags=["lang-en"]
# ### How many steps are enough?
#
# Do not go by feeling. Take 30 steps of Heun as the right answer, and measure how far the others are from it:

# %%
answer = kernel.generate(base, sampler="Heun", steps=30)
numbers = [3, 5, 8, 12, 20]
figure, axis = plt.subplots(figsize=(7.4, 3.2))
for name, tone in {"Euler": "jade", "DPM++ 2M": "vermilion", "Euler a": "sky"}.items():
    errors = [difference(kernel.generate(base, sampler=name, steps=n), answer) for n in numbers]
    axis.plot(numbers, errors, "o-", color=colours[tone], label=name)
axis.set_yscale("log")
axis.set_xlabel(T("步数", "steps"))
axis.set_ylabel(T("平均每个像素差多少（0 到 255）", "mean difference a pixel (0 to 255)"))
axis.set_title(T("离标准答案有多远", "How far from the right answer"))
axis.legend()
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 纵轴是对数。一直往下走的曲线在**收敛**：步数再多，图也不再变。**DPM++ 2M** 靠上一步的方向往前推，步子太少时会推过头（还不如 Euler），
# 步数一够就降得最快。**Euler a** 停在半路，因为它走的本来就是另一条随机的路。在你的模型上，从哪里开始“够了”？看图说话。

# %% [markdown] tags=["lang-en"]
# The vertical axis is logarithmic. Curves that keep falling **converge**: more steps no longer change the picture. **DPM++ 2M** leans on the last direction; with too few steps it overshoots (and is worse than Euler),
# with enough of them it falls fastest. **Euler a** gets stuck half way, because its road is another, random one. Where does "enough" begin for your model? Let the plot say it.

# %% [markdown] tags=["lang-zh"]
# ### CFG × 步数
#
# 两个参数一起变，要画成表格，一个方向一个参数：

# %% [markdown] tags=["lang-en"]
# ### CFG × steps
#
# Two parameters at once belong into a table, one along each side:

# %%
cfgs, steps = [1.5, 4, 9], [3, 6, 12, 20]
grid = [kernel.generate(base, cfg_scale=c, steps=n).image for c in cfgs for n in steps]
show_images(
    grid, [T(f"{n} 步", f"{n} steps") for n in steps], columns=len(steps), rows=[f"CFG {c}" for c in cfgs], size=1.5
)

# %% [markdown] tags=["lang-zh"]
# ### 在种子之间散步
#
# 两个种子就是两份噪声。把一份慢慢混进另一份（在球面上走，这样混出来的仍然是合格的噪声），画也会慢慢变过去。
# `subseed` 是目的地，`subseed_strength` 是走了多远：

# %% [markdown] tags=["lang-en"]
# ### Walks between seeds
#
# Two seeds are two noises. Blend one slowly into the other (along a sphere, so that the blend is still proper noise), and the picture changes slowly, too.
# `subseed` is where to go, `subseed_strength` how far:

# %%
strengths = [round(k / 7, 2) for k in range(8)]
walk = [kernel.generate(base, seed=33, subseed=90, subseed_strength=s).image for s in strengths]
show_images(walk, [f"{s:.2f}" for s in strengths])

# %%
stepper(walk, [f"subseed_strength = {s:.2f}" for s in strengths])

# %% [markdown] tags=["lang-zh"]
# 为什么要走球面？两份噪声直接平均，会变“安静”（标准差变小），模型没见过这样安静的噪声：

# %% [markdown] tags=["lang-en"]
# Why along a sphere? The plain mean of two noises is too quiet (its standard deviation is smaller), and the model has never met noise so quiet:

# %%
one, other = randn(33, (4, 16, 16)), randn(90, (4, 16, 16))
print(T("直接平均", "plain mean "), f"{(0.5 * one + 0.5 * other).std():.3f}")
print(T("球面插值", "on a sphere"), f"{slerp(0.5, one, other).std():.3f}")

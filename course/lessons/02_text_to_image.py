# %% tags=["source-only"]
"""Lesson 02: text to image, and what makes a picture the same or different. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B015, B905, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 2 课 · 文生图：从请求到结果
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 读懂并写出一个完整的请求；
# - 让同一张图**一模一样**地再来一次，并说清楚什么会让它变；
# - 知道种子、步数、CFG、尺寸各管什么，凭图说话；
# - 一次要一批图，并在中途叫停。

# %% [markdown] tags=["lang-en"]
# # Lesson 2 · Text to image: from request to result
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - read and write a complete request;
# - make the **very same** picture again, and say what would change it;
# - tell what seed, steps, CFG and size do, with pictures as proof;
# - ask for many pictures at once, and stop half way.

# %%
import ra_widgets as ra
from ra_widgets.course import check, playground, quiz
from ra_widgets.plotting import show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
kernel = ra.PipelineKernel()

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 请求是一份数据
#
# `kernel.generate("提示词")` 是简写。完整的写法是先写一份请求：它只说“画什么、怎么画”，不会自己动手。

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### A request is data
#
# `kernel.generate("a prompt")` is short for writing a request first. A request only says what to paint and how; it does nothing by itself.

# %%
request = ra.TextToImage(
    prompt=T("蓝色背景上的红苹果", "a red apple on a blue background"),
    negative_prompt="",
    seed=42,
    steps=16,
    sampler="DPM++ 2M",
    cfg_scale=4,
    width=128,
    height=128,
)
result = kernel.generate(request)
result

# %% [markdown] tags=["lang-zh"]
# | 字段 | 管什么 | 不写会怎样 |
# | --- | --- | --- |
# | `prompt` | 画什么 | 空：模型随便画 |
# | `negative_prompt` | 离什么远一点 | 空 |
# | `seed` | 从哪一份噪声开始 | `-1`：每次随机 |
# | `steps` | 走多少步 | 20 |
# | `sampler`、`scheduler` | 怎么走 | DPM++ 2M，自动 |
# | `cfg_scale` | 多听提示词的话 | 模型自己的默认值 |
# | `width`、`height` | 画布大小，8 的倍数 | 模型自己的默认值 |
#
# 请求一旦写好就不能改，想改就得到一份新的：`request.replace(seed=43)`。写错了，它会在开工之前说清楚：

# %% [markdown] tags=["lang-en"]
# | Field | What it rules | If left out |
# | --- | --- | --- |
# | `prompt` | what to paint | empty: whatever the model likes |
# | `negative_prompt` | what to keep away from | empty |
# | `seed` | which noise to begin with | `-1`: random each time |
# | `steps` | how many steps to take | 20 |
# | `sampler`, `scheduler` | how to walk | DPM++ 2M, automatic |
# | `cfg_scale` | how closely to follow the prompt | the model's own default |
# | `width`, `height` | the canvas, multiples of 8 | the model's own default |
#
# A request cannot be changed; ask for a changed copy: `request.replace(seed=43)`. And if something is wrong it says so before any work begins:

# %%
try:
    request.replace(width=130, steps=0)
except ra.InvalidRequest as error:
    print(error.text())

# %% [markdown] tags=["lang-zh"]
# ### 一模一样
#
# 同一个请求再做一次，得到的不是“差不多”的图，而是每一个像素都相同的图：

# %% [markdown] tags=["lang-en"]
# ### The very same
#
# The same request again gives not a similar picture but the same one, in every pixel:

# %%
once_more = kernel.generate(request)
once_more.image.tobytes() == result.image.tobytes()

# %% [markdown] tags=["lang-zh"]
# 扩散的每一步都是计算，唯一的随机是**最开始的那份噪声**，而它完全由种子决定。所以“随机”其实是可以记下来的。

# %% [markdown] tags=["lang-en"]
# Every step of diffusion is computation. The only chance in it is **the noise at the beginning**, and that is decided by the seed alone. So chance is something you can write down.

# %% [markdown] tags=["lang-zh"]
# ### 种子：从哪一份噪声开始
#
# 一次要六张：`n_iter` 是做几批。第 $i$ 张用的种子是 `seed + i`，所以其中每一张以后都能单独再画出来。

# %% [markdown] tags=["lang-en"]
# ### Seed: which noise to begin with
#
# Six at once: `n_iter` is the number of batches. Picture $i$ uses `seed + i`, so that each of them can be made again alone.

# %%
balloon = ra.TextToImage(prompt=T("天空中的气球", "a balloon in the sky"), seed=100, steps=10)
six = kernel.generate(balloon, n_iter=6)
show_images(six.images, [T(f"种子 {record.seed}", f"seed {record.seed}") for record in six.records])

# %%
alone = kernel.generate(six.records[4].to_request())
print(alone.records[0].seed, alone.image.tobytes() == six.images[4].tobytes())

# %% [markdown] tags=["lang-zh"]
# ### 步数：走多细
#
# 同一份噪声，走 1 步到 24 步。先大局，后细节；走够了再多走，就只是多花时间。
# （步子太少会冒出怪颜色：默认的采样器迈得太大，走过了头。第 4 课会看个究竟。）

# %% [markdown] tags=["lang-en"]
# ### Steps: how fine to walk
#
# The same noise, in 1 to 24 steps. First the composition, then the details; beyond "enough", more steps only take more time.
# (Too few steps bring odd colours: the default sampler strides too far and overshoots. Lesson 4 looks into it.)

# %%
castle = ra.TextToImage(prompt=T("夜空下的城堡", "a castle at night"), seed=11, steps=10)
numbers = [1, 3, 5, 7, 10, 14, 24]
series = [kernel.generate(castle, steps=n) for n in numbers]
show_images(
    [r.image for r in series],
    [T(f"{n} 步 · {r.seconds:.1f} 秒", f"{n} steps · {r.seconds:.1f} s") for n, r in zip(numbers, series)],
)

# %% [markdown] tags=["lang-zh"]
# ### CFG：多听提示词的话
#
# ![CFG](images/guidance.svg)
#
# 模型每一步猜两次：看着提示词猜一次，不看再猜一次。两次之差就是“提示词的方向”，CFG 决定沿这个方向走多远。
# 太小，画得自由，不听话；太大，颜色过饱和，边缘发硬。每个模型都有自己舒服的范围，`ra-mini` 约是 2 到 6，SD 1.5 约是 5 到 9。

# %% [markdown] tags=["lang-en"]
# ### CFG: how closely to follow the prompt
#
# ![CFG](images/guidance.svg)
#
# At each step the model guesses twice, with the prompt and without it. The difference is "the direction of the prompt", and CFG says how far to go in it.
# Too small: free but disobedient. Too large: harsh colours, hard edges. Every model has a range it likes, about 2 to 6 for `ra-mini`, about 5 to 9 for SD 1.5.

# %%
values = [1, 2, 4, 7, 11, 16]
guided = [kernel.generate(castle, cfg_scale=value) for value in values]
show_images([r.image for r in guided], [f"CFG {value}" for value in values])

# %% [markdown] tags=["lang-zh"]
# ### 提示词：画什么
#
# 换主体、换颜色、换地方，一次看九张。种子不变，所以构图常常也相似。

# %% [markdown] tags=["lang-en"]
# ### Prompt: what to paint
#
# Another subject, another colour, another place: nine at once. The seed stays, and so the composition is often alike.

# %%
subjects = T(["猫", "汽车", "企鹅"], ["a cat", "a car", "a penguin"])
places = T(["在草地上", "在雪地里", "在夕阳下"], ["on the grass", "in the snow", "at sunset"])
nine = [kernel.generate(T(f"{s}{p}", f"{s} {p}"), seed=5, steps=10).image for s in subjects for p in places]
show_images(nine, places, columns=3, rows=subjects, size=1.6)

# %% [markdown] tags=["lang-zh"]
# ### 尺寸：画布多大
#
# 模型是在某个尺寸上学会画画的（`ra-mini` 是 128，SD 1.5 是 512，SDXL 是 1024）。画布变宽，它会多画一点景，甚至多画一只；
# 大出太多，它就容易数不清主体：这是所有扩散模型的通病，第 5 课的“高清修复”就是来治它的。

# %% [markdown] tags=["lang-en"]
# ### Size: how large a canvas
#
# A model learned to paint at a certain size (128 for `ra-mini`, 512 for SD 1.5, 1024 for SDXL). On a wider canvas it paints more scenery, or one animal more;
# far beyond its size it loses count of its subjects. All diffusion models do that, and the "hires fix" of lesson 5 is the cure.

# %%
fox = ra.TextToImage(prompt=T("森林里的一只狐狸", "a fox in the forest"), seed=8, steps=10)
shapes = [(128, 128), (192, 128), (96, 160), (256, 256)]
show_images(
    [kernel.generate(fox, width=w, height=h).image for w, h in shapes],
    [f"{w} × {h}" for w, h in shapes],
    size=2.1,
)

# %% [markdown] tags=["lang-zh"]
# ### 中途叫停
#
# `submit` 返回任务，任务可以随时取消，一步之内就会停下。（在工作台里，这就是“停止”按钮。）

# %% [markdown] tags=["lang-en"]
# ### Stop half way
#
# `submit` returns a job, and a job can be cancelled at any time; it stops within one step. (In the workbench that is the "stop" button.)

# %%
job = kernel.submit(fox, steps=150)
for event in job.events():
    if event.name == "progress" and event.step == 3:
        job.cancel()
print(job.state, f"{job.progress.step} / {job.progress.steps}")

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 每动一次，图就重画。试着回答：哪几个控件改变**构图**，哪几个只改变**细节**？

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# The picture is painted anew at every change. Try to answer: which controls change the **composition**, which only the **details**?

# %%
playground(
    kernel,
    ra.TextToImage(prompt=T("沙滩上的一只小狗", "a dog on the beach"), seed=3, steps=12, cfg_scale=4),
    controls=("prompt", "negative_prompt", "seed", "steps", "cfg_scale", "width", "height"),
)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 02.1** 写一个请求（种子要写明），把它做两次，交上两个结果。检查会逐个像素比较。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 02.1** Write a request (with a seed), make it twice, and hand in both results. The check compares every pixel.

# %% tags=["exercise"]
first = ...
second = ...

check("02.1", first, second)

# %% tags=["solution"]
mine = ra.TextToImage(prompt=T("一只老虎", "a tiger"), seed=77, steps=8)
first = kernel.generate(mine)
second = kernel.generate(mine)

check("02.1", first, second).require()

# %% [markdown] tags=["lang-zh"]
# **练习 02.2** 再画两张，除了种子以外完全相同。

# %% [markdown] tags=["lang-en"]
# **Exercise 02.2** Two more pictures, alike in everything but the seed.

# %% tags=["exercise"]
first = ...
second = ...

check("02.2", first, second)

# %% tags=["solution"]
first = kernel.generate(mine, seed=1)
second = kernel.generate(mine, seed=2)

check("02.2", first, second).require()

# %% [markdown] tags=["lang-zh"]
# **练习 02.3** 用**一个任务**画出四张种子相连的图。

# %% [markdown] tags=["lang-en"]
# **Exercise 02.3** Make four pictures with consecutive seeds in **one job**.

# %% tags=["exercise"]
four = ...

check("02.3", four)

# %% tags=["solution"]
four = kernel.generate(mine, seed=10, batch_size=4)

check("02.3", four).require()

# %% [markdown] tags=["lang-zh"]
# **练习 02.4** 做一个 CFG 系列：至少三张，只有 CFG 不同，从小到大，最大的至少是最小的两倍。

# %% [markdown] tags=["lang-en"]
# **Exercise 02.4** Make a CFG series: at least three pictures that differ in CFG only, from small to large, the largest at least twice the smallest.

# %% tags=["exercise"]
cfg_series = [..., ..., ...]

check("02.4", cfg_series)

# %% tags=["solution"]
cfg_series = [kernel.generate(mine, cfg_scale=value) for value in (1.5, 3, 6)]

check("02.4", cfg_series).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("02.a")

# %%
quiz("02.b")

# %%
quiz("02.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# - 请求是数据：写得出、存得下、改一项就是一份新的。
# - **相同的请求 + 相同的模型 = 相同的图。** 种子决定开头的噪声，其余都是计算。
# - 步数够了就好；CFG 适中就好；尺寸尽量靠近模型学画时的大小。
# - 想研究一个参数，就**只动这一个**，把别的都固定住。这是做实验的第一规矩。
#
# [下一课](03_prompts.ipynb)：怎样把话说得更准，让模型听懂轻重、先后和取舍。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# - A request is data: you can write it, keep it, and change one field for a new one.
# - **Same request + same model = same picture.** The seed decides the noise at the beginning; the rest is computation.
# - Enough steps are enough; a moderate CFG is best; stay near the size the model learned at.
# - To study one parameter, **move only that one** and hold all others. It is the first rule of experiments.
#
# [Next lesson](03_prompts.ipynb): how to speak more exactly, so that the model hears what is important, what comes first, and what to leave out.

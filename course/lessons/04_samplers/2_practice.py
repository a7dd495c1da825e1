# %% tags=["source-only"]
"""Lesson 04, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 先把步数拉到 4，比较各个采样器；再拉到 20，看看差别还剩多少。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# Set the steps to 4 and compare samplers; then 20, and see how much difference is left.

# %%
controls = ("sampler", "scheduler", "steps", "cfg_scale", "seed", "subseed", "subseed_strength")
playground(kernel, base, controls=controls)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 04.1** 做一张公平的对照表：3 个采样器 × 3 种步数，一共 9 张，别的什么都不变。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 04.1** Make a fair table: 3 samplers × 3 numbers of steps, nine pictures, and nothing else changed.

# %% tags=["exercise"]
nine = [...]

check("04.1", nine)

# %% tags=["solution"]
samplers = ("Euler", "DPM++ 2M", "Euler a")
nine = [kernel.generate(base, sampler=s, steps=n) for s in samplers for n in (2, 4, 6)]

check("04.1", nine).require()

# %% [markdown] tags=["lang-zh"]
# **练习 04.2** Heun 走 10 步，一共问模型几次？用上面的 `count_calls` 数一数，并想想为什么不是整数倍。

# %% [markdown] tags=["lang-en"]
# **Exercise 04.2** How often does Heun ask the model in 10 steps? Count with `count_calls` from above, and think about why it is not a round multiple.

# %% tags=["exercise"]
calls = ...

check("04.2", calls)

# %% tags=["solution"]
calls = count_calls("Heun", 10)

check("04.2", calls).require()

# %% [markdown] tags=["lang-zh"]
# **练习 04.3** 从一个种子走向另一个：至少四张，变异强度从小到大，别的不变。

# %% [markdown] tags=["lang-en"]
# **Exercise 04.3** Walk from one seed towards another: at least four pictures with rising variation strength and all else held.

# %% tags=["exercise"]
steps_of_the_walk = [..., ..., ..., ...]

check("04.3", steps_of_the_walk)

# %% tags=["solution"]
steps_of_the_walk = [kernel.generate(base, steps=6, subseed=7, subseed_strength=s) for s in (0.0, 0.3, 0.6, 0.9)]

check("04.3", steps_of_the_walk).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("04.a")

# %%
quiz("04.b")

# %%
quiz("04.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 想要 | 试试 |
# | --- | --- |
# | 又快又稳 | DPM++ 2M，Karras，15 到 25 步 |
# | 更多变化 | Euler a、DPM++ 2M SDE |
# | 每次都收敛到同一张 | 不带 a、不带 SDE 的采样器 |
# | 微调一张喜欢的图 | 固定种子，`subseed_strength` 取 0.05 到 0.3 |
# | 下结论 | 只动一个量，做成表格，用数字说话 |
#
# 每一种采样器和调度的出处、公式、选项，以及为什么有的搭配不好看，都写在[采样器与调度](../../docs/samplers.md)里。
#
# 前四课到这里就是全部的基本功了。接下来是[更大的画布](05_resolution.ipynb)、[图生图](06_img2img.ipynb)和[局部重绘](07_inpaint.ipynb)。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want | Try |
# | --- | --- |
# | fast and steady | DPM++ 2M, Karras, 15 to 25 steps |
# | more variety | Euler a, DPM++ 2M SDE |
# | the same picture however many steps | samplers without an a and without SDE |
# | to vary a picture you like | hold the seed, `subseed_strength` 0.05 to 0.3 |
# | to draw conclusions | move one thing, make a table, let numbers speak |
#
# Papers, formulas and options of all samplers and schedules, and why some of them do not go well together, are in [samplers and schedules](../../docs/samplers.md).
#
# These are all the basics. What comes next: [larger canvases](05_resolution.ipynb), [image to image](06_img2img.ipynb), and [inpainting](07_inpaint.ipynb).

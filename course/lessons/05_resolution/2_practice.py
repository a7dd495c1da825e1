# %% tags=["source-only"]
"""Lesson 05, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 勾上高清修复，把重绘幅度从 0.1 慢慢往右拉，看双胞胎从哪里开始回来。换一换放大方法、种子和宽高。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# With the hires fix on, move the denoising strength slowly to the right from 0.1: where do the twins come back? Then other upscalers, seeds and shapes.

# %%
controls = ("enable_hr", "hr_scale", "hr_upscaler", "denoising_strength", "seed", "width", "height")
playground(kernel, subjects[1].replace(**fixed), controls=controls)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 05.1** 一张 832 × 1216 的竖图（SDXL 常用的大小）有多少个潜空间格子？

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 05.1** A portrait of 832 × 1216 (a usual size for SDXL): how many latent cells has it?

# %% tags=["exercise"]
number_of_cells = ...

check("05.1", number_of_cells)

# %% tags=["solution"]
number_of_cells = (832 // 8) * (1216 // 8)

check("05.1", number_of_cells).require()

# %% [markdown] tags=["lang-zh"]
# **练习 05.2** 用高清修复画一张图：长和宽都恰好是小图的两倍，噪声掺回得适中（不到全部，也不是几乎没有）。

# %% [markdown] tags=["lang-en"]
# **Exercise 05.2** Make a picture with the hires fix: exactly twice as wide and high as its small one, with a moderate amount of noise put back (not nearly all, not nearly none).

# %% tags=["exercise"]
repaired = ...

check("05.2", repaired)

# %% tags=["solution"]
mine = ra.TextToImage(prompt=T("雪地里的一只小狗", "a dog in the snow"), seed=21, steps=6, width=96, height=96)
repaired = kernel.generate(mine, enable_hr=True, hr_scale=2, hr_upscaler="Lanczos", denoising_strength=0.3)

check("05.2", repaired).require()

# %% [markdown] tags=["lang-zh"]
# **练习 05.3** 做一个高清修复的系列：至少三张，只有 `denoising_strength` 不同，从小到大。你的主体从哪一张开始变样？

# %% [markdown] tags=["lang-en"]
# **Exercise 05.3** Make a hires series: at least three pictures that differ in `denoising_strength` only, from small to large. Where does your subject begin to change?

# %% tags=["exercise"]
hires_series = [..., ..., ...]

check("05.3", hires_series)

# %% tags=["solution"]
hires_series = [kernel.generate(repaired.records[0].to_request(), denoising_strength=s) for s in (0.2, 0.4, 0.7)]

check("05.3", hires_series).require()

# %% [markdown] tags=["lang-zh"]
# **练习 05.4** 把**同一张图**放大同样的倍数，用两种不同的放大方法，交上两个结果。

# %% [markdown] tags=["lang-en"]
# **Exercise 05.4** Enlarge **the same picture** by the same factor with two different upscalers, and hand in both results.

# %% tags=["exercise"]
one_way = ...
other_way = ...

check("05.4", one_way, other_way)

# %% tags=["solution"]
one_way = kernel.generate(ra.Upscale(image=image, scale=2, upscaler="Lanczos"))
other_way = kernel.generate(ra.Upscale(image=image, scale=2, upscaler="Nearest"))

check("05.4", one_way, other_way).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("05.a")

# %%
quiz("05.b")

# %%
quiz("05.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 想要 | 做法 |
# | --- | --- |
# | 构图稳 | 第一遍用模型学画时的大小；长宽比别太极端 |
# | 大而清楚 | `enable_hr=True`，像素放大 + 小幅度（SD 1.5：0.2 到 0.5），Latent + 大一些（0.5 到 0.7） |
# | 只要更多像素，一点都不许改 | `ra.Upscale`，用神经网络放大 |
# | 更大 | 分块；时间按格子数算，边长加倍至少四倍 |
#
# 高清修复的后半段，其实就是“从一张图开始画”。[下一课](06_img2img.ipynb)把它单独拿出来：图生图。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want | Do this |
# | --- | --- |
# | a sound composition | the first pass at the size that the model learned on; no extreme shapes |
# | large and crisp | `enable_hr=True`; pixel upscalers with little strength (SD 1.5: 0.2 to 0.5), Latent with more (0.5 to 0.7) |
# | more pixels and nothing changed | `ra.Upscale` with a network |
# | larger still | tiles; time goes by the cells: twice the side, at least four times the time |
#
# The second half of the hires fix is painting that starts from a picture. The [next lesson](06_img2img.ipynb) takes it out by itself: image to image.

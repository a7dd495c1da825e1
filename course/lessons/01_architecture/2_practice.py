# %% tags=["source-only"]
"""Lesson 01, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 换一个句子、换一个种子，再看看每个词在看哪里。试试两样东西的句子：`一只猫和一个苹果`。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# Another sentence, another seed: where do the words look now? Try a sentence with two things: `a cat and an apple`.

# %%
show_words(T("一只猫和一个苹果", "a cat and an apple"), seed=5)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 01.1** 一张宽 768、高 512 像素的图，它的潜变量是什么形状？写成 `(通道, 高, 宽)`。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 01.1** A picture is 768 pixels wide and 512 high. What is the shape of its latent? Write `(channels, height, width)`.

# %% tags=["exercise"]
shape = (..., ..., ...)

check("01.1", shape)

# %% tags=["solution"]
shape = (4, 512 // 8, 768 // 8)

check("01.1", shape).require()

# %% [markdown] tags=["lang-zh"]
# **练习 01.2** 一张 512 × 512 的彩色图，数字的个数是它的潜变量的多少倍？（这就是潜空间扩散省下的力气。）

# %% [markdown] tags=["lang-en"]
# **Exercise 01.2** How many times as many numbers has a 512 × 512 colour picture as its latent? (That is the work which latent diffusion saves.)

# %% tags=["exercise"]
times_smaller = ...

check("01.2", times_smaller)

# %% tags=["solution"]
times_smaller = (3 * 512 * 512) / (4 * 64 * 64)

check("01.2", times_smaller).require()

# %% [markdown] tags=["lang-zh"]
# **练习 01.3** 用 20 步、打开 CFG 画一张图，UNet 一共要看多少份潜变量？（看看上面的 `paint`。）

# %% [markdown] tags=["lang-en"]
# **Exercise 01.3** One picture, 20 steps, with CFG: how many latents does the UNet look at in all? (Look at `paint` above.)

# %% tags=["exercise"]
looks = ...

check("01.3", looks)

# %% tags=["solution"]
looks = 20 * 2

check("01.3", looks).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
match("01.parts")

# %%
quiz("01.a")

# %%
quiz("01.b")

# %%
quiz("01.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 部件 | 进去 | 出来 | 一句话 |
# | --- | --- | --- | --- |
# | 文本编码器 | 词元 | 向量表 | 把话变成方向 |
# | UNet | 带噪潜变量、时间、文字 | 噪声的猜测 | 真正的画家 |
# | 调度器（采样器） | 猜测 | 下一步的潜变量 | 决定走哪些时间、怎么走 |
# | VAE | 潜变量 | 像素 | 把小画展开成大画 |
#
# [下一课](02_text_to_image.ipynb)我们不再拆机器，而是学会开它。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | Part | In | Out | In a word |
# | --- | --- | --- | --- |
# | Text encoder | tokens | a table of vectors | turns words into directions |
# | UNet | noisy latent, time, text | a guess of the noise | the real painter |
# | Scheduler (sampler) | the guess | the latent of the next step | decides which times to walk, and how |
# | VAE | latent | pixels | unfolds the small painting |
#
# In the [next lesson](02_text_to_image.ipynb) we stop taking the machine apart and learn to drive it.

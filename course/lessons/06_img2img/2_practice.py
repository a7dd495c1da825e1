# %% tags=["source-only"]
"""Lesson 06, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# 幅度太小，画出来还是色块；太大，草图里的位置和形状就渐渐不算数了。中间那一段既听你的构图，又补上了质感。
#
# ## 调一调
#
# 拖动幅度，再换提示词（苹果、城堡、汽车……）：同一张草图能变成多少种东西？

# %% [markdown] tags=["lang-en"]
# With too little strength it is still patches; with too much the places and shapes of the sketch count less and less. Between the two it follows your composition and adds the texture.
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
series = [kernel.generate(flower, denoising_strength=s) for s in (0.1, 0.3, 0.5, 0.8)]

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
pen.rectangle((58, 20, 68, 44), fill="#4d7a2b")
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
# | 修饰、加细节 | 转折点以下（0.1 到 0.3） | 种子几乎不起作用 |
# | 留构图，换内容 | 转折点附近（0.4 到 0.7） | 提示词写**整张图**，不只写要改的 |
# | 只借一点颜色和位置 | 远远过了转折点（0.8 以上） | 和文生图差不多了 |
# | 慢慢变过去 | 转折点以下，loopback | 走多了会漂移 |
#
# 走的步数 = int(幅度 × 步数) + 1。全图一起改常常太多：[下一课](07_inpaint.ipynb)只改你涂出来的那一块。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want to | Strength | Mind that |
# | --- | --- | --- |
# | retouch, add details | below the turning point (0.1 to 0.3) | the seed has hardly any say |
# | keep the composition, change what is in it | around it (0.4 to 0.7) | the prompt describes the **whole picture**, not only the change |
# | borrow only some colour and place | far beyond it (0.8 and more) | nearly text to image |
# | change slowly | below it, with loopback | long walks drift |
#
# Steps walked = int(strength × steps) + 1. To change the whole picture is often too much: the [next lesson](07_inpaint.ipynb) changes only what you paint over.

# %% tags=["source-only"]
"""Lesson 07, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 回到上面的画笔，换一块地方涂（比如天上，或者只涂脸），再运行这一格。提示词也跟着换。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# Go back to the painter, paint somewhere else (the sky, or only the face), and run this cell again. Change the prompt with it.

# %%
mine = mask if painter.empty else painter.mask
controls = ("prompt", "denoising_strength", "mask_blur", "inpainting_fill", "soft_inpainting", "seed")
playground(kernel, apple.replace(mask=mine), controls=controls)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 07.1** 用 `mask_blur=0` 重画一块（自己的图、自己的蒙版），再用 `differences` 算出蒙版外的最大差和蒙版里的平均差，三样一起交上。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 07.1** Inpaint something with `mask_blur=0` (your own picture and mask); with `differences` compute the largest change outside and the mean change inside, and hand in all three.

# %% tags=["exercise"]
painted = ...
outside, inside = ..., ...

check("07.1", painted, outside, inside)

# %% tags=["solution"]
face = oval(40, 50, 90, 110)
painted = kernel.generate(
    ra.Inpaint(prompt=T("一朵花", "a flower"), image=image, mask=face, mask_blur=0, seed=9, steps=8)
)
outside, inside = differences(image, painted.image, face)

check("07.1", painted, outside, inside).require()

# %% [markdown] tags=["lang-zh"]
# **练习 07.2** 换掉主体：蒙版占全图的 5% 到 60%，里面要真的变了，软边以外一个比特都不变。

# %% [markdown] tags=["lang-en"]
# **Exercise 07.2** Replace the subject: with a mask of 5 % to 60 % of the picture, a real change inside, and not one bit beyond the soft edge.

# %% tags=["exercise"]
replaced = ...

check("07.2", replaced)

# %% tags=["solution"]
replaced = kernel.generate(apple, prompt=T("草地上的一只熊猫", "a panda on the grass"), seed=12)

check("07.2", replaced).require()

# %% [markdown] tags=["lang-zh"]
# **练习 07.3** 同一张图、同一个蒙版，比较至少三种“蒙版里的底”，别的都不变。

# %% [markdown] tags=["lang-en"]
# **Exercise 07.3** One picture, one mask: compare at least three grounds under the mask, and hold all else.

# %% tags=["exercise"]
three_grounds = [..., ..., ...]

check("07.3", three_grounds)

# %% tags=["solution"]
three_grounds = [kernel.generate(apple, inpainting_fill=f, steps=8) for f in ("original", "fill", "latent noise")]

check("07.3", three_grounds).require()

# %% [markdown] tags=["lang-zh"]
# **练习 07.4** 在一张大图上用“只画蒙版区域”改一小块（蒙版不到全图的 15%），留边至少 8 像素。

# %% [markdown] tags=["lang-en"]
# **Exercise 07.4** On a large picture, change a small part (a mask of less than 15 %) with "only masked" and a padding of at least 8 pixels.

# %% tags=["exercise"]
small_change = ...

check("07.4", small_change)

# %% tags=["solution"]
small_change = kernel.generate(balloon, **small, inpaint_full_res_padding=24, seed=7, steps=8)

check("07.4", small_change).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("07.a")

# %%
quiz("07.b")

# %%
quiz("07.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 想要 | 这样设 |
# | --- | --- |
# | 去掉一样东西 | 底 `fill`，幅度 0.7 到 1，提示词写**背景** |
# | 换成别的 | 底 `fill` 或 `latent noise`，幅度 0.9 以上 |
# | 小修小改 | 底 `original`，幅度小（0.3 到 0.6） |
# | 大图上的小东西 | 只画蒙版区域，留边 16 到 64 |
# | 没有边界的东西 | 柔和重绘，羽化大一点 |
#
# 蒙版以外一个比特都不变，这一点你已经自己验证过了。[下一课](08_outpaint.ipynb)把蒙版放到画框**外面**：外扩。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want | Set |
# | --- | --- |
# | to remove something | ground `fill`, strength 0.7 to 1, the prompt describes the **background** |
# | something else instead | ground `fill` or `latent noise`, strength 0.9 and more |
# | a small correction | ground `original`, little strength (0.3 to 0.6) |
# | a small thing on a large picture | only masked, padding 16 to 64 |
# | something without a border | soft inpainting, more blur |
#
# Outside the mask not one bit changes: you have verified it yourself. The [next lesson](08_outpaint.ipynb) puts the mask **outside** the frame: outpainting.

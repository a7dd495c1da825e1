# %% tags=["source-only"]
"""Lesson 08, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 拖一拖四条边。再把重绘幅度拉到 0.3，看看底；把羽化拉到 0，看看缝。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# Move the four sides. Then set the strength to 0.3 and see the ground; set the blur to 0 and see the seam.

# %%
controls = ("prompt", "left", "right", "top", "bottom", "fill_mode", "denoising_strength", "mask_blur", "seed")
playground(kernel, request, controls=controls)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 08.1** 一张 128 × 128 的图，左边添 32，上边添 64，右边添 16。在新图里，旧图占哪一块？交 `(左, 上, 右, 下)`。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 08.1** A picture of 128 × 128 gets 32 at the left, 64 at the top and 16 at the right. Where in the new picture is the old one? Hand in `(left, top, right, bottom)`.

# %% tags=["exercise"]
place = ...

check("08.1", place)

# %% tags=["solution"]
place = (32, 64, 32 + 128, 64 + 128)

check("08.1", place).require()

# %% [markdown] tags=["lang-zh"]
# **练习 08.2** 画一张你自己的图，把它往**上**推 64 像素，别的边不动。交两个结果：旧的，新的。检查会逐个字节地比较旧像素。

# %% [markdown] tags=["lang-en"]
# **Exercise 08.2** Make a picture of your own and extend it by 64 pixels **upwards**, and on no other side. Hand in both results, the old and the new. The check compares the old pixels byte by byte.

# %% tags=["exercise"]
old = ...
new = ...

check("08.2", old, new)

# %% tags=["solution"]
old = kernel.generate(T("夜空下的城堡", "a castle at night"), seed=3, steps=8)
new = kernel.generate(ra.Outpaint(prompt=T("夜空下的城堡", "a castle at night"), image=old, top=64, seed=3, steps=8))

check("08.2", old, new).require()

# %% [markdown] tags=["lang-zh"]
# **练习 08.3** 四种底各画一张，别的什么都不变（幅度取 0.5，差别才看得见）。

# %% [markdown] tags=["lang-en"]
# **Exercise 08.3** One picture for each of the four grounds, and nothing else changed (take a strength of 0.5, or the difference will not show).

# %% tags=["exercise"]
four = [..., ..., ..., ...]

check("08.3", four)

# %% tags=["solution"]
four = [kernel.generate(request, steps=6, denoising_strength=0.5, fill_mode=m) for m in modes]

check("08.3", four).require()

# %% [markdown] tags=["lang-zh"]
# **练习 08.4** 画你自己的长卷：从一张图开始，至少推两次，每次都从上一次的结果出发，最后宽（或高）至少是开头的两倍。按顺序交上所有结果。

# %% [markdown] tags=["lang-en"]
# **Exercise 08.4** Paint a scroll of your own: begin with a picture and extend it at least twice, each time from the last result, until it is at least twice as wide (or high). Hand in all results in order.

# %% tags=["exercise"]
pieces = [..., ..., ...]

check("08.4", pieces)

# %% tags=["solution"]
pieces = [kernel.generate(T("草地上的一只熊猫", "a panda on the grass"), seed=2, steps=8)]
for side in ("left", "right"):
    pieces.append(kernel.generate(ra.Outpaint(prompt=words, image=pieces[-1], seed=5, steps=8, **{side: 64})))

check("08.4", pieces).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("08.a")

# %%
quiz("08.b")

# %%
quiz("08.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# - 外扩 = 大画布 + 蒙版 + 局部重绘；提示词说整幅画。
# - 旧像素不变，是因为最后把它们**贴了回去**；潜空间自己留不住像素。
# - 底加大幅度：底给颜色，幅度给自由。缝不好看，先换种子，再调羽化。
# - 要走远，就一步一步走，每一步都以上一步的结果为起点。
#
# [下一课](09_depth_control.ipynb)：不止说“画什么”，还要说“画在哪里、什么姿势”。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# - Outpainting = larger canvas + mask + inpainting; the prompt is about the whole picture.
# - Old pixels stay because they are **laid back** at the end; latent space itself cannot keep pixels.
# - Ground and a large strength: the ground gives colour, the strength gives freedom. If the seam looks bad, change the seed first, then the blur.
# - To go far, go step by step, each from the result of the last.
#
# [Next lesson](09_depth_control.ipynb): to say not only what to paint, but where, and in which pose.

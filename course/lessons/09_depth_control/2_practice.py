# %% tags=["source-only"]
"""Lesson 09, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调

# %% [markdown] tags=["lang-en"]
# ## Try it

# %%
controls = (
    "prompt",
    "seed",
    "control.threshold_a",
    "control.threshold_b",
    "control.weight",
    "control.guidance_start",
    "control.guidance_end",
)
playground(kernel, snow.replace(control=edges), controls=controls)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 09.1** 为 `source` 做一张边缘图，白点占 3% 到 8%。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 09.1** Make a map of the edges of `source` in which 3 to 8 % of the pixels are white.

# %% tags=["exercise"]
edge_map = ...

check("09.1", edge_map)

# %% tags=["solution"]
tried = (edges_of(source, high / 2, high) for high in range(20, 1400, 20))
edge_map = next(m for m in tried if 0.03 <= m.mean() / 255 <= 0.08)

check("09.1", edge_map).require()

# %% [markdown] tags=["lang-zh"]
# **练习 09.2** 画一张图，估出它的深度图，再找出最近的一点在哪里。交深度图和 `(x, y)`。

# %% [markdown] tags=["lang-en"]
# **Exercise 09.2** Make a picture, estimate its depth, and find where its nearest point is. Hand in the depth map and `(x, y)`.

# %% tags=["exercise"]
depth_map = ...
nearest = ...

check("09.2", depth_map, nearest)

# %% tags=["solution"]
cat = kernel.generate(T("草地上的一只猫", "a cat on the grass"), seed=2, steps=8).image
depth_map = np.asarray(kernel.control_map(cat, "depth").convert("L"))
y, x = np.unravel_index(depth_map.argmax(), depth_map.shape)
nearest = (x, y)

check("09.2", depth_map, nearest).require()

# %% [markdown] tags=["lang-zh"]
# **练习 09.3** 同一个请求画两张：控制的权重一张是 0，一张是 1，别的都一样。

# %% [markdown] tags=["lang-en"]
# **Exercise 09.3** Make one request twice: control weight 0 and control weight 1, all else the same.

# %% tags=["exercise"]
without = ...
with_control = ...

check("09.3", without, with_control)

# %% tags=["solution"]
without = kernel.generate(snow, steps=6, control=depth.replace(weight=0))
with_control = kernel.generate(snow, steps=6, control=depth.replace(weight=1))

check("09.3", without, with_control).require()

# %% [markdown] tags=["lang-zh"]
# **练习 09.4** 做一个“放手”系列：至少三张，只有 `guidance_end` 不同，从小到大，最后一张听到底。

# %% [markdown] tags=["lang-en"]
# **Exercise 09.4** Make a series of letting go: at least three pictures that differ in `guidance_end` only, rising, the last one listening to the end.

# %% tags=["exercise"]
letting_go = [..., ..., ...]

check("09.4", letting_go)

# %% tags=["solution"]
letting_go = [kernel.generate(snow, steps=6, control=edges.replace(guidance_end=e)) for e in (0.2, 0.5, 1.0)]

check("09.4", letting_go).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("09.a")

# %%
quiz("09.b")

# %%
quiz("09.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 想要 | 试试 |
# | --- | --- |
# | 守住每一条线 | 边缘，阈值先看图再定 |
# | 守住空间，换掉一切 | 深度，或 `DepthToImage` |
# | 构图听图，细节听话 | 权重 0.8 左右，`guidance_end` 0.5 左右 |
# | 线条太硬、颜色发脏 | 减权重，早点放手 |
#
# UNet 没有变，提示词照样说话，控制图只是多了一种说话的办法。

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want | Try |
# | --- | --- |
# | to keep every line | edges; look at the map before you settle the thresholds |
# | to keep the space and change everything else | depth, or `DepthToImage` |
# | composition from the map, details from the words | weight about 0.8, `guidance_end` about 0.5 |
# | softer lines, cleaner colours | less weight, let go earlier |
#
# The UNet has not changed and the prompt still speaks; a control map is one more way of saying things.

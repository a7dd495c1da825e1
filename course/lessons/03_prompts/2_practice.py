# %% tags=["source-only"]
"""Lesson 03, continued: what to try, the exercise, questions, the recap. Its names come from the demonstration before it."""

from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 把上面的语法混着用。试试 `[城堡:蛋糕:0.5]，夕阳下`，或者给反向提示词加重：`(蓝色:1.4)`。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# Mix all of this. Try `[a castle:a cake:0.5] at sunset`, or stress a negative prompt: `(blue:1.4)`.

# %%
playground(
    kernel,
    ra.TextToImage(prompt=T("[城堡:蛋糕:0.5]，夕阳下", "[a castle:a cake:0.5] at sunset"), seed=5, steps=16),
    controls=("prompt", "negative_prompt", "seed", "cfg_scale"),
)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 03.1** 写一个请求：给其中一个词 1.3 的权重，并写上反向提示词。（不用画，交请求就行。）

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 03.1** Write a request in which one word has the weight 1.3, with a negative prompt. (No need to make it; hand in the request.)

# %% tags=["exercise"]
answer = ...

check("03.1", answer)

# %% tags=["solution"]
answer = ra.TextToImage(
    prompt=T("草地上的(红色:1.3)汽车", "a (red:1.3) car on the grass"), negative_prompt=T("夜晚", "night")
)

check("03.1", answer).require()

# %% [markdown] tags=["lang-zh"]
# **练习 03.2** 写一个请求：恰好在一半的地方从一样东西换成另一样。

# %% [markdown] tags=["lang-en"]
# **Exercise 03.2** Write a request that changes from one thing into another exactly half way.

# %% tags=["exercise"]
answer = ...

check("03.2", answer)

# %% tags=["solution"]
answer = ra.TextToImage(prompt=T("草地上的[兔子:乌龟:0.5]", "[a rabbit:a turtle:0.5] on the grass"), steps=20)

check("03.2", answer).require()

# %% [markdown] tags=["lang-zh"]
# **练习 03.3** 写一个请求：两样东西一步一换。

# %% [markdown] tags=["lang-en"]
# **Exercise 03.3** Write a request in which two things take turns at every step.

# %% tags=["exercise"]
answer = ...

check("03.3", answer)

# %% tags=["solution"]
answer = ra.TextToImage(prompt=T("[熊猫|老虎]，雪地", "[a panda|a tiger] in the snow"))

check("03.3", answer).require()

# %% [markdown] tags=["lang-zh"]
# **练习 03.4** 画一个权重系列：至少三张，提示词的文字相同、只有一个词的权重不同，别的都固定。

# %% [markdown] tags=["lang-en"]
# **Exercise 03.4** Make a weight series: at least three pictures with the same words, only the weight of one word changing and all else held.

# %% tags=["exercise"]
series = [..., ..., ...]

check("03.4", series)

# %% tags=["solution"]
series = [kernel.generate(T(f"(紫色:{w})的蘑菇", f"a (purple:{w}) mushroom"), seed=4, steps=8) for w in (0.5, 1.0, 1.5)]

check("03.4", series).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("03.a")

# %%
quiz("03.b")

# %%
quiz("03.c")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# | 想要 | 写法 |
# | --- | --- |
# | 加重、减轻 | `(词:1.3)`、`[词]`、`(词:0.7)` |
# | 不要 | 反向提示词（CFG 要大于 1） |
# | 半路换 | `[猫:狗:0.4]`、`[狗:8]`（第 8 步加上）、`[猫::8]`（第 8 步去掉） |
# | 一步一换 | `[猫\|狗]` |
# | 另起一段 | `BREAK` |
# | 几个提示词合成 | `甲 AND 乙 :0.6` |
#
# [下一课](04_samplers.ipynb)：同样的提示词、同样的噪声，换一种走法，会画出什么？

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# | You want to | Write |
# | --- | --- |
# | stress, play down | `(word:1.3)`, `[word]`, `(word:0.7)` |
# | leave something out | a negative prompt (CFG above 1) |
# | change half way | `[cat:dog:0.4]`, `[dog:8]` (comes at step 8), `[cat::8]` (goes at step 8) |
# | take turns | `[cat\|dog]` |
# | begin a new chunk | `BREAK` |
# | compose prompts | `one AND other :0.6` |
#
# [Next lesson](04_samplers.ipynb): the same prompt, the same noise, another way of walking. What will it paint?

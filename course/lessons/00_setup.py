# %% tags=["source-only"]
"""Lesson 00: the workbench. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 0 课 · 环境与工作台
#
# *约 25 分钟。只需要一台普通电脑：不用显卡，不用联网。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 用三行 Python 画出第一张图；
# - 看懂一次生成从“排队”到“完成”都经过了什么；
# - 在画廊里把任何一张旧图找回来，并且知道它是怎么来的；
# - 打开工作台，用鼠标做同样的事。
#
# **怎么用这本笔记本：** 点一下灰色的代码格，按 `Shift + Enter` 运行，然后往下走。代码可以随便改，改坏了也没关系。

# %% [markdown] tags=["lang-en"]
# # Lesson 0 · Setup and the workbench
#
# *About 25 minutes. An ordinary computer is enough: no graphics card, no internet.*
#
# ## Goal
#
# After this lesson you can
#
# - make your first picture with three lines of Python;
# - tell what happens between "queued" and "done";
# - find any old picture again in the gallery, and know what made it;
# - open the workbench and do the same with the mouse.
#
# **How to use this notebook:** click a grey code cell, press `Shift + Enter` to run it, and go on. Change the code as you like; you cannot break anything.

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# 先准备好工具。最后一行的 `kernel` 是整个工作台的心脏：界面、命令行和笔记本里的代码，都是请它画画。

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# First we lay out the tools. The `kernel` in the last line is the heart of the workbench: the pages, the command line and the code in a notebook all ask it to paint.

# %%
import ra_widgets as ra
from ra_widgets.course import check, playground, progress, quiz
from ra_widgets.plotting import use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
kernel = ra.PipelineKernel()
kernel

# %% [markdown] tags=["lang-zh"]
# ### 第一张图
#
# `kernel` 立刻就返回了，模型正在后台读入。现在请它画画；第一次要等几秒，以后每张大约一秒。

# %% [markdown] tags=["lang-en"]
# ### The first picture
#
# The `kernel` came back at once; the model is being read in the background. Ask it for a picture: the first one takes some seconds, later ones about one.

# %%
result = kernel.generate(T("草地上的一只熊猫", "a panda on the grass"), seed=1)
result

# %% [markdown] tags=["lang-zh"]
# 这张图是刚刚在你的电脑上算出来的，用的是随项目附带的小模型 `ra-mini`。它只有三千万字节左右，画得简单，但它是一个**货真价实的 Stable Diffusion**：
# 你在它身上学到的一切，换成几十亿字节的大模型照样成立。
#
# 问问 `kernel` 现在用的是什么设备、什么精度：

# %% [markdown] tags=["lang-en"]
# This picture was computed on your machine a moment ago, by `ra-mini`, the small model that comes with the project. It has only some thirty million bytes and paints simply, but it is a **real Stable Diffusion**:
# everything you learn with it holds for models a hundred times larger.
#
# Ask the `kernel` which device and which precision it uses:

# %%
for name, value in kernel.status().items():
    print(f"{name:12} {value}")

# %% [markdown] tags=["lang-zh"]
# ### 一次生成经过哪里
#
# ![一次生成经过哪里](images/workbench.svg)
#
# 你写下的是一个**请求**。它先排队，再由模型一步一步地画，最后变成**结果**，同时自动存进画廊。
# `submit` 只提交、不等待，它返回一个“任务”，我们可以听任务讲它正在做什么：

# %% [markdown] tags=["lang-en"]
# ### The way of one picture
#
# ![The way of one picture](images/workbench.svg)
#
# What you write is a **request**. It waits in a queue, the model paints it step by step, and it becomes a **result**, which goes into the gallery by itself.
# `submit` hands the request in without waiting and returns a "job"; we can listen to what the job is doing:

# %%
job = kernel.submit(T("雪地里的企鹅", "a penguin in the snow"), seed=2, steps=10)
for event in job.events():
    detail = f"{event.fraction:.0%}" if event.name == "progress" else ""
    print(f"{event.name:12} {detail}")

# %% [markdown] tags=["lang-zh"]
# 最后一个事件带着结果，也可以这样拿：

# %% [markdown] tags=["lang-en"]
# The last event carries the result; this gets it too:

# %%
job.result()

# %% [markdown] tags=["lang-zh"]
# ### 在画廊里找回它
#
# 每一张完成的图都已经存好了。搜索提示词里的任何几个字，一个字也行：

# %% [markdown] tags=["lang-en"]
# ### Find it again in the gallery
#
# Every finished picture is already saved. Search for any part of its prompt:

# %%
found = kernel.gallery.search(T("企鹅", "penguin"))
record = found[0]
print(len(found), record.id)
record

# %% [markdown] tags=["lang-zh"]
# 这条**记录**知道自己的一切：用了什么提示词、种子和步数，是哪个模型画的。这些文字就写在图片文件里，
# 和 AUTOMATIC1111 的 webui 用的是同一种格式，把图拖进别的软件也能读出来：

# %% [markdown] tags=["lang-en"]
# This **record** knows all about itself: prompt, seed, steps, and which model painted it. The text is inside the picture file,
# in the format of AUTOMATIC1111's webui, so that other programs can read it too:

# %%
print(record.infotext)
print()
print(record.path)

# %% [markdown] tags=["lang-zh"]
# 反过来也行。记录能变回请求，请求能变成一行代码。这就是可复现：不靠记性，靠记录。

# %% [markdown] tags=["lang-en"]
# It also works backwards: a record becomes a request again, and a request becomes one line of code. That is reproducibility: do not rely on memory, rely on records.

# %%
request = record.to_request()
print(request.to_code())

# %% [markdown] tags=["lang-zh"]
# ## 调一调
#
# 下面是一块小小的画板。改提示词（按回车），拖动种子，图会重画；最下面那行代码始终和你的设置一致。
#
# 试试：`夜空下的城堡`、`一个红色的苹果，蓝色背景`、`两只企鹅在雪地里`。

# %% [markdown] tags=["lang-en"]
# ## Try it
#
# Below is a small panel. Change the prompt (press Enter) or move the seed, and the picture is painted anew; the line of code below it always says what you have set.
#
# Try: `a castle at night`, `a red apple on a blue background`, `two penguins in the snow`.

# %%
playground(kernel, T("草地上的一只狐狸", "a fox on the grass"), controls=("prompt", "seed"))

# %% [markdown] tags=["lang-zh"]
# 完整的工作台也只要一行。在里面做的每一件事，都可以用“转成代码”变回 Python：

# %% [markdown] tags=["lang-en"]
# The whole workbench is one line, too. Everything you do in it can be turned back into Python with "to code":

# %%
ra.studio(kernel)

# %% [markdown] tags=["lang-zh"]
# ## 练习
#
# **练习 00.1** 用种子 `1` 画一张你自己想画的图，把结果放进 `answer`。
#
# 答案写在 `...` 的位置，运行后 `check` 会告诉你对不对；不对也没关系，它会给提示，可以一试再试。

# %% [markdown] tags=["lang-en"]
# ## Exercise
#
# **Exercise 00.1** Make a picture of your own choice with seed `1`, and put the result into `answer`.
#
# Write in the place of `...` and run the cell: `check` tells you whether it is right. If not, it gives a hint, and you may try as often as you like.

# %% tags=["exercise"]
answer = ...

check("00.1", answer)

# %% tags=["solution"]
answer = kernel.generate(T("海边的一座房子", "a house by the sea"), seed=1, steps=8)

check("00.1", answer).require()

# %% [markdown] tags=["lang-zh"]
# **练习 00.2** 在画廊里找一张旧图，用它的请求、**只换种子**，再画一张新的。把旧记录和新结果一起交上来。
#
# 提示：`to_request()` 得到请求，`kernel.generate(请求, seed=...)` 可以在请求上只改一项。

# %% [markdown] tags=["lang-en"]
# **Exercise 00.2** Find an old picture in the gallery and make a new one from its request with **only the seed** changed. Hand in the old record and the new result.
#
# Hint: `to_request()` gives the request, and `kernel.generate(request, seed=...)` changes one thing of it.

# %% tags=["exercise"]
old = kernel.gallery.list(limit=1)[0]
new = ...

check("00.2", [old, new])

# %% tags=["solution"]
old = kernel.gallery.list(limit=1)[0]
new = kernel.generate(old.to_request(), seed=old.seed + 1)

check("00.2", [old, new]).require()

# %% [markdown] tags=["lang-zh"]
# ## 自测

# %% [markdown] tags=["lang-en"]
# ## Check yourself

# %%
quiz("00.a")

# %%
quiz("00.b")

# %% [markdown] tags=["lang-zh"]
# ## 小结
#
# - `kernel.generate("提示词", seed=1)` 画图并等待；`kernel.submit(...)` 提交后马上返回任务。
# - 结果里的每条记录都知道自己的来历：`record.infotext`、`record.to_request()`。
# - 画廊自动保存：`kernel.gallery.search("企鹅")`。
#
# | 遇到的情况 | 怎么办 |
# | --- | --- |
# | 想停下正在画的图 | 点工具栏的 ■，或者 `kernel.cancel()` |
# | 代码格乱了 | 菜单“内核 → 重启内核”，再从头运行 |
# | 不知道哪里出了问题 | 在终端运行 `ra doctor` |
#
# 你的进度（圆点是练习和自测，做对了会变绿）：

# %% [markdown] tags=["lang-en"]
# ## Recap
#
# - `kernel.generate("prompt", seed=1)` paints and waits; `kernel.submit(...)` returns a job at once.
# - Each record of a result knows where it came from: `record.infotext`, `record.to_request()`.
# - The gallery saves by itself: `kernel.gallery.search("penguin")`.
#
# | What happened | What to do |
# | --- | --- |
# | You want to stop a picture | the ■ of the toolbar, or `kernel.cancel()` |
# | The cells are in a muddle | menu "Kernel → Restart Kernel", then run from the top |
# | Something is wrong, but what? | run `ra doctor` in a terminal |
#
# Your progress (dots are exercises and questions; right ones turn green):

# %%
progress()

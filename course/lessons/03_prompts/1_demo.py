# %% tags=["source-only"]
"""Lesson 03: the language of prompts. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B015, I001
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 3 课 · 提示词的语言：轻重、取舍与先后
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 用 `(词:1.3)` 加重、用 `[词]` 减轻，并看见它们变成了什么数；
# - 知道长提示词怎样被切成一段一段，`BREAK` 有什么用；
# - 用反向提示词表达“不要什么”，并知道它什么时候不起作用；
# - 让提示词在半路换内容，或者一步一换。
#
# 这里的语法和 AUTOMATIC1111 的 webui 完全相同：你在这里学会的，到哪里都能用；别人分享的提示词，拿来也能画。

# %% [markdown] tags=["lang-en"]
# # Lesson 3 · The language of prompts: weight, choice and order
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - stress a word with `(word:1.3)`, play it down with `[word]`, and see which numbers these become;
# - tell how a long prompt is cut into chunks, and what `BREAK` is for;
# - say what you do not want with a negative prompt, and know when it does nothing;
# - let a prompt change half way, or at every step.
#
# The grammar is exactly that of AUTOMATIC1111's webui: what you learn here works everywhere, and prompts that others share work here.

# %%
from matplotlib import pyplot as plt

import ra_widgets as ra
from ra_widgets.course import check, playground, quiz
from ra_widgets.plotting import finish, show_images, use_style
from ra_widgets.prompt import parse_attention, prompt_schedule, split_and

ra.set_language(T("zh_CN", "en"))
colours = use_style()
kernel = ra.PipelineKernel()

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ### 权重：哪个词说话更响
#
# | 写法 | 意思 |
# | --- | --- |
# | `(词)` | 乘以 1.1 |
# | `((词))` | 再乘一次，1.21 |
# | `[词]` | 除以 1.1，约 0.91 |
# | `(词:1.3)` | 直接写明 1.3 |
# | `\(`、`\)` | 真的要画括号 |
#
# `parse_attention` 把提示词拆成“文字 + 权重”，工作台和 webui 看到的都是这张表：

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ### Weights: which word speaks louder
#
# | You write | It means |
# | --- | --- |
# | `(word)` | times 1.1 |
# | `((word))` | once more, 1.21 |
# | `[word]` | divided by 1.1, about 0.91 |
# | `(word:1.3)` | exactly 1.3 |
# | `\(`, `\)` | real brackets |
#
# `parse_attention` takes a prompt apart into words and weights; this table is what the workbench and the webui see:

# %%
text = T("一只((蓝色))的(猫:1.4)，[草地]，阳光", "a ((blue)) (cat:1.4), [grass], sunshine")
pieces = parse_attention(text)
pieces

# %%
figure, axis = plt.subplots(figsize=(6.6, 2.5))
labels = [f"{number}  {words.strip()}" for number, (words, _) in enumerate(pieces, 1)]
weights = [weight for _, weight in pieces]
tints = [colours["vermilion" if w > 1 else "sky" if w < 1 else "muted"] for w in weights]
axis.barh(labels, weights, color=tints, height=0.62)
axis.axvline(1, color=colours["ink"], linewidth=1)
axis.invert_yaxis()
axis.grid(axis="y", visible=False)
axis.set_title(T("每一段文字的权重", "The weight of each piece"))
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 数字最后落在哪里？第 1 课里每个词元都有一个向量，权重就乘在这个词的向量上（再把整体的平均值调回原样）。
# 眼见为实，每一行只改一个权重：

# %% [markdown] tags=["lang-en"]
# Where do the numbers end up? In lesson 1 each token had a vector; the weight multiplies the vectors of its word (and the mean of the whole is set back to what it was).
# See for yourself; in each row one weight changes:

# %%
values = [0, 0.2, 0.4, 0.6, 1, 1.5]
penguins = [kernel.generate(T(f"(三只:{w})企鹅", f"(three:{w}) penguins"), seed=14, steps=10).image for w in values]
cars = [kernel.generate(T(f"(雪地里:{w})的汽车", f"a car (in the snow:{w})"), seed=14, steps=10).image for w in values]
show_images(
    penguins + cars,
    [T(f"权重 {w}", f"weight {w}") for w in values],
    columns=len(values),
    rows=[T("三只", "three"), T("雪地里", "snow")],
)

# %% [markdown] tags=["lang-zh"]
# 第一行：“三只”的声音一小，企鹅就只剩一只。第二行呢？如果雪怎么也不化，请想想第 1 课：文本编码器让后面的词元都**读过**前面的词，
# 连结尾标记也读过。权重只调这个词自己的向量，别的向量里还留着它的影子。所以加重减轻是“多听、少听”，不是“开、关”；真的不要，请用反向提示词。
#
# 在 SD 1.5 这样的大模型上，常用范围是 0.7 到 1.4，再大就容易画坏。
#
# **小心全角括号。** 中文输入法打出来的 `（红色：1.3）` 只是普通文字，不是语法。工作台会提议替你改，但不会悄悄地改：

# %% [markdown] tags=["lang-en"]
# First row: once "three" speaks softly, one penguin is left. And the second? If the snow never melts, remember lesson 1: the text encoder lets all later tokens **read** the words before them,
# and so does the mark at the end. A weight scales the word's own vectors only; its shadow stays in the others. Stressing is "listen more, listen less", not "on, off"; to be rid of something, use a negative prompt.
#
# In large models such as SD 1.5 the usual range is 0.7 to 1.4; beyond it pictures break.
#
# **Beware of full-width brackets.** `（red：1.3）` as typed by a Chinese input method is plain text, not grammar. The workbench offers to convert it, but never does so silently:

# %%
from ra_widgets.prompt.fullwidth import preview

offer = preview(T("（红色：1.3）的汽车", "a （red：1.3） car"))
print(parse_attention(offer.original))
print(offer.converted, "→", parse_attention(offer.converted))

# %% [markdown] tags=["lang-zh"]
# ### 词元与分段
#
# 文本编码器一次只能读固定长度的一段：SD 1.5 和 `ra-mini` 都是 75 个词元。更长的提示词会被切成几段，分别编码，再首尾相接。
# 切的时候尽量在逗号处断开，免得把一个短语劈成两半；你也可以用 `BREAK` 自己断开。（如果看到 `<unk>`，那是它不认识的字，写了等于没写。）

# %% [markdown] tags=["lang-en"]
# ### Tokens and chunks
#
# The text encoder reads a fixed length at a time: 75 tokens in SD 1.5, and in `ra-mini`. A longer prompt is cut into chunks, which are encoded one by one and laid end to end.
# The cut is made at a comma if there is one near, so that a phrase is not torn apart; with `BREAK` you make the cut yourself. (A word it does not know falls apart into letters, like "far away" below; it might as well not be there.)

# %%
import torch
from ra_widgets.diffusion import pipeline
from ra_widgets.diffusion.conditioning import chunks_of

tokenizer = pipeline.load(kernel.model, torch.device("cpu"), "fp32").pipe.tokenizer

long_prompt = T(
    "城市街道上的一辆红色汽车，(天空:1.2)，白色的云，一棵绿色的树，左边是一座黄色的房子，"
    "右边是一只小狗，[夜晚]，星空，月亮，一朵红色的花，三只黄色的小鸟，路边有一把紫色的雨伞，一个橙色的南瓜，"
    "两只白色的兔子，远处是一座城堡和一座宝塔，天上有一个热气球，(烟花:1.1)，水里有三条金鱼，"
    "草地上有许多蘑菇和向日葵 BREAK 扁平风格",
    "a red car on a city street, (sky:1.2), white clouds, a green tree, on the left a yellow house, "
    "on the right a dog, [night], stars, the moon, a red flower, three yellow chickens, a purple umbrella by the road, "
    "an orange pumpkin, two white rabbits, far away a castle and a pagoda, a balloon in the sky, (fireworks:1.1), "
    "three fish in the water, mushrooms and sunflowers on the grass BREAK flat style",
)
chunks = chunks_of(long_prompt, tokenizer)
for number, chunk in enumerate(chunks, 1):
    words = tokenizer.convert_ids_to_tokens(chunk.tokens)
    print(
        T(f"第 {number} 段，{len(chunk.tokens)} 个词元：", f"chunk {number}, {len(chunk.tokens)} tokens:"),
        " ".join(words),
    )

# %%
figure, axis = plt.subplots(figsize=(8.2, 0.62 * len(chunks) + 0.9))
for row, chunk in enumerate(chunks):
    for column, weight in enumerate(chunk.weights):
        shade = colours["vermilion"] if weight > 1 else colours["sky"] if weight < 1 else colours["jade"]
        axis.add_patch(plt.Rectangle((column, row - 0.38), 0.86, 0.76, color=shade, alpha=0.85))
    for column in range(len(chunk.weights), tokenizer.model_max_length - 2):
        axis.add_patch(plt.Rectangle((column, row - 0.38), 0.86, 0.76, color=colours["line"]))
axis.set_xlim(-0.3, tokenizer.model_max_length - 1.8)
axis.set_ylim(len(chunks) - 0.4, -0.6)
axis.set_yticks(range(len(chunks)), [T(f"第 {k + 1} 段", f"chunk {k + 1}") for k in range(len(chunks))])
axis.set_xticks([])
axis.grid(False)
axis.set_title(
    T(
        "每格一个词元：绿普通，红加重，蓝减轻，灰是补齐用的空位",
        "One cell a token: green plain, red stressed, blue played down, grey padding",
    )
)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# ### 反向提示词：离它远一点
#
# 回忆第 2 课的 CFG：每一步沿着“看提示词 − 不看提示词”的方向走。写了反向提示词，“不看”就换成“看反向提示词”，于是每一步都离它更远。

# %% [markdown] tags=["lang-en"]
# ### The negative prompt: keep away from it
#
# Remember CFG from lesson 2: each step goes along "with the prompt − without it". A negative prompt takes the place of "without", so that each step leads away from it.

# %%
house = ra.TextToImage(prompt=T("一座房子", "a house"), seed=6, steps=12)
nots = T(["", "蓝色背景", "白色背景", "夜晚", "草地"], ["", "blue background", "white background", "night", "grass"])
avoided = [kernel.generate(house, negative_prompt=n) for n in nots]
show_images([r.image for r in avoided], [n or T("（没有）", "(none)") for n in nots])

# %% [markdown] tags=["lang-zh"]
# CFG = 1 时公式里“看反向提示词”的那一项正好消掉，它就完全不起作用。用像素来证明：

# %% [markdown] tags=["lang-en"]
# At CFG = 1 the term of the negative prompt cancels, and it does nothing at all. The pixels prove it:

# %%
a = kernel.generate(house, cfg_scale=1, negative_prompt="")
b = kernel.generate(house, cfg_scale=1, negative_prompt=T("夜晚", "night"))
a.image.tobytes() == b.image.tobytes()

# %% [markdown] tags=["lang-zh"]
# ### 半路换词：`[从:到:何时]`
#
# 第 1 课说过，扩散先定大局，后添细节。那么先画猫的大局，再添狗的细节，会怎样？`[猫:狗:0.4]` 就是走到四成时把“猫”换成“狗”。
# 数字带小数点是比例，不带是第几步。

# %% [markdown] tags=["lang-en"]
# ### Change half way: `[from:to:when]`
#
# Lesson 1 said: first the composition, then the details. So what if a cat sets the composition and a dog fills in the details? `[a cat:a dog:0.4]` changes the cat into the dog at four tenths of the way.
# A number with a point is a fraction, one without is a step.

# %%
prompt_schedule(T("草地上的[猫:狗:0.4]", "[a cat:a dog:0.4] on the grass"), 20)

# %%
moments = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9]
prompts = [T(f"草地上的[猫:狗:{m}]", f"[a cat:a dog:{m}] on the grass") for m in moments]
show_images(
    [kernel.generate(p, seed=14, steps=20).image for p in prompts],
    [T(f"{m:.0%} 时换", f"at {m:.0%}") for m in moments],
)

# %% [markdown] tags=["lang-zh"]
# 换得越早，越像后一个；换得越晚，前一个留下的形状就越多，后面的词只能在这个形状上做文章。
# 什么时候换才看得出“混血”，各个模型不同，要画一排来找：这里在一半上下。

# %% [markdown] tags=["lang-en"]
# The earlier the change, the more of the second; the later, the more of the first one's shape remains, and the second can only work on that shape.
# Where the mixture lies differs between models, and a row like this finds it: here it is about half way.

# %% [markdown] tags=["lang-zh"]
# ### 一步一换：`[甲|乙]`
#
# 竖线让几个词轮流上场，一步一个。画出来的常常是它们的“混血”：

# %% [markdown] tags=["lang-en"]
# ### Turn by turn: `[one|other]`
#
# Bars let several words take turns, one a step. What comes out is often a cross of them:

# %%
pairs = T(
    [("猫", "狐狸"), ("熊猫", "企鹅"), ("老虎", "青蛙")],
    [("a cat", "a fox"), ("a panda", "a penguin"), ("a tiger", "a frog")],
)
sheets, names = [], []
for one, other in pairs:
    for what in (one, f"[{one}|{other}]", other):
        sheets.append(kernel.generate(what, seed=9, steps=16).image)
        names.append(what)
show_images(sheets, names, columns=9, size=1.35)

# %% [markdown] tags=["lang-zh"]
# ### 时间线：哪一步在画什么
#
# 把时间表画出来就一目了然。每一行是一个提示词，颜色表示这一步用的是哪一段文字：

# %% [markdown] tags=["lang-en"]
# ### The timeline: which step paints what
#
# Drawn as a timetable it is plain to see. Each row is a prompt, and the colour says which text is used at that step:

# %%
examples = T(
    ["猫", "[猫:狗:0.4]", "[猫:狗:6]", "[狗:12]", "[猫::12]", "[猫|狗]", "[猫|狗|鸟]", "[猫:[狗:鸟:15]:5]"],
    [
        "cat",
        "[cat:dog:0.4]",
        "[cat:dog:6]",
        "[dog:12]",
        "[cat::12]",
        "[cat|dog]",
        "[cat|dog|bird]",
        "[cat:[dog:bird:15]:5]",
    ],
)
tones = ["vermilion", "jade", "amber", "violet"]
figure, axis = plt.subplots(figsize=(8.2, 3.6))
for row, example in enumerate(examples):
    start, seen = 0, {}
    for end, words in prompt_schedule(example, 20):
        words = words.strip() or T("（空）", "(empty)")
        empty = words.startswith(("（", "("))
        tone = colours["line"] if empty else colours[tones[seen.setdefault(words, len(seen))]]
        axis.barh(row, end - start, left=start, color=tone, height=0.66, edgecolor=colours["paper"])
        if end - start >= 3:
            ink = colours["muted"] if empty else "white"
            axis.text((start + end) / 2, row, words, ha="center", va="center", fontsize=9, color=ink)
        start = end
axis.set_yticks(range(len(examples)), examples)
axis.invert_yaxis()
axis.set_xticks(range(0, 21, 2))
axis.set_xlabel(T("步", "step"))
axis.grid(axis="y", visible=False)
finish(figure)

# %% [markdown] tags=["lang-zh"]
# *给较真的你：* webui 从 0 数起，写着“到第 8 步”的一段实际多管一次，而 `[甲|乙]` 的头两次都是甲。我们照搬了这个小怪癖，否则别人的图就画不回来了。

# %% [markdown] tags=["lang-en"]
# *For the exacting:* the webui counts from 0, so that a stage "up to step 8" serves one call more, and `[one|other]` begins with "one" twice. We keep this quirk, or other people's pictures could not be made again.

# %% [markdown] tags=["lang-zh"]
# ### 合成：`AND`
#
# `AND` 让几个提示词各猜各的，再把方向加起来，每个都可以带权重，负的也行：

# %% [markdown] tags=["lang-en"]
# ### Composition: `AND`
#
# With `AND` several prompts each make their own guess and the directions are added; each may have a weight, even a negative one:

# %%
combined = T(
    ["一只猫", "一只猫 AND 在雪地里 :0.5", "一只猫 AND 海底 :0.5", "一只猫 AND 红色背景 :0.5"],
    ["a cat", "a cat AND in the snow :0.5", "a cat AND under the sea :0.5", "a cat AND red background :0.5"],
)
print(split_and(combined[2]))
show_images([kernel.generate(p, seed=12, steps=14).image for p in combined], combined, size=2.1)

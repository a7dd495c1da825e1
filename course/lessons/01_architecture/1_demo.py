# %% tags=["source-only"]
"""Lesson 01: what is inside a Stable Diffusion model. Bilingual source; course/build.py makes the notebooks."""

# ruff: noqa: B905, I001, RUF007
from ra_widgets.course import T

# %% [markdown] tags=["lang-zh"]
# # 第 1 课 · 从 GAN 到 Stable Diffusion：打开模型看一看
#
# *约 45 分钟。*
#
# ## 目标
#
# 学完这一课，你能够
#
# - 说出文生图走过的路：GAN、扩散、潜空间扩散；
# - 说出四个部件（文本编码器、UNet、调度器、VAE）各做什么；
# - 亲手把一张图压进潜空间、加噪、再一步一步还原；
# - 看见每个词正在“看”画面的哪里。
#
# 这一课不用比喻糊弄：我们打开的就是刚才给你画图的那个模型。

# %% [markdown] tags=["lang-en"]
# # Lesson 1 · From GAN to Stable Diffusion: open the model
#
# *About 45 minutes.*
#
# ## Goal
#
# After this lesson you can
#
# - tell the way of text-to-image: GANs, diffusion, latent diffusion;
# - say what each of the four parts does: text encoder, UNet, scheduler, VAE;
# - press a picture into latent space, add noise, and bring it back step by step, by hand;
# - see where in the picture each word "looks".
#
# No hand-waving here: what we open is the very model that has been painting for you.

# %% [markdown] tags=["lang-zh"]
# ### 十年一条线
#
# ![从 GAN 到 Stable Diffusion](images/history.svg)
#
# **GAN（2014）** 让两个网络较劲：造假者画图，鉴定师辨真假。画得快、画得清楚，但训练像走钢丝，还爱偷懒：只会画几种骗得过鉴定师的样子（模式坍缩）。
#
# **扩散模型（2015，2020 年的 DDPM 让它出了名）** 换了个想法：把一张好图一点一点加噪声，直到什么也看不出来；再训练一个网络学会**倒着走**。
# 每一步只需要猜“这里面有多少噪声”，是一道普通的回归题，所以训练很稳。缺点是慢：要走很多步，而且每一步都要算所有像素。
#
# **潜空间扩散（2021 年底发表，2022 年 8 月以 Stable Diffusion 之名开放权重）** 解决了慢：先用一个 VAE 把图压缩到小小的潜空间，扩散全在那里进行，最后再解压。
# 于是一张家用显卡，甚至你的这台电脑，也能画画了。

# %% [markdown] tags=["lang-en"]
# ### Ten years on one line
#
# ![From GAN to Stable Diffusion](images/history.svg)
#
# A **GAN (2014)** lets two networks compete: a forger paints, an expert tells real from fake. Fast and sharp, but training is a tightrope walk, and the forger gets lazy: it paints the few things that fool the expert (mode collapse).
#
# **Diffusion (2015, made famous by DDPM in 2020)** has another idea: add noise to a good picture little by little until nothing is left, and train a network to **walk back**.
# Each step only has to guess "how much noise is in this", a plain regression, so that training is stable. The price is time: many steps, and each works on all pixels.
#
# **Latent diffusion (published at the end of 2021, opened to all as Stable Diffusion in August 2022)** pays that price: a VAE first presses the picture into a small latent space, all diffusion happens there, and only the end is unpacked.
# That is why a graphics card at home, or even this computer, can paint.

# %% [markdown] tags=["lang-zh"]
# ## 演示
#
# ![四个部件](images/architecture.svg)
#
# 照着这张图，我们把模型的四个部件一个一个拿出来。

# %% [markdown] tags=["lang-en"]
# ## Demo
#
# ![The four parts](images/architecture.svg)
#
# With this map in hand, we take the four parts out, one by one.

# %%
import numpy as np
import torch
from matplotlib import pyplot as plt

import ra_widgets as ra
from ra_widgets.course import check, match, quiz, stepper
from ra_widgets.diffusion import pipeline
from ra_widgets.diffusion.noise import randn
from ra_widgets.plotting import finish, show_images, use_style

ra.set_language(T("zh_CN", "en"))
colours = use_style()
torch.set_grad_enabled(False)

kernel = ra.PipelineKernel()
# zh: 再读一份同样的模型，专门用来拆开看
# en: the same model once more, to be taken apart
parts = pipeline.load(kernel.model, torch.device("cpu"), "fp32")
tokenizer, text_encoder, unet, vae = parts.pipe.tokenizer, parts.pipe.text_encoder, parts.unet, parts.vae


def millions(network):
    return sum(p.numel() for p in network.parameters()) / 1e6


for name, network in {T("文本编码器", "text encoder"): text_encoder, "UNet": unet, "VAE": vae}.items():
    print(f"{type(network).__name__:22} {millions(network):6.2f} M  {name}")

# %% [markdown] tags=["lang-zh"]
# 数字是参数个数，单位百万。Stable Diffusion 1.5 的这三个部件分别是约 123、860、84 百万：结构一样，只是大得多。

# %% [markdown] tags=["lang-en"]
# The numbers are parameters, in millions. In Stable Diffusion 1.5 the three parts have about 123, 860 and 84 million: the same build, only much larger.

# %% [markdown] tags=["lang-zh"]
# ### ① 文本编码器：字变成向量
#
# 计算机不认字，只认数。**分词器**先把句子切成词元（token），每个词元有一个编号；开头和结尾各有一个标记。

# %% [markdown] tags=["lang-en"]
# ### ① Text encoder: words become vectors
#
# A computer knows numbers, not words. The **tokenizer** first cuts the sentence into tokens, each with a number; a mark stands at the beginning and one at the end.

# %%
prompt = T("雪地里的企鹅", "a penguin in the snow")
ids = tokenizer(prompt).input_ids
for number, token in zip(ids, tokenizer.convert_ids_to_tokens(ids)):
    print(f"{number:6}  {token}")

# %% [markdown] tags=["lang-zh"]
# 然后**文本编码器**把每个词元变成一个向量，并且让每个向量都“读过”前面的词。UNet 看到的就是这张表：一行一个词元。

# %% [markdown] tags=["lang-en"]
# Then the **text encoder** turns each token into a vector that has "read" the words before it. This table is all that the UNet sees of your prompt: one row per token.


# %%
def encode_text(text):
    tokens = tokenizer(text, padding="max_length", truncation=True, return_tensors="pt")
    return text_encoder(**tokens)


embeddings = encode_text(prompt).last_hidden_state
embeddings.shape

# %% [markdown] tags=["lang-zh"]
# 意思相近的句子，向量也相近，不管用的是哪种语言。下面取每句词元向量的平均，两两比较，1 表示方向完全一样：

# %% [markdown] tags=["lang-en"]
# Sentences of like meaning have like vectors, whatever their language. Here the means of their tokens' vectors are compared in pairs; 1 means exactly the same direction:

# %%
sentences = ["一个红色的苹果", "a red apple", "一只蓝色的猫", "a blue cat", "一辆汽车", "a car"]
means = [encode_text(s).last_hidden_state[0, 1 : len(tokenizer(s).input_ids)].mean(0) for s in sentences]
vectors = torch.nn.functional.normalize(torch.stack(means), dim=-1)
similar = (vectors @ vectors.T).numpy()

figure, axis = plt.subplots(figsize=(5.4, 4.2))
axis.imshow(similar, cmap="Reds", vmin=0, vmax=1)
axis.set_xticks(range(6), sentences, rotation=30, ha="right")
axis.set_yticks(range(6), sentences)
axis.grid(False)
for row in range(6):
    for column in range(6):
        value = similar[row, column]
        tone = "white" if value > 0.6 else colours["ink"]
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8.5, color=tone)
axis.set_title(T("句子之间有多像", "How alike the sentences are"))
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 同一件事的中文和英文几乎重合：`ra-mini` 是双语的。（SD 1.5 的文本编码器只学过英文，所以用它时要先把中文翻译过去。）

# %% [markdown] tags=["lang-en"]
# Chinese and English for the same thing nearly coincide: `ra-mini` is bilingual. (The text encoder of SD 1.5 learned English only, and Chinese has to be translated for it first.)

# %% [markdown] tags=["lang-zh"]
# ### ④ VAE：把图压进潜空间
#
# 先跳到最后一个部件，因为后面都要用它看东西。VAE 的编码器把图变小：长宽各变成八分之一，红绿蓝三个通道变成四个。

# %% [markdown] tags=["lang-en"]
# ### ④ VAE: press a picture into latent space
#
# We jump to the last part first, because we need it to look at things. The encoder of the VAE makes the picture small: an eighth as wide and high, and four channels in place of red, green and blue.

# %%
image = kernel.generate(T("草地上的一只熊猫", "a panda on the grass"), seed=4).image


def to_tensor(picture):
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


latent = parts.encode(to_tensor(image))
again = parts.decode(latent)
print(T("像素", "pixels"), tuple(to_tensor(image).shape[1:]), "→", T("潜变量", "latent"), tuple(latent.shape[1:]))

channels = [T(f"通道 {k}", f"channel {k}") for k in range(4)]
show_images([image, *latent[0], again], [T("原图", "picture"), *channels, T("解码回来", "decoded")], size=1.9)

# %% [markdown] tags=["lang-zh"]
# 中间四张小图就是潜变量：已经很难认了，但解码器能从它把画还原得几乎一样。**UNet 从头到尾画的就是这四张小图。**
#
# 潜空间的一个格子管着图上的一小块。把左上方的一个格子改掉，看看图上哪里会变：

# %% [markdown] tags=["lang-en"]
# The four small pictures are the latent: hard to recognise, but the decoder brings the picture back almost unchanged. **These four small pictures are all that the UNet ever paints.**
#
# One cell of the latent rules one small patch of the picture. Change one cell near the top left, and see what changes:

# %%
poked = latent.clone()
poked[0, :, 3, 3] += 4
mirrored_colours = parts.decode(-latent)
changed = (parts.decode(poked) - again).abs().mean(1)
show_images(
    [again, parts.decode(poked), changed, mirrored_colours],
    [
        T("原样", "as it was"),
        T("改了一个格子", "one cell changed"),
        T("哪里变了", "what changed"),
        T("潜变量取负", "latent negated"),
    ],
    size=2.1,
)

# %% [markdown] tags=["lang-zh"]
# 第三张图里亮的地方就是变化的地方：一个亮点，只在那个格子附近。最后一张把整个潜变量取负，形状还在，颜色却反了：这个空间是有意义的，不是乱码。

# %% [markdown] tags=["lang-en"]
# Bright in the third picture is what changed: one spot, near that cell. The last picture negates the whole latent; the shapes stay while the colours turn round: this space has meaning, it is no secret code.

# %% [markdown] tags=["lang-zh"]
# ### ③ 调度器：噪声有多少
#
# 训练时，我们往潜变量里掺噪声。掺多少由时间 $t$ 决定，从 0（干净）到 999（全是噪声）：
#
# $$z_t = \sqrt{\bar\alpha_t}\; z_0 + \sqrt{1-\bar\alpha_t}\; \varepsilon$$
#
# $\sqrt{\bar\alpha_t}$ 是画剩下多少，$\sqrt{1-\bar\alpha_t}$ 是噪声有多少。这张“时间表”就是调度器的核心：

# %% [markdown] tags=["lang-en"]
# ### ③ Scheduler: how much noise
#
# In training, noise is mixed into the latent. How much is decided by the time $t$, from 0 (clean) to 999 (nothing but noise):
#
# $$z_t = \sqrt{\bar\alpha_t}\; z_0 + \sqrt{1-\bar\alpha_t}\; \varepsilon$$
#
# $\sqrt{\bar\alpha_t}$ is what is left of the picture, $\sqrt{1-\bar\alpha_t}$ is the noise. This timetable is the heart of the scheduler:

# %%
alphas = parts.alphas_cumprod.float()

figure, axis = plt.subplots(figsize=(6.4, 2.9))
axis.plot(alphas.sqrt(), color=colours["jade"], label=T("画剩下多少", "what is left of the picture"))
axis.plot((1 - alphas).sqrt(), color=colours["vermilion"], label=T("噪声有多少", "how much noise"))
axis.set_xlabel(T("时间 t", "time t"))
axis.set_title(T("噪声时间表", "The noise timetable"))
axis.legend(loc="center left")
finish(figure)

# %% [markdown] tags=["lang-zh"]
# 用我们的熊猫走一遍：同一份噪声，越掺越多（都解码成图来看）。

# %% [markdown] tags=["lang-en"]
# Walk it with our panda: the same noise, more and more of it (decoded, so that we can look).

# %%
noise = randn(7, latent.shape[1:])[None]
times = [0, 150, 300, 450, 600, 750, 900, 999]
noisy = [alphas[t].sqrt() * latent + (1 - alphas[t]).sqrt() * noise for t in times]
show_images([parts.decode(z) for z in noisy], [f"t = {t}" for t in times])

# %% [markdown] tags=["lang-zh"]
# ### ② UNet：猜噪声的画家
#
# UNet 看三样东西：带噪的潜变量、现在的时间 $t$、文字的向量。它猜出噪声，也就等于猜出了“去掉噪声以后该是什么样”。
#
# 现在我们不用任何现成的采样器，自己写完整的循环。整个 Stable Diffusion 的画画过程就是下面这十几行：
#
# - 每一步问 UNet 两次：看提示词的、不看提示词的，再沿着两者的差多走一段（这就是 CFG，第 2 课细说）；
# - 由它的回答算出“猜的画” `guess` 和“猜的噪声” `eps`；
# - 按下一个时间的配方，把两者重新掺在一起。
#
# 这个模型回答的是 $v$，画与噪声的一种混合（SD 1.5 直接回答噪声 $\varepsilon$），所以用两行公式换算。

# %% [markdown] tags=["lang-en"]
# ### ② UNet: the painter who guesses noise
#
# The UNet looks at three things: the noisy latent, the time $t$, and the vectors of the text. It guesses the noise, and with it "what there would be without the noise".
#
# Now we write the whole loop ourselves, without any sampler. All the painting of Stable Diffusion is in these dozen lines:
#
# - each step asks the UNet twice, with the prompt and without, and goes further along the difference (that is CFG; more in lesson 2);
# - from its answer follow the guessed picture `guess` and the guessed noise `eps`;
# - the two are mixed anew, after the recipe of the next time.
#
# This model answers with $v$, a mixture of picture and noise (SD 1.5 answers with the noise $\varepsilon$ itself); two formulas convert it.


# %%
def paint(prompt, seed, steps=20, cfg=4.0):
    texts = torch.cat([encode_text("").last_hidden_state, encode_text(prompt).last_hidden_state])
    z = randn(seed, latent.shape[1:])[None]
    timetable = torch.linspace(999, 0, steps + 1).round().long()
    seen, guesses = [], []
    for t, t_next in zip(timetable[:-1], timetable[1:]):
        without, with_text = unet(torch.cat([z, z]), t, texts).sample.chunk(2)
        v = without + cfg * (with_text - without)
        a, b = alphas[t].sqrt(), (1 - alphas[t]).sqrt()
        guess, eps = a * z - b * v, b * z + a * v
        seen.append(z)
        guesses.append(guess)
        z = alphas[t_next].sqrt() * guess + (1 - alphas[t_next]).sqrt() * eps
    return guess, seen, guesses


final, seen, guesses = paint(prompt, seed=3)
moments = [0, 2, 5, 8, 11, 14, 19]
show_images(
    [parts.decode(seen[i]) for i in moments] + [parts.decode(guesses[i]) for i in moments],
    [T(f"第 {i + 1} 步", f"step {i + 1}") for i in moments],
    columns=len(moments),
    rows=[T("UNet 看到的", "what it sees"), T("它猜的画", "what it guesses")],
)

# %% [markdown] tags=["lang-zh"]
# 请盯住第二行。第一步时上面什么都没有，UNet 却已经猜出一个模糊的轮廓，那是它见过的所有“雪地里的企鹅”的平均。
# 往后每走一步，噪声少一点，它就敢画得更具体一点。**先定大局，再添细节**，这就是扩散模型的脾气，后面的课会反复用到。
#
# 自己拖着看，上面那行（左）和下面那行（右）拼在一起：

# %% [markdown] tags=["lang-en"]
# Watch the second row. At the first step there is nothing to see above, and yet the UNet guesses a blurred outline: the average of all penguins in the snow it has met.
# With every step there is less noise, and it dares to be more definite. **First the composition, then the details**: that is the temper of diffusion, and later lessons use it again and again.
#
# Leaf through it yourself; left is what it sees, right what it guesses:

# %%
frames = [torch.cat([parts.decode(z), parts.decode(g)], dim=-1) for z, g in zip(seen, guesses)]
stepper(frames, [T(f"第 {i + 1} 步", f"step {i + 1}") for i in range(len(frames))], width=420)

# %% [markdown] tags=["lang-zh"]
# ### 每个词在看哪里
#
# 文字怎样进入画面？UNet 里有**交叉注意力**层：画面的每个格子都会问“这些词里，哪个和我有关？”。我们把这些问答记下来，画成亮暗图。

# %% [markdown] tags=["lang-en"]
# ### Where each word looks
#
# How do the words get into the picture? The UNet has **cross-attention** layers: each cell of the picture asks "which of these words concerns me?". We write the answers down and show them as light and dark.


# %%
class Recorder:
    # zh: 和原来的注意力计算相同，只是多记一笔
    # en: the same attention as before, but it takes notes
    def __init__(self):
        self.maps = []

    def __call__(self, attention, hidden, encoder_hidden_states=None, attention_mask=None, **_):
        source = hidden if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            attention.head_to_batch_dim(f(x))
            for f, x in [(attention.to_q, hidden), (attention.to_k, source), (attention.to_v, source)]
        )
        weights = attention.get_attention_scores(q, k)
        if encoder_hidden_states is not None:
            self.maps.append(weights)
        out = attention.batch_to_head_dim(weights @ v)
        return attention.to_out[1](attention.to_out[0](out))


def word_maps(prompt, seed):
    usual, recorder = dict(unet.attn_processors), Recorder()
    unet.set_attn_processor(recorder)
    try:
        picture = parts.decode(paint(prompt, seed)[0])
    finally:
        unet.set_attn_processor(usual)
    # zh: 只取格子最细的那些层；后一半是“看提示词”的那次
    # en: the layers with the finest cells; the second half is the pass "with the prompt"
    cells = max(m.shape[1] for m in recorder.maps)
    total = sum(m.chunk(2)[1].mean(0) for m in recorder.maps if m.shape[1] == cells)
    side = int(cells**0.5)
    return picture, (total / total.sum(-1, keepdim=True)).T.reshape(-1, side, side)


def show_words(prompt, seed):
    picture, maps = word_maps(prompt, seed)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(prompt).input_ids)
    words = [(k, token) for k, token in enumerate(tokens) if not token.startswith("<")]
    return show_images(
        [picture, *[maps[k] for k, _ in words]], [T("画", "picture"), *[token for _, token in words]], size=1.9
    )


show_words(prompt, seed=3)

# %% [markdown] tags=["lang-zh"]
# 没有人教过它企鹅在哪里，它自己学会了：“企鹅”照亮企鹅，“雪地里”照亮周围。后面要学的权重 `(企鹅:1.3)`，就是在这里把某个词的声音调大。

# %% [markdown] tags=["lang-en"]
# Nobody told it where the penguin is; it learned by itself: "penguin" lights up the penguin, "snow" what is around it. The weights of lesson 3, `(penguin:1.3)`, turn up the voice of one word right here.

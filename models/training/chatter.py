"""Sentences that say more than a picture shows: a caption, or only the thing's name, among words that mean nothing to the model.

Who types "my grandmother's cat is asleep on the sofa" wants a cat. Words that the tokenizer does not know fall apart into letters,
and a model that was never told so paints something for them. None of the two hundred sentences of ``strangers.txt`` is made here.
"""

from __future__ import annotations

import random

from .captions import caption, name_of
from .compose import Spec

WORDS_EN = tuple(
    """my your our their he she they we you it this that these who which when then once again always never often soon later
    yesterday today tomorrow morning week month year monday summer said told asked thought knew wanted needed liked loved hated
    bought sold found lost kept gave took brought came went stayed left slept woke walked waited worked played sang read wrote
    heard looked felt seemed became was were is are has had will would could should must might really quite rather almost just
    only still even also maybe perhaps because although while until after before since about without between against through
    friend brother sister uncle aunt teacher neighbour doctor story letter question answer reason idea dream money time school
    village kitchen office street market party lunch dinner good bad new old young happy sad tired strange lovely famous quiet
    loud early late first last next every some any many few what how why please thanks sorry hello very much more most enough
    nothing something everyone somebody nowhere masterpiece 8k wallpaper trending award detailed photo""".split()
)
WORDS_ZH = tuple(
    """我 你 他 她 我们 你们 他们 这 那 谁 什么 怎么 为什么 昨天 今天 明天 早上 晚上 刚才 后来 从前 经常 从来 终于 忽然 已经 正在 还 又 也 都 就 才
    说 想 问 听 看见 觉得 知道 喜欢 讨厌 需要 希望 买 卖 找 送 拿 带 来 去 回家 上班 上学 睡觉 起床 等 走 跑 唱歌 读书 写信 吃饭 玩 笑 哭 住 坐 站
    妈妈 爸爸 哥哥 妹妹 爷爷 奶奶 朋友 老师 邻居 同学 医生 老板 故事 问题 时候 地方 事情 办法 名字 学校 村子 厨房 街上 商店 公司 好 坏 新 旧 漂亮 可爱
    高兴 难过 累 奇怪 有名 安静 早 晚 非常 特别 有点 真 太 最 一定 可能 因为 所以 虽然 但是 如果 只要 让 把 被 给 对 跟 从 到 里面 旁边 以前 以后
    请 谢谢 对不起 你好 吧 吗 呢 啊 了 着 过 的 地 得 杰作 高清 壁纸 细节 照片""".split()
)
LETTERS = "etaoinshrdlucmfwygpb"


def _talk(zh: bool, r: random.Random) -> str:
    """A few words of no consequence, some of them made up."""
    n = r.randint(1, 5)
    if zh:
        return "".join(r.choice(WORDS_ZH) for _ in range(n))
    words = []
    for _ in range(n):
        made_up = r.random() < 0.15
        words.append("".join(r.choices(LETTERS, k=r.randint(2, 6))) if made_up else r.choice(WORDS_EN))
    return " ".join(words)


def sentence(spec: Spec, r: random.Random, language: str | None = None) -> str:
    """A sentence around what ``spec`` shows: in three of five the caption of one thing shrinks to its name, if it is 3D and of its
    own colour: what nobody names must go on meaning that.

    Args:
        language: "zh" or "en"; either one with equal chance if None.
    """
    zh = r.random() < 0.5 if language is None else language == "zh"
    plain = spec["kind"] == "one" and spec["style"] == "3d" and spec["objects"][0]["c"] < 0
    if plain and r.random() < 0.6:
        core = name_of(spec["objects"][0]["s"], zh, r)
        if not zh:
            core = r.choice(("a ", "the ", "the ", "this ", "")) + core
    else:
        core = caption(spec, r, "zh" if zh else "en")
    before, after = (_talk(zh, r) if r.random() < 0.7 else "" for _ in range(2))
    space = "" if zh else " "
    text = space.join(part for part in (before, core, after) if part)
    return text + r.choice(("", "", "。" if zh else ".", "！" if zh else "!"))

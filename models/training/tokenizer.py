"""The bilingual tokenizer: one token for each known word, letters and characters for the rest.

A Unigram model: runs of Chinese are cut by Viterbi into the most likely words (雪地里的企鹅 -> 雪地里 / 的 / 企鹅).
It is saved as a plain ``PreTrainedTokenizerFast`` that transformers 4 and 5 both load.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from .captions import plural
from .vocabulary import COLOURS, FILLERS_EN, FILLERS_ZH, MEASURES, SCENES, STYLES, TIMES, read_subjects

SPECIAL = ("<pad>", "<|startoftext|>", "<unk>", "<|endoftext|>")
LENGTH = 77
WORDS_EN = """gray grey brown gold golden silver colorful pastel bright dark light cute beautiful happy sad little very
lovely pretty nice funny style render 3d flat illustration pencil sketch line drawing background photo picture image
painting cartoon icon emoji of on in at the a an and with by to left right side next under stars sky night grass
meadow blue clouds sunset beach sea underwater snow forest space city room indoors desert big large small tiny huge two
three four five six one 2 3 4 5 no not without is are there here center middle top bottom front behind above below
wearing watercolor oil pixel art low quality blurry ugly bad worst best high masterpiece detailed please draw me want
show can you i my we he she it his her for from up down over near beside between into its this that these those some
many single pair running sitting standing flying swimming sleeping eating playing walking jumping smiling looking
holding riding morning evening noon day summer spring autumn winter sun warm cold sunny rainy snowy cloudy wooden
glass toy baby old young new full empty round long tall short open fresh delicious sweet shiny soft fluffy fat strong
magic chinese japanese traditional ancient festival birthday christmas halloween party home house kitchen garden park
school street road river ocean water lake mountain hill field floor table bamboo rain mist misty moonlight water
hd 4k 8k style vector comic design anime realistic simple minimal clean white""".split()
WORDS_ZH = """一 二 两 三 四 五 六 只 个 朵 辆 棵 艘 座 位 张 份 把 条 幅 一只 一个 一朵 一辆 一棵 一艘 一座 一位 一张 一份 一把 一条 一幅
两只 两个 两朵 两辆 两棵 两座 三只 三个 三朵 三辆 三棵 三座 的 地 得 了 着 和 与 跟 在 是 有 上 下 里 中 内 外 左 右 前 后 旁 旁边 中间 之间
左边 右边 上面 下面 前面 后面 画面 左侧 右侧 位于 背景 背景是 风格 渲染 立体 扁平 插画 矢量 铅笔 素描 铅笔画 线稿 卡通 动漫 图标 图片 照片
图像 图 画 草地上 草地 草原上 草原 草坪上 草坪 田野里 田野 天空中 天空 天上 云端 蓝天 白云 白云里 夜晚 夜里 深夜 星空下 星空 夜空下 夜空
月光下 月光 夕阳下 夕阳 日落时 日落 黄昏 傍晚 晚霞里 晚霞 清晨 早晨 早上 白天 晚上 沙滩上 沙滩 海滩上 海滩 海边 海底 水下 海里 大海里 大海
雪地里 雪地 雪地上 雪中 雪 冬天 春天 夏天 秋天 森林里 森林 树林里 树林 林间 太空中 太空 宇宙中 宇宙 外太空 城市里 城市 街上 街道 高楼前 高楼
房间里 房间 室内 家里 沙漠里 沙漠 沙丘上 沙丘 山间 群山前 群山 山水之间 山水 湖边 湖面上 湖面 水面上 水面 湖 竹林里 竹林中 竹林 雨中 下雨天
雨 大 小 大的 小的 巨大 巨大的 很大的 很小的 小小的 大大的 迷你的 迷你 可爱 可爱的 漂亮 漂亮的 美丽 美丽的 好看的 开心的 快乐的 没有 不要
红 橙 黄 绿 蓝 紫 粉 黑 白 灰色 棕色 金色 银色 彩色 橘色 水彩 油画 像素 模糊 丑 低质量 高质量 杰作 最佳质量 精致 细节丰富 请 画 帮我 我 想要
我想要 给我 给我来 来 谢谢 吧 能不能 可以 生成 想象一下 喜欢 我喜欢 看 我想看 你 他 她 它 这 那 这是 那是 一下 正在 奔跑 坐着 站着 飞翔 飞
游泳 睡觉 吃 玩 走 跳 微笑 拿着 戴着 穿着 骑着 阳光 温暖 古风 古代 中国风 国风 传统 节日 新年 春节 中秋 生日 圣诞 派对 厨房 花园 公园 路上
河边 小河 地板上 桌子上 桌上 山 水 新 旧 老 长 高 圆 新鲜的 美味的 毛茸茸的 胖 胖胖的 神奇的 写实 简约 干净 非常 很""".split()


def words() -> dict[str, float]:
    """Every word of the vocabulary with its log-probability for the Viterbi cut (longer words win by being fewer)."""
    found: dict[str, float] = {}

    def add(word: str, score: float = -6.0) -> None:
        word = word.strip().lower()
        if word and word not in SPECIAL:
            found[word] = max(score, found.get(word, -99.0))

    def add_en(text: str, score: float = -6.0) -> None:
        for part in re.findall(r"[a-z0-9]+", text.lower()):
            add(part, score)

    for s in read_subjects():
        for name in s.en:
            add_en(name)
            add_en(plural(name))
        for name in s.zh:
            add(name)
    for c in COLOURS:
        add(c.key, -5.0)
        for z in c.zh:
            add(z, -5.0 if len(z) > 1 else -6.5)
    for scene in SCENES:
        for text in (*scene.en, scene.noun_en):
            add_en(text)
        add(scene.noun_zh)
    for en, _ in (*TIMES.values(), *STYLES.values()):
        for text in en:
            add_en(text)
    for text in FILLERS_EN:
        add_en(text.replace("{s}", " "))
    for text in FILLERS_ZH:
        for part in re.findall(r"[\u4e00-\u9fff]+", text.replace("{s}", " ")):
            if len(part) <= 2:
                add(part)
    for group in MEASURES.values():
        for m in group:
            add(m)
    for w in WORDS_EN:
        add(w)
    for w in WORDS_ZH:
        add(w)
    return found


def build() -> PreTrainedTokenizerFast:
    """The tokenizer. Ids 0..3 are pad, start, unknown, end (EOS must not be 2, see README.md)."""
    known = words()
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789,.!?;:'\"()-+_/<>[]{}|*&^%$#@~=、")
    for w in known:
        letters |= set(w)
    vocabulary = [(t, 0.0) for t in SPECIAL] + list(known.items())
    vocabulary += [(c, -10.0 if ord(c) > 0x2000 else -8.5) for c in sorted(letters - set(known)) if c.strip()]
    endings = ("s", "es", "ing", "ed", "er", "ly", "th", "ch", "sh", "ee", "oo", "an", "re", "ar", "or")
    seen = {w for w, _ in vocabulary}
    vocabulary += [(e, -11.0) for e in endings if e not in seen]
    t = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    t.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace("。", " , "),
            normalizers.Replace("、", " , "),
        ]
    )
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[\u3400-\u9fff]+"), "isolated"),
            pre_tokenizers.Punctuation("isolated"),
        ]
    )
    t.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    t.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", 1), ("<|endoftext|>", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=t,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=LENGTH,
        padding_side="right",
        truncation_side="right",
    )


def fix_class_name(folder: Path) -> None:
    """transformers 5 writes a class name that version 4 does not know: write the one that both do."""
    path = folder / "tokenizer_config.json"
    data = json.loads(path.read_text("utf8"))
    data["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("is_local", "local_files_only", "backend"):
        data.pop(key, None)
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf8")


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save for both versions of transformers."""
    tokenizer.save_pretrained(folder)
    fix_class_name(folder)

"""Chinese prompts in English: words, order, structure, honesty about what is not known."""

from __future__ import annotations

import pytest

from ra_widgets.prompt import parse_attention, split_networks, translate
from ra_widgets.prompt.lexicon import lookup, prompt_terms, segment

SENTENCES = [
    ("一个红苹果", "a red apple"),
    ("一只红色的猫坐在草地上", "a red cat sitting on grassland"),
    ("穿着红色汉服的女孩", "girl wearing red hanfu"),
    ("桌子上的苹果", "apple on table"),
    ("蓝色背景上的黄色三角形", "yellow triangle on blue background"),
    ("杰作，最佳质量，长发，逆光", "masterpiece, best quality, long hair, backlight"),
    ("中国山水画，瀑布，留白", "Chinese landscape painting, waterfall, negative space"),
    ("一隻熊貓在吃竹子", "a giant panda eating bamboo"),
    ("赛博朋克风格的城市夜景", "cyberpunk style city at night"),
    ("an English prompt, 8k", "an English prompt, 8k"),
]


@pytest.mark.parametrize(("chinese", "english"), SENTENCES)
def test_sentences(chinese: str, english: str) -> None:
    found = translate(chinese)
    assert found.text == english
    assert found.original == chinese
    assert not found.unknown


def test_the_structure_of_a_prompt_survives() -> None:
    text = "(赛博朋克:1.3)城市, [白天:夜晚:0.5] [猫|狗] <lora:中国风:0.8> AND 雪山 :0.5"
    found = translate(text)
    assert found.text == "(cyberpunk:1.3) city, [daytime:night:0.5] [cat|dog] <lora:中国风:0.8> AND snowy mountain :0.5"
    assert [weight for _, weight in parse_attention(found.text)] == [weight for _, weight in parse_attention(text)]
    assert split_networks(found.text)[1] == split_networks(text)[1]


def test_words_know_their_place_and_source() -> None:
    text = "a 红苹果 和龘"
    found = translate(text)
    assert all(text[word.start : word.end] == word.zh for word in found.words)
    assert found.unknown == ["龘"]
    assert "龘" not in found.text and found.changed and not translate("a cat").changed


def test_the_users_words_win() -> None:
    assert translate("小明的猫", {"小明": "Xiaoming"}).text == "Xiaoming cat"
    assert translate("红苹果", {"红苹果": "ruby fruit"}).text == "ruby fruit"


def test_an_engine_translates_phrases_and_cannot_break_the_syntax() -> None:
    asked: list[str] = []

    def engine(phrase: str) -> str:
        asked.append(phrase)
        return "red [apple] (big:2) <lora:x:1>"

    found = translate("(红苹果:1.2), 猫", engine=engine)
    assert asked == ["红苹果", "猫"]
    assert parse_attention(found.text)[0] == ["red apple big 2 lora x 1", 1.2]
    assert split_networks(found.text)[1] == []
    assert [word.zh for word in found.words] == ["红苹果", "猫"] or found.words[0].zh == "红"


def test_longer_words_win() -> None:
    assert [word.zh for word in segment("水墨画风格")] == ["水墨画风格"]
    assert lookup("大熊猫") == ("giant panda", "term", "animals")


def test_our_list_is_clean() -> None:
    terms = prompt_terms()
    assert len(terms) > 1500
    assert len({zh for zh, _, _ in terms}) == len(terms)
    assert all(zh == zh.strip() and english == english.strip() for zh, english, _ in terms)
    assert all(english for _, english, kind in terms if kind != "grammar")


def test_dictionary_words_cannot_be_read_as_syntax() -> None:
    for word in ("冒号", "括号", "比例", "百分之百", "斜杠", "尖括号", "书名号"):
        english = translate(word).text
        assert parse_attention(english) == [[english, 1.0]]

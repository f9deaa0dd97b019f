"""What a person would already say, and requests framed as questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.questions import as_is, framed, points_at_text

AS_IS = [
    ("zh", "为什么秋天的树叶会变黄？", "为什么秋天的树叶会变黄？"),
    ("zh", "什么是潮汐", "什么是潮汐？"),
    ("zh", "请问，冰箱里的异味怎么去掉？,", "请问，冰箱里的异味怎么去掉？"),
    ("zh", "回答下面的问题。\n为什么猫喜欢晒太阳？", "为什么猫喜欢晒太阳？"),
    ("zh", "请给出以下问题的答案:“哪种茶叶产量最大？”", "哪种茶叶产量最大？"),
    ("zh", "请输出世界上最深的湖是哪个", "世界上最深的湖是哪个？"),
    ("zh", "小红有6支笔，送给弟弟2支，她还剩几支", "小红有6支笔，送给弟弟2支，她还剩几支？"),
    ("en", "How do bees find their way home?", "How do bees find their way home?"),
    ("en", "Question: which river is the longest in Africa?\nAnswer:", "Which river is the longest in Africa?"),
    ("en", "Answer the following question: Why do onions make us cry?", "Why do onions make us cry?"),
    ("en", "why is bread baked twice", "Why is bread baked twice?"),
]
NOT_AS_IS = [
    ("zh", "请解释潮汐的成因。"),
    ("zh", "以下哪个词是动词？"),
    ("zh", "2.他最有名的歌是哪首？"),
    ("en", "Explain how bees find their way."),
    ("en", "Which of the following is a verb?"),
    ("en", "Write a riddle. Why is it funny?"),
]
FRAMED = [
    ("zh", "请解释潮汐的成因。", "你能解释一下潮汐的成因吗？"),
    ("zh", "描述一下如何种番茄", "你能讲讲如何种番茄吗？"),
    ("zh", "请用简洁的语言说明搬家的步骤。", "你能解释一下搬家的步骤吗？"),
    ("zh", "列出三种耐寒的花。", "你能说出三种耐寒的花吗？"),
    ("zh", "解释以下成语：\n守株待兔。", "守株待兔是什么意思？"),
    ("zh", "介绍以下小说的主题：\n《边城》", "你能介绍一下小说《边城》的主题吗？"),
    ("en", "Describe how to store bread.", "Can you describe how to store bread?"),
    ("en", "Please give me an idea for a rainy day.", "Can you give me an idea for a rainy day?"),
]
NOT_FRAMED = [
    ("zh", "写一首关于雨的诗。"),
    ("zh", "解释下列句子的意思：她像一阵风。他像一座山。"),
    ("en", "Describe the following picture."),
    ("en", "Name a bird. Then name a fish."),
]


@pytest.mark.parametrize(("language", "text", "question"), AS_IS)
def test_what_a_person_would_say_is_kept(language, text, question):
    assert as_is(text, language) == question


@pytest.mark.parametrize(("language", "text"), NOT_AS_IS)
def test_what_nobody_would_say_is_left_to_others(language, text):
    assert as_is(text, language) is None


@pytest.mark.parametrize(("language", "text", "question"), FRAMED)
def test_a_plain_request_becomes_a_question(language, text, question):
    assert framed(text, language, 0) == question


@pytest.mark.parametrize(("language", "text"), NOT_FRAMED)
def test_what_is_no_plain_request_is_left_to_the_model(language, text):
    assert framed(text, language, 0) is None


def test_frames_differ_by_turn():
    assert len({framed("请解释潮汐的成因。", "zh", turn) for turn in range(8)}) == 4
    assert len({framed("Describe how to store bread.", "en", turn) for turn in range(8)}) == 3


@given(st.text(max_size=80), st.sampled_from(["zh", "en"]), st.integers(0, 2**31))
def test_any_text_gives_a_question_or_nothing(text, language, turn):
    for found in (as_is(text, language), framed(text, language, turn)):
        assert found is None or (found.endswith(("?", "？")) and "\n" not in found)


@pytest.mark.parametrize(
    ("language", "question"), [("zh", "以下词语有什么共同点？"), ("en", "What does the passage say?")]
)
def test_a_question_about_a_text_on_a_page_is_found(language, question):
    assert points_at_text(question, language)


@pytest.mark.parametrize(
    ("language", "question"),
    [("zh", "楼下面馆几点开门？"), ("zh", "零度以下的水会怎样？"), ("en", "What was given to the king?")],
)
def test_words_that_only_look_so_are_not(language, question):
    assert not points_at_text(question, language)

"""Answers of a word or two, in the words of their question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.answers import from_source
from kespeechchat.text.answers.labels import whole_answer

WHOLE = [
    ("zh", "撒哈拉沙漠", "世界上最大的沙漠是哪个？", "世界上最大的沙漠是撒哈拉沙漠。"),
    ("zh", "广州。", "广东的省会是哪里？", "广东的省会是广州。"),
    ("zh", "积极", "我很开心。你能对这段话进行情感分类吗？", "这段话属于积极。"),
    ("zh", "错误", "鲸鱼是鱼。你能判断这个陈述是否正确吗？", "不，这个陈述不正确。"),
    ("zh", "正确", "鲸鱼不是鱼。能不能判断这个陈述是否正确？", "是的，这个陈述正确。"),
    ("en", "Paris", "What is the capital of France?", "The capital of France is Paris."),
    ("en", "No", "Bees see red. Can you tell me if this claim is true?", "No, this claim is not true."),
]
NOT_WHOLE = [
    ("zh", "因为冷。所以", "为什么会下雪？"),
    ("zh", "三个", "一共有多少个苹果？"),
    ("en", "Paris", "Where do you want to go?"),
    ("en", "maybe", "Bees see red. Can you tell me if this claim is true?"),
    ("en", "False", "The sun is a planet. Can you determine whether this statement is true or false?"),
    ("en", "False", "Cats are birds. Can you determine if this statement is false?"),
    ("en", "Sleeping", "What is the cat doing?"),
    ("en", "I am not sure.", "What is the capital of Wakanda?"),
    ("en", "Rex", "What is the name of your dog?"),
    ("zh", "正确", "太阳从东边升起。你能判断这个陈述是否有误吗？"),
    ("zh", "负面", "这个手机太卡了。你能把这条评论分类为正面或负面吗？"),
    ("zh", "华盛顿", "你能告诉我美国第一任总统是谁吗？"),
    ("zh", "是医生", "他的职业是什么？"),
    ("zh", "不知道。", "中国的首都是哪里？"),
]


@pytest.mark.parametrize(("language", "label", "question", "answer"), WHOLE)
def test_a_label_answers_in_the_words_of_the_question(language, label, question, answer):
    assert whole_answer(label, question, language) == answer
    assert from_source(label, language, 60, question) == answer or len(answer) < 9


@pytest.mark.parametrize(("language", "label", "question"), NOT_WHOLE)
def test_what_no_rule_can_say_whole_gives_nothing(language, label, question):
    assert whole_answer(label, question, language) is None


@given(st.text(max_size=20), st.text(max_size=60), st.sampled_from(["zh", "en"]))
def test_a_whole_answer_is_one_sentence_with_the_label(label, question, language):
    answer = whole_answer(label, question, language)
    assert answer is None or answer.endswith(("。", "."))

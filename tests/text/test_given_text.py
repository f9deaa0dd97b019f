"""Requests about a short given text, said aloud."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.given_text import aloud

SAID = [
    # the text first
    ("zh", "判断以下陈述是否正确：\n鲸鱼是一种鱼。", "", "鲸鱼是一种鱼。你能判断这个陈述是否正确吗？"),
    (
        "zh",
        "将以下文本分类为广告、还是新闻:“新茶上市，欢迎品尝！”",
        "",
        "新茶上市，欢迎品尝！你能把这段话分类为广告、还是新闻吗？",
    ),
    ("zh", "请根据以下文本，对其进行分类：“老王被称为“铁人”。”", "", "老王被称为“铁人”。你能对这段话进行分类吗？"),
    ("zh", "根据以下现象，解释发生了什么：\n杯子外面有水珠。", "", "杯子外面有水珠。你能解释发生了什么吗？"),
    ("zh", "将下列三个词分为两组：猫、狗、松树", "", "猫、狗、松树，你能把这三个词分为两组吗？"),
    ("zh", "解释这些词汇：“静态”，“动态”", "", "静态，动态，你能解释这些词汇吗？"),
    (
        "en",
        "Rewrite the following sentence to be polite.",
        "Close the door.",
        "Close the door. Can you rewrite this sentence to be polite?",
    ),
    (
        "en",
        "Tell me if the claim is true. Yes or no?",
        "Bees can see red.",
        "Bees can see red. Can you tell me if this claim is true?",
    ),
    (
        "en",
        "Select the largest animal from the list.",
        "cat, horse, mouse",
        "Cat, horse, mouse. Can you select the largest animal from this list?",
    ),
    # a name inside the request
    (
        "en",
        "Make a list of things to do in the given city.",
        "Lisbon",
        "Can you make a list of things to do in Lisbon?",
    ),
    ("en", "Explain the following idiom to me.", "piece of cake", "Can you explain the idiom piece of cake to me?"),
    ("en", "Given the name of an exercise, explain how to do it.", "Lunges", "Can you explain how to do lunges?"),
    # the question alone
    (
        "zh",
        "根据以下句子回答问题：\n句子：小李今年去了三次北京。\n问题：小李去了几次北京？",
        "",
        "小李今年去了三次北京。小李去了几次北京？",
    ),
    (
        "zh",
        "回答以下问题。请写出推理步骤。小明有六颗糖，给了弟弟两颗。他还有几颗？",
        "",
        "小明有六颗糖，给了弟弟两颗。他还有几颗？",
    ),
    (
        "en",
        "Solve the math problem.",
        "Ann has two pens and buys one. how many has she?",
        "Ann has two pens and buys one. How many has she?",
    ),
]
NOT_SAID = [
    ("en", "Classify the following as a fruit or a vegetable.", "Carrot"),
    ("en", "Answer the following question incorrectly.", "What is the capital of France?"),
    ("en", "Compare the two following animals.", "cat, dog"),
    ("en", "Classify the following text.", "7" * 5000),
    ("zh", "用英语回答以下问题：天空是什么颜色的？", ""),
    ("zh", "从以下选项中选出动物。\nA. 猫\nB. 树", ""),
    ("zh", "请回答以下两个问题：海有多深？天有多高？", ""),
    ("zh", "根据上下文填写以下句子的空缺：天空是___的。", ""),
    ("zh", "为什么天是蓝的？", ""),
    ("zh", "改写以下句子。情境：在公司。原句：他很忙。", ""),
    ("en", "Sort the given list.", "[3, 1, 2]"),
    ("en", "Summarize the table below.", "a | b\nc | d"),
    ("en", "Answer the following questions.", "How deep is the sea? How high is the sky?"),
    ("en", "Fill in the blank in the sentence.", "The sky is ___."),
    ("en", "Write a poem.", "the sea"),
    ("en", "How do bees find their way home?", ""),
]


@pytest.mark.parametrize(("language", "instruction", "text", "said"), SAID)
def test_a_short_given_text_is_said_with_what_is_asked_of_it(language, instruction, text, said):
    assert aloud(instruction, text, language, 0) == said


@pytest.mark.parametrize(("language", "instruction", "text"), NOT_SAID)
def test_what_stands_on_a_page_is_left_to_others(language, instruction, text):
    assert aloud(instruction, text, language, 0) is None


def test_frames_differ_by_turn():
    assert len({aloud("判断以下陈述是否正确：鲸鱼是鱼。", "", "zh", turn) for turn in range(8)}) == 4
    assert len({aloud("Rewrite the following sentence.", "Go.", "en", turn) for turn in range(8)}) == 3


@given(st.text(max_size=80), st.text(max_size=60), st.sampled_from(["zh", "en"]), st.integers(0, 2**31))
def test_whatever_stands_there_gives_one_line_or_nothing(instruction, text, language, turn):
    said = aloud(instruction, text, language, turn)
    assert said is None or (said.endswith(("?", "？")) and "\n" not in said)

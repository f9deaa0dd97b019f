from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.source_filters import language_of, languages_of, refuse

REFUSED = [
    ("task_translation", "把这句话翻译成英语：你好。"),
    ("task_translation", "“谢谢”用日语怎么说？"),
    ("task_translation", "Translate the following sentence into Chinese."),
    ("task_translation", "How do you say good night in French?"),
    ("task_code", "用python写一个排序函数"),
    ("task_code", "解释下面这段代码的作用"),
    ("task_code", "如何在Python中读取文件？"),
    ("task_code", "Write a program to add two numbers."),
    ("task_code", "Generate a regular expression for dates."),
    ("task_code", "Fix the bug in the following code."),
    ("task_role_play", "请你扮演一名导游"),
    ("task_role_play", "假设你是一位校长，写一段开场白"),
    ("task_role_play", "Pretend to be a pirate."),
    ("task_role_play", "Act as a travel guide for my trip."),
    ("task_role_play", "You are a doctor. Tell me what to eat."),
    ("empty", "  "),
    ("empty", "?!"),
    ("too_long", "为什么" * 40),
]
TAKEN = [
    "翻译这个职业有前途吗？",
    "翻译家是怎样工作的？",
    "蜜蜂在自然界里扮演什么角色？",
    "健身的程序应该怎么安排？",
    "什么是二次函数？",
    "Is being a translator a good job?",
    "Why is poetry hard to translate well?",
    "What role does sleep play in memory?",
    "Can vinegar act as a cleaner?",
    "What is the dress code for a wedding?",
    "Plan a training program for beginners.",
    "Write a movie scene about a rainy day.",
    "Why do pythons sleep so long?",
]


@pytest.mark.parametrize(("reason", "text"), REFUSED)
def test_what_is_refused(reason, text):
    assert refuse(text, "", None, None, language_of(text) or "en") == reason


@pytest.mark.parametrize("text", TAKEN)
def test_a_question_about_translating_programming_or_acting_stays(text):
    assert refuse(text, "", None, None, language_of(text)) is None


def test_a_label_decides_whatever_the_text_says():
    assert refuse("如何将列表变成大写？", "", "code", None, "zh") == "task_code"
    assert refuse("Good night", "", "Role-Play", None, "en") == "task_role_play"
    assert refuse("How are you?", "", "open qa", None, "en") is None


def test_source_code_in_the_input_or_the_answer_is_code():
    assert refuse("What does this do?", "def f(x):\n    return x", None, None, "en") == "task_code"
    assert refuse("怎样输出一句话？", "", None, 'print("你好")', "zh") == "task_code"


def test_the_limit_counts_the_instruction_alone():
    assert refuse("Summarize the text.", "word " * 500, None, None, "en") is None
    assert refuse("x" * 11, "", None, None, "en", max_characters=10) == "too_long"
    assert refuse("x" * 10, "", None, None, "en", max_characters=10) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("今天天气很好", "zh"),
        ("请用 Excel 做一张表", "zh"),
        ("将下面的文章分类。\nComputer science is a rapidly growing field with many jobs.", "zh"),
        ("Lovely weather today", "en"),
        ("What does 你好 mean?", "en"),
        ("これはペンです", None),
        ("Привет, как дела", None),
        ("123 !?", None),
    ],
)
def test_language(text, language):
    assert language_of(text) == language


@given(st.text(max_size=200))
def test_any_text_gets_an_answer(text):
    assert language_of(text) in ("zh", "en", None)
    assert refuse(text, text, None, text, "en") in (
        None,
        "empty",
        "too_long",
        "task_translation",
        "task_code",
        "task_role_play",
    )


@given(st.lists(st.text(max_size=40) | st.text("a1 \n第？é가か", max_size=40)))
def test_the_languages_of_many_are_those_of_each(texts):
    assert languages_of(texts) == [language_of(text) for text in texts]

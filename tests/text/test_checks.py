from __future__ import annotations

import pytest

from kespeechchat.text import checks

AGREE = [
    ("zh", "因为白天太阳光太亮，把星星的光盖住了。", "白天太阳光太亮，盖住了星星的光。"),
    ("zh", "水开以后再煮八分钟就可以了。", "水开以后再煮八分钟，鸡蛋就全熟了。"),
    ("en", "There are seven days in one week.", "A week has seven days."),
    ("en", "Well, ice floats because it's lighter than water.", "Ice floats because it is lighter than water."),
    ("en", "You shouldn't water the plant too much.", "Do not water the plant too much."),
]
DISAGREE = [
    ("zh", "水开以后再煮三分钟，鸡蛋就全熟了。", "水开以后再煮八分钟，鸡蛋就全熟了。", "numbers"),
    ("zh", "睡前一个小时可以看手机，房间保持安静。", "睡前一个小时不看手机，房间保持安静。", "negation"),
    ("zh", "海水是咸的，因为鱼儿每天都在海里吃盐。", "河水把石头里的盐带进大海，盐就留下来了。", "added"),
    ("en", "There are five days in a week.", "There are seven days in a week.", "numbers"),
    (
        "en",
        "Ice floats because it is not lighter than water.",
        "Ice floats because it is lighter than water.",
        "negation",
    ),
    ("en", "The moon shines because it burns gas like a lamp.", "It reflects the light of the sun.", "added"),
    (
        "en",
        "Take a break.",
        "Take a break, drink some water, look out of the window and close both eyes slowly.",
        "missing",
    ),
]


@pytest.mark.parametrize(("language", "response", "reference"), AGREE)
def test_a_response_may_say_its_reference_in_other_words(language, response, reference):
    assert checks.disagrees(response, reference, language) is None


def test_a_short_reference_may_be_said_with_the_words_of_the_question():
    assert checks.disagrees("中国最长的河流是长江。", "长江。", "zh", "中国最长的河流是哪条？") is None
    assert checks.disagrees("中国最长的河流是黄河。", "长江。", "zh", "中国最长的河流是哪条？") == "disagrees_missing"
    question = "How can I cut onions without crying?"
    assert checks.disagrees("To cut onions without crying, chill them.", "Chill them.", "en", question) is None


@pytest.mark.parametrize(("language", "response", "reference", "what"), DISAGREE)
def test_a_response_that_says_something_else_is_refused(language, response, reference, what):
    assert checks.disagrees(response, reference, language) == f"disagrees_{what}"


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("en", "", "empty"),
        ("en", "Why so", "too_short"),
        ("en", "one two three four five six", "too_long"),
        ("en", "one two three four five", None),
        ("zh", "为什么呢", None),
        ("zh", "为什么 今天", "too_long"),
    ],
)
def test_length_counts_characters_of_chinese_and_words_of_english(language, text, reason):
    assert checks.wrong_length(text, language, 3, 5 if language == "en" else 4) == reason


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "They are very smart, and they are very smart."),
        ("en", "It grows in the sun. It grows in the sun."),
        ("en", "You can go there and there and there and there."),
        ("zh", "它们都是爬虫，它们都是爬虫。"),
        ("zh", "春夏秋冬春夏秋冬都很美。"),
    ],
)
def test_loops_are_found(language, text):
    assert checks.repetition(text, language) == "repetition"


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "The more you read, the more you know."), ("zh", "看看远处的绿树，慢慢地休息休息。"), ("en", "Bye bye!")],
)
def test_natural_doubling_is_no_loop(language, text):
    assert checks.repetition(text, language) is None


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I cannot say.",
        "Here is the rewritten question you wanted.",
        "What is the best way to explain why ice floats?",
        "作为一个人工智能，我没有感情。",
        "以下是回答。",
    ],
)
def test_talk_about_the_task_is_found(text):
    assert checks.meta_talk(text) == "meta_talk"


def test_talk_about_the_subject_is_no_meta_talk():
    assert checks.meta_talk("What is the best way to answer a child's question?") is None
    assert checks.meta_talk("人工智能会改变我们的生活吗？") is None


def test_examples_must_not_come_back_whole_or_in_long_runs():
    example = ["Just say sorry and explain in a few words what happened."]
    assert checks.copied("Just say sorry and explain in a few words what happened!", example, "en") == "copied_example"
    assert checks.copied("Go there and explain in a few words what it is.", example, "en") == "copied_example"
    source = "Please explain in a few words what it is"
    assert checks.copied("Can you explain in a few words what it is?", example, "en", source) is None
    assert checks.copied("周末该怎么跟老板解释呢？", ["迟到了该怎么跟老板解释？"], "zh") == "copied_example"


@pytest.mark.parametrize(
    ("language", "source", "question", "reason"),
    [
        ("en", "Why does the moon shine?", "What is the moon's light like?", "changed_kind"),
        ("en", "Explain the reason for tides.", "Why do we have tides?", None),
        ("en", "How many days are in a week?", "What is the number of days in a week?", None),
        ("zh", "请解释海水是咸的原因。", "海水为什么是咸的？", None),
        ("zh", "一年有几个季节？", "一年有哪些季节？", "changed_kind"),
    ],
)
def test_a_question_keeps_asking_for_the_same_kind_of_thing(language, source, question, reason):
    assert checks.changed_kind(question, source, language) == reason


def test_an_unfinished_sentence_and_another_language():
    assert checks.unfinished("It grows and") == "unfinished"
    assert checks.unfinished("他说：“好。”") is None
    assert checks.other_language("今天天气很好。", "en") == "other_language"
    assert checks.other_language("Lovely weather.", "zh") == "other_language"

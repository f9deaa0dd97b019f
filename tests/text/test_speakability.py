from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.text.readings import spoken_text
from kespeechchat.text.speakability import problems, speakable

LANGUAGES = st.sampled_from(["zh", "en"])


@pytest.mark.parametrize(
    ("language", "text", "code"),
    [
        ("en", "**Rest** well.", "markdown"),
        ("en", "- Rest well", "markdown"),
        ("en", "Rest well (at night).", "bracket"),
        ("zh", "猫（家猫）很可爱。", "bracket"),
        ("en", "Open my_file now.", "underscore"),
        ("en", "Look at www.example.org now.", "url"),
        ("en", "Write to ann@example.org today.", "email"),
        ("en", "Ask @ann about it.", "handle"),
        ("zh", "第一行。\n第二行。", "line_break"),
        ("zh", "一共有3只猫。", "digit"),
        ("en", "It is 50% off.", "digit"),
        ("en", "Take x = y.", "symbol"),
        ("en", "That is nice 😀.", "emoji"),
        ("en", "It means 你好 in Chinese.", "script"),
        ("zh", "它叫こんにちは。", "script"),
        ("zh", "This is all English text.", "no_words"),
        ("en", "Fruit, e.g. apples.", "dotted"),
        ("en", "Use the HTTPD now.", "abbreviation"),
        ("en", "See pgs of it.", "abbreviation"),
        ("en", "Call getName first.", "identifier"),
    ],
)
def test_what_a_voice_cannot_say(language, text, code):
    assert code in problems(text, language)
    assert speakable(text, language) is not None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Well, I don't know; let's try it again!"),
        ("en", "The café near Mr. McDonald's house is open."),
        ("en", "My TV is old, but my PC isn't."),
        ("zh", "你好！今天“天气”怎么样？"),
        ("zh", "我想学习一下AI，应该怎么开始呢？"),
        ("zh", "他在读《红楼梦》。"),
    ],
)
def test_plain_speech_passes(language, text):
    assert problems(text, language) == []


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "The 3 dogs cost $20.", "The three dogs cost twenty dollars."),
        ("en", "It is 1,200 meters.", "It is one thousand two hundred meters."),
        ("en", "25% of us.", "Twenty five percent of us."),
        ("zh", "有２５%的人。", "有百分之二十五的人。"),
        ("zh", "2021年5月3日", "二零二一年五月三日"),
        ("zh", "没有数字。", "没有数字。"),
    ],
)
def test_figures_become_words(language, written, spoken):
    assert spoken_text(written, language) == spoken
    assert speakable(spoken, language) is None


@given(st.text(max_size=60), LANGUAGES)
@settings(deadline=None)
def test_a_digit_never_passes(text, language):
    assert "digit" in problems(f"{text}7", language)


@given(st.text(max_size=40), LANGUAGES)
@settings(deadline=None)
def test_problems_are_named_once_and_agree_with_speakable(text, language):
    found = problems(text, language)
    assert len(set(found)) == len(found)
    assert speakable(text, language) == (found[0] if found else None)

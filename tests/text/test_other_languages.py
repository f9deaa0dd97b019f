"""Other languages are told by what they are; English and Chinese, however short, are not taken for others."""

from __future__ import annotations

import pytest

from kespeechchat.text.other_languages import other_language


@pytest.mark.model
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("German", "Warum ist der Himmel blau?"),
        ("German", "Nenne drei Tiere."),
        ("French", "Pourquoi le pain est-il si bon le matin ?"),
        ("French", "Quelle est la capitale de la France ?"),
        ("Spanish", "¿Por qué el cielo es azul?"),
        ("Italian", "Perché il cielo è blu?"),
        ("Tagalog", "Bakit asul ang langit?"),
        ("Tagalog", "Ano ang kabisera ng Pilipinas?"),
        ("Vietnamese", "Tại sao bầu trời xanh?"),
        ("Russian", "Почему небо голубое?"),
        ("Korean", "하늘은 왜 파란가요?"),
        ("Japanese", "空はなぜ青い？"),
    ],
)
def test_what_would_pass_for_english(language, text):
    assert other_language(text, "en") == language


@pytest.mark.parametrize("text", ["東京大学入学試験合格方法を教えて", "日本の首都は？", "世界経済危機対策案の内容"])
def test_japanese_that_would_pass_for_chinese(text):
    assert other_language(text, "zh") == "Japanese"


@pytest.mark.model
@pytest.mark.parametrize(
    "text",
    [
        *("Name a bird.", "Define entropy.", "Best pasta recipe", "Why?", "Generate similes.", "Suggest dinner ideas."),
        *("What is crème brûlée?", "Who wrote Les Misérables?", "How do I make a good jalapeño salsa?"),
        *("Recommend tapas bars in Madrid.", "Compare cappuccino and latte macchiato.", "Describe Beyoncé"),
        *("What does “Pourquoi le pain est-il si bon” mean?", "Plan a syllabus for the the class.", "", "42"),
    ],
)
def test_english_is_not_refused(text):
    assert other_language(text, "en") is None


CHINESE = "我想学 Python|“さくら”是什么意思？|請問台灣最高的山是哪座？|用Excel做一张表|天为什么是蓝嘅？|什么是AI？"


@pytest.mark.parametrize("text", CHINESE.split("|"))
def test_chinese_is_not_refused(text):
    assert other_language(text, "zh") is None

"""Number characters inside ordinary words, and how many answers a directive asks for, are no changed number."""

from __future__ import annotations

import pytest

from kespeechchat.text.checks import changed_numbers


@pytest.mark.parametrize(
    ("language", "question", "source"),
    [
        ("zh", "零售行业未来会怎么发展呢？", "请分析零售行业未来的发展趋势。"),
        ("zh", "商店未来会怎么发展呢？", "请分析零售行业未来的发展趋势。"),
        ("zh", "剥坚果外壳有哪三个办法？", "列出三个剥坚果外壳的办法。"),
        ("zh", "剥坚果外壳有什么办法？", "列出三个剥坚果外壳的办法。"),
        ("zh", "秦始皇是怎么统一中国的？", "请说明秦朝一统天下的过程。"),
        ("zh", "万一下雨，三明治一定要带吗？", "说说下雨时该带的东西。"),
        ("en", "What are some ways to save water?", "Name three ways to save water."),
        ("en", "What are three ways to save water?", "List three ways to save water."),
    ],
)
def test_kept(language, question, source):
    assert changed_numbers(question, source, language) is None


@pytest.mark.parametrize(
    ("language", "question", "source"),
    [
        ("zh", "剥坚果外壳有哪四个办法？", "列出三个剥坚果外壳的办法。"),
        ("zh", "五个人怎么分蛋糕？", "四个人怎么分蛋糕？"),
        ("zh", "举一些例子说明人怎么分蛋糕？", "举三个例子说明四个人怎么分蛋糕。"),
        ("en", "What are four ways to save water?", "Name three ways to save water."),
        ("en", "How do people share a cake?", "Name two ways in which six people can share a cake."),
    ],
)
def test_refused(language, question, source):
    assert changed_numbers(question, source, language) == "changed_numbers"

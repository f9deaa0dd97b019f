from __future__ import annotations

import pytest

from kespeechchat.text.directive import information, is_directive


@pytest.mark.parametrize(
    ("task", "instruction", "given", "left"),
    [
        ("classification", "将以下动物分为两类：麻雀、企鹅。", "", "麻雀、企鹅。"),
        ("summarization", "请用一句话总结下面的内容：小店六点开门，老人常去。", "", "小店六点开门，老人常去。"),
        (None, "请将以下句子改写为简单句。尽管下雨了，他还是出门了。", "", "尽管下雨了，他还是出门了。"),
        (None, "回答以下问题：\n长江有多长？", "", "长江有多长？"),
        (None, "Classify the feeling in the sentence.", "My train was late.", "My train was late."),
        (None, "Choose the oldest person from the list. Output the name.", "List: Ann, Bob", "Ann, Bob"),
        (None, "Summarize the following text.", "Bees dance.\nThey show the way.", "Bees dance. They show the way."),
    ],
)
def test_the_directing_sentence_goes_and_the_information_stays(task, instruction, given, left):
    assert is_directive(task, instruction, given)
    assert information(instruction, given) == left


@pytest.mark.parametrize(
    ("task", "instruction", "given"),
    [
        ("open qa", "为什么秋天树叶会变黄？", ""),
        ("brainstorming", "请介绍一种容易入睡的方法。", ""),
        (None, "How can I cut onions without crying?", ""),
        (None, "Describe how to dry wet shoes.", "running shoes"),
        (None, "Suggest a way to keep coffee beans fresh.", ""),
        ("rewrite", "总结", ""),
    ],
)
def test_a_plain_request_is_no_directive(task, instruction, given):
    assert not is_directive(task, instruction, given)

"""A source's answer is made speakable by rule, in its own words, or given to the model."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text import checks
from kespeechchat.text.answers import from_source
from kespeechchat.text.speakability import speakable

LONGEST = {"zh": 90, "en": 45}
SAID = {
    "sentences, as many as fit": (
        "en",
        "Bread keeps best in a dry box. It goes hard in the fridge! **Freeze** what you will not eat within two days.",
        "Bread keeps best in a dry box. It goes hard in the fridge! Freeze what you will not eat within two days.",
    ),
    "a list of names": (
        "zh",
        "以下是四种耐寒的花：\n1. 三色堇\n2. 雪滴花\n3. 羽衣甘蓝\n4. 腊梅",
        "三色堇、雪滴花、羽衣甘蓝和腊梅。",
    ),
    "a list that its first line leads to": (
        "zh",
        "晒被子有以下几个好处：\n1. 杀菌：阳光里的紫外线能杀死细菌。\n2. 除湿：水分会蒸发掉。\n3. 蓬松：棉花会变软。",
        "晒被子有几个好处，比如杀菌、除湿和蓬松。",
    ),
    "titles with their explanation on the next line": (
        "zh",
        "跑步前可以采取以下步骤：\n1. 热身\n活动脚踝和膝盖，慢慢加快。\n2. 补水\n喝半杯温水。",
        "跑步前可以采取这些步骤，比如热身和补水。",
    ),
    "items that are sentences": (
        "en",
        "Try this:\n- Put the kettle on the stove and fill it with two cups of cold water.\n"
        "- Wait until it whistles, then pour the water over the leaves.",
        "Try this. First, put the kettle on the stove and fill it with two cups of cold water. Second, wait until it "
        "whistles, then pour the water over the leaves.",
    ),
    "an English list": (
        "en",
        "Here are some:\n- Walk to work\n- Take the stairs\n- Sleep early",
        "Walk to work, take the stairs, and sleep early.",
    ),
    "names keep their capitals": (
        "en",
        "Here are some:\n* Hyde Park\n* Kew Gardens\n* Green Park",
        "Hyde Park, Kew Gardens, and Green Park.",
    ),
    "asides and labels go, figures are read": (
        "en",
        "Answer: The Nile (in Africa) is about 6,650 km long.",
        "The Nile is about six thousand six hundred and fifty kilometers long.",
    ),
    "the first clauses of a long sentence": (
        "zh",
        "洗羊毛衫要用冷水和中性的洗衣液轻轻按压，" + "因为热水和用力揉搓会让羊毛纤维缠在一起，" * 5 + "衣服就缩小了。",
        "洗羊毛衫要用冷水和中性的洗衣液轻轻按压。",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_said_in_the_sources_own_words(case):
    language, reference, said = SAID[case]
    assert from_source(reference, language, LONGEST[language]) == said


def test_of_a_calculation_its_result_is_said():
    reference = "首先，计算总价：\n3 × 12 = 36元\n再加运费，36 + 8 = 44元。\n因此，一共要付44元。"
    assert from_source(reference, "zh", 90, "一共要付多少元？") == "一共要付四十四元。"
    assert from_source("So each child gets 12 / 4 = 3 apples in the end.", "en", 45, "How many apples are there?") == (
        "Each child gets three apples in the end."
    )


@pytest.mark.parametrize(
    ("language", "reference"),
    [
        ("en", "```python\nprint(1)\n```"),
        ("en", "User: Hello!\nBot: Hi, how can I help?"),
        ("en", "Sorry, I cannot help with that request of yours."),
        ("en", "Paris."),
        ("en", "See https://example.org for the whole list of parks."),
        ("zh", "作为一个语言模型，我没有自己的看法。"),
        ("zh", "是的。"),
        ("zh", "他一共花费：\n3 × 5元 = 15元。"),
        ("zh", "设苹果有x个，则x = 3 × 4。"),
    ],
)
def test_what_rules_cannot_say_is_left_to_the_model(language, reference):
    assert from_source(reference, language, LONGEST[language], {"zh": "一共花了多少钱？", "en": ""}[language]) is None


_ZH = [
    "1. 茶",
    "2. 咖啡：提神",
    "- 水",
    "以下是：",
    "它很热，",
    "因此是3。",
    "（注）",
    "12 = 3",
    "**粗**",
    "\n",
    "好。",
]
_EN = ["1. tea", "- Coffee: strong", "Here are some:", "It is hot, which", "So it is 3.", "(note)", "12 = 3", "Yes."]
_PIECES = st.lists(st.sampled_from(_ZH + _EN), max_size=12)


@given(_PIECES.map("\n".join) | st.text(max_size=120), st.sampled_from(["zh", "en"]), st.integers(8, 90))
def test_whatever_comes_out_can_be_spoken_in_its_length(reference, language, longest):
    said = from_source(reference, language, longest)
    if said is not None:
        assert speakable(said, language) is None
        assert checks.length(said, language) <= longest
        assert re.search(r"[。！？.!?…][\"'”’」]?$", said)

"""A dialogue's split follows from its text alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.dataset import SplitSettings
from kespeechchat.dataset.dialogue_splits import dialogue_split, text_key


@given(st.text(), st.integers())
def test_equal_texts_fall_alike(text, seed):
    half = SplitSettings(dev=1, test=1, of=3)
    loud = f"  {text.upper().lower()}!? "
    if text_key(loud) == text_key(text):
        assert dialogue_split(loud, half, seed) == dialogue_split(text, half, seed)
    assert text_key(text_key(text)) == text_key(text)


def test_spelling_that_does_not_matter():
    assert text_key("Hello, World 2!") == text_key("hello world２") == "helloworld2"
    assert text_key("你好，世界。") == "你好世界"


def test_shares_are_about_right():
    drawn = Counter(dialogue_split(f"question {i}", SplitSettings(dev=0.1, test=0.2, of=1), 0) for i in range(20_000))
    assert drawn["dev"] == pytest.approx(2000, rel=0.1)
    assert drawn["test"] == pytest.approx(4000, rel=0.1)


def test_no_held_out_dialogues():
    assert dialogue_split("x", SplitSettings(dev=0, test=0), 0) == "train"
    with pytest.raises(ValueError, match="more than all"):
        SplitSettings(dev=2, test=0, of=1)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_key_of_a_plain_text_is_that_of_any_text(text):
    assert text_key(text) == text_key(text + "中").removesuffix("中")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.dataset.durations import character_frames, timed_words
from kespeechchat.records import Word

texts = st.text(st.sampled_from("ab c,.你好！é"), min_size=1, max_size=30)
times = st.floats(0, 20, width=32)
words = st.lists(st.builds(Word, st.text(st.sampled_from("abc你好é'."), max_size=6), times, times), max_size=12)


@given(texts, words, st.integers(0, 600))
def test_frames_are_never_negative_and_sum_up(text, heard, frames):
    """Whatever a recognizer says: words out of order, ends before starts, times beyond the speech."""
    if not any(c.isalnum() for w in heard for c in w.text):
        with pytest.raises(ValueError, match="no word was heard"):
            character_frames(text, heard, frames, 50)
        return
    found = character_frames(text, heard, frames, 50)
    assert len(found) == len(text)
    assert sum(found) == frames
    assert min(found) >= 0


@given(texts, words, st.floats(0, 20))
def test_words_are_the_texts_and_follow_one_another(text, heard, seconds):
    if not any(c.isalnum() for w in heard for c in w.text):
        with pytest.raises(ValueError, match="no word was heard"):
            timed_words(text, heard, seconds)
        return
    found = timed_words(text, heard, seconds)
    assert "".join("".join(word.text.split()) for word in found) == "".join(text.split())
    edges = [edge for word in found for edge in (word.start, word.end)]
    assert edges == sorted(edges) and all(0 <= edge <= seconds for edge in edges)


def test_a_word_is_spread_over_its_characters():
    assert character_frames("Oh dear", [Word(" Oh", 0, 0.4), Word(" dear.", 0.4, 1.2)], 60, 50) == [
        *(10, 10),
        0,
        *(10, 10, 10, 10),
    ]


def test_pauses_go_to_the_punctuation():
    found = character_frames("你好，朋友。", [Word("你好", 0.0, 0.4), Word("朋友", 1.0, 1.4)], 100, 50)
    assert found == [10, 10, 30, 10, 10, 30]


def test_a_misheard_word_takes_the_place_of_the_right_one():
    right = character_frames("近朱者赤", [Word("近", 0, 0.2), Word("朱者", 0.2, 0.6), Word("赤", 0.6, 0.8)], 40, 50)
    misheard = character_frames("近朱者赤", [Word("近", 0, 0.2), Word("豬者", 0.2, 0.6), Word("赤", 0.6, 0.8)], 40, 50)
    assert right == misheard == [10, 10, 10, 10]


def test_traditional_characters_are_the_same_words():
    assert character_frames("机器", [Word("機器", 0.0, 0.4), Word("人", 0.4, 0.6)], 30, 50) == [10, 20]


def test_a_number_is_spread_over_its_words():
    found = timed_words("hold one hundred and twenty", [Word("hold", 0.0, 0.4), Word("120", 0.6, 2.5)], 3.0)
    assert [word.text for word in found] == ["hold", "one", "hundred", "and", "twenty"]
    assert [word.start for word in found] == pytest.approx([0.0, 0.6, 0.9, 1.6, 1.9])
    assert found[-1].end == pytest.approx(2.5)
    assert character_frames("五十个", [Word("50", 0.0, 0.8), Word("个", 0.8, 1.2)], 60, 50) == [20, 20, 20]


def test_what_was_not_heard_is_interpolated():
    assert character_frames("one two six", [Word("one", 0, 0.6), Word("six", 1.6, 2.2)], 110, 50) == [
        *(10, 10, 10),
        *(10, 10, 10, 10, 10),
        *(10, 10, 10),
    ]

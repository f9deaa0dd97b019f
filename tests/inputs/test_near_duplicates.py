"""Near duplicates: nothing below the threshold, the first wins, and what comes later changes nothing before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.load import ConfigError
from kespeechchat.inputs import near_duplicates
from kespeechchat.inputs.near_duplicates import bands_of, keys_from, keys_of, keys_to_bytes, likenesses
from kespeechchat.text.ngrams import jaccard, ngrams

THRESHOLD = 0.8
WORDS = ["how", "far", "is", "the", "town", "from", "here", "by", "road", "or", "rail", "in", "winter"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(tuple), min_size=1, max_size=25).flatmap(
    lambda texts: st.lists(st.sampled_from(texts), min_size=1, max_size=40)
)


def _keys(texts, threshold=THRESHOLD):
    grams = [ngrams(words, 2) for words in texts]
    return grams, keys_of([" ".join(words) for words in texts], grams, *bands_of(threshold, 112))


def _like(texts, threshold=THRESHOLD):
    """(text that each is like or -1, share)"""
    grams, keys = _keys(texts, threshold)
    of, shares = likenesses(keys, 0, grams.__getitem__, threshold)
    return of.tolist(), shares.tolist()


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_what_is_refused_is_alike_enough_to_an_earlier_text_that_was_kept(texts):
    of, shares = _like(texts)
    assert of[0] == -1
    for text, (other, share) in enumerate(zip(of, shares, strict=True)):
        if other >= 0:
            assert other < text
            assert of[other] == -1
            assert share == pytest.approx(jaccard(ngrams(texts[text], 2), ngrams(texts[other], 2)))
            assert share >= np.float32(THRESHOLD)


@settings(max_examples=30, deadline=None)
@given(TEXTS)
def test_the_same_tokens_are_always_found(texts):
    of, _ = _like(texts)
    for text, words in enumerate(texts):
        assert of[text] >= 0 or words not in texts[:text]


@settings(max_examples=30, deadline=None)
@given(TEXTS, st.data())
def test_texts_that_come_later_change_nothing_and_may_come_in_two_goes(texts, data):
    of, _ = _like(texts)
    first = data.draw(st.integers(0, len(texts)))
    assert _like(texts[:first])[0] == of[:first]
    kept = [text for text in range(first) if of[text] < 0]
    grams, keys = _keys(texts)
    order = [*kept, *range(first, len(texts))]
    again, _ = likenesses(keys[order], len(kept), lambda text: grams[order[text]], THRESHOLD)
    assert [order[other] if other >= 0 else -1 for other in again.tolist()] == of[first:]


def test_nine_in_ten_of_what_is_as_alike_as_the_threshold_are_found():
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(200):
        words = [f"w{n}" for n in rng.integers(0, 10_000, 29)]  # 28 pairs
        other = [*words[:-3], *(f"x{n}" for n in rng.integers(0, 10_000, 3))]  # 25 in common of 31: 0.81
        found += _like([tuple(words), tuple(other)])[0][1] == 0
    assert found > 0.86 * 200


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_what_they_promise_with_the_hashes_there_are(threshold):
    bands, rows = bands_of(threshold, 112)
    assert bands * rows <= 112
    assert 1 - (1 - threshold**rows) ** bands >= 0.9


def test_a_pattern_costs_no_more_than_its_first_texts():
    """5,000 questions that differ in a number alone: all are kept, and few are compared."""
    texts = [tuple(f"how far away is place {n}".split()) for n in range(5_000)]
    grams, keys = _keys(texts)
    asked = 0

    def grams_of(text):
        nonlocal asked
        asked += 1
        return grams[text]

    of, _ = likenesses(keys, 0, grams_of, THRESHOLD)
    assert set(of.tolist()) == {-1}
    assert asked < 10 * len(texts)


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3), max_size=5))
def test_keys_are_kept_as_they_were(rows):
    keys = np.array(rows, np.uint32).reshape(-1, 3)
    assert np.array_equal(keys_from(keys_to_bytes(keys), 3), keys)


def test_signatures_of_another_version_are_refused(monkeypatch):
    monkeypatch.setattr(near_duplicates, "_ALGORITHM", 1)
    with pytest.raises(ConfigError, match="signatures of version 2, those in ROOT are of version 1: install"):
        keys_of(["a"], [{"a"}], 14, 8)

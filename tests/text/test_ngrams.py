"""Laws of tokens and n-grams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.text.ngrams import jaccard, ngrams, tokens

WORDS = st.lists(st.sampled_from(["ab", "cd", "ef", "我", "学"]), max_size=12)


@given(st.text())
def test_tokens_hold_no_space_and_no_punctuation_and_tokens_of_tokens_are_the_same(text):
    found = tokens(text)
    assert all(token and " " not in token for token in found)
    assert tokens(" ".join(found)) == found


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_and_the_rule_for_all_scripts_agree(text):
    assert tokens(f"{text} 我")[:-1] == tokens(text)


@given(WORDS, st.integers(1, 5))
def test_as_many_runs_as_there_are_places_and_a_short_text_is_whole(words, n):
    found = ngrams(words, n)
    assert len(found) <= max(1, len(words) - n + 1) if words else not found
    assert all(len(gram.split(" ")) == min(n, len(words)) for gram in found)
    assert all(gram in " ".join(words) for gram in found)


@given(WORDS, WORDS, st.integers(1, 3))
def test_likeness_is_symmetric_and_1_for_the_same_text_alone(one, other, n):
    a, b = ngrams(one, n), ngrams(other, n)
    assert jaccard(a, b) == jaccard(b, a)
    assert 0 <= jaccard(a, b) <= 1
    assert (jaccard(a, b) == 1) == (bool(a) and a == b)


def test_width_case_and_punctuation_do_not_count():
    assert tokens("What’s the Capital of FRANCE??") == tokens("what's the capital, of France")
    assert tokens("我想学Ｐｙｔｈｏｎ，怎么开始？") == tokens("我想学 python 怎么开始")

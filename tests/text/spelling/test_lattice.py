from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from kespeechchat.text.spelling import lattice
from kespeechchat.text.spelling.lattice import first_reading, least_edits

READING = st.lists(st.sampled_from("abcd"), max_size=3).map(tuple)
SEGMENTS = st.lists(st.lists(READING, min_size=1, max_size=3, unique=True).map(tuple), max_size=4)


def every_reading(segments) -> list[list[str]]:
    return [[unit for reading in chosen for unit in reading] for chosen in product(*segments)]


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(SEGMENTS, SEGMENTS)
def test_agrees_with_the_least_over_every_pair_of_readings(left, right):
    every = min(Levenshtein.distance(a, b) for a in every_reading(left) for b in every_reading(right))
    assert least_edits(left, right) == every == least_edits(right, left)


def test_a_search_that_sees_too_much_compares_the_first_readings(monkeypatch):
    left = [(("x", "y"), ("a", "b"))] * 5
    right = [(("a", "b"),), (("c",),)] * 5
    exact = least_edits(left, right)
    monkeypatch.setattr(lattice, "STATES", 3)
    assert least_edits(left, right) == Levenshtein.distance(first_reading(left), first_reading(right)) > exact


@pytest.mark.parametrize("size", [50, 200])
def test_texts_that_agree_cost_no_more_than_they_are_long(monkeypatch, size):
    left = [(("nine", "o"), ("ninth",), ("n", "i", "n", "e"))] * size
    right = [(("n", "i", "n", "e"),)] * size
    monkeypatch.setattr(lattice, "STATES", 20 * size)
    assert least_edits(left, right) == 0

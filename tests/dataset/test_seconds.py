"""Counts and hours by language are the same one by one, many at once and in any order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.blocks import Codes
from kespeechchat.dataset.seconds import ByLanguage

NAMES = ["en", "zh", "none of these"]


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.floats(0, 1e5)), max_size=30), st.integers(0, 30))
def test_at_once_as_one_by_one(things, at):
    single, many = ByLanguage(), ByLanguage()
    for code, seconds in things:
        single.add(NAMES[code], seconds)
    for some in (things[at:], things[:at]):
        codes, seconds = np.array([code for code, _ in some], np.int64), np.array([s for _, s in some], np.float64)
        part = ByLanguage()
        part.add_all(Codes(NAMES, codes), seconds)
        many.merge(part)
    assert many == single


def test_hours():
    found = ByLanguage()
    found.add("zh", 1800.0)
    found.add("zh", 0.0009)
    found.add("en", 36.0)
    assert found.numbers() == {"en": 1, "zh": 2} and list(found.hours()) == ["en", "zh"]
    assert found.hours() == {"en": 0.01, "zh": 0.5}

"""A column is rounded as Python rounds each of its numbers, ties and neighbours of ties included."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.rounding import rounded


@given(st.lists(st.one_of(st.floats(), st.floats(-1e5, 1e5), st.floats(0, 60, width=32))), st.integers(0, 6))
def test_as_python_rounds(values, digits):
    expected = [round(value, digits) for value in values]
    assert repr(rounded(np.array(values, np.float64), digits).tolist()) == repr(expected)


def test_samples_at_every_rate():
    """At 16 kHz every second sample is a tie of the sixth digit."""
    for rate in (8_000, 16_000, 22_050, 24_000, 44_100, 48_000):
        values = np.arange(0, 5_000_000, 997) / rate
        assert rounded(values, 6).tolist() == [round(value, 6) for value in values.tolist()]

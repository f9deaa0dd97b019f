"""Many values at once are summed as one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.dataset.moments import Moments, counted


@given(st.lists(st.one_of(st.floats(-1e4, 1e4), st.floats(-1e12, 1e12), st.floats(0, 60, width=32)), max_size=30))
def test_at_once_as_one_by_one(values):
    single, many = Moments(), Moments()
    for value in values:
        single.add(value)
    many.add_all(np.array(values, np.float64), "seconds")
    assert many == single
    many.add_all(np.array(values, np.float64), "seconds")
    single.merge(single)
    assert many == single


def test_sums_of_squares_do_not_overflow():
    values = np.full(100_000, 7e6)
    many = Moments()
    many.add_all(values, "seconds")
    assert many.squares == 100_000 * (7 * 10**12) ** 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_an_error(value):
    with pytest.raises(ValueError, match=r"seconds: 1 of 2 numbers are not finite$"):
        Moments().add_all(np.array([1.0, value]), "seconds")


def test_counted():
    assert counted(np.array([3, 1, 3])) == {1: 1, 3: 2}

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.seeds import mix, stable_hash, stable_hashes, stable_uniform


def test_golden_values_never_change():
    assert stable_hash(0, "split", "a") == 7105594843923089712
    assert mix(np.array([1], dtype=np.uint64), np.array([2], dtype=np.uint64))[0] == 10905525725756348110


@given(st.lists(st.text(max_size=20), max_size=20), st.integers())
def test_many_at_once_are_the_same(ids, seed):
    np.testing.assert_array_equal(
        stable_hashes((seed, "purpose"), ids), np.array([stable_hash(seed, "purpose", i) for i in ids], dtype=np.uint64)
    )


@given(st.text(), st.integers())
def test_uniform_is_in_range(text, seed):
    assert 0 <= stable_uniform(seed, text) < 1


def test_mix_spreads():
    a = np.arange(10_000, dtype=np.uint64)
    mixed = mix(a, a + np.uint64(1))
    assert len(np.unique(mixed)) == len(a)
    assert abs((mixed >> np.uint64(63)).mean() - 0.5) < 0.03

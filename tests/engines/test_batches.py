import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.engines.batches import cut, in_batches, padded, same_length
from kespeechchat.records import RowError

_items = st.lists(st.one_of(st.none(), st.integers(1, 6)), max_size=30)


def _arrays(lengths):
    return [RowError(f"bad {i}") if n is None else np.full(n, i, np.float32) for i, n in enumerate(lengths)]


@given(_items, st.integers(1, 5))
def test_every_result_stands_in_its_items_place(lengths, batch):
    items = _arrays(lengths)
    out = in_batches(items, batch, lambda stack: [(int(row[0]), len(row)) for row in stack])
    assert out == [item if isinstance(item, RowError) else (i, len(item)) for i, item in enumerate(items)]


@given(_items, st.integers(1, 5))
def test_a_batch_holds_one_length_and_no_more_than_asked(lengths, batch):
    items = _arrays(lengths)
    groups = list(same_length(items, batch))
    assert all(len(group) <= batch and len({len(items[i]) for i in group}) == 1 for group in groups)
    assert sorted(i for group in groups for i in group) == [i for i, n in enumerate(lengths) if n is not None]


@given(st.integers(1, 500), st.integers(1, 60))
def test_steps(length, step):
    samples = np.arange(length, dtype=np.float32)
    shorter, longer = cut(samples, step), padded(samples, step)
    assert len(longer) % step == 0 and 0 <= len(longer) - length < step
    assert np.array_equal(longer[:length], samples) and not longer[length:].any()
    assert np.array_equal(shorter, samples[: len(shorter)])
    assert len(shorter) == length if length < step else len(shorter) % step == 0 and length - len(shorter) < step

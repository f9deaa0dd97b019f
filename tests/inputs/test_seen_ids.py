"""Seen counts as a Counter does, however what it saw came in."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.ids import content_id
from kespeechchat.inputs.seen_ids import IdCounts, hashes_of

BATCHES = st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=20), max_size=8)


@given(batches=BATCHES, asked=st.lists(st.integers(0, 5), max_size=10))
def test_it_counts_as_a_counter_does(batches, asked):
    seen, counter = IdCounts(), Counter()
    for batch in batches:
        seen.add(np.sort(np.array(batch, np.uint64)))
        counter.update(batch)
    asked = sorted([*asked, *counter])
    assert seen.count(np.array(asked, np.uint64)).tolist() == [counter[n] for n in asked]
    assert [n for piece in seen.distinct() for n in piece.tolist()] == sorted(counter)


@given(texts=st.lists(st.text(max_size=10), min_size=1, max_size=10), start=st.integers(0, 9))
def test_the_hash_in_an_id_is_read_from_any_slice(texts, start):
    ids = [content_id("a-source_1", text) + ("-d2" if n % 3 else "") for n, text in enumerate(texts)]
    read = hashes_of(pa.array(ids)[start:], "a-source_1")
    assert read.tolist() == [int(id_.split("-")[2], 16) for id_ in ids[start:]]

"""Columns of JSON are what `orjson` writes of each value."""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.dataset import json_columns as columns

_FLOATS = st.lists(st.floats(), max_size=20)
_TEXTS = st.lists(st.one_of(st.none(), st.text(), st.text(st.sampled_from('"\\\n\t\x00\x1f\x7fa月'))), max_size=20)


def written(array: pa.Array) -> list[bytes]:
    return [text.encode() for text in array.to_pylist()]


@given(_TEXTS, st.integers(0, 3))
def test_strings(texts, start):
    assert written(columns.quoted(pa.array(texts, pa.string()))) == [orjson.dumps(text) for text in texts]
    some = pa.array(texts, pa.string()).slice(start)
    assert written(columns.quoted(some)) == [orjson.dumps(text) for text in texts[start:]]


@given(_FLOATS, st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_numbers(floats, integers):
    assert written(columns.numbers(np.array(floats, np.float64))) == [orjson.dumps(value) for value in floats]
    assert written(columns.numbers(np.array(integers, np.int64))) == [orjson.dumps(value) for value in integers]


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)), max_size=20), st.sampled_from([100, 1_000_000]))
def test_parts_of_one(values, parts):
    expected = [orjson.dumps(None if value is None else round(value * parts) / parts) for value in values]
    assert written(columns.in_parts(pa.array(values, pa.float32()), parts, "rate")) == expected


def test_a_number_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match=r"rate: 1 of 2 numbers are not finite$"):
        columns.in_parts(np.array([1.0, float("nan")]), 100, "rate")


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6))
def test_lists(lists):
    first = np.cumsum([0, *map(len, lists)])
    items = columns.numbers(np.array([one for some in lists for one in some], np.int64))
    assert written(columns.listed(items, first)) == [orjson.dumps(some)[1:-1] for some in lists]


def test_items_are_put_together_and_replaced():
    items = pa.array(["a", "b", "c"])
    assert columns.together(items, ",\n") == b"a,\nb,\nc"
    assert columns.lines_of(items) == b"a\nb\nc\n"
    assert columns.together(items[:0], ",") == columns.lines_of(items[:0]) == b""
    swapped = columns.replaced(items, np.array([True, False, True]), [b"x", b"y"])
    assert swapped.to_pylist() == ["x", "b", "y"]

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.voices.columns import rows_of

_FLOATS = st.none() | st.lists(st.floats(-1, 1, width=32), max_size=3)
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("scores", pa.list_(pa.struct([("head", pa.string()), ("value", pa.float32())]))),
        ("parents", pa.list_(pa.string())),
        ("xvector", pa.list_(pa.float32())),
        ("xvectors", pa.list_(pa.list_(pa.float32()))),
    ]
)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(max_size=3),
            "scores": st.none() | st.just([{"head": "utmos", "value": 3.0}]),
            "parents": st.none() | st.lists(st.text(max_size=2), max_size=2),
            "xvector": _FLOATS,
            "xvectors": st.none() | st.lists(_FLOATS, max_size=3),
        }
    ),
    max_size=8,
)


def plain(value):
    if isinstance(value, (list, np.ndarray)):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


@settings(deadline=None, max_examples=50)
@given(st.lists(_ROWS, min_size=1, max_size=3), st.integers(0, 4))
def test_rows_are_the_table_s_but_for_the_vectors_type(chunks, start):
    """Of any number of chunks, sliced anywhere."""
    table = pa.concat_tables(pa.Table.from_pylist(rows, schema=_SCHEMA) for rows in chunks).slice(start)
    rows = rows_of(table)
    assert [{name: plain(value) for name, value in row.items()} for row in rows] == table.to_pylist()
    assert pa.Table.from_pylist(rows, schema=_SCHEMA).to_pylist() == table.to_pylist()
    for row in rows:
        for vector in (row["xvector"], *(row["xvectors"] or ())):
            assert vector is None or vector.dtype == np.float32

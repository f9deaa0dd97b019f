"""Bytes of a Parquet file as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


def parquet_table(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in `data`; `columns` may name a path inside a list (`turns.list.element.text`).

    Not `pq.read_table`: that reads through Arrow's dataset scanner, whose threads may outlive the interpreter and, when
    they then let go of a Python object, abort the process after its work is done.
    """
    return pq.ParquetFile(pa.BufferReader(data)).read(columns=None if columns is None else list(columns))

"""Parquet files with Audio columns, as the `datasets` library reads them: written row group by row group.

An Audio column is an Arrow struct<bytes, path>, and the schema's metadata names the features, so pyarrow writes all of
it. A streaming job can read a file with as many workers as the file has row groups.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat.dataset.hub import LICENCE_FILE

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
OURS = rf"data/(?:train|dev|test)-\d{{5}}\.parquet|README\.md|{LICENCE_FILE}"  # a pattern of the files of an export
_VALUES = {pa.string(): "string", pa.int64(): "int64", pa.float64(): "float64"}


def data_file(split: str, number: int) -> tuple[str]:
    """The path of a shard below the export's folder."""
    return (f"data/{split}-{number:05d}.parquet",)


def audio_schema(columns: Mapping[str, pa.DataType], rate: int) -> pa.Schema:
    """The Arrow schema of these columns, with the features of `datasets` in its metadata. `rate`: of `AUDIO`, in Hz."""
    features = {name: _feature(kind, rate) for name, kind in columns.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()], metadata=metadata)


def _feature(kind: pa.DataType, rate: int) -> dict[str, Any]:
    if kind == AUDIO:
        return {"sampling_rate": rate, "_type": "Audio"}
    if pa.types.is_list(kind):
        fields = {field.name: _feature(field.type, rate) for field in kind.value_type}
        return {"feature": fields, "_type": "List"}
    return {"dtype": _VALUES[kind], "_type": "Value"}


class RowGroups:
    """One file, in row groups of `size` rows."""

    def __init__(self, path: Path, schema: pa.Schema, size: int) -> None:
        plain = [field.name for field in schema if not pa.types.is_nested(field.type)]
        self._file = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=plain, write_statistics=plain)
        self._schema, self._size = schema, size
        self._rows: list[Mapping[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self._rows.append(row)
        if len(self._rows) == self._size:
            self._flush()

    def close(self) -> None:
        """All rows are in."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

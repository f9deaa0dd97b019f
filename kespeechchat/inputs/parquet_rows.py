"""Batches of rows of a Parquet file that somebody else wrote, with limits: a few kB of Parquet can hold terabytes.

What a column chunk says it holds uncompressed is limited first. That leaves text written once and referred to by every
row, so text is read as Parquet's own dictionaries, and spelled out for no more rows at once than fit the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kespeechchat.config.load import ConfigError

MOST_CHUNK = 2 << 30  # bytes of one column in one row group, uncompressed
MOST_BATCH = 256 << 20  # bytes of one column of text in one batch


def row_batches(path: Path, rows: int, most: int = MOST_BATCH) -> Iterator[pa.RecordBatch]:
    """All rows in their order, `rows` at a time, fewer where their text would take more than `most` bytes.

    Raises ConfigError for a file that is no Parquet file, is torn, or has a column chunk over MOST_CHUNK.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_size(path, file.metadata)
            texts = [
                f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
            ]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            for batch in file.iter_batches(batch_size=rows):
                yield from _spelled_out(batch, most)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}; is it whole?") from None


def _check_size(path: Path, metadata: pq.FileMetaData) -> None:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for column in map(group.column, range(group.num_columns)):
            if column.total_uncompressed_size > MOST_CHUNK:
                raise ConfigError(
                    f"{path}: row group {number}, column {column.path_in_schema}: says it holds "
                    f"{column.total_uncompressed_size} bytes, at most {MOST_CHUNK} are read at once; write the file "
                    "again with smaller row groups"
                )


def _spelled_out(batch: pa.RecordBatch, most: int) -> Iterator[pa.RecordBatch]:
    longest = max((_longest(column) for column in batch.columns if pa.types.is_dictionary(column.type)), default=0)
    step = max(1, most // max(1, longest))
    for start in range(0, len(batch), step):
        piece = batch.slice(start, step)
        columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in piece.columns]
        yield pa.record_batch([_with_times_as_text(column) for column in columns], names=batch.schema.names)


def _with_times_as_text(column: pa.Array) -> pa.Array:
    """Python has no type for nanoseconds, nor for the year 30,000, and Arrow's own text needs no time zone's rules."""
    for change in (_in_utc, _as_text):
        wanted = _changed(column.type, change)
        column = column if column.type == wanted else column.cast(wanted)
    return column


def _in_utc(type_: pa.DataType) -> pa.DataType:
    return pa.timestamp(type_.unit, "UTC") if pa.types.is_timestamp(type_) and type_.tz else type_


def _as_text(type_: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_temporal(type_) and not pa.types.is_interval(type_) else type_


def _changed(type_: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """The type with `change` made in all that it holds."""
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_changed(field.type, change)) for field in type_])
    if pa.types.is_map(type_):
        return pa.map_(_changed(type_.key_type, change), _changed(type_.item_type, change))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        made = pa.list_ if pa.types.is_list(type_) else pa.large_list
        return made(type_.value_field.with_type(_changed(type_.value_type, change)))
    return change(type_)


def _longest(column: pa.DictionaryArray) -> int:
    """Bytes of the longest text in the dictionary."""
    return pc.max(pc.binary_length(column.dictionary)).as_py() or 0

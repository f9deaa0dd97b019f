"""A few rows of a large Parquet file, without the rest of it."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kespeechchat.store.local import LocalFolder
from kespeechchat.store.ranged import RangedFile, open_parquet, read_columns

ROWS, GROUP, SIZE = 640, 64, 5000


@dataclass
class Data:
    """What a commit record says of its data."""

    file: str
    size: int


class Counting(LocalFolder):
    """Counts the bytes that are read."""

    bytes_read = 0

    def get_range(self, key: str, start: int, size: int) -> bytes:
        self.bytes_read += size
        return super().get_range(key, start, size)

    def get(self, key: str) -> bytes:
        raise AssertionError("the whole file was read")


@pytest.fixture
def stored(tmp_path) -> tuple[Counting, Data, pa.Table]:
    rng = np.random.default_rng(0)
    noise = [rng.bytes(SIZE) for _ in range(ROWS)]  # as hard to compress as FLAC
    table = pa.table({"id": [f"row-{n}" for n in range(ROWS)], "audio": pa.array(noise, pa.binary())})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=GROUP)
    store = Counting(str(tmp_path))
    store.put("x/data.parquet", sink.getvalue())
    return store, Data("x/data.parquet", len(sink.getvalue())), table


def test_one_group_of_rows_is_read_and_little_more(stored):
    store, data, table = stored
    file = open_parquet(store, data)
    assert file.read_row_group(3, columns=["audio"])["audio"].to_pylist() == table["audio"][192:256].to_pylist()
    assert store.bytes_read < GROUP * SIZE + 200_000 < data.size / 5


def test_a_column_is_read_without_the_others(stored):
    store, data, table = stored
    assert read_columns(store, data, ["id"])["id"].to_pylist() == table["id"].to_pylist()
    assert store.bytes_read < 200_000


def test_it_reads_as_a_file_does(stored):
    store, data, _ = stored
    file, whole = RangedFile(store, data.file, data.size), io.BytesIO((store._root / data.file).read_bytes())
    for place, count in ((0, 4), (-8, 8), (-8, 100), (data.size, 5), (data.size - 70_000, 70_000), (100, 0)):
        whence = io.SEEK_END if place < 0 else io.SEEK_SET
        assert file.seek(place, whence) == whole.seek(place, whence) == file.tell()
        assert file.read(count) == whole.read(count) and file.tell() == whole.tell()
    file.seek(data.size - 10)
    assert len(file.read()) == 10 and file.read() == b""

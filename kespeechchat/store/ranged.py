"""A file of ROOT that is read a part at a time: a few rows of a shard of hundreds of megabytes, or a few columns of it.

Nothing checks the shard's checksum here, for that takes all of its bytes: `kesc verify` does. FLAC carries checksums of
its own, so what is decoded is what was written.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat.store.interface import ObjectStore

_FOOTER = 1 << 16  # bytes read at the end at once: the footer and its length, and often the index too


class SizedFile(Protocol):
    """The part of a commit record that says where its data is."""

    @property
    def file(self) -> str | None:
        """Its key."""
        ...

    @property
    def size(self) -> int:
        """Its bytes."""
        ...


class RangedFile(io.RawIOBase):
    """`size` bytes at `key`, read by ranges. The last ones are read once and kept: Parquet asks for them thrice."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store, self._key, self._size, self._at = store, key, size, 0
        self._tail_from = max(0, size - _FOOTER)
        self._tail: bytes | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """As of any file."""
        return self._at

    def size(self) -> int:
        """Bytes in all."""
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        """As of any file. Raises FileNotFoundError and StoreError as `ObjectStore.get_range`."""
        left = max(0, self._size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        data = self._range(self._at, count) if count else b""
        self._at += len(data)
        return data

    def _range(self, start: int, count: int) -> bytes:
        if start < self._tail_from:
            return self._store.get_range(self._key, start, count)
        if self._tail is None:
            self._tail = self._store.get_range(self._key, self._tail_from, self._size - self._tail_from)
        return self._tail[start - self._tail_from :][:count]


def open_parquet(store: ObjectStore, record: SizedFile) -> pq.ParquetFile:
    """The record's data, of which nothing but the footer is read yet."""
    assert record.file is not None
    return pq.ParquetFile(pa.PythonFile(RangedFile(store, record.file, record.size), mode="r"))


def read_columns(store: ObjectStore, record: SizedFile, columns: Sequence[str]) -> pa.Table:
    """These columns alone, as Parquet names them."""
    return open_parquet(store, record).read(columns=list(columns))

"""What every store of ROOT can do: a small protocol with atomic create-if-absent, its errors, and what a key may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class AlreadyExists(Exception):
    """`create` found that the key is taken."""


class StoreError(RuntimeError):
    """ROOT cannot be used. The message names the file or object and says what to do."""


class ObjectStore(Protocol):
    """Bytes by key. A key is a relative path such as `gate/commits/shard-00042.….json` (see `checked_key`).

    Every method raises StoreError where the disk or the server refuses to work.
    """

    url: str

    def create(self, key: str, data: bytes) -> None:
        """Writes `key` in one atomic, durable step. Raises AlreadyExists where the key is taken."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Writes `key` in one atomic, durable step, replacing what it held."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes of `key`. Raises FileNotFoundError."""
        ...

    def get_range(self, key: str, start: int, size: int) -> bytes:
        """`size` bytes of `key` from byte `start` on. Raises FileNotFoundError."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(key, bytes) of everything under the folder `prefix`, sorted by key."""
        ...

    def delete(self, key: str) -> None:
        """Removes `key`. Does nothing where there is no such key."""
        ...

    def half_written(self) -> Iterator[tuple[str, int]]:
        """(key, bytes) of the temporary files that killed writers left, which `list` never shows."""
        ...


def checked_key(key: str) -> str:
    """`key` itself if it is a plain relative path, else ValueError: ids come from input files and must not escape ROOT.

    Refused are empty keys, NUL bytes, parts that are empty, `.` or `..`, and parts over 255 bytes.
    """
    parts = key.split("/")
    if not key or "\0" in key or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        raise ValueError(f"not a key of a store: {key[:200]!r}")
    return key

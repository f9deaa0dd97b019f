"""JSON arrays that are written as a stream, one item a line, and appear when they are whole."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

import orjson
import pyarrow as pa

from kespeechchat.whole_file import whole_file


def compact(item: object) -> bytes:
    """Compact JSON in UTF-8; numbers that are not finite become null."""
    return orjson.dumps(item)


class JsonArray:
    """A context in which an array is written, item by item; memory holds none of them.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with JsonArray(Path(folder) / "some.json") as array:
    ...         array.append({"id": "d1"})
    ...     (Path(folder) / "some.json").read_text()
    '[\\n{"id":"d1"}\\n]\\n'
    """

    def __init__(self, path: Path) -> None:
        self._path, self._stack = path, ExitStack()
        self._file: IO[bytes]
        self._empty = True

    def __enter__(self) -> JsonArray:
        self._file = self._stack.enter_context(whole_file(self._path))
        self._file.write(b"[")
        return self

    def append(self, item: object) -> None:
        """One more item."""
        self.extend(compact(item))

    def extend(self, items: bytes | pa.Buffer) -> None:
        """Some items of compact JSON, parted by a comma and a newline; empty bytes are no item."""
        if len(items):
            self._file.write(b"\n" if self._empty else b",\n")
            self._file.write(items)
            self._empty = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write(b"\n]\n")
        self._stack.__exit__(kind, error, trace)

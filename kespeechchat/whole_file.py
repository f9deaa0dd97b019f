"""Files that appear whole: written under another name, flushed to the disk, then renamed.

A reader sees the old file or the new one, never half of one, whatever is killed at whatever moment. What a killed
writer leaves is `NAME.part`; the next writer of the same file overwrites it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

PART = ".part"  # the suffix of a file that is being written


def part_of(path: Path) -> Path:
    """The name under which `path` is written until it is whole."""
    return path.with_name(path.name + PART)


def put_in_place(path: Path) -> None:
    """Flushes the part of `path` to the disk and gives it its name."""
    part = part_of(path)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write `path` with. It gets its name when the block ends, and is removed where the block raises.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder) / "a.txt") as file:
    ...         _ = file.write(b"all of it")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'all of it'
    """
    part = part_of(path)
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(path)


def write_text(path: Path, text: str) -> None:
    """UTF-8 text, its line breaks as they are, whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def write_json(path: Path, data: Any) -> None:
    """A small JSON document, whole or not at all. Raises ValueError for numbers that JSON has not (NaN, infinity)."""
    write_text(path, json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n")

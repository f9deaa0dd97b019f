"""Lines of a JSONL file: split, parsed, or said to be broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

MAX_LINE = 1 << 20  # bytes of one row; a longer one is a bomb or a broken file, not a row


def lines_of(path: Path, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The lines that begin in the bytes [start, stop), each cut off behind `MAX_LINE` bytes."""
    stop = path.stat().st_size if stop is None else stop
    with open(path, "rb") as file:
        at = start
        if start:  # the line that begins before `start` belongs to the part before
            file.seek(start - 1)
            at += _pass_line(file, stop - start + 1) - 1
        while at < stop and (line := file.readline(MAX_LINE + 1)):
            at += len(line)
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                at += _pass_line(file, stop - at)
            yield line


def lines_in(file: BinaryIO) -> Iterator[bytes]:
    """The lines of an open file from where it is, each cut off behind `MAX_LINE` bytes."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            while (more := file.readline(MAX_LINE)) and not more.endswith(b"\n"):
                pass
        yield line


def _pass_line(file: BinaryIO, most: int) -> int:
    """Reads to the end of a line, or at least `most` bytes; returns how many were read."""
    passed = 0
    while passed < most and (part := file.readline(MAX_LINE)):
        passed += len(part)
        if part.endswith(b"\n"):
            break
    return passed


def parsed(line: bytes) -> Any:
    """The value of a line. Raises ValueError or RecursionError that says what is wrong with it."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _parsed_leniently(line)


def _parsed_leniently(line: bytes) -> Any:
    """What the standard library takes beyond orjson: NaN, halves of surrogate pairs, other white space around."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON ({error}): fix or remove the line") from None

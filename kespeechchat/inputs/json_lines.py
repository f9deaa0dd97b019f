"""Lines of a JSONL file: split, parsed, or said to be broken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

MAX_LINE = 1 << 20  # bytes of one row; a longer one is a bomb or a broken file, not a row


def lines_of(path: Path, start: int, stop: int) -> list[bytes]:
    """The lines that begin in the bytes [start, stop) of a file, each cut off behind `MAX_LINE` bytes.

    They come without their ends, except those that are too long with it. Memory holds these bytes twice.
    """
    with open(path, "rb") as file:
        if start:  # the line that begins before `start` belongs to the part before
            file.seek(start - 1)
            start += _pass_line(file, stop - start + 1) - 1
        data = file.read(max(0, stop - start))
        if data and not data.endswith(b"\n"):
            data += file.readline(MAX_LINE + 1)
    *lines, last = data.split(b"\n")
    if len(data) >= MAX_LINE:
        lines = [line if len(line) < MAX_LINE else (line + b"\n")[: MAX_LINE + 1] for line in lines]
    return [*lines, last[: MAX_LINE + 1]] if last else lines


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


def loaded(lines: Sequence[bytes]) -> list[Any]:
    """The value of each line, which may be longer; None where `parsed` must look at it, or where it is null."""
    return [_loaded(line) for line in lines] if max(map(len, lines), default=0) > MAX_LINE else _all_loaded(lines)


def _all_loaded(lines: Sequence[bytes]) -> list[Any]:
    try:
        return list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return [_loaded(line) for line in lines]


def _loaded(line: bytes) -> Any:
    try:
        return orjson.loads(line) if len(line) <= MAX_LINE else None
    except orjson.JSONDecodeError:
        return None


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

"""The documents of `kesc interleave`: are the files there, and is their text where the profile says?"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from kespeechchat.commands.doctor.finding import CheckFailed, Finding, look
from kespeechchat.config.interleave import DocumentInput, Interleave
from kespeechchat.display import counted
from kespeechchat.inputs.documents import files_of, first_rows
from kespeechchat.stages.base import Row

_ROWS = 200  # of each file that are read
_FILES = 20  # of each input that are read, evenly over its files


def check(interleave: Interleave) -> Generator[Finding, None, list[Row]]:
    """A finding per input; returns rows that have a text."""
    rows: list[Row] = []
    for item in interleave.inputs:
        fix = "correct the file, or name another under interleave.inputs"
        yield from look(f"documents {item.path}", partial(_read, item, rows), fix)
    return rows


def _read(item: DocumentInput, rows: list[Row]) -> str:
    files = list(files_of(item))
    chosen = files[:: -(-len(files) // _FILES)]
    found = [row for file in chosen for row in first_rows(file, _ROWS)]
    problems = [row["problem"] for row in found if row["problem"] is not None]
    usable = [row for row in found if row["problem"] is None and row["raw"].strip()]
    message = f"{_read_of(files, chosen, found)}{f', malformed {len(problems):,}' if problems else ''}"
    message += f"; the first: {problems[0]}" if problems else ""
    if len(problems) > len(usable):
        fix = "name the key with the text in interleave.inputs[].text, or correct the file"
        raise CheckFailed(f"most documents have no text: {message}", fix)
    if not usable:
        raise CheckFailed(f"no text in it: {message}", "give a file that has some, or leave it out")
    rows += usable
    return message


def _read_of(files: Sequence[Any], chosen: Sequence[Any], found: Sequence[Row]) -> str:
    of_files = counted(len(files), "file")
    if len(chosen) < len(files):
        of_files += f", {len(chosen)} of them read"
    return f"{of_files}, {counted(len(found), 'document')} read (at most {_ROWS} of a file)"

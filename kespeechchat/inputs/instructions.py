"""Rows of an instruction file, each with its id, language and text, or with what is wrong with it.

A file is read in *parts* that know nothing of each other (byte ranges of a JSONL file, batches of a Parquet file), so
that several processes can read it: the parts' rows, one part after the other, are the file's rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from pathlib import Path

import pyarrow as pa

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import InstructionInput
from kespeechchat.inputs.json_lines import MAX_LINE, lines_of, parsed
from kespeechchat.inputs.layouts import SourceRow, content_id, read_row, slug
from kespeechchat.inputs.parquet_rows import row_batches
from kespeechchat.records import Language
from kespeechchat.text.source_filters import language_of

PART_BYTES = 2 << 20
PART_ROWS = 8192  # of a Parquet file
Row = tuple[str, int, str, str, str | None]  # id, line of its part, language, text as JSON, what is wrong with it
_SHOWN = 2000  # characters of a malformed row that are kept
_SHOWN_BYTES = 200  # of a row that is too long


@dataclass(frozen=True)
class Part:
    """The lines that begin in the bytes [start, stop) of a JSONL file; or some rows of a Parquet file."""

    item: InstructionInput
    start: int = 0
    stop: int = 0
    rows: pa.RecordBatch | None = None


def parts(item: InstructionInput, size: int) -> Iterator[Part]:
    """The parts of a file, in its order; `size` in bytes. Raises ConfigError for a file of an unknown kind."""
    path = Path(item.path)
    if path.suffix == ".parquet":
        yield from (Part(item, rows=rows) for rows in row_batches(path, PART_ROWS))
    elif path.suffix in (".jsonl", ".json", ".ndjson"):
        end = path.stat().st_size
        yield from (Part(item, start, min(start + size, end)) for start in range(0, end, size))
    else:
        kind = path.suffix or "files without ending"
        raise ConfigError(f"{path}: inputs are .jsonl or .parquet files, not {kind!r}")


def part_rows(part: Part) -> tuple[list[Row], int]:
    """The rows of a part, and how many lines it has, blank ones included; lines are counted from its first, 1."""
    if part.rows is not None:
        lines = [json.dumps(row, ensure_ascii=False, default=str).encode() for row in part.rows.to_pylist()]
    else:
        lines = list(lines_of(Path(part.item.path), part.start, part.stop))
    source, said = source_of(part.item), part.item.language
    rows = []
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            row, raw = _sound(line, part.item)
        except (ValueError, RecursionError) as error:
            rows.append(_malformed(line, number, source, said, str(error)))
            continue
        language = said or language_of(f"{row.instruction}\n{row.input}") or _language_of_all(line) or "en"
        rows.append((content_id(source, row.instruction, row.input), number, language, raw, None))
    return rows, len(lines)


def source_of(item: InstructionInput) -> str:
    return item.source or slug(Path(item.path).stem)


def _malformed(line: bytes, number: int, source: str, said: Language | None, problem: str) -> Row:
    text = (line if len(line) <= MAX_LINE else line[:_SHOWN_BYTES]).decode("utf-8", "replace").strip()
    return content_id(source, text), number, said or language_of(text) or "en", text[:_SHOWN], problem


def _sound(line: bytes, item: InstructionInput) -> tuple[SourceRow, str]:
    """The row of a line, and its JSON as it is planned. Raises ValueError or RecursionError that says what is wrong."""
    row = read_row(parsed(line), item.layout, item.columns)
    instruction, input_, reference, task = row
    # what json.dumps makes of the four by name, in a quarter of its time
    raw = (
        f'{{"instruction": {quoted(instruction)}, "input": {quoted(input_)}, "reference": '
        f'{quoted(reference) if reference else "null"}, "task": {quoted(task) if task else "null"}}}'
    )
    if b"\\u" in line:
        _check_text(raw)
    return row, raw


def _check_text(raw: str) -> None:
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(raw[error.start]):04x}"
        raise ValueError(f"{half} is half a surrogate pair, no text; mend or remove the line") from None


def _language_of_all(line: bytes) -> Language | None:
    return language_of(line.decode("utf-8", "replace").strip())

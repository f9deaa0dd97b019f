"""Rows of an instruction file, each with its id, language and text, or with what is wrong with it.

A file is read in *parts* that know nothing of each other (byte ranges of a file of JSON lines, batches of a Parquet
file, some items of an array), so that several processes can read it: the parts' rows, one part after the other, are the
file's rows. Of a part, the rows that are plain are made in columns, the others one by one.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat import ids
from kespeechchat.config.inputs import InstructionInput
from kespeechchat.inputs.conversations import Exchange
from kespeechchat.inputs.files import BYTE_ORDER_MARK, InputFile, Kind
from kespeechchat.inputs.json_array import TornArray, items
from kespeechchat.inputs.json_lines import MAX_LINE, lines_in, lines_of, loaded, parsed
from kespeechchat.inputs.layouts import FIELDS, SourceRow, read_row
from kespeechchat.inputs.parquet_rows import row_batches
from kespeechchat.inputs.plain_rows import Keys, PlainRows, plain_rows
from kespeechchat.inputs.read_report import PartFacts
from kespeechchat.inputs.tables import table_rows
from kespeechchat.records import Language
from kespeechchat.text.source_filters import language_of, languages_of

PART_BYTES = 1 << 20
PART_ROWS = 8192  # of a Parquet file
Line = tuple[int, bytes, str | None]  # its number, its bytes, what is wrong with it where that is known already
Row = tuple[str, int, str, str, str | None]  # id, line of its part, language, text as JSON, what is wrong with it
PARSED = pa.schema(
    [("id", pa.string()), ("line", pa.int64()), *((n, pa.string()) for n in ("language", "raw", "problem"))]
)
_SHOWN = 2000  # characters of a malformed row that are kept
_SHOWN_BYTES = 200  # of a row that is too long
_MOST_SHAPES = 64  # sets of keys that a part tells apart, for the line about its file
_TORN = (OSError, EOFError, zlib.error, TornArray)


@dataclass(frozen=True)
class Part:
    """Some rows of a file: the lines that begin in the bytes [start, stop), or a batch of Parquet, or these lines.

    The numbers of its lines count from its first, 1, except those of `lines`, which count from the file's.
    """

    item: InstructionInput
    start: int = 0
    stop: int = 0
    rows: pa.RecordBatch | None = None
    lines: tuple[Line, ...] | None = None
    text: bool = False  # whether a line is a question and no JSON


class _Read(NamedTuple):
    """The lines of a part, an entry a line."""

    numbers: Sequence[int]
    lines: Sequence[bytes]
    texts: Sequence[bytes]  # as JSON
    problems: Sequence[str | None]  # what is known to be wrong
    values: Sequence[Any]  # what a text says; None: not known yet


class _Row(NamedTuple):
    """A row that was read by itself, its keys if it is sound, and whether it is a conversation of several turns."""

    row: Row
    keys: Keys | None = None
    several: bool = False


def parts(item: InstructionInput, file: InputFile, size: int) -> Iterator[Part]:
    """The parts of a file, in its order; `size` in bytes. Raises ConfigError for a Parquet file that is torn."""
    plain = file.kind is Kind.TEXT
    if file.kind is Kind.PARQUET:
        yield from (Part(item, rows=rows) for rows in row_batches(file.path, PART_ROWS))
    elif file.kind in (Kind.LINES, Kind.TEXT) and not file.zipped:
        end = file.path.stat().st_size
        yield from (Part(item, start, min(start + size, end), text=plain) for start in range(0, end, size))
    else:
        yield from (Part(item, lines=lines, text=plain) for lines in _grouped(_streamed(file), size))


def _streamed(file: InputFile) -> Iterator[Line]:
    """The rows of a file that is read from its beginning only; one that is cut off ends in a line that says so."""
    number = 0
    try:
        for line in _lines(file):
            number = line[0]
            yield line
    except _TORN as error:
        yield number + 1, b"", str(error) or type(error).__name__


def _lines(file: InputFile) -> Iterator[Line]:
    with file.open() as opened:
        if file.kind in (Kind.CSV, Kind.TSV):
            yield from table_rows(opened, tabs=file.kind is Kind.TSV)
        elif file.kind is Kind.ARRAY:
            while opened.read(1) not in (b"[", b""):
                pass  # white space, or a byte order mark
            yield from ((n, item, None) for n, item in enumerate(items(opened.read), 1))
        else:
            for n, line in enumerate(lines_in(opened), 1):
                yield n, line.removeprefix(BYTE_ORDER_MARK) if n == 1 else line, None


def _grouped(lines: Iterable[Line], size: int) -> Iterator[tuple[Line, ...]]:
    group: list[Line] = []
    have = 0
    for line in lines:
        group.append(line)
        have += len(line[1]) + 1
        if have >= size:
            yield tuple(group)
            group, have = [], 0
    if group:
        yield tuple(group)


def part_rows(part: Part) -> tuple[pa.RecordBatch, int, PartFacts]:
    """The rows of a part (schema PARSED), how many lines it has, blank ones included (0 where its lines know their
    numbers), and what it tells of its file."""
    item, read = part.item, _read_lines(part)
    keys = [tuple(value) if type(value) is dict else None for value in read.values]
    alone, places, batches = np.ones(len(keys), np.bool_), list[Sequence[int]](), list[pa.RecordBatch]()
    for plain in plain_rows(read.values, keys, item.layout, item.columns):
        alone[plain.places] = False
        places.append(plain.places)
        batches.append(_in_columns(plain, read, item))
    rows, of_rows, several = list[Row](), list[int](), 0
    for place in np.flatnonzero(alone).tolist():
        keys[place] = None  # counted only where the row is sound
        if (row := _one_row(read, place, item)) is not None:
            rows.append(row.row)
            of_rows.append(place)
            keys[place], several = row.keys, several + row.several
    if rows or not batches:
        places.append(of_rows)
        batches.append(_batch(rows))
    found = Counter(dict(islice(Counter(filter(None, keys)).items(), _MOST_SHAPES)))
    return _in_order(batches, places), 0 if part.lines is not None else len(keys), PartFacts(found, several)


def _read_lines(part: Part) -> _Read:
    if part.lines is None:
        lines = _lines_of(part)
        texts = [_as_question(line) for line in lines] if part.text else lines
        return _Read(range(1, len(lines) + 1), lines, texts, [None] * len(lines), loaded(texts))
    numbers, given, problems = map(list, zip(*part.lines, strict=True))
    texts = [_as_question(line) for line in given] if part.text else given
    values = [None if problem else value for value, problem in zip(loaded(texts), problems, strict=True)]
    return _Read(numbers, given, texts, problems, values)


def _lines_of(part: Part) -> list[bytes]:
    """The lines of a part that does not hold them, blank ones too; a row of Parquet as JSON."""
    if part.rows is not None:
        return [json.dumps(row, ensure_ascii=False, default=str).encode() for row in part.rows.to_pylist()]
    lines = lines_of(Path(part.item.path), part.start, part.stop)
    if part.start == 0 and lines:
        lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
    return lines


def _in_order(batches: list[pa.RecordBatch], places: list[Sequence[int]]) -> pa.RecordBatch:
    """The rows of all batches, by their places in the part."""
    if len(batches) == 1:
        return batches[0]
    return pa.concat_batches(batches).take(np.argsort(np.concatenate(places)))


def _in_columns(plain: PlainRows, read: _Read, item: InstructionInput) -> pa.RecordBatch:
    """Plain rows; a batch of schema PARSED."""
    said, count = item.language, len(plain.places)
    asked = [f"{text}\n{more}" if more else text for text, more in zip(plain.instruction, plain.input, strict=True)]
    languages = [said] * count if said else languages_of(asked)
    for n in [n for n, language in enumerate(languages) if language is None]:
        languages[n] = _language_of_all(read.texts[plain.places[n]]) or "en"
    pieces: list[Any] = []
    columns: tuple[Sequence[str | None], ...] = (plain.instruction, plain.input, plain.reference, plain.task)
    for name, column in zip(FIELDS, columns, strict=True):
        nothing = '""' if name in ("instruction", "input") else "null"
        pieces += [f'{", " if pieces else "{"}"{name}": ', _as_json(column, nothing)]
    raw = pc.binary_join_element_wise(*pieces, f', "language": "{said}"}}' if said else "}", "")
    numbers = np.fromiter((read.numbers[place] for place in plain.places), np.int64, count)
    ids_ = ids.content_ids(source_of(item), plain.instruction, plain.input)
    return pa.record_batch([ids_, pa.array(numbers), pa.array(languages), raw, pa.nulls(count, pa.string())], PARSED)


def _as_json(texts: Sequence[str | None], nothing: str) -> pa.StringArray:
    if not any(texts):
        return pa.repeat(nothing, len(texts))
    return pa.array([quoted(text) if text else nothing for text in texts], pa.string())


def _one_row(read: _Read, place: int, item: InstructionInput) -> _Row | None:
    """A row that is not plain, or what is wrong with it; None for a blank line."""
    line, text, number = read.lines[place], read.texts[place], read.numbers[place]
    value, problem, said, source = read.values[place], read.problems[place], item.language, source_of(item)
    if problem is None and (not text or text.isspace()):
        return None
    try:
        if problem:
            raise ValueError(problem)
        value = parsed(text) if value is None else value
        row = read_row(value, item.layout, item.columns)
        raw = _planned(row, said)
        if b"\\u" in text:
            _check_text(raw)
    except (ValueError, RecursionError) as error:
        return _Row(_malformed(line, number, source, said, str(error)))
    instruction, input_, _, _, turns = row
    language = said or language_of(f"{instruction}\n{input_}") or _language_of_all(text) or "en"
    later = [said for exchange in turns[1:] for said in exchange]
    id_ = ids.content_id(source, instruction, input_, *later)
    return _Row((id_, number, language, raw, None), tuple(value), bool(turns))


def _batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(PARSED)
    return pa.record_batch([pa.array(c, t) for c, t in zip(columns, PARSED.types, strict=True)], PARSED)


def _as_question(line: bytes) -> bytes:
    """A line of plain text as a row; bytes that are no UTF-8 stay as they are, and are told as such."""
    try:
        return orjson.dumps({"instruction": text}) if (text := line.decode().strip()) else b""
    except UnicodeDecodeError:
        return line


def source_of(item: InstructionInput) -> str:
    return item.source or ids.source_of(Path(item.path).stem)


def _malformed(line: bytes, number: int, source: str, said: Language | None, problem: str) -> Row:
    text = (line if len(line) <= MAX_LINE else line[:_SHOWN_BYTES]).decode("utf-8", "replace").strip()
    return ids.content_id(source, text), number, said or language_of(text) or "en", text[:_SHOWN], problem


def _planned(row: SourceRow, said: Language | None) -> str:
    """The row's JSON as it is planned. `said`: the language that the profile states, which is not to be doubted."""
    instruction, input_, reference, task, turns = row
    # what json.dumps makes of the four by name, in a quarter of its time
    raw = (
        f'{{"instruction": {quoted(instruction)}, "input": {quoted(input_)}, "reference": '
        f'{quoted(reference) if reference else "null"}, "task": {quoted(task) if task else "null"}'
    )
    if turns:
        raw += f', "turns": {_messages(turns)}'
    return f'{raw}, "language": "{said}"}}' if said else raw + "}"


def _messages(turns: Iterable[Exchange]) -> str:
    """The turns as a JSON list of messages, in OpenAI's names."""
    said = (("user", exchange.user, "assistant", exchange.assistant) for exchange in turns)
    pairs = (pair for u, q, a, r in said for pair in ((u, q), (a, r)) if pair[1])
    return json.dumps([{"role": role, "content": text} for role, text in pairs], ensure_ascii=False)


def _check_text(raw: str) -> None:
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(raw[error.start]):04x}"
        raise ValueError(f"{half} is half a surrogate pair and not text: fix or remove the line") from None


def _language_of_all(line: bytes) -> Language | None:
    return language_of(line.decode("utf-8", "replace").strip())

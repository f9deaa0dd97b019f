"""Rows of an instruction file, each with its id, language and text, or with what is wrong with it.

A file is read in *parts* that know nothing of each other (byte ranges of a file of JSON lines, batches of a Parquet
file, some items of an array), so that several processes can read it: the parts' rows, one part after the other, are the
file's rows.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice, repeat
from json.encoder import encode_basestring as quoted
from pathlib import Path

import orjson
import pyarrow as pa

from kespeechchat import ids
from kespeechchat.config.inputs import InstructionInput
from kespeechchat.inputs.conversations import Exchange
from kespeechchat.inputs.files import BYTE_ORDER_MARK, InputFile, Kind
from kespeechchat.inputs.json_array import TornArray, items
from kespeechchat.inputs.json_lines import MAX_LINE, lines_in, lines_of, parsed
from kespeechchat.inputs.layouts import SourceRow, read_row
from kespeechchat.inputs.parquet_rows import row_batches
from kespeechchat.inputs.read_report import PartFacts
from kespeechchat.inputs.tables import table_rows
from kespeechchat.records import Language
from kespeechchat.text.source_filters import language_of

PART_BYTES = 2 << 20
PART_ROWS = 8192  # of a Parquet file
Line = tuple[int, bytes, str | None]  # its number, its bytes, what is wrong with it where that is known already
Row = tuple[str, int, str, str, str | None]  # id, line of its part, language, text as JSON, what is wrong with it
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


def part_rows(part: Part) -> tuple[list[Row], int, PartFacts]:
    """The rows of a part, how many lines it has, blank ones included (0 where its lines know their numbers), and what
    it tells of its file."""
    texts = None if part.lines is not None else _texts(part)
    source, said, shapes = source_of(part.item), part.item.language, list[tuple[str, ...]]()
    layout, columns = part.item.layout, part.item.columns
    rows, several = [], 0
    for number, line, problem in part.lines or zip(count(1), texts or (), repeat(None), strict=False):
        text = _as_question(line) if part.text else line
        if problem is None and (not text or text.isspace()):
            continue
        try:
            if problem:
                raise ValueError(problem)
            value = parsed(text)
            row = read_row(value, layout, columns)
            raw = _planned(row, said)
            if b"\\u" in text:
                _check_text(raw)
        except (ValueError, RecursionError) as error:
            rows.append(_malformed(line, number, source, said, str(error)))
            continue
        shapes.append(tuple(value))
        instruction, input_, _, _, turns = row
        language = said or language_of(f"{instruction}\n{input_}") or _language_of_all(text) or "en"
        if turns:
            several += 1
            later = [said for exchange in turns[1:] for said in exchange]
            id_ = ids.content_id(source, instruction, input_, *later)
        else:
            id_ = ids.content_id(source, instruction, input_)
        rows.append((id_, number, language, raw, None))
    found = Counter(dict(islice(Counter(shapes).items(), _MOST_SHAPES)))
    return rows, 0 if texts is None else len(texts), PartFacts(found, several)


def _texts(part: Part) -> list[bytes]:
    """The lines of a part that does not hold them, blank ones too; a row of Parquet as JSON."""
    if part.rows is not None:
        return [json.dumps(row, ensure_ascii=False, default=str).encode() for row in part.rows.to_pylist()]
    texts = list(lines_of(Path(part.item.path), part.start, part.stop))
    if part.start == 0 and texts:
        texts[0] = texts[0].removeprefix(BYTE_ORDER_MARK)
    return texts


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

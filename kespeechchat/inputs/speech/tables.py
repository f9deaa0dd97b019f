"""Lines of a manifest: TSV, CSV, JSON lines, a JSON array or Parquet, each as (line, row or what is wrong with it)."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from kespeechchat.config.load import ConfigError
from kespeechchat.display import value_kind
from kespeechchat.inputs.json_lines import MAX_LINE, parsed
from kespeechchat.inputs.parquet_rows import row_batches

Line = tuple[int, Mapping[str, object] | str]  # a row, or what is wrong with the line
_ROWS = 8192  # of a batch of Parquet
_MOST_ARRAY = 1 << 30  # bytes of a JSON array, which is read as a whole
_MARK = b"\xef\xbb\xbf"  # the byte order mark that Windows writes before UTF-8
JSON_ENDINGS = {".jsonl", ".json", ".ndjson"}


def ending(path: Path) -> str:
    """The ending of a manifest's name, in lower case; that of a packed one is the one before `.gz`."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return name.suffix.lower()


def table_rows(path: Path) -> Iterator[Line]:
    """Every row of a manifest. Raises ConfigError for a file that cannot be read or is of an unknown kind."""
    kind = ending(path)
    try:
        if kind in (".tsv", ".csv"):
            yield from _delimited(path, "\t" if kind == ".tsv" else ",")
        elif kind == ".parquet":
            rows = (row for batch in row_batches(path, _ROWS) for row in batch.to_pylist())
            yield from enumerate(rows, 1)
        elif kind in JSON_ENDINGS:
            yield from _json_rows(path)
        else:
            raise ConfigError(
                f"{path}: a speech input is a manifest (.tsv, .csv, .jsonl, .json, .parquet), a recipe (.yaml) or a "
                f"folder of audio, not {path.suffix or 'a file without ending'!r}"
            )
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as {kind[1:].upper()} in UTF-8: {error}; correct the file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be read to its end: {error}; is it whole?") from None


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where its name ends in `.gz`."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else open(path, "rb")


def _delimited(path: Path, delimiter: str) -> Iterator[Line]:
    """A table with a header. CSV has quotation marks around fields; in TSV a quotation mark is part of the text."""
    before = 1
    with opened(path) as raw:
        lines = (line.decode("utf-8-sig" if n == 0 else "utf-8") for n, line in enumerate(raw))
        if delimiter == "\t":
            reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            reader = csv.reader(lines, delimiter=delimiter)
        header = next(reader, [])
        before = reader.line_num
        for row in reader:
            line, before = before + 1, reader.line_num
            if not row:
                continue
            if len(row) > len(header):
                yield line, f"{len(row)} fields, the header names {len(header)}; is a separator inside a field?"
            else:
                yield line, dict(zip(header, row, strict=False))


def _json_rows(path: Path) -> Iterator[Line]:
    with opened(path) as file:
        start = file.read(4096).removeprefix(_MARK).lstrip()[:1]
    if start == b"[":
        yield from _array_rows(path)
        return
    with opened(path) as file:
        number = 0
        while text := file.readline(MAX_LINE + 1):
            number += 1
            if len(text) > MAX_LINE and not text.endswith(b"\n"):
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
            text = text.removeprefix(_MARK) if number == 1 else text
            if text.strip():
                yield number, _row(text)


def _row(text: bytes) -> Mapping[str, object] | str:
    try:
        row = parsed(text)
    except RecursionError:
        return "nested too deep; write one flat object a line"
    except ValueError as error:
        return str(error)
    return _object(row)


def _object(row: object) -> Mapping[str, object] | str:
    return row if isinstance(row, dict) else f"a row is a JSON object, this is {value_kind(row)}"


def _array_rows(path: Path) -> Iterator[Line]:
    with opened(path) as file:
        data = file.read(_MOST_ARRAY + 1)
    if len(data) > _MOST_ARRAY:
        raise ConfigError(f"{path}: a JSON array of over {_MOST_ARRAY >> 20} MiB; write one object a line (.jsonl)")
    try:
        rows = json.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep; write one flat object a line (.jsonl)") from None
    except json.JSONDecodeError as error:
        lines = data.splitlines()
        torn = error.lineno == 1 and len(lines) > 1 and lines[1].lstrip().startswith((b"[", b"{"))
        if torn:  # lines of which the first happens to begin with a bracket
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _row(line)
            return
        raise ConfigError(f"{path}:{error.lineno}: invalid JSON ({error.msg}): fix the array") from None
    for number, row in enumerate(rows, 1):
        yield number, _object(row)

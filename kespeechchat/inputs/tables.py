"""Rows of a CSV or TSV file with a header, as JSON, so that they are read as lines of JSON are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from kespeechchat.inputs.json_lines import MAX_LINE

_ENCODING = "utf-8-sig"  # with or without a byte order mark


def table_rows(file: BinaryIO, tabs: bool) -> Iterator[tuple[int, bytes, str | None]]:
    """(line on which it begins, row as a JSON object, what is wrong with it) of each row under the header.

    CSV quotes as RFC 4180 says, over several lines too; a TSV file knows no quotation marks. A row of bytes that are no
    UTF-8 comes as these bytes.
    """
    csv.field_size_limit(MAX_LINE)
    text = io.TextIOWrapper(file, _ENCODING, errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(text)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, b"", f"not readable as a table ({error}); is a quotation mark missing?"
            continue
        if header is None:
            header = [name.strip() for name in row] if any(row) else None
        elif any(row):
            yield line, *_as_json(header, row)


def _as_json(header: list[str], row: list[str]) -> tuple[bytes, str | None]:
    whole = ",".join(row)[:MAX_LINE].encode("utf-8", "surrogateescape")
    if len(row) > len(header):
        return whole, f"{len(row)} fields, but the header names {len(header)}; quote a field that holds the separator"
    try:
        return orjson.dumps(dict(zip(header, row, strict=False))), None
    except TypeError:
        return whole, "not UTF-8; save the file as UTF-8"

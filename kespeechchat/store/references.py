"""Rows that stay in the user's files: where a shard's documents are, and how they are read again.

A corpus of text is too large to be copied into ROOT, so a shard of documents names its part of a file: bytes of a file
of lines, rows of a Parquet file. A checksum says whether the part is still what was planned. A file that was changed is
an error that names it; nothing is made of other text in silence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from kespeechchat.display import value_kind
from kespeechchat.ids import appearance, content_id
from kespeechchat.store.interface import StoreError

LINES, JSON_LINES, PARQUET = "lines", "json lines", "parquet"
BATCH = 1000  # rows of a Parquet file that are read at once


@dataclass(frozen=True)
class Reference:
    """How a part of a file is read. `column`: the key or column with the text; `line`: 1-based, of its first row;
    `repeats`: (row of the shard, how many times its text has come by then), of rows that were planned before."""

    kind: str
    source: str
    column: str
    line: int
    repeats: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Document:
    """A row of a file: its text, or why it has none."""

    text: str
    problem: str | None = None


def referenced_rows(path: str, start: int, size: int, checksum: str, how: Reference) -> list[dict[str, Any]]:
    """The rows of a shard, as `manifest.ROW`. Raises StoreError where the file is gone or is not what was planned."""
    try:
        found, documents = read_part(path, start, size, how)
    except FileNotFoundError:
        raise StoreError(f"{path}: the file of documents is gone; it is read where it is, so put it back") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); put the file back as it was planned") from None
    if found != checksum:
        raise StoreError(
            f"{path}: {'rows' if how.kind == PARQUET else 'bytes'} {start} to {start + size} are not what was planned: "
            "documents are read where they are, so put the file back as it was, and give new text as another file or "
            "at its end"
        )
    return list(rows_of(documents, Path(path).name, how))


def rows_of(documents: Sequence[Document], file: str, how: Reference) -> Iterator[dict[str, Any]]:
    """Documents as rows of the manifest (`manifest.ROW`); `file`: its name."""
    repeats = dict(how.repeats)
    for place, document in enumerate(documents):
        nth, line = repeats.get(place, 1), how.line + place
        yield {
            "id": appearance(document_id(how.source, document), nth),
            "occurrence": nth,
            "source": how.source,
            "file": file,
            "line": line,
            "raw": document.text,
            "problem": None if document.problem is None else f"{file}:{line}: {document.problem}",
        }


def document_id(source: str, document: Document) -> str:
    """The id of a document's first appearance."""
    return content_id(source, document.text)


def read_part(path: str, start: int, size: int, how: Reference) -> tuple[str, list[Document]]:
    """(checksum, documents) of a part of a file. Raises OSError, and ValueError where it is no Parquet file."""
    if how.kind == PARQUET:
        texts = parquet_texts(path, how.column, start, size)
        return checksum_of(texts), [document_of_text(text) for text in texts]
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(size)
    return hashlib.sha256(data).hexdigest(), documents_of(data, how)


def documents_of(data: bytes, how: Reference) -> list[Document]:
    """The documents of whole lines; the last may lack its end."""
    return [_of_line(line, how) for line in data.split(b"\n")[: -1 if data.endswith(b"\n") else None]]


def parquet_column(path: str, column: str, start: int = 0) -> Iterator[Any]:
    """The rows of a column from `start` on, read a batch at a time; row groups before it are not read."""
    with pq.ParquetFile(path) as file:
        groups = list(range(file.num_row_groups))
        while groups and start >= (rows := file.metadata.row_group(groups[0]).num_rows):
            start -= rows
            del groups[0]
        batches = file.iter_batches(BATCH, row_groups=groups, columns=[column]) if groups else ()
        yield from islice((value for batch in batches for value in batch.column(0).to_pylist()), start, None)


def parquet_texts(path: str, column: str, start: int, size: int) -> list[str | None]:
    """Rows [start, start + size) of a column. Reads only the row groups that hold them."""
    texts: list[str | None] = []
    with pq.ParquetFile(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            a, b = max(start, first), min(start + size, first + rows)
            if a < b:
                texts += file.read_row_group(group, [column])[column].slice(a - first, b - a).to_pylist()
            first += rows
    return texts


def checksum_of(texts: Sequence[str | None]) -> str:
    """sha256 of the texts of some rows of a Parquet file."""
    said = "\x1e".join("\x00" if text is None else text for text in texts)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def document_of_text(text: object) -> Document:
    """A document of a value of a Parquet column."""
    if text is None:
        return Document("")
    return Document(text) if isinstance(text, str) else Document("", f"holds {value_kind(text)}, not text")


def _of_line(line: bytes, how: Reference) -> Document:
    """A document of a line without its end."""
    line = line.removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf")
    if how.kind == LINES:
        try:
            return Document(line.decode())
        except UnicodeDecodeError as error:
            return Document(line.decode(errors="replace"), f"is not UTF-8 (byte {error.start})")
    if not line.strip():
        return Document("")
    return _of_json(line, how.column)


def _of_json(line: bytes, column: str) -> Document:
    raw = line.decode(errors="replace")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Document(raw, f"is no JSON: {error}")
    if not isinstance(value, dict) or column not in value:
        keys = ", ".join(map(repr, value)) if isinstance(value, dict) else "no keys"
        return Document(raw, f"has no {column!r}; it has {keys[:200]}: name the key with the text in `inputs[].text`")
    text = value[column]
    return Document(text) if isinstance(text, str) else Document(raw, f"{column!r} is {value_kind(text)}, not text")

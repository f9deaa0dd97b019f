"""What kind of file of rows a path is, by its content and its ending, and the files of a folder."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

from kespeechchat.config.inputs import InstructionInput
from kespeechchat.config.load import ConfigError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HEAD = 1 << 16  # bytes that tell the kind
_JSON = {".json", ".jsonl", ".ndjson"}


class Kind(StrEnum):
    """A kind of file, as it is named to people."""

    LINES = "JSON lines"
    ARRAY = "a JSON array"
    PARQUET = "a Parquet file"
    CSV = "a CSV file"
    TSV = "a TSV file"
    TEXT = "plain text"


_BY_ENDING = {".csv": Kind.CSV, ".tsv": Kind.TSV, ".txt": Kind.TEXT, ".parquet": Kind.PARQUET}
ENDINGS = (*sorted(_JSON), *sorted(_BY_ENDING))


@dataclass(frozen=True)
class InputFile:
    """A file, its kind, and whether it is compressed with gzip."""

    path: Path
    kind: Kind
    zipped: bool = False

    def open(self) -> BinaryIO:
        """Its bytes, as they were before they were compressed."""
        return cast(BinaryIO, gzip.open(self.path, "rb")) if self.zipped else open(self.path, "rb")


def input_file(path: Path) -> InputFile:
    """The file at `path`. Raises ConfigError for one of another kind, with what can be read."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    zipped, name = head.startswith(_GZIP), path.name.lower()
    if zipped:
        name = name.removesuffix(".gz").removesuffix(".gzip")
        head = _unzipped_head(path, head)
    if head.startswith(_UTF16) and b"\0" in head[2:4]:
        raise ConfigError(f"{path}: the text is UTF-16; save the file as UTF-8")
    return InputFile(path, _kind(path, Path(name).suffix, head), zipped)


def _unzipped_head(path: Path, head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error as error:
        raise ConfigError(f"{path}: not readable as gzip ({error}); is it whole?") from None


def _kind(path: Path, ending: str, head: bytes) -> Kind:
    if head.startswith(_PARQUET):
        return Kind.PARQUET
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip()
    if ending in (*_JSON, ".txt", "") and text.startswith(b"["):
        inner = text[1:].lstrip()
        if inner[:1] in (b"{", b"]", b"") or ending == ".json":
            return Kind.ARRAY
    if ending in _JSON or (ending in (".txt", "") and text.startswith(b"{")):
        first = text.split(b"\n", 1)[0].strip()
        if first == b"{" and ending == ".json":
            raise ConfigError(
                f"{path}: the file is one JSON object over several lines; write its rows as a JSON array, or as one "
                "JSON object a line"
            )
        return Kind.LINES
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    known = f"inputs are JSON arrays, JSON lines, Parquet, CSV, TSV or plain text ({', '.join(ENDINGS)}; also .gz)"
    raise ConfigError(f"{path}: {known}, not {ending or 'files without ending'!r}")


def expanded(item: InstructionInput) -> tuple[list[InstructionInput], list[str]]:
    """The files of an input, sorted, and the names of those that are passed over: a folder has several of both.

    Hidden files are neither. Raises ConfigError for a folder without a file that can be read.
    """
    path = Path(item.path)
    if not path.is_dir():
        return [item], []
    files: list[InstructionInput] = []
    others: list[str] = []
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        name = file.relative_to(path)
        if any(part.startswith(".") for part in name.parts):
            continue
        if _readable(file.name):
            files.append(item.model_copy(update={"path": str(file)}))
        else:
            others.append(str(name))
    if not files:
        found = f"only {', '.join(others[:5])}" if others else "nothing"
        raise ConfigError(f"{path}: a folder with {found} in it; files of rows end in {', '.join(ENDINGS)}, also .gz")
    return files, others


def _readable(name: str) -> bool:
    return name.lower().removesuffix(".gz").removesuffix(".gzip").endswith(ENDINGS)

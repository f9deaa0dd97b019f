"""The planning pass over documents: one read of the files, which gives each document its shard and copies none.

A shard is a part of one file: a range of bytes of a file of lines, of rows of a Parquet file (`store.references`). So
the manifest grows with the number of shards and not with the text, and 8 bytes for each document are held while a pass
runs, by which a document that came before is known. Files may grow at their end, and new ones may be added: what is
planned stays as it is. A planned part that was changed is an error, because shards made of it can no longer be checked.
Where a file is to be read in another way (another key for the text, another source), the pass names all shards anew:
those that hold other documents than before are stale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from kespeechchat.config.interleave import DocumentInput
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.ids import HEX, source_of
from kespeechchat.inputs.read_report import FileSummary
from kespeechchat.inputs.seen_ids import IdCounts
from kespeechchat.store.interface import AlreadyExists, ObjectStore
from kespeechchat.store.manifest import Manifest, PlannedShard, Segment
from kespeechchat.store.references import (
    JSON_LINES,
    LINES,
    PARQUET,
    Document,
    Reference,
    checksum_of,
    document_id,
    document_of_text,
    documents_of,
    parquet_column,
    read_part,
    rows_of,
)

_KINDS = {".txt": LINES, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".parquet": PARQUET}
_TOLD = 10  # problems that are told at once; every row with one is refused as malformed
_MERGED = 1 << 16  # hashes that are gathered before they are merged with the others


def shard_documents(store: ObjectStore, pipeline: Pipeline) -> Manifest:
    """The manifest of documents, brought up to date with the profile's files. Raises ConfigError for a file that is
    missing, of another kind, named in two ways, or changed where it is planned."""
    assert pipeline.interleave is not None
    settings, manifest = pipeline.interleave, Manifest(store, "documents")
    files = _named_once(file for item in settings.inputs for file in files_of(item))
    if not files and not manifest.shards:
        raise ConfigError("interleave.inputs: no documents: name a file with --input, or in the profile")
    digests = {_digest(file, settings.shard_size): file.path for file in files}
    if manifest.knows(digests) or not files:
        return manifest
    planning = _Pass(manifest, settings.shard_size, [*_planned_before(manifest, files), *files])
    planning.run()
    number = len(manifest.segments)
    segment = Segment(number, digests, tuple(planning.shards), planning.summary(), planning.anew)
    try:
        manifest.append(segment)
    except AlreadyExists:
        raise ConfigError(f"{store.url}: another run planned documents at the same time; run it again") from None
    return manifest


@dataclass(frozen=True)
class DocumentFile:
    """A file of documents, by its absolute path."""

    path: str
    kind: str
    source: str
    column: str

    def reference(self, line: int) -> Reference:
        return Reference(self.kind, self.source, self.column, line)

    def reads(self, shard: PlannedShard) -> bool:
        """Whether the shard was planned as this file is read now."""
        return shard.reference is not None and replace(shard.reference, repeats=()) == self.reference(
            shard.reference.line
        )


def _named_once(files: Iterable[DocumentFile]) -> list[DocumentFile]:
    """Each file once, in order. Raises ConfigError where two inputs say different things of one."""
    found: dict[str, DocumentFile] = {}
    for file in files:
        other = found.setdefault(file.path, file)
        if other != file:
            name, values = ("text", (other.column, file.column))
            if other.column == file.column:
                name, values = ("source", (other.source, file.source))
            raise ConfigError(
                f"interleave.inputs[].{name}: {file.path} is named twice, with {values[0]!r} and with {values[1]!r}: "
                "name it once"
            )
    return list(found.values())


def _planned_before(manifest: Manifest, files: list[DocumentFile]) -> list[DocumentFile]:
    """Files of earlier passes that are not named now: a document that repeats one of theirs is a duplicate."""
    named = {file.path for file in files}
    earlier = {}
    for shard in manifest.shards:
        if shard.file not in named and shard.reference is not None:
            how = shard.reference
            earlier[shard.file] = DocumentFile(shard.file, how.kind, how.source, how.column)
    for path in earlier:
        if not Path(path).exists():
            raise ConfigError(
                f"{path}: is gone, but documents of it are planned: put it back, so that no document is taken twice; "
                "or take another ROOT for the new documents"
            )
    return list(earlier.values())


def files_of(item: DocumentInput) -> Iterator[DocumentFile]:
    """The files of an input, sorted. Raises ConfigError where there is none, or one of another kind."""
    path = Path(item.path)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder of documents")
    known = ", ".join(_KINDS)
    inside = (
        sorted(p for p in path.rglob("*") if p.suffix.lower() in _KINDS and p.is_file()) if path.is_dir() else [path]
    )
    if not inside:
        raise ConfigError(f"{path}: no file of documents in this folder; they end in {known}")
    for file in inside:
        if file.suffix.lower() not in _KINDS:
            raise ConfigError(
                f"{file}: documents are read where they are, so they come as {known}, not compressed; this is "
                f"{file.suffix or 'without ending'}"
            )
        kind = _KINDS[file.suffix.lower()]
        column = DocumentInput.model_fields["text"].default if kind == LINES else item.text  # a line has no keys
        yield DocumentFile(str(file.resolve()), kind, item.source or source_of(file.stem), column)


def first_rows(file: DocumentFile, most: int) -> list[dict[str, Any]]:
    """The first rows of a file, `most` at most, as a shard of them has them. Raises ConfigError, and OSError."""
    _, _, _, documents = next(_new_parts(file, None, most), (0, 0, "", []))
    return list(rows_of(documents, Path(file.path).name, file.reference(1)))


def _digest(file: DocumentFile, shard_size: int) -> str:
    """What a pass over the file depends on, without reading it: its workers check what they read by content."""
    stat = Path(file.path).stat()
    told = f"{file}{stat.st_size}{stat.st_mtime_ns}{shard_size}"
    return hashlib.sha256(told.encode()).hexdigest()


@dataclass
class _Pass:
    """One pass over the files. Of what is planned already it checks the content and takes note of the texts; with
    `anew` it plans that again, part by part under the same numbers."""

    manifest: Manifest
    size: int
    inputs: Sequence[DocumentFile]
    shards: list[PlannedShard] = field(default_factory=list)
    repeats: int = 0

    def __post_init__(self) -> None:
        self._seen = IdCounts()
        self._fresh: dict[int, int] = {}  # hash → times, not yet in `_seen`
        self._named = {file.path: file for file in self.inputs}
        self._next = len(self.manifest.shards)  # number of the next new shard
        self._told = 0  # problems
        self._found = {
            file.path: FileSummary(path=file.path, read="", rows=0, malformed=0, problems=[]) for file in self.inputs
        }
        self.anew = any(not self._named[shard.file].reads(shard) for shard in self.manifest.shards)

    def run(self) -> None:
        """What is planned comes first, in the order of its shards, so that what is new is the duplicate."""
        for path, shards in groupby(self.manifest.shards, lambda shard: shard.file):
            self._take_again(self._named[path], list(shards))
        last = {shard.file: shard for shard in self.manifest.shards}
        for file in self.inputs:
            self._take_new(file, last.get(file.path))

    def _take_again(self, file: DocumentFile, planned: list[PlannedShard]) -> None:
        for shard, (checksum, documents) in zip(planned, _planned_parts(file, planned), strict=True):
            assert shard.reference is not None
            if checksum != shard.checksum and (file.kind != PARQUET or shard.reference.column == file.column):
                raise _changed(file, shard)
            self._add(file, shard.number, shard.start, shard.size or 0, checksum, documents, is_new=self.anew)

    def _take_new(self, file: DocumentFile, last: PlannedShard | None) -> None:
        for start, size, checksum, documents in _new_parts(file, last, self.size):
            self._add(file, self._next, start, size, checksum, documents, is_new=True)
            self._next += 1
        rows, name = self._found[file.path]["rows"], Path(file.path).name
        self._found[file.path]["read"] = f"{name}: {rows:,} documents" + (
            f" of {file.kind}" if file.kind != LINES else ", one a line"
        )

    def _add(
        self,
        file: DocumentFile,
        number: int,
        start: int,
        size: int,
        checksum: str,
        documents: list[Document],
        is_new: bool,
    ) -> None:
        found, repeats = self._found[file.path], self._count(file.source, documents)
        how = replace(file.reference(found["rows"] + 1), repeats=repeats)
        found["rows"] += len(documents)
        if not is_new:
            return
        self.shards.append(PlannedShard(number, None, len(documents), file.path, checksum, start, size, how))
        self.repeats += len(repeats)
        for line, document in enumerate(documents, how.line):
            if document.problem is not None:
                found["malformed"] += 1
                if self._told < _TOLD:
                    self._told += 1
                    found["problems"].append(f"{Path(file.path).name}:{line}: {document.problem}")

    def _count(self, source: str, documents: list[Document]) -> tuple[tuple[int, int], ...]:
        """Takes note of the documents; (place, how many times its text has come by then) of those that came before."""
        hashes = [int(document_id(source, document)[-HEX:], 16) for document in documents]
        order = np.array(sorted(set(hashes)), np.uint64)
        times = dict(zip(order.tolist(), self._seen.count(order).tolist(), strict=True))
        repeats = []
        for place, hash_ in enumerate(hashes):
            self._fresh[hash_] = self._fresh.get(hash_, 0) + 1
            nth = times[hash_] + self._fresh[hash_]
            if nth > 1:
                repeats.append((place, nth))
        if len(self._fresh) >= _MERGED:
            self._seen.add(np.sort(np.repeat(*self._arrays())))
            self._fresh.clear()
        return tuple(repeats)

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(list(self._fresh), np.uint64), np.array(list(self._fresh.values()), np.int64)

    def summary(self) -> dict[str, Any]:
        """For the manifest, as the other branches have it."""
        files = list(self._found.values())
        return {
            "rows": sum(shard.rows for shard in self.shards),
            "malformed": sum(file["malformed"] for file in files),
            "problems": [problem for file in files for problem in file["problems"]],
            "files": files,
            "repeats": self.repeats,
        }


def _changed(file: DocumentFile, shard: PlannedShard) -> ConfigError:
    return ConfigError(
        f"{file.path}: shard {shard.number:05d} was planned of it, and that part was changed: documents are read where "
        "they are. Put the file back as it was; new text goes to its end, or into a file of another name"
    )


_Part = tuple[int, int, str, list[Document]]  # start, size, checksum, documents


def _planned_parts(file: DocumentFile, planned: Sequence[PlannedShard]) -> Iterator[tuple[str, list[Document]]]:
    """(checksum, documents) of the file's parts that are planned one behind the other."""
    if file.kind == PARQUET:
        texts = _texts(file, planned[0].start)
        for shard in planned:
            part = list(islice(texts, shard.size))
            yield checksum_of(part), [document_of_text(text) for text in part]
    else:
        for shard in planned:
            yield read_part(file.path, shard.start, shard.size or 0, file.reference(1))


def _new_parts(file: DocumentFile, last: PlannedShard | None, shard_size: int) -> Iterator[_Part]:
    """The file behind the `last` shard that is planned of it, in parts of `shard_size` documents."""
    at = last.start + (last.size or 0) if last else 0
    if file.kind == PARQUET:
        texts = _texts(file, at)
        while part := list(islice(texts, shard_size)):
            yield at, len(part), checksum_of(part), [document_of_text(text) for text in part]
            at += len(part)
        return
    with open(file.path, "rb") as lines:
        at = _behind(lines, file, last) if last else 0
        while part := list(islice(lines, shard_size)):
            data = b"".join(part)
            yield at, len(data), hashlib.sha256(data).hexdigest(), documents_of(data, file.reference(1))
            at += len(data)


def _behind(lines: BinaryIO, file: DocumentFile, last: PlannedShard) -> int:
    """Where the first line begins that is not planned, to which `lines` goes: behind the last shard, and behind the end
    of its last line where that had none when it was planned. Raises ConfigError where that line has grown."""
    end = last.start + (last.size or 0)
    lines.seek(end - 1)
    if lines.read(1) == b"\n":
        return end
    rest = lines.readline()
    if rest.strip(b"\r\n"):
        raise _changed(file, last)
    return end + len(rest)


def _texts(file: DocumentFile, start: int) -> Iterator[Any]:
    """The rows of a Parquet file from `start` on. Raises ConfigError where it is none, or has no such column."""
    try:
        with pq.ParquetFile(file.path) as opened:
            names = opened.schema_arrow.names
    except ArrowInvalid as error:
        raise ConfigError(f"{file.path}: is no Parquet file ({error})") from None
    if file.column not in names:
        raise ConfigError(
            f"{file.path}: has no column {file.column!r}; it has {', '.join(names)}: name the one with the text in "
            "interleave.inputs[].text"
        )
    return parquet_column(file.path, file.column, start)

"""The planning pass over documents: one read of the files, which gives each document its shard and copies none.

A shard is a part of one file: a range of bytes of a file of lines, of rows of a Parquet file (`store.references`). So
the manifest grows with the number of shards and not with the text, and 8 bytes for each document are held while a pass
runs, by which a document that came before is known. Files may grow at their end, and new ones may be added: what is
planned stays as it is. A planned part that was changed is an error, because shards made of it can no longer be checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from kespeechchat.config.interleave import DocumentInput
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.ids import source_of
from kespeechchat.inputs.seen_ids import HEX, IdCounts
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
    document_of_line,
    document_of_text,
    parquet_column,
)

_KINDS = {".txt": LINES, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".parquet": PARQUET}
_TOLD = 10  # problems that are told at once; every row with one is refused as malformed
_MERGED = 1 << 16  # hashes that are gathered before they are merged with the others


def shard_documents(store: ObjectStore, pipeline: Pipeline) -> Manifest:
    """The manifest of documents, brought up to date with the profile's files. Raises ConfigError for a file that is
    missing, of another kind, or changed where it is planned."""
    assert pipeline.interleave is not None
    settings, manifest = pipeline.interleave, Manifest(store, "documents")
    files = [file for item in settings.inputs for file in _files(item)]
    if not files and not manifest.shards:
        raise ConfigError("interleave.inputs: no documents: name a file with --input, or in the profile")
    digests = {_digest(file, settings.shard_size): file.path for file in files}
    if manifest.knows(digests) or not files:
        return manifest
    planning = _Pass(manifest, settings.shard_size)
    for file in [*_planned_before(manifest, files), *files]:
        planning.take(file)
    try:
        manifest.append(Segment(len(manifest.segments), digests, tuple(planning.shards), planning.summary()))
    except AlreadyExists:
        raise ConfigError(f"{store.url}: another run planned documents at the same time; run it again") from None
    return manifest


@dataclass(frozen=True)
class _File:
    """A file of documents, by its absolute path."""

    path: str
    kind: str
    source: str
    column: str

    def reference(self, line: int) -> Reference:
        return Reference(self.kind, self.source, self.column, line)


def _planned_before(manifest: Manifest, files: list[_File]) -> list[_File]:
    """Files of earlier passes that are not named now: a document that repeats one of theirs is a duplicate."""
    named = {file.path for file in files}
    earlier = {}
    for shard in manifest.shards:
        if shard.file not in named and shard.reference is not None:
            how = shard.reference
            earlier[shard.file] = _File(shard.file, how.kind, how.source, how.column)
    for path in earlier:
        if not Path(path).exists():
            raise ConfigError(
                f"{path}: is gone, but documents of it are planned: put it back, so that no document is taken twice; "
                "or take another ROOT for the new documents"
            )
    return list(earlier.values())


def _files(item: DocumentInput) -> Iterator[_File]:
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
        source = item.source or source_of(file.stem)
        yield _File(str(file.resolve()), _KINDS[file.suffix.lower()], source, item.text)


def _digest(file: _File, shard_size: int) -> str:
    """What a pass over the file depends on, without reading it: its workers check what they read by content."""
    stat = Path(file.path).stat()
    told = f"{file}{stat.st_size}{stat.st_mtime_ns}{shard_size}"
    return hashlib.sha256(told.encode()).hexdigest()


@dataclass
class _Pass:
    """One pass over the files. Of what is planned already it checks the content and takes note of the texts."""

    manifest: Manifest
    size: int
    shards: list[PlannedShard] = field(default_factory=list)
    malformed: int = 0
    repeats: int = 0
    problems: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen = IdCounts()
        self._fresh: dict[int, int] = {}  # hash → times, not yet in `_seen`

    def take(self, file: _File) -> None:
        """Plans what is new in the file."""
        planned = [shard for shard in self.manifest.shards if shard.file == file.path]
        rows, malformed, before = 0, self.malformed, len(self.problems)
        for start, size, checksum, documents in _parts(file, [s.size or 0 for s in planned], self.size):
            known = planned.pop(0) if planned else None
            if known is not None and (known.start, known.size, known.checksum) != (start, size, checksum):
                raise _changed(file, known)
            repeats = self._count(file.source, documents)
            line, rows = rows + 1, rows + len(documents)
            if known is None:
                self._add(file, start, size, checksum, replace(file.reference(line), repeats=repeats), documents)
        if planned:
            raise _changed(file, planned[0])
        name = Path(file.path).name
        told = f"{name}: {rows:,} documents" + (f" of {file.kind}" if file.kind != LINES else ", one a line")
        malformed = self.malformed - malformed
        problems = self.problems[before:]
        self.files.append({"path": file.path, "read": told, "rows": rows, "malformed": malformed, "problems": problems})

    def _add(
        self, file: _File, start: int, size: int, checksum: str, how: Reference, documents: list[Document]
    ) -> None:
        number = len(self.manifest.shards) + len(self.shards)
        self.shards.append(PlannedShard(number, None, len(documents), file.path, checksum, start, size, how))
        self.repeats += len(how.repeats)
        for place, document in enumerate(documents):
            if document.problem is not None:
                self.malformed += 1
                if len(self.problems) < _TOLD:
                    self.problems.append(f"{Path(file.path).name}:{how.line + place}: {document.problem}")

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
        rows = sum(shard.rows for shard in self.shards)
        return {
            "rows": rows,
            "malformed": self.malformed,
            "problems": self.problems,
            "files": self.files,
            "repeats": self.repeats,
        }


def _changed(file: _File, shard: PlannedShard) -> ConfigError:
    return ConfigError(
        f"{file.path}: shard {shard.number:05d} was planned of it, and that part was changed: documents are read where "
        "they are. Put the file back as it was; new text goes to its end, or into a file of another name"
    )


_Part = tuple[int, int, str, list[Document]]  # start, size, checksum, documents


def _parts(file: _File, planned: list[int], shard_size: int) -> Iterator[_Part]:
    """The file in parts: those that are planned, by their sizes, then parts of `shard_size` documents."""
    return (_parquet_parts if file.kind == PARQUET else _line_parts)(file, planned, shard_size)


def _line_parts(file: _File, planned: list[int], shard_size: int) -> Iterator[_Part]:
    how, at = file.reference(1), 0
    with open(file.path, "rb") as lines:
        for size in planned:
            data = lines.read(size)
            kept = data.split(b"\n")[: -1 if data.endswith(b"\n") else None]
            yield at, len(data), hashlib.sha256(data).hexdigest(), [document_of_line(line, how) for line in kept]
            at += len(data)
        while True:
            digest, documents, size = hashlib.sha256(), [], 0
            for line in lines:
                digest.update(line)
                size += len(line)
                documents.append(document_of_line(line.removesuffix(b"\n"), how))
                if len(documents) == shard_size:
                    break
            if not documents:
                return
            yield at, size, digest.hexdigest(), documents
            at += size


def _parquet_parts(file: _File, planned: list[int], shard_size: int) -> Iterator[_Part]:
    try:
        with pq.ParquetFile(file.path) as opened:
            rows, names = opened.metadata.num_rows, opened.schema_arrow.names
    except ArrowInvalid as error:
        raise ConfigError(f"{file.path}: is no Parquet file ({error})") from None
    if file.column not in names:
        raise ConfigError(
            f"{file.path}: has no column {file.column!r}; it has {', '.join(names)}: name the one with the text in "
            "interleave.inputs[].text"
        )
    sizes = [*planned]
    left = max(0, rows - sum(planned))
    sizes += [min(shard_size, left - n) for n in range(0, left, shard_size)]
    at, texts = 0, parquet_column(file.path, file.column)
    for size in sizes:
        part = list(islice(texts, size))
        yield at, len(part), checksum_of(part), [document_of_text(text) for text in part]
        at += size

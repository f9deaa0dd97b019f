"""The manifest: which row is in which shard, decided once and never changed.

Its segments are the files `ROOT/plan/BRANCH/NNNNN.json`. One planning pass publishes one segment in one atomic step:
the inputs it read (with their sha256), the shards it added, and the totals. Segments are only ever appended: a source
added or a line inserted later gets new shards and disturbs none. The rows are copied into ROOT as they came, in
Parquet, so a build no longer needs the input files. Documents are not copied: a shard of them names its part of the
user's file and what that part holds (`store.references`); where it is to be read in another way, one segment names all
shards anew.

The Parquet files of many shards are joined to one object, a pack: tens of thousands of small objects would take longer
to write than their rows take to read. A shard's entry in its segment says which bytes of which pack are its own.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kespeechchat.records import Language
from kespeechchat.store.documents import read_document
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.parquet import parquet_table
from kespeechchat.store.references import Reference, referenced_rows

_FIX = "restore it from a copy: it says which row is in which shard, and cannot be made again"
ROW = pa.schema(
    [
        ("id", pa.string()),
        ("occurrence", pa.int32()),  # 1 for a row's first appearance, 2, 3, … for its duplicates
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("raw", pa.string()),  # the row as JSON
        ("problem", pa.string()),  # why the line cannot be read; null for a sound one
    ]
)

_PACK = 8 << 20  # bytes after which a pack is written


class PlannedRow(NamedTuple):
    """A row of an input on its way to its shard."""

    id: str
    source: str
    file: str
    line: int  # 1-based
    language: Language
    raw: str
    problem: str | None = None


@dataclass(frozen=True)
class PlannedShard:
    """A shard of planned rows, and where in ROOT they are; with a `reference`, where in the user's file they are."""

    number: int
    language: Language | None
    rows: int
    file: str  # key of the object that holds its rows
    checksum: str  # sha256 of the rows' content
    start: int = 0  # first byte of its rows in the pack
    size: int | None = None  # bytes of its rows; None: `file` holds only this shard, as ROOTs older than packs have it
    reference: Reference | None = None

    @property
    def content(self) -> object:
        """What its rows are: what the shard's fingerprint depends on."""
        return self.checksum if self.reference is None else [self.checksum, asdict(self.reference)]


@dataclass(frozen=True)
class Segment:
    """What one planning pass added. `anew`: it names all shards, in place of the segments before it."""

    number: int
    inputs: dict[str, str]  # digest of each input as read → its path
    shards: tuple[PlannedShard, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    anew: bool = False


class Manifest:
    """The segments of one branch (instructions, speech) as they are in ROOT when this is made.

    Raises StoreError where a segment cannot be read.
    """

    def __init__(self, store: ObjectStore, branch: str) -> None:
        self.store, self.branch = store, branch
        self.segments: list[Segment] = []
        for key, _ in store.list(f"plan/{branch}"):
            if key.endswith(".json"):
                self.segments.append(read_document(store, key, Segment, _FIX))

    @property
    def standing(self) -> list[Segment]:
        """The segments that none behind them stands in place of."""
        return self.segments[max((n for n, segment in enumerate(self.segments) if segment.anew), default=0) :]

    @property
    def shards(self) -> list[PlannedShard]:
        """The shards of all segments that stand, in the order of their numbers."""
        return [shard for segment in self.standing for shard in segment.shards]

    @property
    def input_paths(self) -> list[str]:
        """The inputs of all passes, each path once, in the order in which they were first planned."""
        return list(dict.fromkeys(path for segment in self.segments for path in segment.inputs.values()))

    def knows(self, inputs: dict[str, str]) -> bool:
        """Whether the last pass read exactly these inputs."""
        return bool(self.segments) and self.segments[-1].inputs == inputs

    def ids(self) -> Iterator[tuple[str, pa.StringArray]]:
        """(source, ids) of all planned rows, a source of a shard at a time."""
        for shard in self.shards:
            table = planned_rows(self.store, shard, ["id", "source"]).combine_chunks()
            for source in pc.unique(table["source"]).to_pylist():
                yield source, table.filter(pc.equal(table["source"], source))["id"].combine_chunks()

    def append(self, segment: Segment) -> None:
        """Publishes a segment. Raises AlreadyExists where another pass appended first: read the manifest again and plan
        on from there."""
        text = json.dumps(asdict(segment), ensure_ascii=False, indent=1)
        self.store.create(f"plan/{self.branch}/{segment.number:05d}.json", text.encode())
        self.segments.append(segment)


def planned_rows(store: ObjectStore, shard: PlannedShard, columns: list[str] | None = None) -> pa.Table:
    """The rows of a planned shard, schema ROW (or these columns of it). Raises FileNotFoundError; StoreError where a
    file that is referenced is gone or was changed."""
    if shard.reference is not None:
        assert shard.size is not None
        rows = referenced_rows(shard.file, shard.start, shard.size, shard.checksum, shard.reference)
        table = pa.Table.from_pylist(rows, schema=ROW)
        return table.select(columns) if columns else table
    if shard.size is None:
        return parquet_table(store.get(shard.file), columns)
    return parquet_table(store.get_range(shard.file, shard.start, shard.size), columns)


class Packs:
    """Writes the rows of shards into packs; `attempt` keeps the packs of racing passes apart by name."""

    def __init__(self, store: ObjectStore, branch: str, attempt: str) -> None:
        self._store, self._name = store, f"plan/{branch}/data/shards-{{:05d}}.{attempt}.pack"
        self._open, self._written = io.BytesIO(), 0

    def add(self, number: int, language: Language, rows: pa.Table, checksum: str) -> PlannedShard:
        """Adds a shard of `rows` (schema ROW) whose content has the sha256 `checksum`; returns its entry."""
        if self._open.tell() >= _PACK:
            self.close()
        start, sink = self._open.tell(), io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", use_dictionary=["source", "file"], write_statistics=False)
        size = self._open.write(sink.getbuffer())
        return PlannedShard(number, language, len(rows), self._name.format(self._written), checksum, start, size)

    def close(self) -> None:
        """Writes the pack that is open, if it holds anything."""
        if data := self._open.getvalue():
            self._store.put(self._name.format(self._written), data)
            self._open, self._written = io.BytesIO(), self._written + 1

"""The manifest: which row stands in which shard, decided once and never changed.

`ROOT/plan/BRANCH/NNNNN.json` are its segments, each published in one atomic step by one planning pass: the inputs it
read (with their sha256), the shards it added, and the totals. A shard's rows lie beside it in Parquet, as they came,
so ROOT needs the input files no more. Segments are only ever appended: a source added or a line inserted later gets
new shards and disturbs none.

The Parquet files of many shards stand one behind the other in one object, a pack: tens of thousands of small objects
would take longer to write than their rows take to read. Where a shard lies in its pack stands in its segment.
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

from kespeechchat.store.documents import read_document
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.parquet import parquet_table

_CURE = "restore it from a copy: it says which row stands in which shard, and cannot be made again"
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
    language: str
    raw: str
    problem: str | None = None


@dataclass(frozen=True)
class PlannedShard:
    number: int
    language: str | None
    rows: int
    file: str  # key of the object its rows lie in
    checksum: str  # sha256 of the rows' content: what `ingest` depends on
    start: int = 0  # bytes of `file` before its rows
    size: int | None = None  # bytes of its rows; None: the whole object is its own


@dataclass(frozen=True)
class Segment:
    number: int
    inputs: dict[str, str]  # digest of each input as read → its path
    shards: tuple[PlannedShard, ...] = ()
    summary: dict[str, Any] = field(default_factory=dict)


class Manifest:
    """The segments of one branch (instructions, speech), as they stand."""

    def __init__(self, store: ObjectStore, branch: str) -> None:
        self.store, self.branch = store, branch
        self.segments: list[Segment] = []
        for key, _ in store.list(f"plan/{branch}"):
            if key.endswith(".json"):
                self.segments.append(read_document(store, key, Segment, _CURE))

    @property
    def shards(self) -> list[PlannedShard]:
        return [shard for segment in self.segments for shard in segment.shards]

    def knows(self, inputs: dict[str, str]) -> bool:
        """Whether the last pass read exactly these inputs."""
        return bool(self.segments) and self.segments[-1].inputs == inputs

    def ids(self) -> Iterator[tuple[str, pa.StringArray]]:
        """(source, ids) of all planned rows, some at a time."""
        for shard in self.shards:
            table = planned_rows(self.store, shard, ["id", "source"]).combine_chunks()
            for source in pc.unique(table["source"]).to_pylist():
                yield source, table.filter(pc.equal(table["source"], source))["id"].combine_chunks()

    def append(self, segment: Segment) -> None:
        """Raises AlreadyExists where another pass appended first; read the manifest again and plan on from there."""
        text = json.dumps(asdict(segment), ensure_ascii=False, indent=1)
        self.store.create(f"plan/{self.branch}/{segment.number:05d}.json", text.encode())
        self.segments.append(segment)


def planned_rows(store: ObjectStore, shard: PlannedShard, columns: list[str] | None = None) -> pa.Table:
    """The rows of a planned shard, schema ROW."""
    whole = shard.size is None
    return parquet_table(
        store.get(shard.file) if whole else store.get_range(shard.file, shard.start, shard.size), columns
    )


class Packs:
    """Writes the rows of shards, many to an object; `attempt` makes the objects' names its own."""

    def __init__(self, store: ObjectStore, branch: str, attempt: str) -> None:
        self._store, self._name = store, f"plan/{branch}/data/shards-{{:05d}}.{attempt}.pack"
        self._open, self._written = io.BytesIO(), 0

    def add(self, number: int, language: str, rows: pa.Table, checksum: str) -> PlannedShard:
        """`rows`: table of schema ROW."""
        if self._open.tell() >= _PACK:
            self.close()
        start, sink = self._open.tell(), io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", use_dictionary=["source", "file"], write_statistics=False)
        size = self._open.write(sink.getbuffer())
        return PlannedShard(number, language, len(rows), self._name.format(self._written), checksum, start, size)

    def close(self) -> None:
        """Writes what is not written yet."""
        if data := self._open.getvalue():
            self._store.put(self._name.format(self._written), data)
            self._open, self._written = io.BytesIO(), self._written + 1

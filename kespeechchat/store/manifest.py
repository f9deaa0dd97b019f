"""The manifest: which row stands in which shard, decided once and never changed.

`ROOT/plan/BRANCH/NNNNN.json` are its segments, each published in one atomic step by one planning pass: the inputs it
read (with their sha256), the shards it added, and the totals. A shard's rows lie beside it in Parquet, as they came,
so ROOT needs the input files no more. Segments are only ever appended: a source added or a line inserted later gets
new shards and disturbs none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from kespeechchat.store.documents import read_document
from kespeechchat.store.objects import ObjectStore
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


@dataclass(frozen=True)
class PlannedShard:
    number: int
    language: str | None
    rows: int
    file: str  # key of its rows
    checksum: str  # sha256 of the rows' content: what `ingest` depends on


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

    def ids(self) -> Iterator[str]:
        """The id of every planned row; that of its first appearance for a duplicate."""
        for shard in self.shards:
            table = parquet_table(self.store.get(shard.file), ["id", "occurrence"])
            for id_, occurrence in zip(table["id"].to_pylist(), table["occurrence"].to_pylist(), strict=True):
                yield id_ if occurrence == 1 else id_.removesuffix(f"-d{occurrence}")

    def rows(self, shard: PlannedShard) -> list[dict[str, Any]]:
        return parquet_table(self.store.get(shard.file)).to_pylist()

    def append(self, segment: Segment) -> None:
        """Raises AlreadyExists where another pass appended first; read the manifest again and plan on from there."""
        text = json.dumps(asdict(segment), ensure_ascii=False, indent=1)
        self.store.create(f"plan/{self.branch}/{segment.number:05d}.json", text.encode())
        self.segments.append(segment)

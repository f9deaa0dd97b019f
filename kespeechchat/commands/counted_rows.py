"""Statistics of all gated rows. They are kept in ROOT shard by shard, so a build that changed one shard reads that one
alone for its closing table.

Memory: some 5 kB for each shard of 350 dialogues, most of it voices' names; on disk a fifth of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from kespeechchat import __version__
from kespeechchat.config.rounds import split_round
from kespeechchat.dataset.statistics import COLUMNS, Part, Statistics
from kespeechchat.processes import spread
from kespeechchat.state.finished_rows import FinishedPart
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.documents import dump, parse
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.parquet import parquet_table

_KEPT = "statistics.parquet"
_SCHEMA = pa.schema(
    [pa.field("record", pa.string(), nullable=False), pa.field("statistics", pa.string(), nullable=False)],
    metadata={"version": __version__},
)
Shard = tuple[str, ShardKey]  # unit, key
_Parts = dict[str, Part]  # by language: what `Statistics` holds
_ByRecord = Mapping[str, str]  # name of a shard's commit record → its statistics, as JSON


def counted_rows(store: ObjectStore, shards: Sequence[Shard], watermark_threshold: float) -> Statistics:
    """Statistics of the kept rows of these shards; reads those that were not counted before. Raises CorruptShard."""
    kept = _kept(store)
    missing = tuple(shard for shard in shards if _name(*shard) not in kept)
    counted: dict[str, str] = {}
    for piece in spread(_Counting(watermark_threshold), FinishedPart(store, missing).split()):
        counted |= piece
    found = {name: counted.get(name) or kept[name] for name in (_name(*shard) for shard in shards)}
    if counted or len(found) < len(kept):
        _keep(store, found)
    whole = Statistics(watermark_threshold)
    for one in found.values():
        whole.merge(Statistics(watermark_threshold, parse(_Parts, one.encode())))
    return whole


@dataclass(frozen=True)
class _Counting:
    """Counts parts for `processes.spread`: each shard by itself."""

    watermark_threshold: float

    def do(self, part: FinishedPart) -> _ByRecord:
        counted = {
            (key.shard, split_round(unit)[1]): (_name(unit, key), Statistics(self.watermark_threshold))
            for unit, key in part.shards
        }
        for shard, block in part.blocks_of_shards(COLUMNS):
            counted[shard][1].add_block(block)
        return {name: dump(_Parts, statistics.parts).decode() for name, statistics in counted.values()}

    def merge(self, other: _Counting) -> None:
        """Nothing is gathered: the pieces hold all."""


def _name(unit: str, key: ShardKey) -> str:
    return f"{unit}/{key.stem}"


def _kept(store: ObjectStore) -> _ByRecord:
    try:
        table = parquet_table(store.get(_KEPT))
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}  # none yet, or torn: it is only a cache
    if not table.schema.equals(_SCHEMA, check_metadata=True):
        return {}  # of another version, which may have counted otherwise
    return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _keep(store: ObjectStore, by_record: _ByRecord) -> None:
    table = pa.Table.from_arrays([pa.array(by_record.keys()), pa.array(by_record.values())], schema=_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    store.put(_KEPT, sink.getvalue().to_pybytes())

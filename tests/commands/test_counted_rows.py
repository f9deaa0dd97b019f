"""The statistics of all gated rows: the same whether counted at once or shard by shard, and no shard is read twice."""

from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.products import shard_rows
from kespeechchat.blocks import blocks_of
from kespeechchat.commands import counted_rows as module
from kespeechchat.commands.counted_rows import counted_rows
from kespeechchat.dataset.statistics import Statistics
from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.state import finished_rows
from kespeechchat.store.commit import CommitRecord, ShardKey, commit, new_attempt
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.shards import to_parquet

THRESHOLD = 0.5
KEPT = "statistics.parquet"


@pytest.fixture
def store(tmp_path) -> LocalFolder:
    return LocalFolder(str(tmp_path))


@pytest.fixture
def read(monkeypatch) -> list[int]:
    """The numbers of the shards whose data were read."""
    numbers: list[int] = []

    def table(store, unit, record, *more):
        numbers.append(record.shard)
        return real(store, unit, record, *more)

    real = finished_rows.read_table
    monkeypatch.setattr(finished_rows, "read_table", table)
    return numbers


def _shard(store, number: int, unit: str = "gate", generation: int = 0, rows: int = 6):
    key = ShardKey(number, "0123456789ab", generation)
    data = to_parquet(((unit, Outcome(row)) for row in _rows(number, generation, rows)), SCHEMAS["gate"])
    commit(store, unit, CommitRecord("committed", unit, number, key.fingerprint, generation, new_attempt()), data)
    return unit, key


def _rows(number: int, generation: int = 0, rows: int = 6) -> list[dict]:
    return shard_rows(number + 100 * generation, rows, 400) if rows else []


def _at_once(*shards: tuple[int, list[dict]]) -> dict:
    whole = Statistics(THRESHOLD)
    for round_, rows in shards:
        for row in rows:
            whole.add_block(next(blocks_of([{**row, "round": round_}])))
    return whole.result()


def _counted(store, shards) -> dict:
    return counted_rows(store, shards, THRESHOLD).result()


def test_a_shard_is_read_once_and_again_where_it_was_made_again(store, read):
    shards = [_shard(store, n) for n in range(3)] + [_shard(store, 1, "gate.r1", rows=2)]
    rows = [(0, _rows(n)) for n in range(3)] + [(1, _rows(1, rows=2))]
    plain = [(r, [_as_stored(row) for row in some]) for r, some in rows]
    assert _counted(store, shards) == _at_once(*plain)
    assert sorted(read) == [0, 1, 1, 2]
    read.clear()
    assert _counted(store, shards) == _at_once(*plain) and not read
    shards[2] = _shard(store, 2, generation=1)
    plain[2] = (0, [_as_stored(row) for row in _rows(2, 1)])
    assert _counted(store, shards) == _at_once(*plain)
    assert read == [2]


def test_what_is_no_longer_asked_for_is_forgotten(store, read):
    shards = [_shard(store, n) for n in range(2)]
    _counted(store, shards)
    assert _counted(store, shards[:1]) == _at_once((0, [_as_stored(row) for row in _rows(0)]))
    read.clear()
    _counted(store, shards)
    assert read == [1]


def test_a_shard_without_a_kept_row_is_not_read_again(store, read):
    shards = [_shard(store, 0), _shard(store, 0, "gate.r1", rows=0)]
    found = _counted(store, shards)
    read.clear()
    assert _counted(store, shards) == found and not read


@pytest.mark.parametrize("damage", ["torn", "empty", "other version"])
def test_a_cache_that_is_torn_or_of_another_version_is_made_again(store, read, monkeypatch, damage):
    shards = [_shard(store, n) for n in range(2)]
    found = _counted(store, shards)
    if damage == "other version":
        monkeypatch.setattr(module, "_SCHEMA", module._SCHEMA.with_metadata({"version": "another"}))
    else:
        store.put(KEPT, store.get(KEPT)[:-9] if damage == "torn" else b"")
    read.clear()
    assert _counted(store, shards) == found
    assert sorted(read) == [0, 1]
    read.clear()
    assert _counted(store, shards) == found and not read


def _as_stored(row: dict) -> dict:
    """The row with its numbers as Parquet holds them."""
    (stored,) = pa.Table.from_pylist([row], schema=pa.schema([f for f in SCHEMAS["gate"] if f.name in row])).to_pylist()
    return stored

"""Shards as Arrow tables: their checksum is checked as they are read, their schema as they are written."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kespeechchat.records import FAILED, KEPT, Outcome
from kespeechchat.speech_tokens import muted
from kespeechchat.store.commit import CommitRecord, Counts, ShardKey, mark_corrupt, read_record, record_key
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.parquet import parquet_table
from kespeechchat.store.ranged import read_columns

_HELD = 1 << 28  # bytes of a file that is read at once, whatever is wanted of it
_PART = 1 << 26  # bytes of a larger one that are held while it is checked


class CorruptShard(RuntimeError):
    """A data file is not what its record says. It has been marked as corrupt; the next plan rebuilds it."""


def read_table(
    store: ObjectStore, unit: str, record: CommitRecord, columns: Sequence[str] | None = None, kept_only: bool = True
) -> pa.Table:
    """The rows of a committed shard. Raises CorruptShard, naming the file, where bytes and checksum differ.

    `columns`: names, or paths of Parquet's own such as `turns.list.element.voice` for a part of a nested column. Of a
    file of over 256 MiB only they are held in memory.
    """
    if columns is None or record.size <= _HELD:
        table = parquet_table(
            read_checked(store, unit, record), None if columns is None else ["id", "status", *columns]
        )
    else:
        check(store, unit, record)
        table = read_columns(store, record, ["id", "status", *columns])
    return table.filter(pc.equal(table["status"], KEPT)) if kept_only else table


def read_sound_record(store: ObjectStore, unit: str, key: ShardKey, kind: str | None = None) -> CommitRecord:
    """The commit record. Raises CorruptShard, naming the file, where it is gone or no record (torn, edited by hand)."""
    try:
        return read_record(store, unit, key, kind)
    except (ValueError, FileNotFoundError) as error:
        why = f"{store.url}/{record_key(unit, key, kind)}: {error}"
        mark_corrupt(store, unit, key, why)
        raise CorruptShard(f"{why}; the next `kesc build` makes the shard again") from None


def read_checked(store: ObjectStore, unit: str, record: CommitRecord) -> bytes:
    """The bytes of a committed shard's data file. Raises CorruptShard where they are not those of the record."""
    assert record.file is not None
    with _sound(store, unit, record) as digest:
        data = store.get(record.file)
        digest.update(data)
    return data


def check(store: ObjectStore, unit: str, record: CommitRecord) -> None:
    """Raises CorruptShard as `read_checked`; holds no more than a part of the file."""
    assert record.file is not None
    with _sound(store, unit, record) as digest:
        for start in range(0, record.size, _PART):
            digest.update(store.get_range(record.file, start, min(_PART, record.size - start)))


@contextmanager
def _sound(store: ObjectStore, unit: str, record: CommitRecord) -> Iterator[Any]:
    """Gives a digest to take the file's bytes into; marks the shard as corrupt where it ends as another one."""
    why, digest = None, hashlib.sha256()
    try:
        yield digest
        if digest.hexdigest() != record.checksum:
            why = f"{store.url}/{record.file}: its sha256 is not the one in its commit record"
    except FileNotFoundError:
        why = f"{store.url}/{record.file}: is missing though its commit record is there"
    if why:
        mark_corrupt(store, unit, ShardKey(record.shard, record.fingerprint, record.generation), why)
        raise CorruptShard(f"{why}; the next `kesc build` makes the shard again")


def to_parquet(outcomes: Iterable[tuple[str, Outcome]], schema: pa.Schema) -> bytes:
    """A shard's data file, of (stage that settled the row, outcome) pairs in the order given.

    Raises KeyError where a row has a column that `schema` does not know.
    """
    rows: list[dict[str, Any]] = []
    for stage, outcome in outcomes:
        common = {"status": outcome.status, "stage": stage, "reason": outcome.reason, "detail": outcome.detail}
        unknown = set(outcome.row) - set(schema.names)
        if unknown:
            raise KeyError(f"stage {stage}: columns {sorted(unknown)} are not in its schema")
        rows.append({**outcome.row, **common})
    return _written(pa.Table.from_pylist(rows, schema=schema))


def without_audio(data: bytes) -> bytes:
    """A shard's data file without the speech of its turns, neither audio nor tokens; everything else as it is."""
    table = parquet_table(data)
    turns = [turns and [muted(turn) for turn in turns] for turns in table["turns"].to_pylist()]
    place = table.schema.get_field_index("turns")
    field = table.schema.field(place)
    return _written(table.set_column(place, field, pa.array(turns, field.type)))


def _written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=_group(table))
    return sink.getvalue()


def _group(table: pa.Table) -> int:
    """Rows of a row group, which is what is read at once. A voice is read alone where it has a recording or words:
    figures for that are in docs/decisions.md."""
    recordings = (table[name] for name in ("prompts", "backchannels") if name in table.schema.names)
    if any(column.null_count < len(column) for column in recordings):
        return 4
    return 64 if any(field.name in ("audio", "turns") for field in table.schema) else 1024


def count(rows_in: int, outcomes: Iterable[Outcome], fan_out: int = 1) -> Counts:
    """The counts of a stage that got `rows_in` rows; `seconds` of kept rows that name their split and seconds."""
    kept, failed = 0, 0
    reasons: dict[str, int] = {}
    made: dict[str, int] = {}
    ended: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for outcome in outcomes:
        if outcome.status == KEPT:
            kept += 1
            if outcome.made:
                made[outcome.made] = made.get(outcome.made, 0) + 1
            if outcome.ended:
                ended[outcome.ended] = ended.get(outcome.ended, 0) + 1
            split, spoken = outcome.row.get("split"), outcome.row.get("seconds")
            if split and spoken is not None:
                seconds[split] = seconds.get(split, 0.0) + spoken
        elif outcome.status == FAILED:
            failed += 1
        else:
            reason = outcome.reason or "unnamed"
            reasons[reason] = reasons.get(reason, 0) + 1
    rounded = {split: round(spoken, 3) for split, spoken in sorted(seconds.items())}
    by_reason, by_way, by_end = (dict(sorted(codes.items())) for codes in (reasons, made, ended))
    return Counts(rows_in, kept, by_reason, failed, fan_out, rounded, by_way, by_end)

"""`kesc rows`: the current rows of a stage, chosen by status, reason, language and split; never those of old shards."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kespeechchat.commands.status import status
from kespeechchat.config.load import ConfigError
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.display import NOTHING, columns, counted
from kespeechchat.records import KEPT, SCHEMAS, Language, Split, Status, status_named
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.shards import read_table
from kespeechchat.whole_file import whole_file

_TEXTS = ("question", "instruction", "transcript", "text", "recording")  # what a row is recognized by, the best first
_TABLE = 50  # rows of a table, where no limit is named
_WIDEST = 60  # characters of a cell of the table


@dataclass(frozen=True)
class Wanted:
    """Which rows of `stage`; None: any. `limit`: the first so many."""

    stage: str
    status: Status | None = None
    reason: str | None = None
    language: Language | None = None
    split: Split | None = None
    limit: int | None = None


def status_of(word: str | None) -> Status | None:
    """The status that `--status` names. Raises ConfigError with the right word."""
    try:
        return None if word is None else status_named(word)
    except ValueError as error:
        raise ConfigError(f"--status {error}") from None


def schema_of(unit: Unit) -> pa.Schema:
    """Of the rows in the unit's files."""
    schema: pa.Schema = SCHEMAS[split_round(unit.name)[0]]
    return schema


def without_audio_bytes(schema: pa.Schema) -> list[str]:
    """The schema's columns as Parquet names them, but for `id` and `status` (which every reader gets) and audio."""
    found = []
    for field in schema:
        if pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type):
            parts = field.type.value_type
            inner = (parts.field(i) for i in range(parts.num_fields))
            found += [f"{field.name}.list.element.{part.name}" for part in inner if not pa.types.is_binary(part.type)]
        elif not pa.types.is_binary(field.type) and field.name not in ("id", "status"):
            found.append(field.name)
    return found


def settled_by(table: pa.Table, unit: Unit, stage: str) -> pa.Table:
    """The rows of a unit's file that reached `stage`, as that stage left them: what a later stage of the unit settled
    was kept by this one."""
    later = unit.stages[unit.stages.index(stage) + 1 :]
    table = table.filter(pc.is_in(table["stage"], pa.array([stage, *later], pa.string())))
    if not later:
        return table
    passed = pc.is_in(table["stage"], pa.array(later, pa.string()))
    for name, value in (("status", KEPT), ("reason", None), ("detail", None), ("stage", stage)):
        changed = pc.if_else(passed, pa.scalar(value, pa.string()), table[name])
        table = table.set_column(table.schema.get_field_index(name), name, changed)
    return table


def current_tables(build_state: BuildState, wanted: Wanted) -> Iterator[pa.Table]:
    """The wanted rows, a shard at a time, without audio and with the number of their `shard`. Raises ConfigError where
    the stage's rows have no split or language to choose by, CorruptShard where a file is not what its record says."""
    unit = build_state.pipeline.unit_of(wanted.stage)
    schema = schema_of(unit)
    for name in ("language", "split"):
        if getattr(wanted, name) and name not in schema.names:
            raise ConfigError(f"--{name} {getattr(wanted, name)}: rows of stage {wanted.stage} have no {name}")
    left = wanted.limit
    for state in build_state.states(wanted.stage).values():
        if left == 0:
            return
        if state.state is State.DONE and wanted.language in (None, state.order.language or wanted.language):
            table = _chosen(_read(build_state, unit, state.order), unit, wanted)
            table = table if left is None else table.slice(0, left)
            left = None if left is None else left - len(table)
            yield table


def _read(build_state: BuildState, unit: Unit, order: Order) -> pa.Table:
    record = build_state.standing_record(order)
    table = read_table(build_state.store, unit.name, record, without_audio_bytes(schema_of(unit)), kept_only=False)
    return table.append_column("shard", pa.array([order.key.shard] * len(table), pa.int32()))


def _chosen(table: pa.Table, unit: Unit, wanted: Wanted) -> pa.Table:
    table = settled_by(table, unit, wanted.stage)
    for name in ("status", "reason", "language", "split"):
        if (value := getattr(wanted, name)) is not None:
            table = table.filter(pc.equal(table[name], value))
    return table


def rows(build_state: BuildState, wanted: Wanted, format_: str, to: str | None) -> None:
    """Writes the wanted rows to the file `to`, or to standard output, as `table`, `jsonl` or `parquet`. Raises
    ConfigError where the file cannot be written, and as `current_tables`."""
    limit = wanted.limit or _TABLE
    if format_ == "table":
        wanted = replace(wanted, limit=limit + 1)  # one more says whether there are more
    tables = current_tables(build_state, wanted)
    nothing = partial(_nothing, build_state, wanted)
    try:
        if to is None:
            _write(tables, format_, sys.stdout.buffer, limit, nothing)
            sys.stdout.flush()
            return
        with whole_file(Path(to)) as out:
            _write(tables, format_, out, limit, nothing)
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if to is None or not isinstance(error.filename, str) or Path(error.filename).parent != Path(to).parent:
            raise
        raise ConfigError(f"--to {to}: cannot write it: {error.strerror}") from None


def _nothing(build_state: BuildState, wanted: Wanted) -> str:
    """What to say where no row is as wanted: for what reasons the stage rejected rows, by the counts of its commits."""
    stages = status(build_state.pipeline, build_state.store, build_state)["stages"]
    done, rejected = next((s["done"], s["rejected"]) for s in stages if s["name"] == wanted.stage)
    if not done:
        return f"no such rows: no shard of stage {wanted.stage} is built"
    if wanted.reason is None or wanted.reason in rejected:
        return "no such rows"
    reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(rejected.items())) or "none"
    return f"no such rows: no row of {wanted.stage} was rejected as {wanted.reason}; reasons there: {reasons}"


def _write(tables: Iterable[pa.Table], format_: str, out: IO[bytes], limit: int, nothing: Callable[[], str]) -> None:
    if format_ == "jsonl":
        write_jsonl(tables, out)
    elif format_ == "parquet":
        write_parquet(tables, out)
    else:
        out.write("".join(f"{line}\n" for line in table_lines(tables, limit) or [nothing()]).encode())


def write_jsonl(tables: Iterable[pa.Table], out: IO[bytes]) -> int:
    """A line a row. Returns how many."""
    count = 0
    for table in tables:
        for row in table.to_pylist():
            out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def write_parquet(tables: Iterable[pa.Table], out: IO[bytes]) -> int:
    """One Parquet file, a row group a shard. Returns how many rows. Raises ConfigError where there is no shard."""
    tables = iter(tables)
    first = next(tables, None)
    if first is None:
        raise ConfigError("no shard of this stage is built yet, so there are no rows; see `kesc status`")
    count = 0
    with pq.ParquetWriter(out, first.schema, compression="zstd") as writer:
        for table in chain([first], tables):
            writer.write_table(table)
            count += len(table)
    return count


def table_lines(tables: Iterable[pa.Table], limit: int) -> list[str]:
    """The first `limit` rows for a reader, and whether `tables`, which are held whole, have more; [] for no row."""
    rows = [row for table in tables for row in table.to_pylist()]
    if not rows:
        return []
    names = [n for n in ("shard", "id", "status", "reason", "language", "split") if any(n in row for row in rows)]
    cells = [[*(_cell(row.get(n)) for n in names), _text(row), _cell(row["detail"])] for row in rows[:limit]]
    lines = columns([(*names, "text", "detail"), *map(tuple, cells)], "<")
    more = f"the first {counted(limit, 'row')}; more with --limit N, all of them with --format jsonl"
    return [*lines, more] if len(rows) > limit else lines


def _text(row: dict[str, Any]) -> str:
    if turns := row.get("turns"):
        return _cell(turns[0]["text"])
    if pieces := row.get("pieces"):
        return _cell("".join(piece["text"] for piece in pieces))
    return _cell(next((row[name] for name in _TEXTS if row.get(name)), None))


def _cell(value: object) -> str:
    text = NOTHING if value is None else " ".join(str(value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"

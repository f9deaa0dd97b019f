"""`kesc errors`: every failed shard with its traceback, every failed row with its error."""

from __future__ import annotations

from collections.abc import Iterator

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import FAILED, CommitRecord, record_key
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_table


def errors(pipeline: Pipeline, store: ObjectStore) -> Iterator[str]:
    """Every failed shard with its traceback and every failed row with its error, a text each, in flow order."""
    build_state = BuildState(pipeline, store)
    for unit in pipeline.units:
        for shard, state in build_state.states(unit.name).items():
            where = f"{unit.name} shard {shard:05d}"
            if state.state is State.FAILED:
                yield f"{where}: failed\n{why_failed(build_state, state.order)}"
            elif state.state is State.DONE:
                yield from (f"{where}: {line}" for line in _failed_rows(build_state, state.order))


def why_failed(build_state: BuildState, order: Order) -> str:
    """The traceback of a failed shard, from its last failure record; where that is gone or torn, it says so."""
    key = order.key
    for generation in range(key.generation, -1, -1):
        name = record_key(order.name, type(key)(key.shard, key.fingerprint, generation), FAILED)
        try:
            return CommitRecord.from_json(build_state.store.get(name)).error or "no error was written"
        except FileNotFoundError:
            continue
        except ValueError as error:
            return f"{build_state.store.url}/{name}: {error}"
    return "its failure record is gone"


def _failed_rows(build_state: BuildState, order: Order) -> Iterator[str]:
    record = build_state.standing_record(order)
    if not any(counts.failed for counts in record.counts.values()):
        return
    for row in read_table(build_state.store, order.name, record, ["stage", "detail"], kept_only=False).to_pylist():
        if row["status"] == "failed":
            yield f"{row['id']}: {row['stage']}: {row['detail']}"

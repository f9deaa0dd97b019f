"""`kesc verify`: every checksum, and no row lost or doubled from the first stage to the last.

What a stage got is what the stage before it kept, so the sums close along the whole flow: per shard, the ids a stage
settled are exactly the ids its source kept (with their variants), each once. What starts a round of speech got exactly
the dialogues that no gate before it kept. And of the gated dialogues: no two splits share a user voice, a real speaker
behind one, or a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.config.flow import GATE, LIBRARY
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.dataset.overlaps import OverlapCheck
from kespeechchat.display import counted
from kespeechchat.ids import variants
from kespeechchat.records import KEPT
from kespeechchat.stages.base import Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import CommitRecord
from kespeechchat.store.interface import ObjectStore, StoreError
from kespeechchat.store.manifest import planned_rows
from kespeechchat.store.parquet import parquet_table
from kespeechchat.store.screened import refusals
from kespeechchat.store.shards import CorruptShard, read_checked, read_sound_record, read_table


class Verified(NamedTuple):
    """How many shards were checked, what is wrong, and the stages that have shards still to build."""

    checked: int
    problems: list[str]
    incomplete: list[str]


def verify(pipeline: Pipeline, store: ObjectStore) -> Verified:
    """Reads all of ROOT once. Problems are found, not raised."""
    return _Check(pipeline, store).run()


class _Check:
    def __init__(self, pipeline: Pipeline, store: ObjectStore) -> None:
        self.pipeline, self.store, self.build_state = pipeline, store, BuildState(pipeline, store)
        self.problems: list[str] = []
        self.checked = 0
        self._kept: dict[tuple[str, int], list[str]] = {}  # (stage, shard) → ids
        self._overlap = OverlapCheck()

    def run(self) -> Verified:
        for branch, manifest in self.build_state.manifests.items():
            for planned in manifest.shards:
                try:
                    self._kept[(branch, planned.number)] = planned_rows(self.store, planned, ["id"])["id"].to_pylist()
                except (FileNotFoundError, OSError, ValueError, StoreError) as error:
                    if planned.reference is None or not self._is_made(planned.number):
                        self.problems.append(f"{planned.file}: the plan's rows cannot be read: {error}")
        for screened in self.build_state.screened.values():
            try:
                refusals(self.store, screened)
            except (FileNotFoundError, OSError, ValueError) as error:
                self.problems.append(f"{screened.file}: what the screening found cannot be read: {error}")
        for unit in self.pipeline.units:
            for state in self.build_state.states(unit.name).values():
                if state.state is State.DONE:
                    self._check_shard(state.order)
                elif state.state is State.FAILED:
                    self.problems.append(f"{unit.name} shard {state.order.key.shard:05d}: failed; see `kesc errors`")
        if GATE in self.pipeline.flow:
            self.problems += [f"splits: {overlap}" for overlap in self._overlap.overlaps(self._parents())]
        return Verified(self.checked, self.problems, _incomplete(self.build_state))

    def _is_made(self, shard: int) -> bool:
        """Whether a shard of documents is done: then their file, which is the user's, is no longer needed."""
        return self.build_state.states(self.pipeline.flow[0])[shard].state is State.DONE

    def _check_shard(self, order: Order) -> None:
        where = f"{order.name} shard {order.key.shard:05d}"
        try:
            record = self.build_state.standing_record(order)
            rows = self._rows(order.name, record)
        except (CorruptShard, ValueError) as error:
            self.problems.append(f"{where}: {error}")
            return
        self.checked += 1
        doubled = [id_ for id_, n in Counter(id_ for id_, _, _ in rows).items() if n > 1]
        if doubled:
            self.problems.append(
                f"{where}: {counted(len(doubled), 'id occurs', 'ids occur')} twice, the first is {doubled[0]}"
            )
        self._keep(order, rows)
        self._check_counts(order, record, rows, where)

    def _rows(self, unit: str, record: CommitRecord) -> list[tuple[str, str, str]]:
        """(id, status, stage) of each row. Gated dialogues are noted for the overlap check on the way."""
        data = read_checked(self.store, unit, record)
        more = ["split", "turns"] if split_round(unit)[0] == GATE else []
        table = parquet_table(data, ["id", "status", "stage", *more])
        if more:
            self._note_dialogues(table)
        return list(zip(*(table[c].to_pylist() for c in ("id", "status", "stage")), strict=True))

    def _note_dialogues(self, table: pa.Table) -> None:
        kept = table.filter(pc.and_(pc.equal(table["status"], KEPT), pc.is_valid(table["turns"])))
        for row in kept.select(["id", "split", "turns"]).to_pylist():
            for user in row["turns"][:1]:  # what other turns say in two splits, an export leaves out
                self._overlap.add(row["split"], user["voice"], [user["text"]], row["id"])

    def _parents(self) -> dict[str, list[str]]:
        """Voice → its real speakers, of the pinned library; empty where it cannot be read, which is told."""
        if self.build_state.pin is None:
            return {}
        try:
            record = read_sound_record(self.store, LIBRARY, self.build_state.pin.key)
            table = read_table(self.store, LIBRARY, record, ["parents"])
        except (CorruptShard, ValueError) as error:
            self.problems.append(f"the pinned voice library: {error}")
            return {}
        return dict(zip(table["id"].to_pylist(), table["parents"].to_pylist(), strict=True))

    def _keep(self, order: Order, rows: list[tuple[str, str, str]]) -> None:
        """What each stage of the unit kept: of a fused stage, what it did not settle itself."""
        for position, stage in enumerate(order.unit):
            later = set(order.unit.stages[position + 1 :])
            self._kept[(stage, order.key.shard)] = [
                i for i, status, at in rows if at in later or (at == stage and status == KEPT)
            ]

    def _check_counts(self, order: Order, record: CommitRecord, rows: list[tuple[str, str, str]], where: str) -> None:
        for position, stage in enumerate(order.unit):
            cls, counts = stage_class(stage), record.counts.get(stage)
            here = [id_ for id_, _, at in rows if at in order.unit.stages[position:]]
            if counts is None or counts.rows_out != len(here):
                self.problems.append(f"{where}: its record and its file differ in the number of rows of {stage}")
                continue
            if not cls.keeps_rows and not cls.traits.renames_rows:
                continue
            source = (cls.source.stage, 0 if cls.source.scope is Scope.SLICE else order.key.shard)
            if cls.source.scope in (Scope.PLAN, Scope.SHARD, Scope.SLICE) and source not in self._kept:
                continue  # it could not be read, which is told already; or it is the user's own document, and gone
            given = sorted(self._given(order, stage, counts.fan_out))
            settled = sorted(here) if cls.keeps_rows else given if len(here) == len(given) else here
            if settled != given:
                lost, extra = Counter(given) - Counter(settled), Counter(settled) - Counter(given)
                told = f"{counted(sum(lost.values()), 'row')} and has {sum(extra.values())} extra"
                self.problems.append(f"{where}: {stage} lost {told}")

    def _given(self, order: Order, stage: str, fan_out: int) -> Iterator[str]:
        source = stage_class(stage).source
        if source.scope in (Scope.PLAN, Scope.SHARD):
            ids = self._kept.get((source.stage, order.key.shard), [])
            done = {i for earlier in source.without for i in self._kept.get((earlier, order.key.shard), ())}
            ids = [i for i in ids if i not in done]
        elif source.scope is Scope.SLICE:
            given = next(i for i in order.inputs if i.stage == source.stage)
            ids = self._kept.get((source.stage, 0), [])[given.start : given.stop]
        else:
            ids = [i for (s, _), kept in self._kept.items() if s == source.stage for i in kept]
        for id_ in ids:
            yield from variants(id_, fan_out)


def _incomplete(build_state: BuildState) -> list[str]:
    found = []
    for stage in build_state.pipeline.flow:
        states = build_state.states(stage)
        waiting = sum(1 for s in states.values() if s.state is not State.DONE)
        if waiting or not states:
            found.append(f"{stage} ({waiting} of {counted(len(states), 'shard')})")
    return found

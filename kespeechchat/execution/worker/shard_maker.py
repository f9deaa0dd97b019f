"""Runs a unit's stages on a shard's rows, one after the other; what passes between them stays in memory.

It knows neither attempts nor blame. Rows may be given all at once or a few at a time. What a row raises that is given
by itself (`single`) becomes that row's own failure, at the stage that raised it.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kespeechchat.config.flow import LIBRARY
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.engines import EngineError
from kespeechchat.records import KEPT, SCHEMAS, Outcome
from kespeechchat.speech_tokens import muted
from kespeechchat.stages.base import Scope, Stage, Task, output_kept
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.model_digests import check_here
from kespeechchat.state.orders import Input, Order
from kespeechchat.state.profile_models import models_of
from kespeechchat.store.commit import Counts
from kespeechchat.store.interface import ObjectStore, StoreError
from kespeechchat.store.manifest import planned_rows
from kespeechchat.store.recordings import LibraryRecordings
from kespeechchat.store.screened import refusals
from kespeechchat.store.shards import CorruptShard, count, read_sound_record, read_table
from kespeechchat.voices.columns import rows_of

_TRACE = 4000  # characters kept of a row's traceback, its end


class RowsMiscounted(RuntimeError):
    """A stage lost or doubled rows: its own fault, and no row's."""


# What no row can be blamed for. The worker handles each of them in its own way.
NO_ROWS_FAULT = (EngineError, ConfigError, StoreError, CorruptShard, RowsMiscounted)

Watch = Callable[[Stage[Any], int], AbstractContextManager[object]]  # around a stage's work on so many rows


def unwatched(stage: Stage[Any], rows: int) -> AbstractContextManager[object]:
    """No time limit."""
    return nullcontext()


@dataclass(frozen=True)
class Inputs:
    """The rows that the shard's first stage accounts for, and what else each stage reads."""

    rows: list[dict[str, Any]]
    also: dict[str, dict[str, pa.Table]]  # stage → stage that it reads → rows
    recordings: LibraryRecordings | None = None  # of the library's voices, where a stage speaks from them


@dataclass(frozen=True)
class _Library:
    """The pinned library. `content`: what it was pinned by."""

    content: str
    voices: pa.Table
    recordings: LibraryRecordings | None


@dataclass
class MadeRows:
    """What was made of some rows of a shard."""

    settled: list[tuple[str, Outcome]] = field(default_factory=list)  # (stage that settled the row, outcome)
    counts: dict[str, Counts] = field(default_factory=dict)  # by stage
    raised: list[Exception] = field(default_factory=list)  # by rows that were made singly
    isolated: str | None = None  # why the rows were made a few at a time, where they were

    def add(self, other: MadeRows) -> None:
        """Adds what was made of other rows of the shard."""
        self.settled += other.settled
        self.raised += other.raised
        for stage, counts in other.counts.items():
            self.counts[stage] = self.counts[stage] + counts if stage in self.counts else counts


class ShardMaker:
    """The stages of one unit in one worker process. Several threads may use it at once."""

    def __init__(self, pipeline: Pipeline, unit: Unit, store: ObjectStore) -> None:
        self.stages: list[Stage[Any]] = [stage_class(name)(pipeline) for name in unit]
        self._unit, self._store = unit, store
        self._lock = threading.Lock()
        self._ready = False
        self._library: _Library | None = None

    @property
    def keeps_rows(self) -> bool:
        """Whether each row has outcomes of its own, so that one can fail alone."""
        return all(stage.keeps_rows for stage in self.stages)

    def load(self) -> float:
        """Loads the engines once per process. Returns the seconds that this call took or waited.

        Raises EngineError where a local model is not the one that the build began with.
        """
        began = time.monotonic()
        with self._lock:
            if not self._ready:
                for stage in self.stages:
                    check_here(stage.pipeline, models_of(stage.pipeline, stage.name))
                    stage.setup()
                self._ready = True
        return time.monotonic() - began

    def inputs(self, order: Order) -> Inputs:
        """Reads all that the stages need from ROOT. Raises CorruptShard."""
        rows = self._source_rows(order)
        working = [stage for stage in self.stages if rows or not stage.keeps_rows]
        also = {stage.name: self._also(stage, order) for stage in working}
        prompted = any(stage.prompted for stage in working)
        return Inputs(rows, also, self._voices(order).recordings if prompted else None)

    def make(
        self,
        order: Order,
        inputs: Inputs,
        rows: list[dict[str, Any]],
        watch: Watch = unwatched,
        single: bool = False,
    ) -> MadeRows:
        """Runs the stages on `rows`, some or all of the inputs'. Raises what a stage raises, and RowsMiscounted."""
        made = MadeRows()
        for position, stage in enumerate(self.stages):
            outcomes: list[Outcome] = []
            if rows or not stage.keeps_rows:  # no rows need no engine
                recordings = inputs.recordings if stage.prompted else None
                task = Task(order.key.shard, order.language, rows, inputs.also[stage.name], recordings)
                outcomes = self._outcomes(stage, task, watch, made.raised if single else None)
            made.counts[stage.name] = _conserved(stage, rows, outcomes)
            if position < len(self.stages) - 1:
                made.settled += [(stage.name, _without_audio(o)) for o in outcomes if o.status != KEPT]
                rows = output_kept(outcomes)
        made.settled += [(self.stages[-1].name, o) for o in outcomes]
        return made

    def fail(self, order: Order, row: dict[str, Any], error: str) -> MadeRows:
        """The row failed with `error` before the first stage could settle it."""
        outcomes = self.stages[0].failures(row, order.language, error)
        counts = {stage.name: count(0, [], stage.fan_out) for stage in self.stages}
        counts[self.stages[0].name] = _conserved(self.stages[0], [row], outcomes)
        return MadeRows([(self.stages[0].name, outcome) for outcome in outcomes], counts)

    def _outcomes(self, stage: Stage[Any], task: Task, watch: Watch, raised: list[Exception] | None) -> list[Outcome]:
        try:
            with watch(stage, len(task.rows)):
                return list(stage.process(task))
        except NO_ROWS_FAULT:
            raise
        except Exception as error:
            if raised is None:
                raise
            raised.append(error)
            text = f"{one_line(error)}\n{traceback.format_exc()[-_TRACE:]}"
            return [outcome for row in task.rows for outcome in stage.failures(row, task.language, text)]

    def _source_rows(self, order: Order) -> list[dict[str, Any]]:
        source = self.stages[0].source
        if source.scope is Scope.PLAN:
            assert order.planned is not None
            planned: list[dict[str, Any]] = planned_rows(self._store, order.planned).to_pylist()
            for place, refusal in refusals(self._store, order.screened).items() if order.screened else ():
                planned[place]["refusal"] = refusal
            return planned
        table = self._read(_input(order, source.stage), source.columns)
        # a reduce stage gets the vectors of the whole flow, which as Python lists would fill the memory
        rows: list[dict[str, Any]] = rows_of(table) if source.scope is Scope.ALL else table.to_pylist()
        done = {id_ for stage in source.without for id_ in self._read(_input(order, stage), ())["id"].to_pylist()}
        return [row for row in rows if row["id"] not in done] if done else rows

    def _also(self, stage: Stage[Any], order: Order) -> dict[str, pa.Table]:
        tables = {}
        for reads in stage.also:
            if not reads.asked_for(stage.settings):
                continue
            if reads.scope is Scope.LIBRARY:
                tables[reads.stage] = self._voices(order).voices
            elif reads.stage not in self._unit:
                tables[reads.stage] = self._read(_input(order, reads.stage), reads.columns)
        return tables

    def _read(self, given: Input, columns: Sequence[str] | None) -> pa.Table:
        records = [read_sound_record(self._store, given.unit, key) for key in given.keys]
        table = pa.concat_tables(read_table(self._store, given.unit, record, columns) for record in records)
        return table.slice(given.start, None if given.stop is None else given.stop - given.start)

    def _voices(self, order: Order) -> _Library:
        """The pinned library, read once. The voices' recordings stay in its file until a stage speaks from them."""
        if order.library is None:
            raise RuntimeError("no voice library is pinned yet; build the stages up to voices first")
        with self._lock:
            if self._library is None or self._library.content != order.library.content:
                record = read_sound_record(self._store, LIBRARY, order.library.key)
                left = {"id", "status", "prompts", "backchannels"}
                voices = read_table(self._store, LIBRARY, record, [n for n in SCHEMAS[LIBRARY].names if n not in left])
                prompted = any(stage.prompted for stage in self.stages)
                recordings = LibraryRecordings(self._store, record) if prompted else None
                self._library = _Library(order.library.content, voices, recordings)
            return self._library


def _input(order: Order, stage: str) -> Input:
    return next(given for given in order.inputs if given.stage == stage)


def one_line(error: BaseException) -> str:
    """The error's type and message."""
    return f"{type(error).__name__}: {error}"


def _conserved(stage: Stage[Any], rows: list[dict[str, Any]], outcomes: list[Outcome]) -> Counts:
    """The stage's counts; raises where it lost or doubled a row."""
    if stage.keeps_rows:
        expected = sorted(id_ for row in rows for id_ in stage.ids(row))
        settled = sorted(outcome.row["id"] for outcome in outcomes)
        if settled != expected:
            raise RowsMiscounted(
                f"stage {stage.name} got {counted(len(expected), 'row')} to settle and settled {len(settled)} others"
            )
    return count(len(rows), outcomes, stage.fan_out)


def _without_audio(outcome: Outcome) -> Outcome:
    """A row that a fused stage rejects is published without its speech, which carries no watermark yet."""
    if "turns" not in outcome.row:
        return outcome
    turns = [muted(turn) for turn in outcome.row["turns"] or []]
    return Outcome({**outcome.row, "turns": turns}, outcome.status, outcome.reason, outcome.detail)

"""A worker: builds shards of one unit, in whatever process the runner put it.

    journal → read inputs → process → Parquet → commit → close journal

The engines are loaded once, at the first shard with rows. Whatever is raised while a shard is made is asked of its
rows, a few at a time (`worker.blame`), and so is a shard whose worker died: what is left of it is committed, and the
build goes on.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.execution.worker.attempt_record import commit_record
from kespeechchat.execution.worker.blame import Deaths, Isolation, ShardGivenUp, free_memory
from kespeechchat.execution.worker.shard_maker import NO_ROWS_FAULT, Inputs, MadeRows, ShardMaker, Watch, one_line
from kespeechchat.execution.worker.slots import Room
from kespeechchat.execution.worker.time_limit import last_words, time_limit
from kespeechchat.records import KEPT, Outcome
from kespeechchat.stages.base import Stage
from kespeechchat.state.orders import Built, Order
from kespeechchat.store.commit import CommitRecord, commit, commit_failure, new_attempt, read_record
from kespeechchat.store.interface import ObjectStore, StoreError
from kespeechchat.store.journal import Attempt, Entry, Journal
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import CorruptShard, to_parquet


class Worker:
    """`session` and `node` name the driver's run and this machine in the attempt journal.

    `build` may be called from as many threads as the unit's resources allow shards in flight. `leave` ends the process
    (a hung library can be left in no other way); without it there are no time limits, for the process is the user's.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        unit: Unit,
        session: str,
        node: str,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self.unit = unit
        self.session, self.node = session, node
        self.store: ObjectStore = open_store(pipeline.root)
        self._maker = ShardMaker(pipeline, self.unit, self.store)
        self._journal = Journal(self.store, self.unit.name, session, node)
        self._resources = {stage: pipeline.resources_of(stage) for stage in self.unit}
        self._leave = leave
        self._room = Room(self._resources[self.unit.first].shards_in_flight)
        self._open: dict[str, Entry] = {}
        self._warm: set[str | None] = set()  # languages of which a shard is done

    @property
    def stages(self) -> list[Stage]:
        return self._maker.stages

    def build(self, order: Order) -> Built:
        try:
            if standing := self._standing(order):
                return standing
            left_open = self._journal.left_open(order.key)
            with self._room.taken(alone=bool(left_open)) as alone:  # a suspect runs by itself
                return self._build(order, self._deaths(left_open), alone)
        except StoreError as error:  # before the shard, or while its failure was written
            return Built(order.name, order.key.shard, order.language, "fatal", error=str(error))

    def disown(self) -> None:
        """This process was told to go, and dies of nobody's fault."""
        for entry in list(self._open.values()):
            with contextlib.suppress(StoreError):
                entry.close()

    def _build(self, order: Order, deaths: Deaths, alone: bool) -> Built:
        key, attempt, began = order.key, new_attempt(), time.monotonic()
        if deaths.too_many:
            error = f"its worker died {deaths.total} times while it ran alone; the shard is given up"
            built = self._give_up(order, attempt, error, began)
            self._journal.forget(key)
            return built
        with self._attempted(order, attempt, alone) as entry:
            try:
                began = time.monotonic()
                inputs = self._maker.inputs(order)
                if inputs.rows:
                    began += self._maker.load()  # it is the process's time, not the shard's: `kesc plan` counts on it
                made = self._made(order, inputs, entry, deaths, alone)
                record = self._record(order, attempt, made, time.monotonic() - began)
                self._warm.add(order.language)
                record = commit(self.store, order.name, record, to_parquet(made.settled, self.stages[-1].schema))
            except EngineDead as error:  # only a new process helps; the open attempt says that this shard was in it
                entry.ends(str(error))
                raise
            except (EngineError, ConfigError, StoreError) as error:  # no shard's fault: the build stops and says why
                with contextlib.suppress(StoreError):
                    entry.close()
                return Built(order.name, key.shard, order.language, "fatal", error=str(error))
            except CorruptShard as error:  # its input's fault: that is marked, and the next plan builds both again
                entry.close()
                return Built(order.name, key.shard, order.language, "stale", error=str(error))
            except Exception as error:  # whatever it is, it is this shard's failure and no one else's
                told = str(error) if isinstance(error, ShardGivenUp) else one_line(error)
                built = self._give_up(order, attempt, told, began, traceback.format_exc())
                self._journal.forget(key)
                return built
        self._journal.forget(key)
        return _built(order, record, _examples(made.settled))

    @contextlib.contextmanager
    def _attempted(self, order: Order, attempt: str, alone: bool) -> Iterator[Entry]:
        entry = self._open[attempt] = self._journal.open(order.key, attempt, alone)
        try:
            yield entry
        finally:
            del self._open[attempt]

    def _standing(self, order: Order) -> Built | None:
        """The shard where it is committed already: its worker or node was lost after that, and Ray asks again."""
        try:
            return _built(order, read_record(self.store, order.name, order.key))
        except FileNotFoundError:
            return None

    # --- one shard

    def _made(self, order: Order, inputs: Inputs, entry: Entry, deaths: Deaths, alone: bool) -> MadeRows:
        make = partial(self._maker.make, order, inputs, watch=self._watch(entry, alone))
        why = f"{deaths.total} of its workers died" if deaths.total else None
        if why is None or not self._maker.keeps_rows:
            try:
                return make(inputs.rows)
            except NO_ROWS_FAULT:
                raise
            except Exception as error:  # its rows are asked for it; where none is to blame, the record still tells
                if not self._maker.keeps_rows:
                    raise
                why = one_line(error)
                free_memory()
        isolation = Isolation(
            make=lambda rows, single: make(rows, single=single),
            note=entry.rows,
            given_up=partial(self._maker.given_up, order),
        )
        made = isolation.run(inputs.rows, deaths)
        made.isolated = why
        return made

    def _watch(self, entry: Entry, alone: bool) -> Watch:
        """A stage's time limit; past it the process is left, and the journal says that it hung."""

        def hung(stage: Stage, rows: int, seconds: float) -> None:
            with contextlib.suppress(StoreError):
                entry.ends(f"{stage.name} gave no answer within {seconds:g} s for {rows} rows (seconds_per_row)")
            self._leave()

        def watch(stage: Stage, rows: int) -> contextlib.AbstractContextManager[None]:
            limit = self._resources[stage.name].seconds_per_row
            if limit is None or self._leave is None or not stage.keeps_rows:
                return time_limit(None, lambda _: None)
            return time_limit(limit * max(1, rows), partial(hung, stage, rows), alone)

        return watch

    # --- records

    def _record(
        self, order: Order, attempt: str, made: MadeRows, seconds: float, error: str | None = None
    ) -> CommitRecord:
        return commit_record(order, self.stages, attempt, made, seconds, order.language not in self._warm, error)

    def _give_up(self, order: Order, attempt: str, error: str, began: float, trace: str = "") -> Built:
        seconds = time.monotonic() - began
        record = self._record(order, attempt, MadeRows(), seconds, error=f"{error}\n{trace}".strip())
        commit_failure(self.store, order.name, record)
        return Built(order.name, order.key.shard, order.language, "failed", {}, seconds, error=error)

    # --- blame

    def _deaths(self, left_open: list[Attempt]) -> Deaths:
        """Of workers that died alone, on this node, under this driver."""
        here = [a for a in left_open if a.node == self.node and a.alone]
        for n, attempt in enumerate(here):
            if attempt.ended is None and attempt.pid and (words := last_words(attempt.pid)):
                here[n] = self._journal.explain(attempt, words)
        return Deaths.of(here)


def _built(order: Order, record: CommitRecord, examples: tuple[str, ...] = ()) -> Built:
    return Built(
        order.name,
        record.shard,
        order.language,
        record.status,
        record.counts,
        record.seconds,
        record.audio_seconds,
        isolated=record.isolated,
        examples=examples,
        stem=record.key.stem,
    )


def _examples(settled: list[tuple[str, Outcome]]) -> tuple[str, ...]:
    lost = [(s, o) for s, o in settled if o.status != KEPT]
    return tuple(f"{o.row['id']}: {s}: {o.reason}: {(o.detail or '')[:160]}" for s, o in lost[:5])

"""A worker: builds shards of one unit, in the process where the runner put it.

    journal → read inputs → make → Parquet → commit → close journal

The engines are loaded once, at the first shard with rows. A shard that raises, or whose worker died, is made again a
few rows at a time (`worker.blame`); what is left of it is committed, and the build continues.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.display import counted
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.execution.worker.attempt_record import commit_record
from kespeechchat.execution.worker.blame import Deaths, Isolation, ShardGivenUp, free_memory
from kespeechchat.execution.worker.shard_maker import NO_ROWS_FAULT, Inputs, MadeRows, ShardMaker, Watch, one_line
from kespeechchat.execution.worker.slots import Slots
from kespeechchat.execution.worker.stopwatch import Stopwatch
from kespeechchat.execution.worker.time_limit import crash_report, time_limit
from kespeechchat.records import KEPT, Outcome
from kespeechchat.stages.base import Stage
from kespeechchat.state.orders import Built, BuiltStatus, Order
from kespeechchat.store.commit import CommitRecord, commit, commit_failure, new_attempt, read_record
from kespeechchat.store.interface import ObjectStore, StoreError
from kespeechchat.store.journal import Attempt, Entry, Journal
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import CorruptShard, to_parquet


class Worker:
    """`session` and `node` name the driver's run and this machine in the attempt journal.

    `build` may be called from as many threads as the unit's resources allow shards in flight. `leave` ends the process,
    the only way out of a library that hangs; without it (the process is the user's own) there are no time limits.
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
        self._slots = Slots(self._resources[self.unit.first].shards_in_flight)
        self._open: dict[str, Entry] = {}  # by attempt
        self._door = threading.RLock()  # to `_open`: a signal's handler may be in the thread that holds it
        self._warm: set[str | None] = set()  # languages of which this process has made a shard

    @property
    def stages(self) -> list[Stage[Any]]:
        """The unit's stages, in flow order."""
        return self._maker.stages

    def build(self, order: Order) -> Built:
        """Makes and commits the shard, and returns how that ended. Raises EngineDead where the process must end."""
        try:
            if record := self._committed(order):
                return Built.committed(order, record)
            left_open = self._journal.left_open(order.key)
            with self._slots.hold(alone=bool(left_open)) as alone:  # a suspect runs alone
                return self._build(order, self._deaths(left_open), alone)
        except StoreError as error:  # before the shard, or while its failure was written
            return Built.fatal(order, str(error))

    def disown(self) -> None:
        """Closes the open journal entries: this process is ended from outside, which is no shard's fault. From then on
        none can be opened, so end it."""
        self._door.acquire()
        for entry in list(self._open.values()):
            with contextlib.suppress(StoreError):
                entry.close()

    def _committed(self, order: Order) -> CommitRecord | None:
        """The shard's record if it has one: its worker or node was lost after the commit, and Ray asks again."""
        try:
            return read_record(self.store, order.name, order.key)
        except FileNotFoundError:
            return None

    # --- one attempt

    def _build(self, order: Order, deaths: Deaths, alone: bool) -> Built:
        attempt = new_attempt()
        if deaths.too_many:
            error = f"its worker died {deaths.total} times while it ran alone; the shard is given up"
            built = self._give_up(order, attempt, Stopwatch(), error)
        else:
            with self._journaled(order, attempt, alone) as entry:
                built = self._attempt(order, attempt, entry, deaths, alone)
        if built.status in (BuiltStatus.COMMITTED, BuiltStatus.FAILED):
            self._journal.forget(order.key)
        return built

    def _attempt(self, order: Order, attempt: str, entry: Entry, deaths: Deaths, alone: bool) -> Built:
        stopwatch = Stopwatch()
        try:
            return self._make_and_commit(order, attempt, entry, deaths, alone, stopwatch)
        except EngineDead as error:  # only a new process helps; the open entry says that this shard was in it
            entry.ends(str(error))
            raise
        except (EngineError, ConfigError, StoreError) as error:  # no shard's fault: the build stops and says why
            with contextlib.suppress(StoreError):
                entry.close()
            return Built.fatal(order, str(error))
        except CorruptShard as error:  # its input's fault: that is marked, and the next plan builds both again
            entry.close()
            return Built.stale(order, str(error))
        except Exception as error:  # anything else is this shard's failure and no other's
            message = str(error) if isinstance(error, ShardGivenUp) else one_line(error)
            return self._give_up(order, attempt, stopwatch, message, traceback.format_exc())

    def _make_and_commit(
        self, order: Order, attempt: str, entry: Entry, deaths: Deaths, alone: bool, stopwatch: Stopwatch
    ) -> Built:
        inputs = self._maker.inputs(order)
        if inputs.rows:
            stopwatch.exclude(self._maker.load())  # `kesc plan` counts loading once a process, not once a shard
        made = self._made(order, inputs, entry, deaths, alone)
        record = self._record(order, attempt, made, stopwatch)
        self._warm.add(order.language)
        record = commit(self.store, order.name, record, to_parquet(made.settled, self.stages[-1].schema))
        return Built.committed(order, record, _examples(made.settled))

    @contextlib.contextmanager
    def _journaled(self, order: Order, attempt: str, alone: bool) -> Iterator[Entry]:
        with self._door:
            entry = self._open[attempt] = self._journal.open(order.key, attempt, alone)
        try:
            yield entry
        finally:
            del self._open[attempt]

    def _record(
        self, order: Order, attempt: str, made: MadeRows, stopwatch: Stopwatch, error: str | None = None
    ) -> CommitRecord:
        cold = order.language not in self._warm
        return commit_record(order, self.stages, attempt, made, stopwatch.seconds, cold, error)

    def _give_up(self, order: Order, attempt: str, stopwatch: Stopwatch, error: str, trace: str = "") -> Built:
        record = self._record(order, attempt, MadeRows(), stopwatch, error=f"{error}\n{trace}".strip())
        commit_failure(self.store, order.name, record)
        return Built.failed(order, error, record.seconds)

    # --- its rows

    def _made(self, order: Order, inputs: Inputs, entry: Entry, deaths: Deaths, alone: bool) -> MadeRows:
        """All rows at once; a few at a time where they raise, or where workers died with them."""
        make = partial(self._maker.make, order, inputs, watch=self._watch(entry, alone))
        if not self._maker.keeps_rows:
            return make(inputs.rows)
        if deaths.total:
            why = f"{deaths.total} of its workers died"
        else:
            try:
                return make(inputs.rows)
            except NO_ROWS_FAULT:
                raise
            except Exception as error:
                why = one_line(error)  # recorded even where no row is to blame: it costs time
            free_memory()
        isolation = Isolation(
            make=lambda rows, single: make(rows, single=single),
            note=entry.rows,
            fail=partial(self._maker.fail, order),
        )
        made = isolation.run(inputs.rows, deaths)
        made.isolated = why
        return made

    def _watch(self, entry: Entry, alone: bool) -> Watch:
        """A stage's time limit. Past it the journal notes that the stage hung, and the process is left."""

        def watch(stage: Stage[Any], rows: int) -> contextlib.AbstractContextManager[None]:
            limit, leave = self._resources[stage.name].seconds_per_row, self._leave
            if limit is None or leave is None or not stage.keeps_rows:
                return contextlib.nullcontext()

            def on_timeout(seconds: float) -> None:
                with contextlib.suppress(StoreError):
                    entry.ends(
                        f"{stage.name} gave no answer within {seconds:g} s for {counted(rows, 'row')} (seconds_per_row)"
                    )
                leave()

            return time_limit(limit * max(1, rows), on_timeout, alone)

        return watch

    def _deaths(self, left_open: list[Attempt]) -> Deaths:
        """Of workers that died alone with the shard, on this node, under this driver."""
        here = [a for a in left_open if a.node == self.node and a.alone]
        for n, attempt in enumerate(here):
            if attempt.ended is None and attempt.pid and (report := crash_report(attempt.pid)):
                here[n] = self._journal.explain(attempt, report)
        return Deaths.of(here)


def _examples(settled: list[tuple[str, Outcome]]) -> tuple[str, ...]:
    """A few rows that were not kept, a line each: `ID: STAGE: REASON: DETAIL`."""
    lost = [(s, o) for s, o in settled if o.status != KEPT]
    return tuple(f"{o.row['id']}: {s}: {o.reason}: {(o.detail or '')[:160]}" for s, o in lost[:5])

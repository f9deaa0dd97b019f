"""Runs shards in processes of this machine, without Ray: nothing to start, and no memory for what one machine needs
not.

Each unit has a pool of its own, which grows while all of its processes are at work and CPUs are left, and ends when
nothing more can come to it. A shard goes to the next unit as soon as the unit before has finished it; the last units
come first, so that little waits between them. A process that dies gives its shards back: the attempt journal knows what
was under way (`worker.blame`), as on Ray.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.resources import Resources
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.execution.local_nursery import TRIES, Nursery
from kespeechchat.execution.worker.board import Board, speaks_ahead
from kespeechchat.execution.worker.nursery import READY, Birth
from kespeechchat.processes import usable_cores
from kespeechchat.state.orders import Built, BuiltStatus, Closed, Order
from kespeechchat.state.saved_profile import save_profile

_POLL = 0.25  # seconds between two looks at what is closed
Chain = list[Order]


def fits(pipeline: Pipeline, units: Iterable[Unit]) -> bool:
    """Whether plain processes can run the units: GPUs, other resources and environments are Ray's to hand out."""
    wanted = [pipeline.resources_of(unit.first) for unit in units]
    return not any(one.num_gpus or one.resources or one.runtime_env for one in wanted)


class LocalPool:
    """The processes of a build. `session` names its run in the attempt journal. `nursery`: one that has begun."""

    def __init__(self, session: str, nursery: Nursery | None = None) -> None:
        self._session, self._nurseries = session, {nursery.threads: nursery} if nursery else {}

    def close(self) -> None:
        """Ends the processes from which workers are forked."""
        for nursery in self._nurseries.values():
            nursery.close()

    def run(
        self,
        pipeline: Pipeline,
        units: Sequence[Unit],
        chains: Sequence[Sequence[Order]],
        report: Callable[[Built], None],
        closed: Callable[[], Closed],
    ) -> None:
        """Builds all chains. `report` may raise to stop the run (a guard, an interrupt). Of what is `closed` no more
        shards begin; running ones finish. Raises EngineError where workers cannot begin."""
        profile, board = save_profile(pipeline), Board()
        board.limit_speech(pipeline.audio_ahead)
        pools = []
        for unit in units:
            resources = pipeline.resources_of(unit.first)
            birth = Birth(pipeline.root, profile, unit, self._session, resources.shards_in_flight)
            shards = sum(order.unit == unit for chain in chains for order in chain)
            pools.append(_Pool(resources, birth, self._nursery(resources), shards))
        with contextlib.ExitStack() as stack:
            for pool in pools:
                stack.callback(pool.end)
            _Run(pools, board, report, closed).go(chains)

    def _nursery(self, resources: Resources) -> Nursery:
        """The one whose workers use as many threads as Ray would let them."""
        threads = max(1, int(resources.num_cpus))
        if threads not in self._nurseries:
            self._nurseries[threads] = Nursery(threads)
        return self._nurseries[threads]


class _Run:
    """One segment's chains on their way through its pools."""

    def __init__(
        self, pools: Sequence[_Pool], board: Board, report: Callable[[Built], None], closed: Callable[[], Closed]
    ) -> None:
        self._pools, self._board, self._report, self._closed = pools, board, report, closed
        self._of = {pool.unit: pool for pool in pools}

    def go(self, chains: Sequence[Sequence[Order]]) -> None:
        for chain in chains:
            self._of[chain[0].unit].waiting.append(list(chain))
        while True:
            self._drop_closed()
            self._hand_out()
            self._retire()
            working = [worker for pool in self._pools for worker in pool.workers]
            if not any(worker.chains for worker in working) and not any(pool.waiting for pool in self._pools):
                return
            for connection in wait([worker.connection for worker in working], _POLL):
                self._hear(next(worker for worker in working if worker.connection is connection))

    def _drop_closed(self) -> None:
        closed = self._closed()
        for pool in self._pools if closed else ():
            kept = deque[Chain]()
            for chain in pool.waiting:
                if (chain[0].name, chain[0].language) in closed:
                    self._board.release_speech(chain[0].key.shard)
                else:
                    kept.append(chain)
            pool.waiting = kept

    def _hand_out(self) -> None:
        for pool in reversed(self._pools):
            while pool.waiting and self._may_be_spoken(pool.waiting[0]):
                worker = pool.free()
                if worker is None:
                    if not pool.may_grow(self._cpus_left()):
                        break
                    worker = pool.grow()
                chain = pool.waiting.popleft()
                worker.chains.append(chain)
                with contextlib.suppress(OSError):  # it has died: heard of soon
                    worker.connection.send(chain[0])

    def _may_be_spoken(self, chain: Chain) -> bool:
        return not speaks_ahead(chain[0], chain[1:]) or self._board.reserve_speech(chain[0].key.shard)

    def _cpus_left(self) -> float:
        at_work = ((pool.resources.num_cpus, sum(bool(w.chains) for w in pool.workers)) for pool in self._pools)
        return usable_cores() - sum(cpus * workers for cpus, workers in at_work)

    def _retire(self) -> None:
        """Ends pools to which nothing can come any more: their models leave the memory."""
        for pool in self._pools:
            if pool.waiting or any(worker.chains for worker in pool.workers):
                return
            pool.end()

    def _hear(self, worker: _Worker) -> None:
        pool = worker.pool
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            pool.lose(worker)
            return
        if said == READY:
            pool.began(worker)
        elif isinstance(said, Built):
            self._built(worker, said)
        else:
            raise EngineError(f"{pool.unit.name}: its worker {'failed' if worker.ready else 'cannot begin'}: {said}")

    def _built(self, worker: _Worker, built: Built) -> None:
        chain = next(chain for chain in worker.chains if chain[0].key.shard == built.shard)
        worker.chains.remove(chain)
        rest = chain[1:] if built.status is BuiltStatus.COMMITTED else []
        if rest:
            self._of[rest[0].unit].waiting.append(rest)
        else:  # gated, or given up on the way
            self._board.release_speech(built.shard)
        self._report(built)


@dataclass(eq=False)
class _Worker:
    """A process of a pool, and what it is making. Orders of a shard wait in it while it is not `ready`."""

    pool: _Pool
    connection: Connection
    chains: list[Chain] = field(default_factory=list)
    ready: bool = False


class _Pool:
    """The processes of one unit, and the chains that wait for one. `shards`: of the unit, in this run."""

    def __init__(self, resources: Resources, birth: Birth, nursery: Nursery, shards: int) -> None:
        self.resources, self.unit = resources, birth.unit
        self.waiting: deque[Chain] = deque()
        self.workers: list[_Worker] = []
        self._stillborn = 0  # of processes, one after the other
        self._birth, self._nursery, self._most = birth, nursery, max(1, min(resources.max_actors, shards))

    def free(self) -> _Worker | None:
        """One that can take another shard."""
        least = min(self.workers, key=lambda worker: len(worker.chains), default=None)
        return None if least is None or len(least.chains) >= self.resources.shards_in_flight else least

    def may_grow(self, cpus_left: float) -> bool:
        """Whether another process may begin: up to `min_actors` whatever is left."""
        if len(self.workers) < min(self.resources.min_actors, self._most):
            return True
        return len(self.workers) < self._most and self.resources.num_cpus <= cpus_left

    def grow(self) -> _Worker:
        """Has a process made."""
        worker = _Worker(self, self._nursery.worker(self._birth))
        self.workers.append(worker)
        return worker

    def began(self, worker: _Worker) -> None:
        """The process is at work."""
        worker.ready, self._stillborn = True, 0

    def lose(self, worker: _Worker) -> None:
        """A process has died: its shards wait again. Raises EngineError where several had not even begun."""
        self.workers.remove(worker)
        worker.connection.close()
        self._stillborn += not worker.ready
        if self._stillborn == TRIES:
            raise EngineError(f"{self.unit.name}: its workers die before they begin{self._nursery.last_words()}")
        self.waiting.extendleft(reversed(worker.chains))

    def end(self) -> None:
        """Ends the processes, whatever they do."""
        for worker in self.workers:
            worker.connection.close()
        self.workers.clear()

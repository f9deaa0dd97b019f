"""What runs as Ray actors: a unit's workers, and the board that stands between them and the driver."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineDead
from kespeechchat.execution.worker.metrics import Metrics
from kespeechchat.execution.worker.time_limit import keep_last_words
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.state.orders import Built, Closed, Order
from kespeechchat.state.saved_profile import load_profile

POLL = 0.25  # seconds between two looks at the board
_SPEAKS, _GATE = "synthesize", "gate"  # between these two, speech waits to be judged: `audio_ahead`


class Board:
    """Tells workers what may begin, and collects what they built until the driver takes it."""

    def __init__(self) -> None:
        self._waiting: list[Built] = []
        self._closed: Closed = frozenset()
        self._at_work: set[tuple[str, int]] = set()
        self._ahead: set[int] = set()  # shards that are spoken, or at it, and not yet gated
        self._most: int | None = None

    def bound(self, most: int | None) -> None:
        """How many shards may be ahead of the gate in the run that begins."""
        self._ahead, self._most = set(), most

    def speaks(self, shard: int) -> bool:
        """Whether a shard may be spoken now."""
        if self._most is not None and shard not in self._ahead and len(self._ahead) >= self._most:
            return False
        self._ahead.add(shard)
        return True

    def through(self, shard: int) -> None:
        self._ahead.discard(shard)

    def close(self, closed: Closed) -> int:
        """From now on nothing of these begins. Returns how many shards are at work."""
        self._closed = closed
        return len(self._at_work)

    def begins(self, order: Order) -> bool:
        """Whether the shard may be made. Whoever asks for one that was at work is there in a dead worker's place."""
        self._at_work.discard((order.name, order.key.shard))
        may = (order.name, order.language) not in self._closed
        if may:
            self._at_work.add((order.name, order.key.shard))
        return may

    def tell(self, built: Built) -> None:
        self._waiting.append(built)
        self._at_work.discard((built.unit, built.shard))

    def take(self) -> list[Built]:
        waiting, self._waiting = self._waiting, []
        return waiting


def _has(unit: Unit, stage: str) -> bool:
    """Whether the unit runs the stage, in whatever round of speech."""
    return any(split_round(name)[0] == stage for name in unit)


class RayWorker:
    """One worker process of a unit's pool."""

    def __init__(self, root: str, kept: str, unit: Unit, session: str, board: Any) -> None:
        import ray

        self._unit, self._board = unit, board
        self._metrics = Metrics(unit.name)
        node = ray.get_runtime_context().get_node_id()
        self._worker = Worker(load_profile(root, kept), unit, session, node, leave=lambda: os._exit(1))
        keep_last_words()
        self._disown_when_told_to_go()

    def _disown_when_told_to_go(self) -> None:
        """SIGTERM to a worker (a machine taken back, an operator) blames no shard. Ray's own handler then ends it."""
        if threading.current_thread() is not threading.main_thread():
            return
        ending = signal.getsignal(signal.SIGTERM)

        def told(number: int, frame: Any) -> None:
            self._worker.disown()
            ending(number, frame)

        signal.signal(signal.SIGTERM, told)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import ray

        chain: list[Order] = list(batch["chain"][0])
        if chain and chain[0].unit == self._unit:
            order = chain.pop(0)
            speaks = _has(order.unit, _SPEAKS) and any(_has(later.unit, _GATE) for later in chain)
            while speaks and not ray.get(self._board.speaks.remote(order.key.shard)):
                time.sleep(POLL)
            if not ray.get(self._board.begins.remote(order)):
                self._board.through.remote(order.key.shard)
                return {"chain": [[]]}
            try:
                with self._metrics.at_work():
                    built = self._worker.build(order)
            except (EngineDead, SystemExit):  # the latter: a library that ends the process, its way to fail
                os._exit(1)  # Ray starts a fresh process and gives it this shard again; the journal counts the death
            self._metrics.add(built)
            ray.get(self._board.tell.remote(built))
            if built.status != "committed":
                chain = []
            if not chain:  # gated, or given up on the way
                self._board.through.remote(order.key.shard)
        return {"chain": [chain]}

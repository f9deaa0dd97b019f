"""One worker process of a unit's pool, as a Ray actor."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any, TypedDict

from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineDead
from kespeechchat.execution.worker.board import speaks_ahead
from kespeechchat.execution.worker.metrics import Metrics
from kespeechchat.execution.worker.time_limit import record_crashes
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.state.orders import Built, BuiltStatus, Order
from kespeechchat.state.saved_profile import load_profile

POLL = 0.25  # seconds between two questions to the board


class Batch(TypedDict):
    """What Ray Data hands to a worker: a list of one shard's orders, from this unit's on or from a later unit's."""

    chain: list[list[Order]]


class RayWorker:
    """Called by Ray Data for each shard that passes through the unit's pool.

    `profile` is the hash under which ROOT keeps the profile, `session` names the driver's run, `board` is the actor of
    class `Board`.
    """

    def __init__(self, root: str, profile: str, unit: Unit, session: str, board: Any) -> None:
        import ray

        self._unit, self._board = unit, board
        self._metrics = Metrics(unit.name)
        node = ray.get_runtime_context().get_node_id()
        self._worker = Worker(load_profile(root, profile), unit, session, node, leave=lambda: os._exit(1))
        record_crashes()
        self._disown_on_sigterm()

    def __call__(self, batch: Batch) -> Batch:
        """Builds the shard's next order if it is this unit's, and hands on the orders of the units after it: none where
        the shard was not committed."""
        chain = list(batch["chain"][0])
        if chain and chain[0].unit == self._unit:
            order, *chain = chain
            built = self._build(order) if self._may_begin(order, chain) else None
            if built is None or built.status is not BuiltStatus.COMMITTED:
                chain = []
            if not chain:  # gated, given up on the way, or not begun
                self._board.release_speech.remote(order.key.shard)
        return {"chain": [chain]}

    def _may_begin(self, order: Order, later: list[Order]) -> bool:
        """Waits until the shard may be spoken, where the order speaks; then asks whether it may begin."""
        import ray

        if speaks_ahead(order, later):
            while not ray.get(self._board.reserve_speech.remote(order.key.shard)):
                time.sleep(POLL)
        return bool(ray.get(self._board.try_begin.remote(order)))

    def _build(self, order: Order) -> Built:
        import ray

        try:
            with self._metrics.at_work():
                built = self._worker.build(order)
        except (EngineDead, SystemExit):  # SystemExit: some libraries end the process where others raise
            os._exit(1)  # Ray starts a fresh process and gives it this shard again; the journal counts the death
        self._metrics.add(built)
        ray.get(self._board.report.remote(built))
        return built

    def _disown_on_sigterm(self) -> None:
        """A SIGTERM to this process (a machine taken back, an operator) is not blamed on a shard. Ray's own handler
        then ends the process."""
        if threading.current_thread() is not threading.main_thread():
            return
        rays_handler = signal.getsignal(signal.SIGTERM)

        def on_sigterm(number: int, frame: FrameType | None) -> None:
            self._worker.disown()
            if callable(rays_handler):
                rays_handler(number, frame)
            else:  # no handler in Python to call: end as the signal would
                os._exit(128 + number)

        signal.signal(signal.SIGTERM, on_sigterm)

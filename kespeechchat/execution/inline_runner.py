"""Runs shards without Ray: the same workers, in this process. For debugging and tests."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.state.orders import Built, BuiltStatus, Closed, Order


def run_inline(
    pipeline: Pipeline,
    units: Sequence[Unit],
    chains: Sequence[Sequence[Order]],
    report: Callable[[Built], None],
    closed: Callable[[], Closed],
) -> None:
    """Builds the chains one after the other; see `Runner.run`."""
    session = secrets.token_hex(8)  # workers and driver die together here, so no death is ever a shard's
    workers = {unit.name: Worker(pipeline, unit, session, socket.gethostname()) for unit in units}
    for chain in chains:
        for order in chain:
            if (order.name, order.language) in closed():
                break
            built = workers[order.name].build(order)
            report(built)
            if built.status is not BuiltStatus.COMMITTED:
                break

"""The inline runner: no Ray, one process, the same workers. For debugging and tests."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.state.orders import Built, Closed, Order


def run_inline(
    pipeline: Pipeline,
    units: Sequence[Unit],
    chains: Sequence[Sequence[Order]],
    report: Callable[[Built], None],
    closed: Callable[[], Closed],
) -> None:
    """Builds each shard's chain of orders, one after the other; a chain ends where one of its orders is not built, or
    belongs to what is closed."""
    session = secrets.token_hex(8)  # worker and driver die together here, so no death is ever a shard's
    workers = {unit.name: Worker(pipeline, unit, session, socket.gethostname()) for unit in units}
    for chain in chains:
        for order in chain:
            if (order.name, order.language) in closed():
                break
            built = workers[order.name].build(order)
            report(built)
            if built.status != "committed":
                break

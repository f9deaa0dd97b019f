"""What runs a build's shards: Ray, or this process."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.inline_runner import run_inline
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.sigterm import Drain
from kespeechchat.state.orders import Built, Closed, Order


class Runner:
    """Started when there is first something to run: a build with nothing to do starts no Ray.

    Once the build is told to end, everything is closed: no shard is begun any more.
    """

    def __init__(self, address: str, inline: bool, progress: Progress, drain: Drain) -> None:
        self._address, self._inline, self._progress, self._drain = address, inline, progress, drain
        self._cluster: Any = None

    def run(
        self,
        pipeline: Pipeline,
        units: Sequence[Unit],
        chains: Sequence[Sequence[Order]],
        report: Callable[[Built], None],
        closed: Callable[[], Closed],
    ) -> None:
        everything: Closed = frozenset((order.name, order.language) for chain in chains for order in chain)
        runner = self._get()
        with self._drain.at_work():
            runner(pipeline, units, chains, report, lambda: everything if self._drain.asked else closed())

    def _get(self) -> Callable[..., None]:
        if self._inline:
            return run_inline
        if self._cluster is None:
            from kespeechchat.execution.ray_cluster import Cluster

            self._progress.say("starting Ray" if self._address == "local" else f"joining Ray at {self._address}")
            self._cluster = Cluster(self._address, secrets.token_hex(8), lambda: self._drain.asked)
        return self._cluster.run

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()

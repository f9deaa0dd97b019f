"""Runs a build's shards: on Ray, or in this process."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.inline_runner import run_inline
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.sigterm import GracefulStop
from kespeechchat.state.orders import Built, Closed, Order

if TYPE_CHECKING:
    from kespeechchat.execution.ray_cluster import Cluster

_Report: TypeAlias = Callable[[Built], None]
_Run: TypeAlias = Callable[[Pipeline, Sequence[Unit], Sequence[Sequence[Order]], _Report, Callable[[], Closed]], None]


class Runner:
    """Runs shards on the Ray at `address` (`local`, `auto` or HOST:PORT), or in this process if `inline`.

    Ray is started, or joined, when there is first something to run. Once `stop` is requested no more shards begin.
    """

    def __init__(self, address: str, inline: bool, progress: Progress, stop: GracefulStop) -> None:
        self._address, self._inline, self._progress, self._stop = address, inline, progress, stop
        self._cluster: Cluster | None = None

    def run(
        self,
        pipeline: Pipeline,
        units: Sequence[Unit],
        chains: Sequence[Sequence[Order]],
        report: _Report,
        closed: Callable[[], Closed],
    ) -> None:
        """Builds each shard's chain of orders and reports each shard as it is built; `report` may raise to stop.

        A chain ends where a shard is not committed, or where its unit and language are `closed()` by then.
        """
        everything: Closed = frozenset((order.name, order.language) for chain in chains for order in chain)
        run = self._started()
        with self._stop.running():
            run(pipeline, units, chains, report, lambda: everything if self._stop.requested else closed())

    def _started(self) -> _Run:
        if self._inline:
            return run_inline
        if self._cluster is None:
            from kespeechchat.execution.ray_cluster import Cluster

            self._progress.say("starting Ray" if self._address == "local" else f"joining Ray at {self._address}")
            self._cluster = Cluster(self._address, secrets.token_hex(8), lambda: self._stop.requested)
        return self._cluster.run

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()

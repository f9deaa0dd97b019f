"""Runs a build's shards: in processes of this machine, on Ray, or in this process."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.inline_runner import run_inline
from kespeechchat.execution.local_nursery import Nursery
from kespeechchat.execution.local_pool import LocalPool, fits
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.sigterm import GracefulStop
from kespeechchat.state.orders import Built, Closed, Order

if TYPE_CHECKING:
    from kespeechchat.execution.ray_cluster import Cluster

_ADDRESS = re.compile(r"(?:\w+://)?\S+:\d+")
_Report: TypeAlias = Callable[[Built], None]
_Run: TypeAlias = Callable[[Pipeline, Sequence[Unit], Sequence[Sequence[Order]], _Report, Callable[[], Closed]], None]


class Runner:
    """Runs shards where `address` says, or in this process if `inline`. `local`: in processes of this machine, but what
    wants GPUs on a Ray that is started here; `ray`: all of them on such a one; `auto`, HOST:PORT: on one that runs.

    Processes and Ray begin when there is first something to run, but for a `nursery` that has begun. Once `stop` is
    requested no more shards begin. Raises ConfigError for what is no address.
    """

    def __init__(
        self, address: str, inline: bool, progress: Progress, stop: GracefulStop, nursery: Nursery | None = None
    ) -> None:
        if address not in ("local", "ray", "auto") and not _ADDRESS.fullmatch(address):
            raise ConfigError(
                f"--address {address}: no address; name local, ray, auto, or HOST:PORT of a Ray that runs"
            )
        self._address, self._inline, self._progress, self._stop = address, inline, progress, stop
        self._session = secrets.token_hex(8)
        self._cluster: Cluster | None = None
        self._pool = LocalPool(self._session, nursery) if nursery else None

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
        run = self._started(pipeline, units)
        with self._stop.running():
            run(pipeline, units, chains, report, lambda: everything if self._stop.requested else closed())

    def _started(self, pipeline: Pipeline, units: Sequence[Unit]) -> _Run:
        if self._inline:
            return run_inline
        if self._address == "local" and fits(pipeline, units):
            self._pool = self._pool or LocalPool(self._session)
            return self._pool.run
        if self._cluster is None:
            from kespeechchat.execution.ray_cluster import HERE, Cluster

            self._progress.say("starting Ray" if self._address in HERE else f"joining Ray at {self._address}")
            self._cluster = Cluster(self._address, self._session, lambda: self._stop.requested)
        return self._cluster.run

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
        if self._cluster is not None:
            self._cluster.close()

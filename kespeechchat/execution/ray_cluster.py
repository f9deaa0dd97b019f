"""Runs shards on Ray: Ray Data's streaming executor over chains of orders.

Each unit is an actor-pool map over small rows, which gives overlap, back-pressure and restarts without a scheduler of
our own. A row is one shard's chain of orders: a unit builds the order that is its own and passes the rest on. Workers
report what they built to a small actor, the board, and the driver polls it.

Facts relied on (Ray 2.60). A pool needs `min_size` ≥ 1. A worker has at most `shards_in_flight` shards, so a dead
worker leaves few suspects, mostly one. Ray retries a crashed actor's task without end; the attempt journal stops that
(`worker.blame`). Ray Data ends a dataset that yields nothing for half an hour, which one shard may take: that is
switched off, because stages have time limits of their own. By default a pool grows when its tasks in flight are 1.75
times what its actors can run at once, which never happens where no task waits in an actor. So the threshold is set to
1: the pool grows while every actor is full.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.execution.worker.board import Board
from kespeechchat.execution.worker.ray_worker import POLL, RayWorker
from kespeechchat.state.orders import Built, Closed, Order
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.store.interface import StoreError

_REACHED = 10.0  # seconds within which a cluster's address must answer
HERE = ("local", "ray")  # addresses of a Ray that is started on this machine
_FAREWELL = 10.0  # seconds that Ray Data gets to shut a dataset down


class Cluster:
    """A connection to Ray: `ray` (or `local`) starts Ray on this machine, `auto` or HOST:PORT joins one that runs.

    `session` names this run in the attempt journal. Once `stopping()` is true, `run` returns as soon as no shard is
    running. Raises ConfigError where the address does not answer or refuses.
    """

    def __init__(self, address: str, session: str, stopping: Callable[[], bool] = lambda: False) -> None:
        # Ray reads it when it is imported. Without it, a thread of Ray's that outlives an interrupt starts another Ray.
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
        import ray

        sigterm_handler = signal.getsignal(signal.SIGTERM)  # `ray.init` puts its own in its place
        os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ side writes to the driver's stderr
        self.session, self._stopping, self._local = session, stopping, address in HERE
        # on one machine nobody needs the dashboard; loopback keeps every port off the network
        alone: dict[str, Any] = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if self._local else {}
        try:
            with _silent_stderr():
                _reach(address)
                ray.init(
                    address="local" if self._local else address,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    **alone,
                )
        except (OSError, ValueError, ray.exceptions.AuthenticationError) as error:
            raise ConfigError(
                f"--address {address}: cannot join Ray ({error}); is its head up, does RAY_ADDRESS name it, and is "
                "RAY_AUTH_MODE=token set here too (docs/cluster.md)?"
            ) from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, sigterm_handler)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = 0
        context.execution_no_progress_timeout_s = -1
        context.autoscaling_config.actor_pool_util_upscaling_threshold = 1.0
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised
        # restarted where its process is lost; what it held it learns again from ROOT and from the next poll
        board = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board)
        self._board = _on_drivers_node(board).remote()

    def close(self) -> None:
        """Leaves the cluster; ends a Ray that was started here."""
        import ray

        if self._died():
            self._own_node().kill_all_processes(check_alive=False)
        else:
            ray.shutdown()

    def _own_node(self) -> Any:
        """Ray's node of a Ray that was started here, else None."""
        import ray

        return ray._private.worker._global_node if self._local else None

    def _died(self) -> str | None:
        """Which vital process of a Ray that was started here has died. Ray itself would end the driver a while later
        without a message."""
        node = self._own_node()
        dead = [kind for kind, _ in node.dead_processes()] if node else []
        return next((kind for kind in dead if kind in ("raylet", "gcs_server")), None)

    def run(
        self,
        pipeline: Pipeline,
        units: Sequence[Unit],
        chains: Sequence[Sequence[Order]],
        report: Callable[[Built], None],
        closed: Callable[[], Closed],
    ) -> None:
        """Builds all chains. `report` may raise to stop the run (a guard, an interrupt). Of what is `closed` no more
        shards begin; running ones finish. Raises EngineError, ConfigError or StoreError where no shard is to blame."""
        import ray

        with _plain_errors():
            ray.get(self._board.limit_speech.remote(pipeline.audio_ahead))
            with self._driven(self._dataset(pipeline, units, chains)) as running:
                while running():
                    if died := self._died():
                        raise EngineError(_failed(f"its {died} died"))
                    shards_running = self._board.set_closed.remote(closed())
                    self._report_built(report)
                    if self._stopping() and not ray.get(shards_running):
                        break
                    time.sleep(POLL)
            self._report_built(report)

    def _dataset(self, pipeline: Pipeline, units: Sequence[Unit], chains: Sequence[Sequence[Order]]) -> Any:
        import ray

        rows = [{"chain": list(chain)} for chain in chains]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        for unit in units:
            dataset = self._pool(dataset, pipeline, unit, sum(1 for c in chains for o in c if o.unit == unit))
        return dataset

    def _pool(self, dataset: Any, pipeline: Pipeline, unit: Unit, shards: int) -> Any:
        """`dataset` mapped by a pool of the unit's workers."""
        import ray

        resources = pipeline.resources_of(unit.first)
        most = max(1, min(resources.max_actors, shards))
        return dataset.map_batches(
            RayWorker,
            batch_size=1,
            fn_constructor_args=(pipeline.root, save_profile(pipeline), unit, self.session, self._board),
            compute=ray.data.ActorPoolStrategy(
                min_size=min(resources.min_actors, most),
                max_size=most,
                max_tasks_in_flight_per_actor=resources.shards_in_flight,
                max_concurrent_calls_per_actor=resources.shards_in_flight,
                enable_true_multi_threading=resources.shards_in_flight > 1,
            ),
            num_cpus=resources.num_cpus,
            num_gpus=resources.num_gpus,
            **({"resources": dict(resources.resources)} if resources.resources else {}),
            **({"runtime_env": dict(resources.runtime_env)} if resources.runtime_env else {}),
        )

    @contextlib.contextmanager
    def _driven(self, dataset: Any) -> Iterator[Callable[[], bool]]:
        """Pulls the dataset in a thread of its own; yields whether it still runs. Raises what the executor raised."""
        stop = threading.Event()
        errors: list[BaseException] = []

        def pull() -> None:
            try:
                for _ in dataset.iter_batches(batch_size=1, prefetch_batches=0):
                    if stop.is_set():
                        return
            except BaseException as error:  # raised in the driver's thread below
                errors.append(error)

        thread = threading.Thread(target=pull, daemon=True, name="kesc-ray-data")
        thread.start()
        try:
            yield thread.is_alive
            stop.set()
            thread.join(_FAREWELL)  # if Ray went down before the executor, the process would end with Ray's exit code
        finally:
            stop.set()
        if errors:
            raise errors[0]

    def _report_built(self, report: Callable[[Built], None]) -> None:
        import ray

        for built in ray.get(self._board.drain.remote()):
            report(built)


def _on_drivers_node(actor: Any) -> Any:
    """`actor`, to be placed on the driver's node: a lost node that held it would end the build."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    return actor.options(scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False))


def _reach(address: str) -> None:
    """Raises OSError where nothing answers at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "//" not in host:
        socket.create_connection((host, int(port)), timeout=_REACHED).close()


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Turns an error of Ray's into the error of the worker's that caused it, else into "Ray failed"."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause: BaseException | None = error
        while cause is not None:
            workers_error = getattr(cause, "cause", None)
            if isinstance(workers_error, (StoreError, EngineError, ConfigError)):
                raise workers_error from error
            cause = cause.__cause__
        message = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise EngineError(_failed(message)) from error


def _failed(what: str) -> str:
    return f"Ray failed under this build: {what}. Committed shards are safe; run the same command to resume."


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Ray's C++ side writes greetings to file descriptor 2 at any log level; its errors arrive as exceptions."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

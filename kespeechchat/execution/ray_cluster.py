"""The Ray runner: Ray Data's streaming executor over shard references (DESIGN §3).

Each unit is an actor-pool map over small references, which gives overlap, back-pressure and restarts without a
scheduler of our own. A reference carries its chain of orders; a unit builds the order that is its own and passes the
reference on. What was built is told to a small board actor, which the driver polls.

Facts relied on (Ray 2.60): a pool needs `min_size` ≥ 1; a worker has `shards_in_flight` shards at most, so that a dead
worker has few suspects, mostly one; a crashed actor's task is tried again without end, and the attempt journal ends
that (`worker.blame`). Ray Data ends a dataset that gave nothing for half an hour, as one shard may: that is switched
off, stages have time limits of their own. A pool grows when its tasks in flight are 1.75 times what its actors can run
at once: never, where none wait in an actor. So the threshold is set to 1: it grows while every actor is full.
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
from kespeechchat.execution.worker.ray_worker import POLL, Board, RayWorker
from kespeechchat.state.orders import Built, Closed, Order
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.store.interface import StoreError

_REACHED = 10.0  # seconds in which a cluster's address answers
_FAREWELL = 10.0  # seconds that Ray Data has to end what is closed


class Cluster:
    """A connection to Ray: `local` starts one on this machine, `auto` or HOST:PORT joins one that runs.

    Once the build is `stopping`, `run` returns when no shard is at work any more.
    """

    def __init__(self, address: str, session: str, stopping: Callable[[], bool] = lambda: False) -> None:
        # read when Ray is imported: its thread that outlives an interrupt would start another Ray by its first call
        os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
        import ray

        terminated = signal.getsignal(signal.SIGTERM)  # Ray puts a handler of its own in its place
        os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its C++ side writes to the driver's stderr
        self.session, self._stopping, self._local = session, stopping, address == "local"
        # a folder of files and a dashboard serve nobody on one machine; loopback keeps every port off the network
        alone = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address == "local" else {}
        try:
            with _silent_stderr():
                _reach(address)
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **alone)
        except (OSError, ray.exceptions.AuthenticationError) as error:
            raise ConfigError(
                f"--address {address}: cannot join Ray ({error}); is its head up, does RAY_ADDRESS name it, and is "
                "RAY_AUTH_MODE=token set here too (docs/cluster.md)?"
            ) from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminated)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = 0
        context.execution_no_progress_timeout_s = -1
        context.autoscaling_config.actor_pool_util_upscaling_threshold = 1.0
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised, and told once
        # started again where its process is lost: what it held is progress, and what ROOT or the next poll tells
        board = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board)
        self._board = _beside_driver(board).remote()

    def close(self) -> None:
        import ray

        if self._died():
            ray._private.worker._global_node.kill_all_processes(check_alive=False)
        else:
            ray.shutdown()

    def _died(self) -> str | None:
        """Which process of a Ray of our own has died that it cannot be without. Ray ends the driver a while later,
        without a word."""
        import ray

        node = ray._private.worker._global_node if self._local else None
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
        """Builds all chains. `report` may raise to stop the run (a guard, an interrupt). Of what is `closed` no
        shard is begun; those at work come to their end."""
        import ray

        with _told_plainly():
            ray.get(self._board.bound.remote(pipeline.audio_ahead))
            with self._driven(self._dataset(pipeline, units, chains)) as running:
                while running():
                    if died := self._died():
                        raise EngineError(_failed(f"its {died} died"))
                    at_work = self._board.close.remote(closed())
                    self._drain(report)
                    if self._stopping() and not ray.get(at_work):
                        break
                    time.sleep(POLL)
            self._drain(report)

    def _dataset(self, pipeline: Pipeline, units: Sequence[Unit], chains: Sequence[Sequence[Order]]) -> Any:
        import ray

        refs = [{"chain": list(chain)} for chain in chains]
        dataset = ray.data.from_items(refs, override_num_blocks=len(refs))
        for unit in units:
            dataset = self._stage(dataset, pipeline, unit, sum(1 for c in chains for o in c if o.unit == unit))
        return dataset

    def _stage(self, dataset: Any, pipeline: Pipeline, unit: Unit, shards: int) -> Any:
        import ray

        wanted = pipeline.resources_of(unit.first)
        most = max(1, min(wanted.max_actors, shards))
        return dataset.map_batches(
            RayWorker,
            batch_size=1,
            fn_constructor_args=(pipeline.root, save_profile(pipeline), unit, self.session, self._board),
            compute=ray.data.ActorPoolStrategy(
                min_size=min(wanted.min_actors, most),
                max_size=most,
                max_tasks_in_flight_per_actor=wanted.shards_in_flight,
                max_concurrent_calls_per_actor=wanted.shards_in_flight,
                enable_true_multi_threading=wanted.shards_in_flight > 1,
            ),
            num_cpus=wanted.num_cpus,
            num_gpus=wanted.num_gpus,
            **({"resources": dict(wanted.resources)} if wanted.resources else {}),
            **({"runtime_env": dict(wanted.runtime_env)} if wanted.runtime_env else {}),
        )

    @contextlib.contextmanager
    def _driven(self, dataset: Any) -> Iterator[Callable[[], bool]]:
        """Pulls the dataset in a thread of its own; yields whether it still runs. Raises what the executor raised."""
        stop, errors = threading.Event(), []

        def pull() -> None:
            try:
                for _ in dataset.iter_batches(batch_size=1, prefetch_batches=0):
                    if stop.is_set():
                        return
            except BaseException as error:  # handed to the driver's thread below
                errors.append(error)

        thread = threading.Thread(target=pull, daemon=True, name="kesc-ray-data")
        thread.start()
        try:
            yield thread.is_alive
            stop.set()
            thread.join(_FAREWELL)  # its executor must be down before Ray is, or the process ends with Ray's own code
        finally:
            stop.set()
        if errors:
            raise errors[0]

    def _drain(self, report: Callable[[Built], None]) -> None:
        import ray

        for built in ray.get(self._board.take.remote()):
            report(built)


def _beside_driver(actor: Any) -> Any:
    """`actor` on the driver's own node: on another one it would be lost with that node, and end the build."""
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
def _told_plainly() -> Iterator[None]:
    """What Ray raises becomes what a worker raised that no shard is to blame for; else, that Ray itself has failed."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(getattr(cause, "cause", None), (StoreError, EngineError, ConfigError)):
                raise cause.cause from error
            cause = cause.__cause__
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise EngineError(_failed(said)) from error


def _failed(what: str) -> str:
    return f"Ray failed under this build: {what}. What was committed stays; the same command goes on from there."


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Ray's C++ side greets on file descriptor 2, whatever its log level; what goes wrong comes as an exception."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)

"""A process from which workers are forked: it has imported what all of them need, so a worker begins in milliseconds
and shares those pages with the others.

    driver ──(control socket: a `Birth`, and the worker's end of a socket pair)──▶ nursery ──fork──▶ worker
           ◀──(a byte)──

A worker reads orders from its socket and writes what was built. Where the other end is closed, its driver has ended, or
wants no more of it: it ends at once, in the middle of whatever it does. One in a call that lets no Python thread run
is killed by the nursery, when the driver has closed the control socket. The nursery has no Python thread but its main
one when it forks.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import socket
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType
from typing import NoReturn

from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineDead
from kespeechchat.execution.worker.time_limit import record_crashes
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.pandas_spared import spare_pandas
from kespeechchat.state.orders import Order
from kespeechchat.state.saved_profile import load_profile

READY = "ready"  # what a worker says first
_LARGEST = 1 << 16  # bytes of a message on the control socket
_FIRST_TO_GO = "1000"  # where memory is short: a worker's shard is made again, the driver's build is not
_NICENESS = "RAY_worker_niceness"  # as Ray's workers have it: by default 15, for the machine's user comes first


@dataclass(frozen=True)
class Birth:
    """What a worker must know: under which hash ROOT keeps the profile, whose unit it is, and which run of the driver
    it belongs to. `threads`: how many shards it makes at once."""

    root: str
    profile: str
    unit: Unit
    session: str
    threads: int


def main(control: socket.socket) -> NoReturn:
    """Forks a worker for each `Birth` until the driver closes the control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's
    spare_pandas()
    workers: set[int] = set()  # process ids; nobody else's as long as they are not waited for
    while True:
        message, files, _, _ = socket.recv_fds(control, _LARGEST, 1)
        workers -= {pid for pid in workers if os.waitpid(pid, os.WNOHANG)[0]}
        if not message:
            break
        if (pid := os.fork()) == 0:
            control.close()
            _live(pickle.loads(message), Connection(files[0]))
        os.close(files[0])
        workers.add(pid)
        control.send(b"+")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)  # its driver waits, and has no use for what Python does at its end


def _live(birth: Birth, driver: Connection) -> None:
    """The life of a worker. Does not return."""
    os.nice(int(os.environ.get(_NICENESS, "15")))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(_FIRST_TO_GO)
    with open(os.devnull, "w") as nowhere:  # what libraries print is not the user's
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        profile = load_profile(birth.root, birth.profile)
        worker = Worker(profile, birth.unit, birth.session, socket.gethostname(), leave=lambda: os._exit(1))
    except BaseException as error:
        _give_up(driver, error)
    record_crashes()
    _disown_on_sigterm(worker)
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    speaking = threading.Lock()
    for _ in range(birth.threads):
        threading.Thread(target=_build, args=(worker, orders, driver, speaking), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the driver wants no more of this worker, or is gone
        driver.send(READY)
        while True:
            orders.put(driver.recv())
    os._exit(0)


def _build(worker: Worker, orders: queue.SimpleQueue[Order], driver: Connection, speaking: threading.Lock) -> None:
    while True:
        order = orders.get()
        try:
            built = worker.build(order)
        except (EngineDead, SystemExit):  # SystemExit: some libraries end the process where others raise
            os._exit(1)  # the driver has a new one made, and gives it this shard again; the journal counts the death
        except BaseException as error:  # of no attempt at a shard, so that nothing would count it
            _give_up(driver, error)
        with speaking:
            try:
                driver.send(built)
            except OSError:  # the driver is gone
                os._exit(0)


def _give_up(driver: Connection, error: BaseException) -> NoReturn:
    """Tells the driver why this worker ends, and that the build must."""
    with contextlib.suppress(OSError):
        driver.send(f"{type(error).__name__}: {error}")
    os._exit(1)


def _disown_on_sigterm(worker: Worker) -> None:
    """A SIGTERM to this process (an operator, a machine that goes down) is not blamed on a shard."""

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        worker.disown()
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, on_sigterm)

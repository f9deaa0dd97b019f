"""One job over many parts, spread over processes, with the same result whatever their number.

Part i goes to process i mod n, and the pieces are taken in the order of the parts. A process computes one piece while
it sends the one before, and waits where it is further ahead, so memory holds two or three pieces of each. Large buffers
of a piece (NumPy's, Arrow's) go through the pipe as they are, beside its pickle, for copies of them are a good part of
an export's CPU. A job may also gather something of its own; that is merged at the end, so it must not depend on the
order. Processes are spawned, not forked: threads of Arrow and obstore do not survive a fork. A script that calls
`spread` must therefore guard its main module (`if __name__ == "__main__"`).
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pickle import PickleBuffer
from typing import Any, Generic, Protocol, TypeVar

PartT = TypeVar("PartT")
PieceT = TypeVar("PieceT")
TakenT = TypeVar("TakenT", contravariant=True)
MadeT = TypeVar("MadeT", covariant=True)
_MOST = 8  # processes: more would only wait for the one that takes the pieces
_LARGE = 1 << 14  # bytes: a buffer of that size is sent by itself
_WORTH = 8  # parts: fewer are done before a process has started


class WorkerDied(RuntimeError):
    """A process ended without reporting a result or an error: it was killed, perhaps for want of memory."""


class Job(Protocol[TakenT, MadeT]):
    """Work that is done part by part. It must be picklable, and so must its parts and pieces."""

    def do(self, part: TakenT) -> MadeT:
        """The piece that is made of a part. It is sent while the next one is made, so nothing changes it any more."""
        ...

    def merge(self, other: Any) -> None:
        """Takes in what `other`, a copy of this job, has gathered. The order of merging must not matter."""


def spread(job: Job[PartT, PieceT], parts: Sequence[PartT], processes: int | None = None) -> Iterator[PieceT]:
    """The pieces of `parts`, in their order. After the last one, `job` holds what all processes gathered.

    `processes`: None for one per usable core, or for this process alone where the parts are few. Raises what `do`
    raised, and WorkerDied.
    """
    count = min(usable_cores(), _MOST) if processes is None and len(parts) >= _WORTH else processes or 1
    if count < 2:
        yield from map(job.do, parts)
        return
    workers = [_Worker(job, parts[i::count]) for i in range(count)]
    try:
        for i in range(len(parts)):
            yield workers[i % count].next()
        for worker in workers:
            job.merge(worker.next())
    finally:
        for worker in workers:
            worker.stop()


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker(Generic[PartT, PieceT]):
    def __init__(self, job: Job[PartT, PieceT], parts: Sequence[PartT]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._receiver, sender = spawn.Pipe(duplex=False)
        self._process = spawn.Process(target=_work, args=(job, parts, sender), daemon=True)
        self._process.start()
        sender.close()  # now only the worker holds it: when the worker dies, `recv` ends

    def next(self) -> Any:
        try:
            piece, error = _receive(self._receiver)
        except EOFError:
            self._process.join()
            raise WorkerDied(
                f"a worker process ended with exit code {self._process.exitcode} and reported nothing; if it was "
                "killed for memory (see the kernel's log), free some and run the same command again"
            ) from None
        if error is not None:
            raise error
        return piece

    def stop(self) -> None:
        self._receiver.close()
        self._process.terminate()
        self._process.join()


def _work(job: Job[PartT, PieceT], parts: Sequence[PartT], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to handle; it ends this one
    with suppress(BrokenPipeError), ThreadPoolExecutor(1) as sending:  # broken: the first process listens no more
        before: Future[None] = Future()
        before.set_result(None)
        try:
            for part in parts:
                piece = job.do(part)
                before.result()
                before = sending.submit(_send, sender, (piece, None))
            before.result()
            sending.submit(_send, sender, (job, None)).result()
        except BrokenPipeError:
            raise
        except Exception as error:
            sending.submit(_send, sender, (None, error)).result()


def _send(sender: Connection, thing: object) -> None:
    buffers: list[PickleBuffer] = []

    def stays(buffer: PickleBuffer) -> bool:
        with buffer.raw() as raw:
            small = raw.nbytes < _LARGE
        if not small:
            buffers.append(buffer)
        return small

    pickled = pickle.dumps(thing, protocol=5, buffer_callback=stays)
    sender.send_bytes(len(buffers).to_bytes(4, "big") + pickled)
    for buffer in buffers:
        with buffer.raw() as raw:
            sender.send_bytes(raw)


def _receive(receiver: Connection) -> Any:
    """What a worker sent: this program's own, from a process that this one started."""
    said = receiver.recv_bytes()
    buffers = [receiver.recv_bytes() for _ in range(int.from_bytes(said[:4], "big"))]
    return pickle.loads(memoryview(said)[4:], buffers=buffers)

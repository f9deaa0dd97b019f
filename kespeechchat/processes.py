"""One job over many parts, spread over processes, with the same result whatever their number.

Part i goes to process i mod n, and the pieces are taken in the order of the parts. A process that is ahead waits
because its pipe is full, so memory holds a piece or two of each. A job may also gather something of its own; that is
merged at the end, so it must not depend on the order. Processes are spawned, not forked: threads of Arrow and obstore
do not survive a fork. A script that calls `spread` must therefore guard its main module (`if __name__ == "__main__"`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Generic, Protocol, TypeVar

PartT = TypeVar("PartT")
PieceT = TypeVar("PieceT")
TakenT = TypeVar("TakenT", contravariant=True)
MadeT = TypeVar("MadeT", covariant=True)
_MOST = 8  # processes: more would only wait for the one that takes the pieces
_WORTH = 8  # parts: fewer are done before a process has started


class WorkerDied(RuntimeError):
    """A process ended without reporting a result or an error: it was killed, perhaps for want of memory."""


class Job(Protocol[TakenT, MadeT]):
    """Work that is done part by part. It must be picklable, and so must its parts and pieces."""

    def do(self, part: TakenT) -> MadeT:
        """The piece that is made of a part."""
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
            piece, error = self._receiver.recv()
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
    try:
        try:
            for part in parts:
                sender.send((job.do(part), None))
            sender.send((job, None))
        except Exception as error:
            sender.send((None, error))
    except BrokenPipeError:
        pass  # the first process has stopped listening

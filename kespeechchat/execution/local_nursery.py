"""The driver's end of the process that workers are forked from. It imports little, so that the process can begin while
the driver imports the rest."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from kespeechchat.engines import EngineError

if TYPE_CHECKING:
    from kespeechchat.execution.worker.nursery import Birth

TRIES = 5  # to begin: whoever kills processes may meet one that begins
_PATIENCE = 300.0  # seconds within which a nursery must have begun and forked: imports from a slow disk
_FAREWELL = 5.0  # seconds that it gets to end
_NURSERY = """
import socket, sys
sys.path[:] = sys.argv[2:]
from kespeechchat.execution.worker.nursery import main
main(socket.socket(fileno=int(sys.argv[1])))
"""


class Nursery:
    """The driver's end of `worker.nursery`, whose workers use so many threads for their arithmetic. It begins with its
    first worker, if not before, and again where it was killed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._asked = False  # for a worker
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as there are workers

    @classmethod
    def begun(cls, address: str, inline: bool, threads: int = 1) -> Nursery | None:
        """One that begins now, for a build that will have local workers."""
        if inline or address != "local":
            return None
        nursery = cls(threads)
        nursery.begin()
        atexit.register(nursery.close)  # of a command that fails before it builds
        return nursery

    def begin(self) -> None:
        """Lets it begin, and waits for nothing."""
        if self._control is None:
            self._control = self._begun()

    def worker(self, birth: Birth) -> Connection:
        """The driver's end of the connection to a new worker. Raises EngineError where none can begin."""
        for _ in range(TRIES):
            ours, theirs = socket.socketpair()  # another one each time: the worker of a nursery that was killed ends
            with ours, theirs:
                if self._forks(birth, theirs):
                    return Connection(ours.detach())
            self._end()
        raise EngineError(f"{birth.unit.name}: no worker can begin{self.last_words()}")

    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        return "".join(f"; {line.strip()}" for line in lines[-3:] if line.strip())

    def close(self) -> None:
        """Ends it and all of its workers."""
        self._end()
        self._errors.close()

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            if not self._asked:  # it has no workers, and may still import
                self._process.kill()
            try:
                self._process.wait(_FAREWELL)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control, self._process, self._asked = None, None, False

    def _forks(self, birth: Birth, theirs: socket.socket) -> bool:
        """Whether it has forked the worker."""
        self.begin()
        assert self._control is not None
        with contextlib.suppress(OSError):
            self._asked = True
            socket.send_fds(self._control, [pickle.dumps(birth)], [theirs.fileno()])
            return bool(self._control.recv(1))
        return False

    def _begun(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(_PATIENCE)
        # it imports what this process would, and no file of the folder that the user happens to be in
        command = [sys.executable, "-P", "-c", _NURSERY, str(theirs.fileno()), *sys.path]
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is the driver's
                env={"OMP_NUM_THREADS": str(self.threads), **os.environ, "CUDA_VISIBLE_DEVICES": ""},
            )
        return ours

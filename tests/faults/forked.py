"""Serves builds to a test: imports `kesc` once, then runs each command line asked for in a forked process of its own.

A command is a line of JSON on stdin; its process id and, once it has ended, its exit code are lines on stdout. With
`kill_at` N, the process is killed with SIGKILL at the N-th boundary of the store's writes that it reaches. Every call
that makes something durable or visible (fsync, link, replace, unlink) has a boundary before it, and a write one in its
middle; the state after a call is that before the next one. With `full_at` N the disk is full from the N-th write on.
No hook stands in the product.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable

_CALLS = {"fsync": 0, "link": 1, "replace": 1, "unlink": 0}  # os function → which argument names the target


class Killer:
    """Kills this process at its `target`-th boundary inside `root`, and writes the boundary's name to `log` first."""

    def __init__(self, target: int, root: str, log: str) -> None:
        self._target, self._root, self._log, self._reached = target, root, log, 0

    def arm(self) -> None:
        for name, which in _CALLS.items():
            setattr(os, name, self._wrapped(name, which, getattr(os, name)))

    def _wrapped(self, name: str, which: int, real: Callable) -> Callable:
        def call(*args, **kwargs):
            target = args[which]
            path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
            what = f"{name} of a folder" if name == "fsync" and os.path.isdir(path) else name
            if what == "fsync" and self._step(path):  # in the middle of the write: half of the bytes are there
                if self._reached == self._target:
                    os.truncate(path, os.path.getsize(path) // 2)
                self._boundary("half written", path)
            self._boundary(f"before {what}", path)
            return real(*args, **kwargs)

        return call

    def _step(self, path: str) -> str | None:
        """The part of ROOT that a path belongs to: plan, attempts, data, commits, or what stands in ROOT itself."""
        inside = os.path.relpath(path, self._root).split(os.sep)
        if inside[0] == "..":
            return None
        known = [part for part in inside if part in ("plan", "attempts", "data", "commits")]
        return known[0] if known else "root"

    def _boundary(self, name: str, path: str) -> None:
        step = self._step(path)
        if step is None:
            return
        if self._reached == self._target:
            with open(self._log, "a") as log:
                log.write(f"{step}: {name}\n")
            os.kill(os.getpid(), signal.SIGKILL)
        self._reached += 1


def fill(after: int) -> None:
    """Lets so many writes reach the disk; then none: half of the bytes are there when the disk says that it is full."""
    real, left = os.fsync, [after]

    def fsync(handle: int) -> None:
        if not os.path.isdir(f"/proc/self/fd/{handle}"):
            left[0] -= 1
            if left[0] < 0:
                os.truncate(handle, os.fstat(handle).st_size // 2)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    os.fsync = fsync


def serve() -> None:
    import pyarrow as pa

    from kespeechchat.cli import app
    from kespeechchat.commands import interleave, summary
    from kespeechchat.execution import driver
    from kespeechchat.stages.flow import stage_versions
    from kespeechchat.text.interleaving.words import paragraphs

    assert interleave and summary and driver and stage_versions()  # which imports the stages and what they read with
    paragraphs("我们")  # loads the dictionary of Chinese words
    pa.array([0])  # loads pandas where it is installed, once here instead of in every fork
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.dup2(1, 2)
            os.environ.update(asked["env"])
            if asked["kill_at"] is not None:
                Killer(asked["kill_at"], asked["root"], asked["log"]).arm()
            if asked["full_at"] is not None:
                fill(asked["full_at"])
            try:
                app(asked["command"])
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else 1)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()

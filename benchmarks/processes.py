"""The processes under a build, also those that moved to another session or process group."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import Self

_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds


def descendants(pid: int) -> list[int]:
    """Process ids under `pid`, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def command_line(pid: int) -> str:
    """Words of the command, joined by spaces; empty where the process has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill_tree(pid: int) -> int:
    """SIGKILL to `pid` and all under it, the root of the tree first. Returns how many processes that were."""
    tree = [pid, *descendants(pid)]
    for each in tree:
        kill(each)
    return len(tree)


def kill(pid: int) -> None:
    """SIGKILL; no error where the process has already ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def started(pid: int) -> str | None:
    """When the process started, in ticks since boot: with its id it names a process for good. None: it is gone."""
    stat = _stat(pid)
    return stat[19] if stat and stat[0] != "Z" else None


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat from the state on: [state, parent, …]."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


class Sampled:
    """Looks five times a second while the block runs, at its begin for the first time."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)

    def look(self) -> None:
        """What is done each time."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _keep_looking(self) -> None:
        while not self._stop.wait(0.2):
            self.look()


class CpuBelow(Sampled):
    """CPU seconds that all processes under this one use while the block runs.

    Also those that nobody waits for: Ray's daemon lets the kernel clear away its workers, so that `getrusage` of their
    starter knows nothing of them. What a process uses after it was last looked at is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._used: dict[tuple[int, str], float] = {}
        self._before: float | None = None  # what was used before the block, by processes that ran already

    @property
    def seconds(self) -> float:
        """So far."""
        return sum(self._used.values()) - (self._before or 0.0)

    def look(self) -> None:
        """See `Sampled.look`."""
        for pid in descendants(os.getpid()):
            if stat := _stat(pid):
                self._used[pid, stat[19]] = (int(stat[11]) + int(stat[12])) * _TICK
        if self._before is None:
            self._before = sum(self._used.values())

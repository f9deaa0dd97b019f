"""Memory of processes, in MiB, as Linux keeps it in /proc.

`ru_maxrss` is not used for commands: it counts the peak of the process that started them (see `benchmarks/launch.py`).
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.processes import Sampled, descendants

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(pid: int | None = None) -> float:
    """What the process (None: this one) holds now, pages it shares with others included; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * _PAGE / 2**20
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def peak() -> float:
    """The most that this process has held since it began, or since `reset_peak`. After a fork: since the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def reset_peak() -> None:
    """Lets `peak` of this process count from now on."""
    Path("/proc/self/clear_refs").write_text("5")


class Tree(Sampled):
    """The most that process `pid` and all under it held together while the block ran.

    `skip`: leaves out so many processes from the top, each the only child of the one before.
    """

    def __init__(self, pid: int, skip: int = 0) -> None:
        super().__init__()
        self._pid, self._skip = pid, skip
        self.peak = 0.0

    def look(self) -> None:
        """See `Sampled.look`."""
        tree = [self._pid, *descendants(self._pid)]
        self.peak = max(self.peak, sum(map(resident, tree[self._skip :])))

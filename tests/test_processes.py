"""Several processes give what one gives: pieces in order, everything gathered, errors told."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field

import pytest

from kespeechchat.processes import WorkerDied, spread


@dataclass
class Squares:
    """Squares numbers and gathers their sum and the processes it ran in; zero is refused, −1 kills."""

    total: int = 0
    processes: set[int] = field(default_factory=set)

    def do(self, part: int) -> int:
        if part == 0:
            raise ValueError("zero is refused")
        if part == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.total += part
        self.processes.add(os.getpid())
        return part * part

    def merge(self, other: Squares) -> None:
        self.total += other.total
        self.processes |= other.processes


@pytest.mark.parametrize("processes", [None, 1, 3])
def test_pieces_come_in_order_and_all_is_gathered(processes):
    job, parts = Squares(), [3, 1, 4, 1, 5, 9, 2]
    assert list(spread(job, parts, processes)) == [p * p for p in parts]
    assert job.total == sum(parts)
    assert (job.processes == {os.getpid()}) == (processes != 3)
    assert len(job.processes) == (3 if processes == 3 else 1)


def test_no_parts_no_pieces():
    assert list(spread(Squares(), [], 1)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_job_raises_comes_after_the_pieces_before_it(processes):
    pieces = spread(Squares(), [2, 3, 0, 4], processes)
    assert (next(pieces), next(pieces)) == (4, 9)
    with pytest.raises(ValueError, match="zero is refused"):
        next(pieces)


@pytest.mark.faults
def test_a_killed_process_is_told():
    with pytest.raises(WorkerDied, match="exit code -9"):
        list(spread(Squares(), [1, -1, 2, 3], 2))

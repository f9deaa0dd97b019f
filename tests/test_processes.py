"""Several processes give what one gives: pieces in order, everything gathered, errors told."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pickle import PicklingError

import numpy as np
import pyarrow as pa
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


@dataclass
class Buffers:
    """Pieces with buffers of a size, which are sent by themselves where they are large."""

    def do(self, part: int) -> tuple[np.ndarray, pa.Buffer, bytes]:
        return np.arange(part), pa.py_buffer(b"a" * part), b"b" * part

    def merge(self, other: Buffers) -> None:
        pass


def test_buffers_come_whole_whatever_their_size():
    sizes = [0, 1, 1 << 13, 1 << 14, 1 << 20, 3]
    for size, (numbers, buffer, plain) in zip(sizes, spread(Buffers(), sizes, 2), strict=True):
        assert (numbers == np.arange(size)).all() and len(numbers) == size
        assert buffer.to_pybytes() == b"a" * size and plain == b"b" * size


@dataclass
class Unsent:
    """A piece that cannot be pickled."""

    def do(self, part: int) -> object:
        return (lambda: part) if part else part

    def merge(self, other: Unsent) -> None:
        pass


def test_a_piece_that_cannot_be_sent_is_an_error_after_the_pieces_before_it():
    pieces = spread(Unsent(), [0, 0, 1, 0], 2)
    assert (next(pieces), next(pieces)) == (0, 0)
    with pytest.raises((AttributeError, PicklingError), match="lambda"):
        next(pieces)


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

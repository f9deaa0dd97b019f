"""SIGTERM to a build, in a forked process that ends as the real one does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from kespeechchat.execution.sigterm import GracefulStop

BEGINS, ENDED, OVER = "no more shards begin", "ended by SIGTERM", "the grace time is over"


def _told_to_end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _end_of(work: Callable[[GracefulStop], None], grace: float) -> tuple[int, str]:
    """Exit code and stderr of a process that does `work`."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writes, 2)
        try:
            with GracefulStop(grace) as stop:
                work(stop)
            os._exit(0)
        except SystemExit as end:
            os._exit(end.code)
        except BaseException:
            os._exit(99)
    os.close(writes)
    with open(reads) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def _idle(stop: GracefulStop) -> None:
    _told_to_end()
    time.sleep(60)


def _while_running(after: Callable[[GracefulStop], object]) -> Callable[[GracefulStop], None]:
    def work(stop: GracefulStop) -> None:
        with stop.running():
            assert not stop.requested
            _told_to_end()
            assert stop.requested
            after(stop)
        time.sleep(60)

    return work


@pytest.mark.parametrize(
    ("work", "grace", "says"),
    [
        (_idle, 60, [ENDED]),  # nothing is at work: at once
        (_while_running(lambda stop: None), 60, [BEGINS, ENDED]),  # what was at work came to its end
        (_while_running(lambda stop: time.sleep(60)), 0.1, [BEGINS, OVER, ENDED]),
        (_while_running(lambda stop: _told_to_end()), 60, [BEGINS, ENDED]),  # told twice
        (_while_running(lambda stop: 1 / 0), 60, [BEGINS, "ZeroDivisionError after SIGTERM", ENDED]),
        (_while_running(lambda stop: None), 0, [ENDED]),  # no grace
    ],
)
def test_a_build_that_is_told_to_end(work, grace, says):
    code, said = _end_of(work, grace)
    assert code == 143
    lines = said.splitlines()
    assert len(lines) == len(says)
    assert all(expected in line for expected, line in zip(says, lines, strict=True))


def test_without_it_nothing_changes():
    before = signal.getsignal(signal.SIGTERM)
    with GracefulStop(20) as stop, stop.running():
        pass
    with pytest.raises(ZeroDivisionError), GracefulStop(20) as stop, stop.running():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGTERM) == before

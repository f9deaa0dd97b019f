"""SIGTERM to a build, in a forked process that ends as the real one does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from kespeechchat.execution.sigterm import Drain

BEGINS, ENDED, OVER = "no shard is begun any more", "ended by SIGTERM", "the grace time is over"


def _told_to_end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _end_of(work: Callable[[Drain], None], grace: float) -> tuple[int, str]:
    """Exit code and stderr of a process that does `work`."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writes, 2)
        try:
            with Drain(grace) as drain:
                work(drain)
            os._exit(0)
        except SystemExit as end:
            os._exit(end.code)
        except BaseException:
            os._exit(99)
    os.close(writes)
    with open(reads) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def _idle(drain: Drain) -> None:
    _told_to_end()
    time.sleep(60)


def _at_work(after: Callable[[Drain], object]) -> Callable[[Drain], None]:
    def work(drain: Drain) -> None:
        with drain.at_work():
            assert not drain.asked
            _told_to_end()
            assert drain.asked
            after(drain)
        time.sleep(60)

    return work


@pytest.mark.parametrize(
    ("work", "grace", "says"),
    [
        (_idle, 60, [ENDED]),  # nothing is at work: at once
        (_at_work(lambda drain: None), 60, [BEGINS, ENDED]),  # what was at work came to its end
        (_at_work(lambda drain: time.sleep(60)), 0.1, [BEGINS, OVER, ENDED]),
        (_at_work(lambda drain: _told_to_end()), 60, [BEGINS, ENDED]),  # told twice
        (_at_work(lambda drain: 1 / 0), 60, [BEGINS, "ZeroDivisionError after SIGTERM", ENDED]),
        (_at_work(lambda drain: None), 0, [ENDED]),  # no grace
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
    with Drain(20) as drain, drain.at_work():
        pass
    with pytest.raises(ZeroDivisionError), Drain(20) as drain, drain.at_work():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGTERM) == before

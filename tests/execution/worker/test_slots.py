"""Slots of a worker process: several shards at once, or one alone, and the stopwatch that times them."""

from __future__ import annotations

import threading
import time

import pytest

from kespeechchat.execution.worker.slots import Slots
from kespeechchat.execution.worker.stopwatch import Stopwatch

PATIENCE = 30.0  # seconds until a thread that should run counts as stuck


class Holder(threading.Thread):
    """Holds a slot from the moment it gets one until it is released."""

    def __init__(self, slots: Slots, alone: bool) -> None:
        super().__init__(daemon=True)
        self._slots, self._alone = slots, alone
        self.inside, self.release = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self._slots.hold(self._alone):
            self.inside.set()
            self.release.wait(PATIENCE)

    def leave(self) -> None:
        self.release.set()
        self.join(PATIENCE)
        assert not self.is_alive()


def _gets_in(holder: Holder) -> bool:
    return holder.inside.wait(PATIENCE)


def _stays_out(holder: Holder) -> bool:
    return not holder.inside.wait(0.2)


@pytest.mark.slow
def test_shards_run_together_and_a_suspect_waits_until_they_are_done() -> None:
    slots = Slots(3)
    first, second = Holder(slots, False), Holder(slots, False)
    assert _gets_in(first) and _gets_in(second)
    suspect = Holder(slots, True)
    assert _stays_out(suspect)
    later = Holder(slots, False)
    assert _stays_out(later)  # nobody begins before a suspect that waits
    first.leave()
    assert _stays_out(suspect)
    second.leave()
    assert _gets_in(suspect)
    newcomer = Holder(slots, False)
    assert _stays_out(later) and _stays_out(newcomer)
    suspect.leave()
    assert _gets_in(later) and _gets_in(newcomer)
    later.leave()
    newcomer.leave()


def test_of_suspects_one_runs_at_a_time() -> None:
    slots = Slots(3)
    suspects = [Holder(slots, True) for _ in range(3)]
    for _ in suspects:
        deadline = time.monotonic() + PATIENCE
        while not (inside := [s for s in suspects if s.inside.is_set() and s.is_alive()]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(inside) == 1
        inside[0].leave()


def test_a_worker_for_one_shard_at_a_time_says_that_each_runs_alone() -> None:
    with Slots(1).hold(alone=False) as alone:
        assert alone
    with Slots(2).hold(alone=False) as alone:
        assert not alone


def test_a_slot_is_given_back_after_an_error() -> None:
    slots = Slots(2)
    try:
        with slots.hold(alone=True):
            raise KeyError("the work's own")
    except KeyError:
        pass
    with slots.hold(alone=True) as alone:
        assert alone


def test_excluded_seconds_do_not_count() -> None:
    stopwatch = Stopwatch()
    time.sleep(0.02)
    before = stopwatch.seconds
    assert before >= 0.02
    stopwatch.exclude(0.015)
    assert 0 <= stopwatch.seconds - (before - 0.015) < PATIENCE
    assert stopwatch.seconds >= 0.005

"""The board: which shards may begin, what runs, and how much speech may wait for its gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.units import Unit
from kespeechchat.execution.worker.board import Board
from kespeechchat.records import Language
from kespeechchat.state.orders import Built, Order
from kespeechchat.store.commit import ShardKey


def _order(shard: int, language: Language | None = "zh", unit: str = "watermark") -> Order:
    return Order(Unit.of(unit), ShardKey(shard, "f" * 12), language)


def test_a_closed_language_begins_no_shard_and_the_running_ones_are_counted() -> None:
    board = Board()
    assert board.try_begin(_order(0)) and board.try_begin(_order(1, "en"))
    assert board.set_closed(frozenset({("watermark", "zh")})) == 2
    assert not board.try_begin(_order(2))
    assert board.try_begin(_order(3, "en"))
    assert board.try_begin(_order(4, unit="gate"))  # another unit of the same language
    assert board.set_closed(frozenset()) == 4


def test_a_shard_that_is_reported_no_longer_runs_and_is_drained_once() -> None:
    board = Board()
    board.try_begin(_order(0))
    built = Built.stale(_order(0), "torn")
    board.report(built)
    assert board.set_closed(frozenset()) == 0
    assert board.drain() == [built]
    assert board.drain() == []


def test_a_shard_whose_worker_died_no_longer_runs_where_it_is_closed() -> None:
    board = Board()
    board.try_begin(_order(0))
    board.set_closed(frozenset({("watermark", "zh")}))
    assert not board.try_begin(_order(0))  # asked for by the worker that took the dead one's place
    assert board.set_closed(frozenset()) == 0


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from(["reserve", "release"]), st.integers(0, 6))))
def test_never_more_speech_than_the_limit_waits_for_its_gate(most: int, events: list[tuple[str, int]]) -> None:
    board = Board()
    board.limit_speech(most)
    waiting: set[int] = set()
    for event, shard in events:
        if event == "release":
            board.release_speech(shard)
            waiting.discard(shard)
            continue
        allowed = shard in waiting or len(waiting) < most
        assert board.reserve_speech(shard) is allowed
        waiting |= {shard} if allowed else set()
        assert len(waiting) <= most


@pytest.mark.parametrize("most", [None, 1])
def test_a_new_run_forgets_the_speech_of_the_run_before(most: int | None) -> None:
    board = Board()
    board.limit_speech(1)
    assert board.reserve_speech(0)
    board.limit_speech(most)
    assert board.reserve_speech(1)

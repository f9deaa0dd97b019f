"""The time left is right within a factor of two once a tenth of a unit's shards are built, whatever holds it up."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.load import load_pipeline
from kespeechchat.config.units import Unit
from kespeechchat.execution.pace import Ahead, UnitProgress, ahead_of, time_left
from kespeechchat.state.orders import Built, BuiltStatus
from kespeechchat.store.commit import Counts

SHARDS, TENTH = 200, 20


@dataclass(frozen=True)
class Pool:
    """A unit's actors. `costs`: language → seconds of a shard; `grows`: seconds until there is another actor; `loads`:
    seconds that the first shard takes longer."""

    actors: int
    costs: tuple[float, float]
    spread: float = 0.0
    grows: float = 0.0
    loads: float = 0.0


@dataclass(frozen=True)
class Event:
    """A shard that was built."""

    at: float
    unit: str
    shard: int
    seconds: float


def language(shard: int) -> str:
    return "zh" if shard % 5 < 2 else "en"


def run(pools: list[Pool], ahead: int | None = None, one_by_one: bool = False) -> list[Event]:
    """A build of `SHARDS` shards through pools that feed each other, as events in time. `ahead`: how many shards the
    first pool may be ahead of the last one. `one_by_one`: all of it in one process, as without Ray."""
    chance = random.Random(1)
    free = [[k * pool.grows for k in range(pool.actors)] for pool in pools]
    gated: list[float] = []
    events, now = [], 0.0
    for shard in range(SHARDS):
        ready = now if one_by_one else 0.0
        if ahead is not None and shard >= ahead:
            ready = sorted(gated)[shard - ahead]
        for k, pool in enumerate(pools):
            seconds = pool.costs[language(shard) == "en"] * (1 + pool.spread * (chance.random() - 0.5))
            seconds += pool.loads if shard == 0 else 0.0
            began = max(ready, 0.0 if one_by_one else heapq.heappop(free[k]))
            ready = began + seconds
            heapq.heappush(free[k], ready)
            events.append(Event(ready, f"unit {k}", shard, seconds))
        gated.append(ready)
        now = ready
    return sorted(events, key=lambda event: event.at)


def off(events: list[Event], pools: list[Pool], ahead: int | None = None) -> dict[str, float]:
    """Unit → its estimate after a tenth of its shards, by the time that it took."""
    progress = {f"unit {k}": UnitProgress(pool.actors) for k, pool in enumerate(pools)}
    for unit in progress.values():
        unit.expect(Counter(language(shard) for shard in range(SHARDS)), 0)
    bound = Ahead("unit 0", f"unit {len(pools) - 1}", ahead) if ahead is not None else None
    found = {}
    for event in events:
        progress[event.unit].add(built(event), event.at)
        if progress[event.unit].done == TENTH:
            estimate = time_left(progress, bound)[event.unit]
            assert estimate is not None
            found[event.unit] = estimate / (max(e.at for e in events if e.unit == event.unit) - event.at)
    return found


def built(event: Event) -> Built:
    counts = {event.unit: Counts(10, 7, {"other": 2}, failed=1)}
    status = BuiltStatus.COMMITTED
    return Built(event.unit, event.shard, language(event.shard), status, counts, event.seconds)


@pytest.mark.parametrize(
    ("pools", "ahead", "one_by_one"),
    [
        ([Pool(1, (1, 1))], None, False),
        ([Pool(8, (10, 10))], None, False),  # all actors end together
        ([Pool(16, (10, 10))], None, False),
        ([Pool(3, (1, 9))], None, False),  # one language takes far longer
        ([Pool(4, (10, 10), grows=20)], None, False),  # a pool that grows
        ([Pool(2, (1, 1)), Pool(1, (5, 5))], None, False),  # the second unit is slower by ten
        ([Pool(1, (5, 5)), Pool(4, (1, 1)), Pool(1, (0.1, 0.1))], None, False),  # those behind wait for the first
        ([Pool(2, (1, 1)), Pool(1, (5, 5))], 8, False),  # the first unit waits for the last
        ([Pool(2, (1, 1)), Pool(4, (1, 1)), Pool(1, (5, 5))], 60, False),  # and does not know it yet
        ([Pool(1, (1, 1)), Pool(1, (3, 2)), Pool(1, (0.5, 7))], None, True),
        ([Pool(1, (0.2, 0.2)), Pool(1, (0.6, 0.6)), Pool(1, (0.005, 0.005), loads=0.25)], None, True),
        ([Pool(1, (0.2, 0.2)), Pool(1, (0.6, 0.6)), Pool(1, (0.005, 0.005), loads=0.25)], 40, False),
        ([Pool(3, (4, 8), spread=1.8), Pool(2, (3, 1), spread=1.8)], 20, False),
    ],
)
def test_after_a_tenth_the_time_left_is_right_within_a_factor_of_two(
    pools: list[Pool], ahead: int | None, one_by_one: bool
) -> None:
    found = off(run(pools, ahead, one_by_one), pools, ahead)
    assert len(found) == len(pools)
    assert all(0.5 <= ratio <= 2 for ratio in found.values()), found


_COSTS = st.tuples(st.floats(0.5, 8), st.floats(1, 3)).map(lambda pair: (pair[0], pair[0] * pair[1]))
_POOL = st.builds(
    Pool,
    actors=st.integers(1, 4),  # of many more, a tenth of 200 shards is two or three rounds: not enough to tell a rate
    costs=_COSTS | _COSTS.map(lambda pair: pair[::-1]),
    spread=st.floats(0, 1),
)


@given(pools=st.lists(_POOL, min_size=1, max_size=4))
def test_it_is_right_for_any_pools(pools: list[Pool]) -> None:
    found = off(run(pools), pools)
    assert all(0.5 <= ratio <= 2 for ratio in found.values()), found


@given(pools=st.lists(_POOL, min_size=1, max_size=4), ahead=st.integers(12, 100))
def test_where_speech_is_held_back_the_end_is_right_for_any_pools(pools: list[Pool], ahead: int) -> None:
    """Those before the last unit are too, unless a tenth of them is built before that one has built its first shard."""
    found = off(run(pools, ahead), pools, ahead)
    assert 0.5 <= found[f"unit {len(pools) - 1}"] <= 2, found


def test_nothing_is_known_before_a_shard_is_built_and_nothing_is_left_behind_the_last() -> None:
    unit = UnitProgress()
    unit.expect({"zh": 2}, 5)
    assert (unit.before, unit.done, unit.total) == (5, 5, 7)
    assert unit.own_left is None and unit.rows_per_second is None and time_left({"unit 0": unit}) == {"unit 0": None}
    unit.add(built(Event(10.0, "unit 0", 0, 4.0)), 10.0)
    assert (unit.done, unit.own_left, unit.rows_per_second) == (6, 4.0, 2.5)
    unit.add(built(Event(14.0, "unit 0", 1, 4.0)), 14.0)
    assert (unit.done, unit.total, unit.own_left) == (7, 7, 0.0)
    assert (unit.kept, unit.rejected, unit.failed_rows) == (14, 4, 2)


def test_shards_that_failed_or_are_made_again_are_counted_once() -> None:
    unit = UnitProgress()
    unit.expect({"zh": 3}, 1)
    unit.add(Built("unit 0", 0, "zh", BuiltStatus.FAILED, seconds=1.0), 1.0)
    unit.add(built(Event(2.0, "unit 0", 1, 1.0)), 2.0)
    unit.expect({"zh": 1}, 2)  # the next look at ROOT: two are there, one failed, one is left
    assert (unit.before, unit.done, unit.total, unit.failed) == (1, 3, 4, 1)


def test_shards_that_are_done_meanwhile_leave_nothing_to_divide_by() -> None:
    unit = UnitProgress()
    unit.expect({"zh": 2}, 0)
    unit.add(built(Event(4.0, "unit 0", 0, 4.0)), 4.0)
    unit.expect({"zh": 0}, 2)
    assert unit.fed_left == unit.own_left == 0.0 and not unit.left


def test_how_far_speech_runs_ahead_is_the_profiles(quickstart) -> None:
    pipeline = load_pipeline(quickstart, ("audio_ahead=5",))
    first = [unit for unit in pipeline.units if {"synthesize", "gate"} & set(unit)]
    bound = ahead_of(pipeline, first)
    assert bound == Ahead(pipeline.unit_of("synthesize").name, pipeline.unit_of("gate").name, 5)
    assert ahead_of(pipeline, [Unit.of("rewrite")]) is None
    assert ahead_of(load_pipeline(quickstart, ("audio_ahead=null",)), first) is None

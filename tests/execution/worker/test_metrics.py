"""Counters of a build: they add up to its rows, Ray's own classes take them, and none of it can fail a build."""

from __future__ import annotations

from collections import Counter as Sums

import pytest
from ray.util.metrics import Counter

from kespeechchat.execution.worker.metrics import COUNTERS, Metrics, counts_of
from kespeechchat.state.orders import Built, BuiltStatus
from kespeechchat.store.commit import Counts

FUSED = Built(
    "watermark",
    3,
    "zh",
    BuiltStatus.COMMITTED,
    {"synthesize": Counts(10, 7, {"rate": 2}, 1), "watermark": Counts(7, 7)},
    seconds=12.5,
    audio_seconds=80.0,
)
FAILED = Built("gate", 4, None, BuiltStatus.FAILED, {}, seconds=1.0, error="ValueError: it went wrong")


def _sums(*shards: Built) -> Sums[tuple[str, ...]]:
    sums: Sums[tuple[str, ...]] = Sums()
    for built in shards:
        for count in counts_of(built):
            sums[(count.name, *count.tags.values())] += count.amount
    return sums


def test_a_fused_shard_counts_the_rows_of_each_stage():
    sums = _sums(FUSED, FUSED)
    assert sums["kesc_shards_total", "watermark", "zh", "committed"] == 2
    assert sums["kesc_rows_total", "synthesize", "zh", "kept"] == 14
    assert sums["kesc_rows_total", "synthesize", "zh", "rejected"] == 4
    assert sums["kesc_rows_total", "synthesize", "zh", "failed"] == 2
    assert sums["kesc_rows_total", "watermark", "zh", "kept"] == 14
    assert sums["kesc_audio_seconds_total", "watermark", "zh"] == 160
    assert sums["kesc_busy_seconds_total", "watermark", "zh"] == 25


def test_a_failed_shard_is_an_error_and_a_committed_one_is_none():
    sums = _sums(FUSED, FAILED)
    assert {key: n for key, n in sums.items() if key[0] == "kesc_errors_total"} == {
        ("kesc_errors_total", "gate", "both", "failed"): 1
    }


def test_ray_takes_every_count_under_the_tags_that_are_declared():
    counters = {name: Counter(name, meaning, tags) for name, (meaning, tags) in COUNTERS.items()}
    for built in (FUSED, FAILED):
        for count in counts_of(built):
            assert set(count.tags) == set(COUNTERS[count.name][1])
            if count.amount:
                counters[count.name].inc(count.amount, count.tags)  # raises on an unknown tag or a missing one


class _Broken:
    def inc(self, *_: object) -> None:
        raise RuntimeError("no exporter")

    set = inc


def test_metrics_that_break_fail_nothing_and_hide_no_error_of_the_work():
    metrics = Metrics("gate")
    metrics._counters = {name: _Broken() for name in COUNTERS}
    metrics._busy = _Broken()
    metrics.add(FUSED)
    with pytest.raises(KeyError), metrics.at_work():
        raise KeyError("the work's own")

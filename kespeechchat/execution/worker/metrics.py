"""Figures of a running build for Prometheus, through Ray's own metrics (`ray.util.metrics`).

Each worker counts what it built; Ray exports the sums per node, as `ray_kesc_…`. They are for watching only: the truth
is in the commit records, and a metric that cannot be written never fails a build. Ray exports metrics only where its
`default` extra is installed on the node; elsewhere it accepts and drops them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kespeechchat.state.orders import Built, BuiltStatus


@dataclass(frozen=True)
class Count:
    """An amount to add to the counter `name` under `tags`."""

    name: str
    amount: float
    tags: dict[str, str]


# name → (what it counts, its tags). A stage is as in the flow; a unit is the stage that publishes, of several fused.
COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "kesc_shards_total": ("shards built", ("unit", "language", "status")),
    "kesc_rows_total": ("rows settled", ("stage", "language", "outcome")),
    "kesc_audio_seconds_total": ("seconds of audio in kept rows", ("unit", "language")),
    "kesc_busy_seconds_total": ("seconds that actors spent on shards", ("unit", "language")),
    "kesc_errors_total": ("shards failed, found stale, or fatal", ("unit", "language", "status")),
}


def counts_of(built: Built) -> Iterator[Count]:
    """What one built shard adds. Rows are counted under kept, rejected or failed."""
    language = built.language or "both"
    unit = {"unit": built.unit, "language": language}
    yield Count("kesc_shards_total", 1, {**unit, "status": built.status.value})
    if built.status is not BuiltStatus.COMMITTED:
        yield Count("kesc_errors_total", 1, {**unit, "status": built.status.value})
    yield Count("kesc_busy_seconds_total", built.seconds, unit)
    yield Count("kesc_audio_seconds_total", built.audio_seconds, unit)
    for stage, counts in built.counts.items():
        outcomes = {"kept": counts.kept, "rejected": sum(counts.rejected.values()), "failed": counts.failed}
        for outcome, rows in outcomes.items():
            yield Count("kesc_rows_total", rows, {"stage": stage, "language": language, "outcome": outcome})


class Metrics:
    """The counters of one worker process, and a gauge of whether it is at work."""

    def __init__(self, unit: str) -> None:
        self._unit = {"unit": unit}
        self._counters: dict[str, Any] = {}
        self._busy: Any = None
        self._at_work, self._lock = 0, threading.Lock()  # several shards may be in flight
        with contextlib.suppress(Exception):  # watching is never worth a build
            from ray.util.metrics import Counter, Gauge

            self._busy = Gauge("kesc_busy_actors", "actors at work on a shard", ("unit",))
            self._counters = {name: Counter(name, meaning, tags) for name, (meaning, tags) in COUNTERS.items()}

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Around the making of one shard."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def add(self, built: Built) -> None:
        """Counts what a shard adds."""
        with contextlib.suppress(Exception):
            for count in counts_of(built):
                if count.amount > 0 and count.name in self._counters:  # Ray refuses to add nothing
                    self._counters[count.name].inc(count.amount, count.tags)

    def _change(self, by: int) -> None:
        with self._lock, contextlib.suppress(Exception):
            self._at_work += by
            if self._busy is not None:
                self._busy.set(min(1, self._at_work), self._unit)

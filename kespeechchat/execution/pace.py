"""How far the units of a build are, how fast they go, and when they will be done.

The time left is the work left, divided by how much work went on at once so far. Work left is seconds of work: each
shard that is left takes as long as those of its language took in the mean. How much went on at once counts from the
unit's first shard, so actors, waiting for the unit before, and other users of the machine are all in it. Where a unit
has built many shards, the later ones count for both: first shards load what the others find loaded, pools grow, and
machines come and go.

Two things are not in a unit's own past. It cannot end before the unit that feeds it. And a unit that speaks is held
back once `audio_ahead` shards are not gated, however fast it was until then. `time_left` sees to both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from kespeechchat.config.flow import GATE, TRAITS
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.state.orders import Built, BuiltStatus

_MANY = 16  # shards that count at least; beyond twice as many, the later half
_MOST = 256  # shards that count at most


@dataclass(frozen=True)
class Ahead:
    """Unit `speaks` runs at most `shards` shards ahead of unit `gate`."""

    speaks: str
    gate: str
    shards: int


def ahead_of(pipeline: Pipeline, units: Iterable[Unit]) -> Ahead | None:
    """How far speech may run ahead of its gate, where both are among `units`."""
    bases = {unit.name: {split_round(stage)[0] for stage in unit} for unit in units}
    speaking = [name for name, stages in bases.items() if any(TRAITS[stage].speaks for stage in stages)]
    gates = [name for name, stages in bases.items() if GATE in stages]
    if pipeline.audio_ahead is None or not speaking or not gates:
        return None
    return Ahead(speaking[0], gates[0], pipeline.audio_ahead)


@dataclass
class UnitProgress:
    """Of one unit in one build. Times are seconds of a clock that only goes forward."""

    most: int = 1  # shards that its actors take at once, when all of them run
    before: int = 0  # shards that were done when this build began
    done: int = 0  # shards, those done before and the failed ones included
    failed: int = 0  # shards
    kept: int = 0  # rows of this build, as the two that follow
    rejected: int = 0
    failed_rows: int = 0
    audio_seconds: float = 0.0
    left: Counter[str | None] = field(default_factory=Counter)  # language → shards that are to be built
    busy: float = 0.0  # seconds of work, summed over actors
    _history: list[tuple[float, float, str | None]] = field(default_factory=list)  # a shard's begin, end, language

    @property
    def total(self) -> int:
        """Shards that are done or to be built."""
        return self.done + self.left.total()

    def expect(self, left: Mapping[str | None, int], done: int) -> None:
        """So many shards of each language are to be built, and `done` are in ROOT."""
        if not self._history and not self.left:
            self.before = done
        self.left = +Counter(dict(left))
        self.done = done + self.failed

    def add(self, built: Built, now: float) -> None:
        """Counts a shard that was built, or failed, by `now`."""
        self.done += 1
        self.failed += built.status is BuiltStatus.FAILED
        self.audio_seconds += built.audio_seconds
        self.left[built.language] -= 1
        self.left = +self.left
        for counts in built.counts.values():
            self.rejected += sum(counts.rejected.values())
            self.failed_rows += counts.failed
        if built.unit in built.counts:
            self.kept += built.counts[built.unit].kept
        self.busy += built.seconds
        self._history.append((now - built.seconds, now, built.language))

    @property
    def rows_per_second(self) -> float | None:
        """Rows that the unit settled, by the time since its first shard began; None before that is known."""
        elapsed = self._history[-1][1] - self._history[0][0] if self._history else 0.0
        return (self.kept + self.rejected + self.failed_rows) / elapsed if elapsed > 0 else None

    @property
    def own_left(self) -> float | None:
        """Seconds until its shards are built, at its own rate; None before its first one is."""
        if not self.left:
            return 0.0
        if not self._history or not self.busy:
            return None
        return self._work_left() / max(self._at_once(), 1e-9)

    @property
    def fed_left(self) -> float | None:
        """Seconds until its shards are built if they never have to wait for the unit before; None before the first one
        is. Until it is known how many go on at once, that is as many as its actors take."""
        waiting = self.left.total()
        if not waiting or not self._history or self.steady:
            return self.own_left
        return self._work_left() / max(1, min(self.most, waiting))

    def _work_left(self) -> float:
        """Seconds of work. Copies are looked at: the table is drawn in a thread of its own while shards are counted."""
        recent, left = self._recent(), [*self.left.items()]
        mean = fmean(end - began for began, end, _ in recent)
        took = {language: [e - b for b, e, of in recent if of == language] or [mean] for language, _ in left}
        return sum(shards * fmean(took[language]) for language, shards in left)

    def _recent(self) -> list[tuple[float, float, str | None]]:
        count = len(self._history)
        return self._history[-min(_MOST, max(_MANY, count // 2)) :]

    @property
    def steady(self) -> bool:
        """Whether it ran long enough, two lengths of a shard, to tell how many shards go on at once."""
        if not self._history:
            return False
        return self._history[-1][1] - self._history[0][0] >= 2 * self.busy / len(self._history)

    def _at_once(self) -> float:
        """Seconds of work in a second: how many shards were worked on at once. Of the latest time it is not known what
        was begun and is not built yet; so it counts up to a shard's length ago, where there is as much before it."""
        (_, now, _), count, began = self._history[-1], len(self._history), self._history[0][0]
        recent = self._recent()
        start = began if len(recent) == count else self._history[-len(recent) - 1][1]
        end = now - self.busy / count
        if not self.steady or end <= start:
            return self.busy / max(now - began, 1e-9)
        return sum(max(0.0, min(e, end) - max(b, start)) for b, e, _ in recent) / (end - start)


def time_left(units: Mapping[str, UnitProgress], ahead: Ahead | None = None) -> dict[str, float | None]:
    """Unit → seconds until it is done, None while that is not known. `units`: those that run overlapped, each of which
    feeds the next."""
    found = {name: unit.own_left for name, unit in units.items()}
    names = list(units)
    if ahead is not None and ahead.speaks in units and ahead.gate in units and found[ahead.speaks]:
        for name in names[names.index(ahead.speaks) + 1 : names.index(ahead.gate) + 1]:
            waiting, left = units[name].left.total(), units[name].fed_left
            if left and waiting:
                found[ahead.speaks] = max(found[ahead.speaks] or 0.0, left * (waiting - ahead.shards) / waiting)
    longest = 0.0
    for name, seconds in found.items():
        if seconds is not None and units[name].left:
            longest = found[name] = max(longest, seconds)
    return found

"""The board, an actor between driver and workers: which shards may begin, and what was built."""

from __future__ import annotations

from collections.abc import Sequence

from kespeechchat.config.flow import GATE, SPEAKS
from kespeechchat.config.rounds import split_round
from kespeechchat.config.units import Unit
from kespeechchat.state.orders import Built, Closed, Order


def speaks_ahead(order: Order, later: Sequence[Order]) -> bool:
    """Whether the order speaks what one of the later orders of its chain gates: between these two stages speech waits
    to be judged, in a bounded number of shards (`audio_ahead`)."""
    return _has(order.unit, SPEAKS) and any(_has(one.unit, GATE) for one in later)


def _has(unit: Unit, stage: str) -> bool:
    """Whether the unit runs the stage, in whichever round of speech."""
    return any(split_round(name)[0] == stage for name in unit)


class Board:
    """Tells workers whether a shard may begin, and keeps what they built until the driver takes it.

    All of it is progress that may be lost: a restarted board learns it again from the driver's next poll and from ROOT.
    """

    def __init__(self) -> None:
        self._built: list[Built] = []
        self._closed: Closed = frozenset()
        self._running: set[tuple[str, int]] = set()  # (unit, shard)
        self._ungated: set[int] = set()  # shards that are spoken, or being spoken, and not yet gated
        self._most_ungated: int | None = None

    def limit_speech(self, most: int | None) -> None:
        """For the run that begins: how many shards may be spoken and not yet gated; None for any number."""
        self._ungated, self._most_ungated = set(), most

    def reserve_speech(self, shard: int) -> bool:
        """Counts the shard as spoken if the limit allows, and returns whether it does. It may be asked for again: the
        worker that asked first may have died."""
        full = self._most_ungated is not None and len(self._ungated) >= self._most_ungated
        if full and shard not in self._ungated:
            return False
        self._ungated.add(shard)
        return True

    def release_speech(self, shard: int) -> None:
        """The shard is gated, or will not be."""
        self._ungated.discard(shard)

    def set_closed(self, closed: Closed) -> int:
        """From now on no shard of these begins. Returns how many shards are running."""
        self._closed = closed
        return len(self._running)

    def try_begin(self, order: Order) -> bool:
        """Counts the shard as running unless it is closed, and returns whether it may run. A shard that is asked for
        while it runs has lost its worker: it no longer counts as running if it is closed now."""
        shard = (order.name, order.key.shard)
        self._running.discard(shard)
        if (order.name, order.language) in self._closed:
            return False
        self._running.add(shard)
        return True

    def report(self, built: Built) -> None:
        """A worker has ended its work on a shard."""
        self._built.append(built)
        self._running.discard((built.unit, built.shard))

    def drain(self) -> list[Built]:
        """What was reported since the last call."""
        built, self._built = self._built, []
        return built

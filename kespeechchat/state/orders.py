"""What driver and workers say to each other: an order to make one shard, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kespeechchat.config.units import Unit
from kespeechchat.state.voice_pin import PinnedVoices
from kespeechchat.store.commit import Counts, ShardKey
from kespeechchat.store.manifest import PlannedShard

Closed = frozenset[tuple[str, str | None]]  # (unit, language) of which no shard is begun


@dataclass(frozen=True)
class Input:
    """Kept rows [start, stop) of the shards `keys` of `unit` (stop None: all)."""

    stage: str
    unit: str
    keys: tuple[ShardKey, ...]
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Order:
    """One shard of one unit, to be made: enough for a worker anywhere to make it."""

    unit: Unit
    key: ShardKey
    language: str | None
    planned: PlannedShard | None = None  # rows of the planning pass, for a unit that starts a branch
    inputs: tuple[Input, ...] = ()
    library: PinnedVoices | None = None
    ingredients: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.unit.name


@dataclass(frozen=True)
class Built:
    """What became of an order. `counts` and seconds feed progress and guards."""

    unit: str
    shard: int
    language: str | None
    status: str  # committed | failed | stale (an input is corrupt) | fatal (an engine that cannot work at all)
    counts: dict[str, Counts] = field(default_factory=dict)
    seconds: float = 0.0
    audio_seconds: float = 0.0
    error: str | None = None
    isolated: str | None = None  # why its rows were made a few at a time
    examples: tuple[str, ...] = ()  # a few rejected rows, for the guards' message
    stem: str = ""  # of the commit record's name, where there is one

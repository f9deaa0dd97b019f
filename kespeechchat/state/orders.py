"""What driver and workers send each other: an order to make one shard, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kespeechchat.config.units import Unit
from kespeechchat.records import Language
from kespeechchat.state.voice_pin import PinnedVoices
from kespeechchat.store.commit import CommitRecord, Counts, ShardKey
from kespeechchat.store.manifest import PlannedShard

Closed = frozenset[tuple[str, str | None]]  # (unit, language) of which no shard may begin


@dataclass(frozen=True)
class Input:
    """Kept rows [start, stop) of the shards `keys` of `unit`, taken one behind the other; stop None: up to the end."""

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
    language: Language | None
    planned: PlannedShard | None = None  # rows of the planning pass, for a unit that starts a branch
    screened: PlannedShard | None = None  # what the screening found of them, where it rejects some
    inputs: tuple[Input, ...] = ()
    library: PinnedVoices | None = None
    ingredients: dict[str, str] = field(default_factory=dict)  # of the fingerprint, see `state.expected`

    @property
    def name(self) -> str:
        """The unit's name: the stage that is published."""
        return self.unit.name


class BuiltStatus(StrEnum):
    """How a worker's work on an order ended."""

    COMMITTED = "committed"
    FAILED = "failed"  # the shard's own fault; its failure record says why
    STALE = "stale"  # an input is corrupt; the next plan makes it and this shard again
    FATAL = "fatal"  # no shard's fault (engine, settings, store): the build must stop


@dataclass(frozen=True)
class Built:
    """What became of an order. Counts and seconds feed progress, guards and target hours."""

    unit: str
    shard: int
    language: str | None
    status: BuiltStatus
    counts: dict[str, Counts] = field(default_factory=dict)  # by stage
    seconds: float = 0.0
    audio_seconds: float = 0.0
    error: str | None = None
    isolated: str | None = None  # why its rows were made a few at a time
    examples: tuple[str, ...] = ()  # a few rejected rows, for the guards' message
    stem: str = ""  # of the commit record's name, where there is one

    @classmethod
    def committed(cls, order: Order, record: CommitRecord, examples: tuple[str, ...] = ()) -> Built:
        """The shard is in ROOT under `record`."""
        return cls(
            order.name,
            record.shard,
            order.language,
            BuiltStatus.COMMITTED,
            record.counts,
            record.seconds,
            record.audio_seconds,
            isolated=record.isolated,
            examples=examples,
            stem=record.key.stem,
        )

    @classmethod
    def failed(cls, order: Order, error: str, seconds: float) -> Built:
        """The shard could not be made in `seconds` of work."""
        return cls(order.name, order.key.shard, order.language, BuiltStatus.FAILED, seconds=seconds, error=error)

    @classmethod
    def stale(cls, order: Order, error: str) -> Built:
        """An input of the shard is corrupt, as `error` says."""
        return cls(order.name, order.key.shard, order.language, BuiltStatus.STALE, error=error)

    @classmethod
    def fatal(cls, order: Order, error: str) -> Built:
        """The build must stop, for the reason `error`."""
        return cls(order.name, order.key.shard, order.language, BuiltStatus.FATAL, error=error)

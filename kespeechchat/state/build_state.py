"""The state of a build: of every shard that is expected, whether it is there, stale, failed or missing.

What is expected is an order with a fingerprint (`state.expected`); what is there is told by the names in ROOT alone
(`store.commit.Listing`).
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.traits import Chain, InputBranch
from kespeechchat.config.units import Unit
from kespeechchat.stages.base import Reads, Scope
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.expected import ExpectedShard, Orders
from kespeechchat.state.model_digests import with_model_digests
from kespeechchat.state.orders import Order
from kespeechchat.state.segments import replaced_by
from kespeechchat.state.voice_pin import read_pin
from kespeechchat.store.commit import CLEANED, CommitRecord, Listing, ShardKey, list_commits
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.manifest import Manifest, PlannedShard
from kespeechchat.store.screened import screened_branch
from kespeechchat.store.shards import read_sound_record

BRANCHES: dict[Chain, tuple[InputBranch, ...]] = {"dialogues": ("instructions", "speech"), "interleave": ("documents",)}
"""Whose planned rows the stages of each chain begin with."""


class State(Enum):
    """What is there of a shard that is expected."""

    DONE = "done"  # committed under the expected fingerprint
    PENDING = "pending"  # never committed
    STALE = "stale"  # committed under another fingerprint, or found corrupt
    FAILED = "failed"  # tried under the expected fingerprint, and failed


@dataclass(frozen=True)
class ShardState:
    """The order of a shard, and what is there of it."""

    order: Order
    state: State


class BuildState:
    """The states of all shards of a profile. Later commits are not seen: make a new BuildState after them.

    `partial`: a reduce stage takes the shards that are done as all there are. What it makes of them has another
    fingerprint (it names its inputs), so a BuildState without `partial` calls it stale and makes it again from all.
    """

    def __init__(self, pipeline: Pipeline, store: ObjectStore, partial: bool = False) -> None:
        self.pipeline = pipeline if pipeline.contents is not None else with_model_digests(pipeline)
        self.store, self.partial = store, partial
        self.manifests: dict[str, Manifest] = {
            branch: Manifest(store, branch) for branch in BRANCHES[self.pipeline.chain]
        }
        self.screened = self._screened()
        self.pin = read_pin(store)
        self._orders = Orders(self.pipeline, self.pin)
        self._listings: dict[str, Listing] = {}
        self._states: dict[str, dict[int, ShardState]] = {}

    def listing(self, unit: str) -> Listing:
        """The commit records of a unit, by name; listed once."""
        if unit not in self._listings:
            self._listings[unit] = list_commits(self.store, unit)
        return self._listings[unit]

    def states(self, stage: str) -> dict[int, ShardState]:
        """Shard number → state, of the unit that runs `stage`.

        Of a unit that reads slices of a reduce stage's shard, empty until that shard is done. Raises CorruptShard
        where that shard's record cannot be read.
        """
        unit = self.pipeline.unit_of(stage)
        if unit.name not in self._states:
            with _no_garbage_collection():
                self._states[unit.name] = {
                    shard.number: self._judged(self._order(unit, shard)) for shard in self._expected(unit)
                }
        return self._states[unit.name]

    def tally(self, stage: str) -> Counter[State]:
        """How many shards of the stage are in each state. Of a unit of which nothing is in ROOT no order is written."""
        unit = self.pipeline.unit_of(stage)
        if unit.name not in self._states and self.listing(unit.name).is_empty:
            return Counter({State.PENDING: self._count(unit)})
        return Counter(state.state for state in self.states(stage).values())

    def complete(self, stage: str) -> bool:
        """Whether the stage has shards, and all of them are done."""
        states = self.states(stage)
        return bool(states) and all(s.state is State.DONE for s in states.values())

    def done(self, stage: str) -> list[Order]:
        """The orders of the shards of the stage that are done, by number."""
        if not self.tally(stage)[State.DONE]:
            return []
        return [s.order for _, s in sorted(self.states(stage).items()) if s.state is State.DONE]

    def record(self, stage: str, shard: int = 0) -> CommitRecord:
        """The commit record of a shard that is done. Raises CorruptShard where it cannot be read."""
        order = self.states(stage)[shard].order
        return read_sound_record(self.store, order.name, order.key)

    def standing_record(self, order: Order) -> CommitRecord:
        """As `record`; where the shard's audio was cleaned away, the record of the data that is left."""
        cleaned = order.key in self.listing(order.name).cleaned
        return read_sound_record(self.store, order.name, order.key, CLEANED if cleaned else None)

    # --- what is expected

    def _screened(self) -> dict[int, PlannedShard]:
        """Shard of instructions → what the screening found, of the shards of which it refuses rows. One that was not
        screened yet is missing: a build screens before it orders."""
        if self.pipeline.chain != "dialogues" or (relevant := self.pipeline.screening) is None:
            return {}
        return {s.number: s for s in Manifest(self.store, screened_branch(relevant)).shards if s.checksum}

    def _expected(self, unit: Unit) -> Iterable[ExpectedShard]:
        source = stage_class(unit.first).source
        if source.scope is Scope.PLAN:
            for planned in self.manifests[source.stage].shards:
                screened = self.screened.get(planned.number) if source.stage == "instructions" else None
                yield ExpectedShard(planned.number, planned.language, planned, screened)
        elif source.scope is Scope.ALL:
            yield ExpectedShard(0, None)
        elif source.scope is Scope.SLICE:
            yield from self._slices(source)
        else:
            for number, state in self.states(source.stage).items():
                yield ExpectedShard(number, state.order.language)

    def _count(self, unit: Unit) -> int:
        """How many shards `_expected` gives."""
        source = stage_class(unit.first).source
        if source.scope is Scope.SHARD:
            return self.tally(source.stage).total()
        return sum(1 for _ in self._expected(unit))

    def _slices(self, source: Reads) -> Iterable[ExpectedShard]:
        """Slices of a reduce stage's one shard; how many there are is known once it is done."""
        if not self.complete(source.stage):
            return
        rows = self.record(source.stage).counts[source.stage].kept
        size = self.pipeline.speech.audition_shard_size
        for number, start in enumerate(range(0, rows, size)):
            yield ExpectedShard(number, None, part=(start, min(start + size, rows)))

    def _order(self, unit: Unit, shard: ExpectedShard) -> Order:
        return self._orders.order(unit, shard, self.listing(unit.name), self._keys)

    def _keys(self, reads: Reads, shard: int) -> tuple[ShardKey, ...]:
        states = self.states(reads.stage)
        if reads.scope is Scope.ALL:
            ready = (n for n in sorted(states) if not self.partial or states[n].state is State.DONE)
            return tuple(states[n].order.key for n in ready)
        return (states[0 if reads.scope is Scope.SLICE else shard].order.key,)

    # --- what is there

    def _judged(self, order: Order) -> ShardState:
        listing, key = self.listing(order.name), order.key
        if listing.generation(key.shard, key.fingerprint) is not None:
            if key in listing.cleaned and not self._replaced(order):
                generation = listing.next_generation(key.shard, key.fingerprint)
                return ShardState(replace(order, key=replace(key, generation=generation)), State.STALE)
            return ShardState(order, State.DONE)
        if (key.shard, key.fingerprint) in listing.failed:
            return ShardState(order, State.FAILED)
        return ShardState(order, State.STALE if listing.any_of.get(key.shard) else State.PENDING)

    def _replaced(self, order: Order) -> bool:
        """Whether the audio that was made of this shard's, in its place, is there: if not, the shard's own audio is
        needed again."""
        reader = replaced_by(order.name)
        if reader is None:
            return True

        def keys(reads: Reads, shard: int) -> tuple[ShardKey, ...]:
            return (order.key,) if reads.stage == order.name else self._keys(reads, shard)

        later = self.pipeline.unit_of(reader)
        listing = self.listing(later.name)
        made = self._orders.order(later, ExpectedShard(order.key.shard, order.language), listing, keys)
        return listing.generation(made.key.shard, made.key.fingerprint) is not None


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A collection would look through the shards of a large build again and again, for a third of the time that they
    take, and find nothing: they hold no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
